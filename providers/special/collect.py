"""Upstreams that only stream: the events of an answer → the body of a whole one, for clients that asked for that."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.wire.assemble import Assembly
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.formats import FORMATS
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.translation import Asked, Names
from providers.wire.types import Request

ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))


def collected(format: str, stream: bytes, *, id: str, model: str) -> bytes:
    """A whole reply in this format. Raises UpstreamFailure when the stream failed or did not end."""
    frames = _frames(stream)
    if format == "openai_responses":
        return _response(frames)
    reader, assembly = FORMATS[format].reader(Names()), Assembly()
    for frame in frames:
        for event in reader.frame(frame):
            assembly.add(event)
    for event in reader.end():
        assembly.add(event)
    if assembly.overflowed:
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's answer is too long to be given at once.")
    asked = Asked(request=Request(model=model), model=model, id=id, created=0)
    return FORMATS[format].dump_reply(assembly.reply(), asked)


def _frames(stream: bytes) -> list[bytes]:
    split = EventSplitter()
    try:
        frames = [*split.feed(stream), split.flush()]
    except FrameTooLong as wrong:
        raise UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.") from None
    found = [payload(frame) or (frame if frame.lstrip()[:1] == b"{" else b"") for frame in frames]
    return [data for data in found if data]


class _Event(msgspec.Struct):
    type: str = ""
    output_index: int = 0
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


def _response(frames: list[bytes]) -> bytes:
    """The object in the last event; its items from their own events where it leaves them out, as Codex does."""
    items: dict[int, msgspec.Raw] = {}
    for frame in frames:
        try:
            event = msgspec.json.decode(frame, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if event.type == "response.output_item.done":
            items[event.output_index] = event.item
        elif event.type in ENDS:
            return _with(bytes(event.response), [items[index] for index in sorted(items)])
        elif event.type in ("error", "") and (failure := FORMATS["openai_responses"].error_from(frame, None)):
            raise failure
    raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")


def _with(response: bytes, items: list[msgspec.Raw]) -> bytes:
    try:
        said: dict[str, Any] = msgspec.json.decode(response, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's last event holds no response.") from None
    if items and bytes(said.get("output", b"null")) in (b"[]", b"null"):
        said["output"] = items
    return msgspec.json.encode(said)
