"""One HTTP/1.1 connection: at rest in its pool, or with one request under way.

Nothing here awaits: bytes go from the socket through the parser into the reply within one callback, and one
timer per connection watches all of its deadlines.
"""

import asyncio
import math
from typing import Protocol

import httptools

from providers.transport.base import Outbound, Phase, Timeouts, TransportError
from providers.transport.reply import HEAD_LIMIT, FastReply

UNREAD_LIMIT = 262144  # bytes that may wait for a slow reader before reading from the socket pauses
JOINED = 65536  # bodies up to this go out in one piece with their head; larger ones are not copied
TICK = 5.0  # seconds; a deadline farther away needs no timer of its own


class Owner(Protocol):
    """What a connection asks of its pool."""

    def released(self, connection: "Connection") -> None: ...
    def closed(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One socket: at rest in its pool, or with exactly one request under way."""

    # fmt: off
    __slots__ = (
        "_answered", "_at", "_barren", "_deadline", "_outbox", "_owner", "_parser", "_paused", "_reply",
        "_timeouts", "_timer", "_transport", "_writing", "gone", "loop", "used",
    )
    # fmt: on

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self.loop = loop
        self.gone = False
        self.used = False  # served a request before
        self._owner = owner
        self._transport: asyncio.Transport
        self._reply: FastReply | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._timeouts = Timeouts()
        self._deadline = math.inf
        self._at = math.inf  # when the timer fires
        self._timer: asyncio.TimerHandle | None = None
        self._writing = self._paused = self._answered = False
        self._outbox = self._barren = 0

    # what the pool and the reply call

    def begin(self, outbound: Outbound, head: bytes) -> FastReply:
        """Write the request; the reply fills itself from now on."""
        self._timeouts = outbound.timeouts
        self._answered = False
        self._barren = 0
        self._reply = reply = FastReply(self, outbound.method == "HEAD")
        self._parser = httptools.HttpResponseParser(reply)
        if len(outbound.body) <= JOINED:
            self._transport.write(head + outbound.body)
        else:
            self._transport.write(head)
            self._transport.write(outbound.body)
        if self._writing:
            self._outbox = self._transport.get_write_buffer_size()
            self.until(outbound.timeouts.write)
        else:
            self.until(outbound.timeouts.first_byte)
        return reply

    def status(self) -> int:
        return 0 if self._parser is None else self._parser.get_status_code()

    def keeps_alive(self) -> bool:
        return self._parser is not None and self._parser.should_keep_alive()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self.until(self._timeouts.idle)

    def close(self) -> None:
        """At once, without a farewell; idempotent."""
        if not self.gone:
            self.gone = True
            self._reply = self._parser = None
            if self._timer is not None:
                self._timer.cancel()
            self._transport.abort()
            self._owner.closed(self)

    def lose(self, words: str) -> None:
        """Close, and tell the reader of a reply that is under way why."""
        if self._reply is not None:
            self._reply.fail(TransportError(Phase.CUT, words))
        self.close()

    def until(self, seconds: float) -> None:
        """Let the present state last at most this long."""
        now = self.loop.time()
        self._deadline = now + seconds
        wait = seconds if seconds < TICK else TICK
        if now + wait < self._at:
            self._arm(wait)

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.set_write_buffer_limits(high=1, low=0)  # pause_writing: a write left some behind

    def data_received(self, data: bytes) -> None:
        reply, parser = self._reply, self._parser
        if reply is None or parser is None:
            self.close()  # it speaks unasked: whatever that is, no request may take it for its reply
            return
        self._answered = True
        before = reply.buffered
        try:
            parser.feed_data(data)
        except Exception as error:
            self._damaged(reply, error)
            return
        if reply.done:
            self._finished(reply)
            return
        self._barren = 0 if reply.buffered > before else self._barren + len(data)
        if self._barren > HEAD_LIMIT:
            self._fail(Phase.PROTOCOL, "sent a head that is too large")
        elif reply.headed:
            self._flowing(reply)

    def _flowing(self, reply: FastReply) -> None:
        if reply.buffered > UNREAD_LIMIT:
            self._paused = True
            self._transport.pause_reading()
            self._deadline = math.inf  # the reader's slowness is not the peer's silence
        else:
            self.until(self._timeouts.idle)
        reply.wake()

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def pause_writing(self) -> None:
        self._writing = True

    def resume_writing(self) -> None:
        self._writing = False
        if self._reply is not None and not self._reply.headed:
            self.until(self._timeouts.first_byte)

    # ends

    def _finished(self, reply: FastReply) -> None:
        self._reply = self._parser = None
        self.used = True
        reply.finish()
        if reply.reusable and not reply.excess and not self._writing:
            self.resume()
            self._owner.released(self)
        else:
            self.close()

    def _damaged(self, reply: FastReply, error: Exception) -> None:
        if reply.done:  # what follows the reply is damaged, not the reply
            reply.excess = True
            self._finished(reply)
            return
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if isinstance(cause, TransportError):
            reply.fail(cause)
        self._fail(Phase.PROTOCOL, f"did not answer in HTTP/1.1: {cause or error}")

    def _ended(self, exc: Exception | None) -> None:
        reply = self._reply
        if reply is None:
            self.close()
        elif reply.headed and not reply.framed and exc is None:
            reply.done = True
            self._finished(reply)
        elif self.used and not self._answered:
            reply.stale = True
            reply.finish()
            self.close()
        else:
            self._fail(Phase.CUT, "closed the connection before its reply was complete")

    def _fail(self, phase: Phase, words: str) -> None:
        if self._reply is not None:
            self._reply.fail(TransportError(phase, f"the upstream {words}"))
        self.close()

    # the one timer

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = self.loop.time() + seconds
        self._timer = self.loop.call_at(self._at, self._tick)

    def _tick(self) -> None:
        self._at = math.inf
        left = self._deadline - self.loop.time()
        if left > 0:
            self._arm(min(left, TICK))
        elif self._reply is None:
            self.close()  # at rest for too long
        elif self._writing and not self._reply.headed:
            self._stuck()
        elif self._reply.headed:
            self._fail(Phase.IDLE, f"fell silent for {self._timeouts.idle:g} s within its reply")
        else:
            self._fail(Phase.FIRST_BYTE, f"did not answer within {self._timeouts.first_byte:g} s")

    def _stuck(self) -> None:
        """The time to write is over: only a peer that took nothing in it has failed."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._outbox:
            self._outbox = unsent
            self.until(self._timeouts.write)
        else:
            self._fail(Phase.WRITE, f"took none of the request for {self._timeouts.write:g} s")
