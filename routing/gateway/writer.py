"""What goes back to the client: one reply, whole or streamed, or one error; never two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from providers.wire.errors import Refusal
from providers.wire.openai_chat import KEEP_ALIVE, error_body, error_event

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON_TYPE = (b"content-type", b"application/json")
STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Writer:
    """Answers one client. ``status`` is what was sent, 0 before."""

    __slots__ = ("_ended", "_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, (b"x-request-id", request_id.encode())
        self.status = 0
        self._ended = False

    @property
    def started(self) -> bool:
        return self.status != 0

    async def whole(self, status: int, body: bytes, headers: tuple[Header, ...] = (JSON_TYPE,)) -> None:
        """A reply at once."""
        length = (b"content-length", str(len(body)).encode())
        self.status, self._ended = status, True
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [self._request_id, length, *headers]}
        )
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, headers: tuple[Header, ...] = ()) -> None:
        """The head of a streamed reply; nothing when it has gone already."""
        if self.started:
            return
        self.status = 200
        await self._send(
            {"type": "http.response.start", "status": 200, "headers": [self._request_id, *STREAM_HEADERS, *headers]}
        )

    async def piece(self, data: bytes) -> None:
        """Whole events of a begun stream. Waits while the client reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def keep_alive(self) -> None:
        """A comment, so that the client knows we are still there; begins the stream if need be."""
        await self.begin_stream()
        if not self._ended:
            await self.piece(KEEP_ALIVE)

    async def end_stream(self, last: bytes = b"") -> None:
        self._ended = True
        await self._send({"type": "http.response.body", "body": last})

    async def refuse(self, refusal: Refusal) -> None:
        """An error: as a reply of its own, or as the last event of a stream that has begun."""
        if self._ended:
            return
        said = (refusal.message, refusal.type, refusal.code, refusal.param)
        if self.started:
            await self.end_stream(error_event(*said))
            return
        headers: tuple[Header, ...] = (JSON_TYPE,)
        if refusal.retry_after is not None:
            headers += ((b"retry-after", str(max(1, -int(-refusal.retry_after // 1))).encode()),)
        if refusal.status == 401:
            headers += ((b"www-authenticate", b"Bearer"),)
        await self.whole(refusal.status, error_body(*said), headers)
