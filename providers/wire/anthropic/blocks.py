"""Content blocks of a client's request → parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from providers.wire.anthropic import citations
from providers.wire.anthropic.tables import FAMILY
from providers.wire.errors import Refusal
from providers.wire.reading import Fields, wrong
from providers.wire.translation import joined, json_text
from providers.wire.types import (
    Citation,
    Document,
    Image,
    Json,
    Media,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)


def read(content: Json, where: str) -> tuple[Part, ...]:
    """The parts of a message's or a result's content. Raises Refusal 400 naming the place."""
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    if not isinstance(content, list):
        raise wrong(where, "a string or an array", content)
    parts: list[Part] = []
    for number, value in enumerate(content):
        if (plain := _plain(value)) is not None:
            parts.append(plain)
            continue
        block = Fields(value, f"{where}[{number}]")
        parser = PARSERS.get(required(block, "type"))
        parts.extend(parser(block) if parser else (Opaque(family=FAMILY, value=value),))
    return tuple(parts)


def _plain(value: Json) -> Part | None:
    """The commonest blocks without any option, read at once: they are most of what agents send."""
    if type(value) is not dict:
        return None
    kind, size = value.get("type"), len(value)
    if kind == "text" and size == 2:
        text = value.get("text")
        return Text(text=text) if type(text) is str else None
    if kind == "tool_use" and size == 4:
        id_, name, given = value.get("id"), value.get("name"), value.get("input")
        if type(id_) is str and type(name) is str and type(given) is dict:
            return ToolCall(id=id_, name=name, arguments=json_text(given))
    elif kind == "tool_result" and size == 3:
        id_, text = value.get("tool_use_id"), value.get("content")
        if type(id_) is str and type(text) is str:
            return ToolResult(id=id_, parts=(Text(text=text),) if text else ())
    return None


def texts(content: Json, where: str) -> tuple[Text, ...]:
    """Content that may only be text."""
    parts = read(content, where)
    for number, part in enumerate(parts):
        if not isinstance(part, Text):
            raise Refusal(400, f"Only text is allowed in '{where}'.", code="invalid_value", param=f"{where}[{number}]")
    return tuple(part for part in parts if isinstance(part, Text))


def cache(fields: Fields) -> str:
    """The cache mark of a block, a tool or a request: "" | "5m" | "1h"."""
    mark = fields.inner("cache_control")
    if mark is None:
        return ""
    return "1h" if mark.text("ttl") == "1h" else "5m"


def required(fields: Fields, name: str) -> str:
    """A string that must be there; it may be empty."""
    value = fields.raw(name)
    if not isinstance(value, str):
        raise wrong(fields.at(name), "a string", value)
    return value


def _text(block: Fields) -> tuple[Part, ...]:
    sources: list[Citation] = []
    for number, raw in enumerate(block.items("citations")):
        source = citations.read(raw)
        if source is None:
            raise wrong(f"{block.at('citations')}[{number}]", "an object", raw)
        sources.append(source)
    return (Text(text=required(block, "text"), cache=cache(block), citations=tuple(sources)),)


def _image(block: Fields) -> tuple[Part, ...]:
    source = _source(block)
    kind = required(source, "type")
    media = _media(source, kind)
    if media is None:
        raise _unknown_source(source, kind)
    return (Image(media=media, cache=cache(block)),)


def _document(block: Fields) -> tuple[Part, ...]:
    source = _source(block)
    kind = required(source, "type")
    wish = block.inner("citations")
    name, context, mark = block.text("title"), block.text("context"), cache(block)
    cited = bool(wish is not None and wish.switch("enabled"))
    loose: tuple[Part, ...] = ()
    media, text = _media(source, kind), ""
    if kind == "text":
        text = required(source, "data")
    elif kind == "content":
        inner = read(source.raw("content"), source.at("content"))
        text = joined(part.text for part in inner if isinstance(part, Text))
        loose = tuple(part for part in inner if not isinstance(part, Text))
    elif media is None:
        raise _unknown_source(source, kind)
    document = Document(media=media, text=text, name=name, context=context, citations=cited, cache=mark)
    return (document, *loose)


def _search_result(block: Fields) -> tuple[Part, ...]:
    wish = block.inner("citations")
    return (
        Document(
            text=joined(part.text for part in texts(block.raw("content"), block.at("content"))),
            name=block.text("title"),
            context=block.text("source"),
            citations=bool(wish is not None and wish.switch("enabled")),
            cache=cache(block),
        ),
    )


def _tool_use(block: Fields) -> tuple[Part, ...]:
    given = block.raw("input")
    if not isinstance(given, dict):
        raise wrong(block.at("input"), "an object", given)
    return (ToolCall(id=required(block, "id"), name=required(block, "name"), arguments=json_text(given)),)


def _tool_result(block: Fields) -> tuple[Part, ...]:
    content = block.raw("content")
    return (
        ToolResult(
            id=required(block, "tool_use_id"),
            parts=() if content is None else read(content, block.at("content")),
            error=bool(block.switch("is_error")),
            cache=cache(block),
        ),
    )


def _thinking(block: Fields) -> tuple[Part, ...]:
    signature = block.text("signature")
    proof = Proof(family=FAMILY, kind="signature", value=signature) if signature else None
    return (Reasoning(text=block.text("thinking"), proof=proof),)


def _redacted(block: Fields) -> tuple[Part, ...]:
    return (Reasoning(proof=Proof(family=FAMILY, kind="redacted", value=required(block, "data"))),)


def _source(block: Fields) -> Fields:
    source = block.inner("source")
    if source is None:
        raise wrong(block.at("source"), "an object", None)
    return source


def _media(source: Fields, kind: str) -> Media | None:
    if kind == "base64":
        return Media(media_type=required(source, "media_type"), data=required(source, "data"))
    if kind == "url":
        return Media(url=required(source, "url"))
    if kind == "file":
        return Media(file_id=required(source, "file_id"), family=FAMILY)
    return None


def _unknown_source(source: Fields, kind: str) -> Refusal:
    where = source.at("type")
    return Refusal(400, f"Invalid value for '{where}': '{kind}'.", code="invalid_value", param=where)


PARSERS: Mapping[str, Callable[[Fields], tuple[Part, ...]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}
