"""Items of a conversation as clients send them → messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from providers.wire.errors import Refusal as Refused
from providers.wire.openai_responses.vocabulary import ENCRYPTED, FAMILY, FROM_USER, PHASE, ROLE, citation_of
from providers.wire.reading import Fields, wrong
from providers.wire.types import (
    Audio,
    Document,
    Image,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
TEXTS = ("input_text", "output_text", "text")


class Turns:
    """Collects messages: the assistant's neighbours become one turn, and so do tool results.

    ``system`` holds the instructions that came before anything else; each is marked with the role it had, so that it
    can be told from the request's ``instructions`` (which are not carried over to the next response).
    """

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self._tools: dict[str, str] = {}  # call id → tool name

    def read(self, items: list[Json], where: str = "input") -> None:
        """Raises Refusal for what has a wrong type or lacks what it needs."""
        for number, raw in enumerate(items):
            item = Fields(raw, f"{where}[{number}]")
            kind = item.text("type") or ("message" if item.raw("role") is not None else "")
            READERS.get(kind, Turns._opaque)(self, item, raw)

    def _add(self, role: str, *parts: Part, merge: bool = True) -> None:
        last = self.messages[-1] if self.messages else None
        if merge and last is not None and last.role == role and (role == "assistant" or _results(last)):
            self.messages[-1] = Message(role=role, parts=last.parts + parts)
        else:
            self.messages.append(Message(role=role, parts=parts))

    def _message(self, item: Fields, _raw: Json) -> None:
        said = item.text("role")
        role = ROLES.get(said)
        if role is None:
            _bad(item.at("role"), f"Invalid value: '{said[:40]}'. Supported values are: {', '.join(ROLES)}.")
        parts = _content(item, "content")
        if role == "system" and not self.messages and all(isinstance(part, Text) for part in parts):
            mark = Proof(family=FAMILY, kind=ROLE, value=said)
            self.system += [
                Text(text=part.text, cache=part.cache, proof=mark) for part in parts if isinstance(part, Text)
            ]
            return
        if role == "assistant" and (phase := item.text("phase")):
            parts = tuple(_in_phase(part, phase) for part in parts)
        self._add(role, *parts, merge=role == "assistant")

    def _reasoning(self, item: Fields, _raw: Json) -> None:
        seal, words = item.text("encrypted_content"), _said(item, "content")
        summary = _said(item, "summary")
        proof = Proof(family=FAMILY, kind=ENCRYPTED, value=seal, id=item.text("id")) if seal else None
        if summary and words:
            self._add("assistant", Reasoning(text=summary, summary=True))
        if summary or words or proof:
            self._add("assistant", Reasoning(text=words or summary, proof=proof, summary=not words and bool(summary)))

    def _call(self, item: Fields, raw: Json) -> None:
        custom = raw["type"] == "custom_tool_call"
        call = ToolCall(
            id=_needed(item, "call_id"),
            name=_needed(item, "name"),
            arguments=item.text("input" if custom else "arguments"),
            custom=custom,
            namespace=item.text("namespace"),
        )
        self._tools[call.id] = call.name
        self._add("assistant", call)

    def _result(self, item: Fields, raw: Json) -> None:
        call_id = _needed(item, "call_id")
        self._add(
            "user",
            ToolResult(
                id=call_id,
                name=self._tools.get(call_id, ""),
                parts=_content(item, "output"),
                custom=raw["type"] == "custom_tool_call_output",
            ),
        )

    def _opaque(self, item: Fields, raw: Json) -> None:
        kind = item.text("type")
        if not kind:
            _bad(item.at("type"), f"Missing required parameter: '{item.at('type')}'.", "missing_required_parameter")
        self._add("user" if kind in FROM_USER else "assistant", Opaque(family=FAMILY, value=raw), merge=True)


READERS: dict[str, Callable[[Turns, Fields, Json], None]] = {
    "message": Turns._message,
    "reasoning": Turns._reasoning,
    "function_call": Turns._call,
    "custom_tool_call": Turns._call,
    "function_call_output": Turns._result,
    "custom_tool_call_output": Turns._result,
}


def _results(message: Message) -> bool:
    return all(isinstance(part, ToolResult) for part in message.parts)


def _in_phase(part: Part, phase: str) -> Part:
    if not isinstance(part, Text):
        return part
    proof = Proof(family=FAMILY, kind=PHASE, value=phase)
    return Text(text=part.text, cache=part.cache, citations=part.citations, proof=proof)


def _said(item: Fields, name: str) -> str:
    """The texts of a reasoning item's list, one after the other."""
    found = [Fields(part, f"{item.at(name)}[{n}]").text("text") for n, part in enumerate(item.items(name))]
    return "\n\n".join(found)


def _content(item: Fields, name: str) -> tuple[Part, ...]:
    value = item.raw(name)
    if isinstance(value, str):
        return (Text(text=value),) if value or name == "content" else ()  # a tool may well have nothing to say
    if value is None:
        _bad(item.at(name), f"Missing required parameter: '{item.at(name)}'.", "missing_required_parameter")
    if not isinstance(value, list):
        raise wrong(item.at(name), "a string or an array", value)
    return tuple(_part(Fields(part, f"{item.at(name)}[{n}]"), part) for n, part in enumerate(value))


def _part(part: Fields, raw: Json) -> Part:
    kind = part.text("type")
    cache = "5m" if part.inner("prompt_cache_breakpoint") is not None else ""
    if kind in TEXTS:
        citations = tuple(citation_of(said) for said in part.items("annotations"))
        return Text(text=_given(part, "text"), cache=cache, citations=citations)
    if kind == "refusal":
        return Refusal(text=part.text("refusal"))
    if kind == "input_image":
        return Image(media=_image(part), detail=part.text("detail"), cache=cache)
    if kind == "input_file":
        return _document(part, cache)
    if kind == "input_audio":
        return _audio(part)
    if not kind:
        _bad(part.at("type"), f"Missing required parameter: '{part.at('type')}'.", "missing_required_parameter")
    return Opaque(family=FAMILY, value=raw)


def _image(part: Fields) -> Media:
    url, file_id = part.text("image_url"), part.text("file_id")
    if url:
        return _media(url)
    if not file_id:
        _bad(part.at("image_url"), f"Either '{part.at('image_url')}' or 'file_id' is needed.")
    return Media(file_id=file_id, family=FAMILY)


def _document(part: Fields, cache: str) -> Part:
    data, url, file_id = part.text("file_data"), part.text("file_url"), part.text("file_id")
    name = part.text("filename")
    if data:
        media = _media(data) if data.startswith("data:") else Media(media_type="application/pdf", data=data)
    elif url or file_id:
        media = Media(url=url) if url else Media(file_id=file_id, family=FAMILY)
    else:
        _bad(part.at("file_data"), f"One of '{part.at('file_data')}', 'file_url' and 'file_id' is needed.")
    return Document(media=media, name=name, cache=cache)


def _audio(part: Fields) -> Part:
    inner = part.inner("input_audio")
    if inner is None:
        _bad(part.at("input_audio"), f"Missing required parameter: '{part.at('input_audio')}'.")
    return Audio(data=inner.text("data"), format=inner.text("format") or "wav")


def _media(address: str) -> Media:
    """A data URI or an address."""
    if not address.startswith("data:"):
        return Media(url=address)
    head, _, data = address[5:].partition(",")
    return Media(media_type=head.partition(";")[0], data=data)


def _given(part: Fields, name: str) -> str:
    """A text that may be empty but must be there."""
    if part.raw(name) is None:
        _bad(part.at(name), f"Missing required parameter: '{part.at(name)}'.", "missing_required_parameter")
    return part.text(name)


def _needed(item: Fields, name: str) -> str:
    value = item.text(name)
    if not value:
        _bad(item.at(name), f"Missing required parameter: '{item.at(name)}'.", "missing_required_parameter")
    return value


def _bad(where: str, message: str, code: str = "invalid_value") -> NoReturn:
    raise Refused(400, message, code=code, param=where)
