"""The ASGI edge of the client APIs: bytes in, bytes out, one outcome whatever happens.

A plain callable rather than a Channels consumer class or a Django view: measured, those cost two to twelve times the
CPU, and a consumer class does not notice that the client left while it is awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from providers.upstream import Attempt, Upstream
from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS
from routing.board import Board
from routing.gateway import callers, door, endpoints
from routing.gateway.aside import Aside
from routing.gateway.asking import Memory
from routing.gateway.attempts import Claim
from routing.gateway.endpoints import Call, Endpoint
from routing.gateway.exchange import Exchange, Limits, monotonic
from routing.gateway.intake import ClientGone, Receive, check_length, read_body
from routing.gateway.listing import listed
from routing.gateway.outcome import Outcome
from routing.gateway.purses import Ledger, Purses
from routing.gateway.record import Record
from routing.gateway.replay import Elsewhere, Index, Replays, Shelf
from routing.gateway.stored import STORED, answer_stored
from routing.gateway.writer import Send, Writer
from routing.snapshot import Caller, Snapshot
from routing.state import Memory as LocalState
from routing.state import State

Scope = Mapping[str, Any]
NOT_FOR_500 = "The gateway made a mistake; it has been logged under this request id."


class Gateway:
    """Answers every client API path. ``publish`` gives it a configuration; ``sink`` takes one Outcome per request.

    ``complain`` is told of our own mistakes (request id, exception), ``reject`` why somebody was turned away who has
    no outcome. ``claim`` is asked, off the loop, for the one probe of an open circuit breaker. All state belongs to one
    event loop.
    """

    def __init__(
        self,
        sink: Callable[[Outcome], None],
        complain: Callable[[str, BaseException], None],
        reject: Callable[[str], None],
        *,
        limits: Limits | None = None,
        board: Board | None = None,
        claim: Claim | None = None,
        state: State | None = None,
        ledger: Ledger | None = None,
        shelf: Shelf | None = None,
        repeats: Shelf | None = None,
        index: Index | None = None,
    ) -> None:
        self._sink, self._complain, self._reject = sink, complain, reject
        self._limits, self._claim = limits or Limits(), claim
        self.board = board or Board()
        self.memory = Memory()
        self.purses = Purses(state or LocalState(), ledger)
        others = self.purses.state.others
        self.replays = Replays(
            shelf, Elsewhere(others, repeats) if others is not None and repeats is not None else None, index
        )
        self.board.paces.others = others
        self.snapshot: Snapshot | None = None
        self.in_flight = 0
        self._ids = request_ids()
        self._aside = Aside(sink, self._ids, complain)
        self._deadlines = Deadlines()
        self._upstream: Upstream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hearing: asyncio.Task[None] | None = None

    def publish(self, snapshot: Snapshot) -> None:
        """A new configuration, from any thread: requests that run keep the one they began with."""
        self.snapshot = snapshot
        self.board.configure(snapshot.switches)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: so is what it kept
                self._loop.call_soon_threadsafe(self.replays.follow, snapshot)
        if self._loop is not None and self._upstream is not None:
            links = [link for provider in snapshot.providers.values() for link in provider.links]
            routes = {route for link in links for route in (link.route, *(route for route, _ in link.others))}
            with contextlib.suppress(RuntimeError):  # the loop is closing: so are the pools
                asyncio.run_coroutine_threadsafe(self._upstream.keep(routes), self._loop)

    async def start(self) -> None:
        """Open the state; once, in the loop that requests will run in."""
        self._here()
        await self.purses.start()
        self._hearing = asyncio.ensure_future(self.board.paces.hear())

    def confirm(self, outcomes: Sequence[Outcome]) -> None:
        """From any thread: these have their rows and ledger lines."""
        if self._loop is not None and any(outcome.charges for outcome in outcomes):
            with contextlib.suppress(RuntimeError):  # the loop is closing: the next start reads the ledger
                asyncio.run_coroutine_threadsafe(self.purses.confirm(outcomes), self._loop)

    async def aclose(self) -> None:
        """Close what is open; call it in the gateway's loop, after the last request."""
        if self._hearing is not None:
            self._hearing.cancel()
        await self.replays.aclose()
        await self.purses.aclose()
        if self._upstream is not None:
            await self._upstream.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        began = monotonic()
        request_id = next(self._ids)
        method, path, query, headers = scope["method"], scope["path"], scope["query_string"], scope["headers"]
        writer = Writer(send, request_id, FORMATS[endpoints.format_of(path, headers)])
        self.in_flight += 1
        try:
            snapshot = self._snapshot()
            if snapshot.addresses is not None or snapshot.switches.requests_per_address is not None:
                await door.check(snapshot, self.purses.state, scope.get("client"), request_id, writer)
            call = endpoints.find(method, path, query, headers)
            caller = callers.identify(snapshot, headers, query, time.time())
            if call.endpoint.operation == "models":
                await writer.whole(200, listed(snapshot, caller, call.endpoint.format, call.name))
                return
            if call.endpoint.operation in STORED:
                await answer_stored(writer, self.memory.conversations, caller, call)
                return
            callers.permit(caller, call.endpoint.operation)
            check_length(headers, self._limits.max_body)
            if call.array or call.endpoint.format != writer.format:
                writer = Writer(send, request_id, FORMATS[call.endpoint.format], array=call.array)
            record = _record(scope, request_id, began, caller, call.endpoint)
            await self._serve(scope, receive, writer, record, snapshot, call)
        except Refusal as refusal:
            self._reject(refusal.code or refusal.type)
            await writer.refuse(refusal)
        finally:
            self.in_flight -= 1

    def _snapshot(self) -> Snapshot:
        if self.snapshot is None:
            raise Refusal(503, "The gateway is starting.", type="server_error", code="starting", retry_after=1)
        return self.snapshot

    async def _serve(
        self, scope: Scope, receive: Receive, writer: Writer, record: Record, snapshot: Snapshot, call: Call
    ) -> None:
        """Run the exchange and tell its outcome exactly once, on every way out."""
        exchange = Exchange(
            snapshot=snapshot,
            board=self.board,
            upstream=self._upstream_here(),
            memory=self.memory,
            purses=self.purses,
            replays=self.replays,
            limits=self._limits,
            writer=writer,
            record=record,
            call=call,
            aside=self._aside,
            claim=self._claim,
            headers=scope["headers"],
        )
        result, status = "failed", 0
        try:
            await self._watched(exchange, receive)
            result = "ok"
        except Refusal as found:
            refusal = await exchange.counted(found)
            result = "failed" if exchange.tries and exchange.tries.made else "refused"
            record.error_kind, record.error_message = refusal.code or refusal.type, refusal.message
            status = refusal.status
            last = exchange.last_words(refusal) if exchange.last_words else None
            await writer.refuse(refusal, last, exchange.error_headers())
        except ClientGone:
            result, status = "client_gone", 499
        except asyncio.CancelledError:
            record.error_kind, record.error_message = "shutdown", "The gateway stopped while the request ran."
            raise
        except Exception as mistake:
            self._complain(record.request_id, mistake)
            record.error_kind, record.error_message, status = "internal_error", type(mistake).__name__, 502
            await writer.refuse(Refusal(502, NOT_FOR_500, type="server_error", code="internal_error"))
        finally:
            self._sink(exchange.ended(result, status))

    async def _watched(self, exchange: Exchange, receive: Receive) -> None:
        """Read the body and answer, each in its time; stop at once when the client leaves (ClientGone)."""
        late = "The request's body did not arrive in time."
        guard = Guard(self._here(), self._deadlines, exchange, late, self._limits.body_seconds)
        try:
            body = await read_body(receive, self._limits.max_body)
            guard.go_on("The answer took longer than the gateway allows.", self._limits.total_seconds, receive)
            await exchange.answer(body)
        except asyncio.CancelledError:
            guard.explain()
            raise
        finally:
            guard.dismiss()

    def _here(self) -> asyncio.AbstractEventLoop:
        """The loop we live in; asking asyncio for it costs a system call on Python 3.11."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            if self.snapshot is not None:
                self.replays.follow(self.snapshot)
        return self._loop

    def _upstream_here(self) -> Upstream:
        if self._upstream is None:
            self._here()
            self._upstream = Upstream(told=self._told)
        return self._upstream

    def _told(self, attempt: Attempt, seconds: float) -> None:
        self.board.paces.told(attempt.link.connection_id, attempt.model, seconds)


class Deadlines:
    """One timer for the deadlines of all requests, which are minutes away and hardly ever met. It rings within a
    quarter of a second of them, and no request has to set and cancel one of its own."""

    STEP = 0.25

    def __init__(self) -> None:
        self._guards: set[Guard] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0  # when it rings

    def watch(self, loop: asyncio.AbstractEventLoop, guard: Guard, seconds: float) -> None:
        """Ring the guard when its time, so many seconds from now, is up; it may be set later meanwhile."""
        self._guards.add(guard)
        if self._timer is None:
            self._arm(loop, min(seconds, self.STEP))
        elif guard.until < self._at:
            self._timer.cancel()
            self._arm(loop, seconds)

    def forget(self, guard: Guard) -> None:
        self._guards.discard(guard)

    def _arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._at = loop.time() + seconds
        self._timer = loop.call_at(self._at, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for guard in [guard for guard in self._guards if guard.until <= now]:
            self._guards.discard(guard)
            guard.ring()
        self._timer = None
        if self._guards:
            self._arm(loop, self.STEP)


class Guard:
    """Cancels a request when its client leaves or its time is up, and knows afterwards which of the two it was.

    Measured: stepping ``receive()`` by hand instead of in a task of its own (whose cancellation alone costs more) saves
    35 µs a request.
    """

    __slots__ = ("_deadlines", "_exchange", "_late", "_loop", "_noticed", "_receive", "_task", "_waiting", "until")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines, exchange: Exchange, late: str, seconds: float
    ) -> None:
        self._loop, self._deadlines, self._exchange, self._late = loop, deadlines, exchange, late
        self._task = asyncio.current_task(loop)
        self.until = loop.time() + seconds
        deadlines.watch(loop, self, seconds)
        self._receive: Receive | None = None
        self._waiting: Coroutine[Any, None, MutableMapping[str, Any]] | None = None
        self._noticed = ""

    def go_on(self, late: str, seconds: float, receive: Receive) -> None:
        """The body is there: another deadline, and from now on the client is watched."""
        self._late, self.until = late, self._loop.time() + seconds
        self._deadlines.watch(self._loop, self, seconds)
        self._receive = receive
        self._listen()

    def explain(self) -> None:
        """After a cancellation: ClientGone or Refusal 408/504 if it was ours; else nothing, it was the server's."""
        if not self._noticed or self._task is None or self._task.uncancel() > 0:
            return
        if self._noticed == "gone":
            raise ClientGone from None
        if self._receive is None:
            raise Refusal(408, self._late, code="request_timeout") from None
        raise Refusal(504, self._late, type="server_error", code="timeout") from None

    def dismiss(self) -> None:
        """The request is over: nobody is watched or waited for any more, and no cycle keeps it in memory."""
        self._deadlines.forget(self)
        self._task = None
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    def _listen(self) -> None:
        assert self._receive is not None
        self._waiting = self._receive()  # type: ignore[assignment]  # every server's is a coroutine
        self._step()

    def _step(self, _: object = None) -> None:
        """Run ``receive()`` to its next wait, or to its message."""
        if self._waiting is None:
            return
        try:
            future = self._waiting.send(None)
        except StopIteration as end:
            if end.value["type"] == "http.disconnect":
                self._stop("gone")
            else:
                self._listen()
            return
        if future is None:  # it only let others go first
            self._loop.call_soon(self._step)
        else:
            future._asyncio_future_blocking = False  # as a task does when it takes a future over
            future.add_done_callback(self._step)

    def ring(self) -> None:
        """The time is up."""
        self._stop("late")

    def _stop(self, why: str) -> None:
        if not self._exchange.finished and not self._noticed and self._task is not None:
            self._noticed = why
            self._task.cancel()


def request_ids() -> Iterator[str]:
    """32 hex digits each: the time in milliseconds, then 80 random bits.

    By time, because rows have a unique index on it: measured on SQLite, a row among half a million costs a third of
    what it does with an id that is all random, and no more than the first. Drawn in bulk: the system call gives other
    threads the interpreter, and getting it back from the one that writes usage rows may take milliseconds.
    """
    while True:
        drawn = os.urandom(10 * 256).hex()
        for at in range(0, len(drawn), 20):
            yield f"{int(time.time() * 1000):012x}{drawn[at : at + 20]}"


def _record(scope: Scope, request_id: str, began: float, caller: Caller, endpoint: Endpoint) -> Record:
    client = scope.get("client")
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return Record(
        request_id=request_id,
        started_at=time.time(),
        began=began,
        caller=caller,
        operation=endpoint.operation,
        client_format=endpoint.format,
        client_address=client[0] if client else None,
        user_agent=agent[:200].decode("latin-1"),
    )
