"""A provider's stream → the client: held back until something can be seen, then passed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from providers.transport.base import Reply, Timeouts, TransportError
from providers.upstream import Attempt, Upstream, told_inside, transport_failure
from providers.wire.errors import UpstreamFailure
from routing.gateway.lanes import Prepared
from routing.gateway.streams import Stream
from routing.gateway.writer import Writer

MOST_HELD = 1024 * 1024  # bytes held back before the first visible event
DRAIN_SECONDS = 1.0  # how long a finished provider may take to end its reply, so that its connection can be kept


class Opened:
    """A provider's stream whose first visible event has come. ``held`` is everything up to it."""

    __slots__ = ("_chunks", "held", "reader", "reply")

    def __init__(self, reply: Reply, chunks: AsyncIterator[bytes], reader: Stream, held: bytes) -> None:
        self.reply, self._chunks, self.reader, self.held = reply, chunks, reader, held

    async def relay(self, writer: Writer, alive: KeepAlive) -> UpstreamFailure | None:
        """Pass the rest on; the failure that ended it early, None when the answer is whole. Ends no client stream."""
        reader = self.reader
        try:
            if not reader.done:
                async for data in self._chunks:
                    out = reader.feed(data)
                    if out:
                        alive.touch()
                        await writer.piece(out)
                    if reader.done or reader.failure is not None:
                        break
            last = reader.end()
            if last:
                await writer.piece(last)
        except TransportError as wrong:
            return None if reader.done else transport_failure(wrong)
        except UpstreamFailure as failure:  # an envelope's stream that is none
            return None if reader.done else failure
        return reader.failure

    async def drain(self) -> None:
        """Read what follows the end of the answer (nothing, normally), so that the connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in self._chunks:
                    pass
        except (TransportError, UpstreamFailure, TimeoutError):
            return  # the answer was whole; only the connection is lost, and aclose closes it


async def open_stream(
    upstream: Upstream, attempt: Attempt, operation: str, prepared: Prepared, timeouts: Timeouts, reader: Stream
) -> Opened:
    """Send an attempt and read until something can be seen. Raises UpstreamFailure; then nothing is left open."""
    reply = await upstream.open(
        attempt, operation, prepared.body, stream=True, timeouts=timeouts, headers=prepared.headers
    )
    try:
        chunks = reply.chunks()
        held = bytearray()
        async for data in chunks:
            held += reader.feed(data)
            if reader.visible or reader.failure is not None or len(held) > MOST_HELD:
                break
        else:
            held += reader.end()
        if reader.failure is not None and not reader.visible:
            raise reader.failure
        return Opened(reply, chunks, reader, bytes(held))
    except TransportError as wrong:
        await reply.aclose()
        raise transport_failure(wrong) from None
    except UpstreamFailure as failure:
        await reply.aclose()
        raise told_inside(attempt, failure, reply.headers) from None
    except BaseException:
        await reply.aclose()
        raise


class KeepAlive:
    """Sends the client a comment whenever ``seconds`` have passed without anything else. Only for streams."""

    __slots__ = ("_handle", "_last", "_loop", "_seconds", "_task", "_writer")

    def __init__(self, writer: Writer, seconds: float) -> None:
        self._writer, self._seconds = writer, seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        self._handle = self._loop.call_later(seconds, self._tick)

    def touch(self) -> None:
        self._last = self._loop.time()

    def stop(self) -> None:
        self._handle.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._last >= self._seconds * 0.99 and (self._task is None or self._task.done()):
            self._task = self._loop.create_task(self._writer.keep_alive())
            self._last = now
        self._handle = self._loop.call_later(max(self._last + self._seconds - now, 0.01), self._tick)
