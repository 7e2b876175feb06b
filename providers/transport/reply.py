"""A reply that fills itself from its connection while somebody reads it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from providers.transport import body
from providers.transport.base import Phase, TransportError

HEAD_LIMIT = 65536  # bytes of one head, and of anything else that brings no body (1xx replies, trailers)


class Source(Protocol):
    """What a reply asks of its connection."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def status(self) -> int: ...
    def keeps_alive(self) -> bool: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class FastReply:
    """A reply as base.Reply describes it, and the callbacks of the parser that fills it."""

    # fmt: off
    __slots__ = (
        "_connection", "_decoder", "_head_only", "_head_size", "_interim", "_loop", "_pieces", "_waiter",
        "buffered", "done", "error", "excess", "framed", "headed", "headers", "reusable", "stale", "status",
    )
    # fmt: on

    def __init__(self, connection: Source, head_only: bool) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.headed = False  # the final head is there
        self.framed = True  # the end of the body shows without the connection's end
        self.done = False  # the body is there to its end
        self.excess = False  # the peer sent more than this reply
        self.reusable = False
        self.stale = False  # a kept connection had gone before this request: try again
        self.buffered = 0
        self.error: TransportError | None = None
        self._connection: Source | None = connection  # None once nothing more is expected from it
        self._loop = connection.loop
        self._head_only = head_only
        self._head_size = 0
        self._interim = False
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._decoder: body.Decoder | None = None

    # the parser's callbacks

    def on_message_begin(self) -> None:
        if self.done:
            self.excess = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.headed:
            return  # a trailer, or what follows a reply that is done
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_LIMIT:
            raise ValueError("the head is too large")
        name, value = name.lower(), value.rstrip()
        earlier = self.headers.get(name)
        self.headers[name] = value if earlier is None else earlier + b", " + value

    def on_headers_complete(self) -> None:
        if self.headed or self._connection is None:
            return
        self.status = self._connection.status()
        if self.status < 200:
            if self.status == 101:
                raise ValueError("the protocol was switched unasked")
            self._interim = True
            self.headers.clear()
            return
        self.headed = True
        coding = self.headers.get(b"transfer-encoding", b"identity").lower()
        if coding not in (b"chunked", b"identity"):
            raise ValueError("a transfer encoding that was not asked for")
        self.framed = coding == b"chunked" or b"content-length" in self.headers
        self.done = self._head_only
        if not self.done and self.status not in (204, 304) and b"content-encoding" in self.headers:
            self._decoder = body.decoder(self.headers)

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.excess = True
            return
        self._pieces.append(data)
        self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif self._connection is not None:
            self.reusable = self._connection.keeps_alive()
            self.done = True

    # the connection's side

    def finish(self) -> None:
        """Everything is here: the connection may serve others while the body waits to be read."""
        self._connection = None
        self.wake()

    def fail(self, error: TransportError) -> None:
        self.error = self.error or error
        self.finish()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # the reader's side

    async def answered(self) -> None:
        """Wait for the head. Raises TransportError."""
        while not self.headed and self.error is None and not self.stale:
            await self._news()
        if self.error is not None:
            raise self.error

    async def _news(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        except BaseException:  # cancelled: nobody will read on
            self.abort()
            raise
        finally:
            self._waiter = None

    def chunks(self) -> AsyncIterator[bytes]:
        return self if self._decoder is None else body.decoded(self, self._decoder)

    def __aiter__(self) -> "FastReply":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.done:
                raise StopAsyncIteration
            await self._news()
        pieces, self._pieces, self.buffered = self._pieces, [], 0
        if self._connection is not None:
            self._connection.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self, limit: int) -> bytes:
        return await body.gathered(self, limit)

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        """Close the socket unless the reply is here to its end."""
        connection = self._connection
        if connection is not None:
            self.fail(TransportError(Phase.CUT, "the reply was closed before its end"))
            self._pieces.clear()
            connection.close()
