"""A request read only as far as routing must know it, whatever its format: model, stream, and the rest as raw bytes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from providers.wire.errors import Refusal
from providers.wire.media import multipart
from providers.wire.reading import unreadable
from providers.wire.types import Json

Raw = msgspec.Raw
_decode = msgspec.json.Decoder(dict[str, Raw]).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Peek(msgspec.Struct, frozen=True, kw_only=True):
    """``fields`` is the whole top level. ``ours``: it leans on state that the gateway keeps (Responses), so it cannot
    be passed through. ``headers`` go upstream when it is."""

    model: str
    stream: bool
    fields: dict[str, Raw]
    ours: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


def fields_of(body: bytes) -> dict[str, Raw]:
    """The top level of a JSON object. Raises Refusal 400."""
    try:
        if not body.isascii():
            body.decode()
        return _decode(body)
    except msgspec.ValidationError:
        raise Refusal(400, "The body must be a JSON object.") from None
    except UNREADABLE as wrong:
        raise Refusal(400, f"The body is not valid JSON: {unreadable(body, wrong)}.", code="invalid_json") from None


def peek(body: bytes, *, model: str = "", stream: bool | None = None, state: tuple[str, ...] = ()) -> Peek:
    """Read a body. ``model`` and ``stream`` when the path says them; ``state`` names the fields that make it ours."""
    fields = fields_of(body)
    if not model:
        model = _text(fields.get("model"))
    if stream is None:
        stream = _switch(fields.get("stream"))
    ours = any(bytes(fields[name]) != b"null" for name in state if name in fields)
    return Peek(model=model, stream=stream, fields=fields, ours=ours)


def named(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The model that a body names, an object's or a form's, which may be wrong in whatever else; "" for none."""
    kind = next((value for name, value in headers if name == b"content-type"), b"").decode("latin-1")
    try:
        if not kind.lower().startswith("multipart/"):
            return _text(fields_of(body).get("model"))
        found = multipart.parts(body, multipart.boundary_of(kind))
        place = next((part for part in found if part.name == "model" and not part.file), None)
        return body[place.start : place.end].decode("utf-8", "replace") if place is not None else ""
    except Refusal:
        return ""


def document(body: bytes) -> dict[str, Json]:
    """A whole request, known to be an object, as values. Raises Refusal 400."""
    try:
        found: dict[str, Json] = msgspec.json.decode(body)
    except UNREADABLE as wrong:
        raise Refusal(400, f"The body is not valid JSON: {wrong}.", code="invalid_json") from None
    return found


def _text(raw: Raw | None) -> str:
    try:
        value = msgspec.json.decode(raw, type=str) if raw is not None else ""
    except UNREADABLE:
        value = ""
    if not value:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    return value


def _switch(raw: Raw | None) -> bool:
    value = bytes(raw) if raw is not None else b"null"
    if value not in (b"true", b"false", b"null"):
        raise Refusal(400, "Invalid type for 'stream': expected a boolean.", code="invalid_type", param="stream")
    return value == b"true"
