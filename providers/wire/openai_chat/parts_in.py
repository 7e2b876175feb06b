"""Parts of client messages → canonical parts."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from providers.wire.reading import Fields, wrong
from providers.wire.translation import json_text
from providers.wire.types import Audio, Document, Image, Json, Media, Opaque, Part, Proof, Reasoning, Refusal, Text

FAMILY = "openai_chat"
TEXTS = frozenset(("text", "input_text", "output_text"))  # some clients use the words of Responses
DETAIL_KINDS = {"reasoning.encrypted": "encrypted", "reasoning.text": "signature", "reasoning.summary": "thought"}


def media_from(address: str) -> Media:
    """A data URI or an address."""
    if address[:5].lower() != "data:":
        return Media(url=address)
    head, _, data = address[5:].partition(",")
    kind, *flags = head.split(";")
    if "base64" not in (flag.strip().lower() for flag in flags):
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return Media(media_type=kind.strip().lower() or "text/plain", data=data)


def parts_from(content: Json, where: str) -> list[Part]:
    """The content of a message: a string, a list of parts, or nothing."""
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if not isinstance(content, list):
        raise wrong(where, "a string or an array", content)
    found = (_part(item, f"{where}[{number}]") for number, item in enumerate(content))
    return [part for part in found if part is not None]


def texts_from(content: Json, where: str) -> list[Text]:
    """The content of a system or developer message, which is text only."""
    parts = parts_from(content, where)
    for number, part in enumerate(parts):
        if not isinstance(part, Text):
            raise wrong(f"{where}[{number}]", "a text part", {})
    return [part for part in parts if isinstance(part, Text)]


def _part(item: Json, where: str) -> Part | None:
    if isinstance(item, str):
        return Text(text=item) if item else None
    fields = Fields(item, where)
    kind = fields.text("type") or ("text" if "text" in item else "")
    if kind in TEXTS:
        text = fields.text("text")
        return Text(text=text, cache=cache_of(fields)) if text else None
    reader = PARTS.get(kind)
    return reader(fields) if reader is not None else Opaque(family=FAMILY, value=item)


def cache_of(fields: Fields) -> str:
    """A cache mark: Anthropic's, as OpenRouter and LiteLLM clients write it, or OpenAI's own."""
    mark = fields.raw("cache_control", "prompt_cache_breakpoint")
    if mark is None or mark is False:
        return ""
    return "1h" if isinstance(mark, dict) and mark.get("ttl") == "1h" else "5m"


def _image(fields: Fields) -> Part:
    cache = cache_of(fields)
    value = fields.raw("image_url")
    if isinstance(value, str):
        return Image(media=media_from(value), detail=fields.text("detail"), cache=cache)
    inner = Fields(value, fields.at("image_url"))
    url = inner.text("url")
    if not url:
        raise wrong(inner.at("url"), "a string", inner.raw("url"))
    return Image(media=media_from(url), detail=inner.text("detail"), cache=cache)


def _audio(fields: Fields) -> Part:
    inner = Fields(fields.raw("input_audio"), fields.at("input_audio"))
    data = inner.text("data")
    if not data:
        raise wrong(inner.at("data"), "a string", inner.raw("data"))
    return Audio(
        data=data.partition(",")[2] if data.startswith("data:") else data, format=inner.text("format") or "wav"
    )


def _file(fields: Fields) -> Part:
    inner = Fields(fields.raw("file"), fields.at("file"))
    data, file_id = inner.text("file_data"), inner.text("file_id")
    if file_id:
        media = Media(file_id=file_id, family=FAMILY)
    elif data.startswith(("data:", "http://", "https://")):
        media = media_from(data)
    elif data:
        media = Media(media_type="application/pdf", data=data)
    else:
        raise wrong(inner.at("file_data"), "a string", inner.raw("file_data"))
    return Document(media=media, name=inner.text("filename"), cache=cache_of(fields))


def refusal_from(fields: Fields) -> Part | None:
    text = fields.text("refusal")
    return Refusal(text=text) if text else None


def _thinking(fields: Fields) -> Part | None:
    """Mistral's thinking part (a list of texts) or Anthropic's block (text and signature)."""
    value, signature = fields.raw("thinking"), fields.text("signature")
    if isinstance(value, list):
        value = "".join(item.get("text", "") for item in value if isinstance(item, dict))
    text = value if isinstance(value, str) else ""
    proof = Proof(family="anthropic", kind="signature", value=signature) if signature else None
    return Reasoning(text=text, proof=proof) if text or proof else None


def _redacted(fields: Fields) -> Part | None:
    data = fields.text("data")
    return Reasoning(proof=Proof(family="anthropic", kind="redacted", value=data)) if data else None


PARTS = {
    "image_url": _image,
    "input_image": _image,
    "input_audio": _audio,
    "file": _file,
    "refusal": refusal_from,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}


# -- reasoning ---------------------------------------------------------------------------------------------------------
def reasoning_from(fields: Fields) -> list[Part]:
    """Earlier thinking that a client sends back beside the content, in any vendor's field."""
    details, blocks = fields.items("reasoning_details"), fields.items("thinking_blocks")
    text = fields.text("reasoning_content", "reasoning")
    if details:
        return [part for detail in details if (part := detail_part(detail)) is not None]
    if blocks:
        readers = {"thinking": _thinking, "redacted_thinking": _redacted}
        where = fields.at("thinking_blocks")
        inner = [Fields(block, f"{where}[{number}]") for number, block in enumerate(blocks)]
        return only(readers.get(block.text("type"), _thinking)(block) for block in inner)
    return [Reasoning(text=text)] if text.strip() else []


def only(parts: Iterable[Part | None]) -> list[Part]:
    return [part for part in parts if part is not None]


def detail_part(detail: Json) -> Reasoning | None:
    """One entry of OpenRouter's ``reasoning_details``: kept whole, for it must go back as it came."""
    if not isinstance(detail, dict):
        return None
    kind = detail.get("type")
    text = detail.get("text") if kind == "reasoning.text" else detail.get("summary")
    proof = Proof(family="openrouter", kind=DETAIL_KINDS.get(str(kind), "signature"), value=json_text(detail))
    return Reasoning(text=text if isinstance(text, str) else "", proof=proof, summary=kind == "reasoning.summary")
