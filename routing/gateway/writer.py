"""What goes back to the client: one reply, whole or streamed, or one error; never two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from providers.wire.errors import Refusal
from providers.wire.formats import Format

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON_TYPE = (b"content-type", b"application/json")
STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
ARRAY_HEADERS: tuple[Header, ...] = (JSON_TYPE, *STREAM_HEADERS[1:])


class Tape(Protocol):
    """Takes down what a client gets: a head of a kind (whole, stream, bytes), pieces, the end."""

    def begin(self, kind: str, headers: tuple[Header, ...]) -> None: ...

    def add(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Writer:
    """Answers one client in its format. ``status`` is what was sent, 0 before."""

    __slots__ = ("_array", "_ended", "_format", "_id", "_opaque", "_request_id", "_send", "status", "tapes")

    def __init__(self, send: Send, request_id: str, format: Format, *, array: bool = False) -> None:
        """``array``: a stream goes out as one JSON array instead of events (Gemini without ``alt=sse``)."""
        self._send, self._request_id, self._format, self._array = send, request_id, format, array
        word = request_id.encode()
        self._id: tuple[Header, ...] = ((b"x-request-id", word),)
        if format.id == "anthropic":
            self._id += ((b"request-id", word),)  # where its SDKs look
        self.status = 0
        self._ended = self._opaque = False
        self.tapes: tuple[Tape, ...] = ()  # what runs along: an answer that is kept

    def always(self, headers: tuple[Header, ...]) -> None:
        """Headers of whatever reply this will be, an error included."""
        self._id += headers

    @property
    def format(self) -> str:
        """The id of the client's format."""
        return self._format.id

    @property
    def started(self) -> bool:
        return self.status != 0

    async def whole(self, status: int, body: bytes, headers: tuple[Header, ...] = (JSON_TYPE,)) -> None:
        """A reply at once."""
        length = (b"content-length", str(len(body)).encode())
        self.status, self._ended = status, True
        for tape in self.tapes:
            tape.begin("whole", headers)
            tape.add(body)
            tape.end()
        await self._send({"type": "http.response.start", "status": status, "headers": [*self._id, length, *headers]})
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, headers: tuple[Header, ...] = ()) -> None:
        """The head of a streamed reply; nothing when it has gone already."""
        for tape in self.tapes:
            tape.begin("stream", headers)
        if self.started:
            return
        self.status = 200
        usual = ARRAY_HEADERS if self._array else STREAM_HEADERS
        await self._send({"type": "http.response.start", "status": 200, "headers": [*self._id, *usual, *headers]})

    async def begin_bytes(self, content_type: bytes, headers: tuple[Header, ...] = ()) -> None:
        """The head of a reply that is passed on as it comes and is no stream of events: sound, say. No error can be
        told in it, only its end can be missing."""
        self.status, self._opaque = 200, True
        for tape in self.tapes:
            tape.begin("bytes", ((b"content-type", content_type), *headers))
        kind = (b"content-type", content_type)
        await self._send({"type": "http.response.start", "status": 200, "headers": [*self._id, kind, *headers]})

    async def piece(self, data: bytes) -> None:
        """Whole events of a begun stream. Waits while the client reads slowly."""
        for tape in self.tapes:
            tape.add(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def keep_alive(self) -> None:
        """What the format has for silence, so that the client knows we are still there; begins the stream if need be.
        Formats that have nothing (Gemini) stay silent."""
        if not self._format.keep_alive or self._array:
            return
        await self.begin_stream()
        if not self._ended:
            await self._send({"type": "http.response.body", "body": self._format.keep_alive, "more_body": True})

    async def end_stream(self, last: bytes = b"") -> None:
        self._ended = True
        for tape in self.tapes:
            tape.add(last)
            tape.end()
        await self._send({"type": "http.response.body", "body": last})

    async def refuse(self, refusal: Refusal, last: bytes | None = None, extra: tuple[Header, ...] = ()) -> None:
        """An error: as a reply of its own, with ``extra`` headers, or as the last event of a stream that has begun
        (``last`` when the stream itself knows how to say it)."""
        if self._ended:
            return
        if self._opaque:
            self._ended = True  # the server closes a reply that was not ended: nobody takes it for whole
            return
        body = self._format.error_body(refusal, self._request_id)
        if self.started:
            await self.end_stream(self._format.error_event(body) if last is None else last)
            return
        headers: tuple[Header, ...] = (JSON_TYPE, *extra)
        if refusal.retry_after is not None:
            headers += ((b"retry-after", str(max(1, -int(-refusal.retry_after // 1))).encode()),)
        if refusal.allow:
            headers += ((b"allow", ", ".join(refusal.allow).encode()),)
        if refusal.accept:
            headers += ((b"accept-encoding", ", ".join(refusal.accept).encode()),)
        if refusal.status == 401:
            headers += ((b"www-authenticate", b"Bearer"),)
        await self.whole(refusal.status, body, headers)
