"""AWS event streams → server-sent events of the Messages format."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.eventstream import BrokenStream, Message, MessageSplitter, failure_of
from providers.wire.frames import FrameTooLong
from providers.wire.types import Json

ACCEPT = (b"accept", b"application/vnd.amazon.eventstream")


class Messages:
    """``told``: the message of one event → server-sent events, b"" for none; ``ended``: the last of them. A failure
    behind something that was said comes with the next call, so that nothing said is lost."""

    __slots__ = ("_ended", "_failure", "_split", "_told")

    def __init__(self, told: Callable[[Message], bytes], ended: Callable[[], bytes] = bytes) -> None:
        self._split, self._told, self._ended = MessageSplitter(), told, ended
        self._failure: UpstreamFailure | None = None

    def feed(self, data: bytes) -> bytes:
        self._fail()
        said = b""
        try:
            for message in self._split.feed(data):
                said += self._said(message)
        except (BrokenStream, FrameTooLong) as wrong:
            self._failure = UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.")
        except UpstreamFailure as failure:
            self._failure = failure
        if not said:
            self._fail()
        return said

    def _fail(self) -> None:
        if self._failure is not None:
            raise self._failure

    def end(self) -> bytes:
        self._fail()
        if self._split.cut:
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended in the middle of a message.")
        return self._ended()

    def _said(self, message: Message) -> bytes:
        if message.kind != "event":
            raise failure_of(message.name, message.payload)
        return self._told(message)


def object_in(message: Message) -> dict[str, Json]:
    """An event's JSON. Raises UpstreamFailure when it is none."""
    try:
        said = msgspec.json.decode(message.payload) if message.payload else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream holds an event that is no JSON object.")
    return said


class Said:
    """The events of one Messages stream, written as its blocks come: opened when they begin, closed when they end."""

    __slots__ = ("_index", "_key", "_kind", "_started", "id", "model")

    def __init__(self, id: str, model: str) -> None:
        self.id, self.model = f"msg_{id.replace('-', '')}", model
        self._started = False
        self._index, self._kind, self._key = -1, "", ""

    @property
    def began(self) -> bool:
        return self._started

    def block(self, kind: str, key: str, start: dict[str, Json]) -> bytes:
        """Opens a block unless it is the open one already; ``key`` tells blocks of one kind apart."""
        if (self._kind, self._key) == (kind, key):
            return b""
        out = self._open() + self.close()
        self._index, self._kind, self._key = self._index + 1, kind, key
        return out + _event("content_block_start", index=self._index, content_block=start)

    def delta(self, kind: str, **said: Json) -> bytes:
        return _event("content_block_delta", index=self._index, delta={"type": kind, **said})

    def text(self, text: str, key: str = "") -> bytes:
        return self.block("text", key, {"type": "text", "text": ""}) + self.delta("text_delta", text=text)

    def tool(self, id: str, name: str) -> bytes:
        return self.block("tool_use", id, {"type": "tool_use", "id": id, "name": name, "input": {}})

    def close(self) -> bytes:
        """Ends the open block, if there is one."""
        if not self._kind:
            return b""
        self._kind = ""
        return _event("content_block_stop", index=self._index)

    def finish(self, reason: str, usage: dict[str, Json]) -> bytes:
        delta: dict[str, Json] = {"stop_reason": reason, "stop_sequence": None}
        out = self._open() + self.close()
        return out + _event("message_delta", delta=delta, usage=usage) + _event("message_stop")

    def _open(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        message: dict[str, Json] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _event("message_start", message=message)


def _event(kind: str, **said: Json) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **said}) + b"\n\n"
