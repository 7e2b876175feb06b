"""The ASGI edge of the client APIs: bytes in, bytes out, one outcome whatever happens.

A plain callable rather than a Channels consumer class or a Django view: measured, those cost two to twelve times the
CPU, and a consumer class does not notice that the client left while it is awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from providers.upstream import Attempt, Upstream
from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS
from routing.board import Board
from routing.gateway import callers, door, endpoints
from routing.gateway.aside import Aside
from routing.gateway.asking import Memory
from routing.gateway.attempts import Claim
from routing.gateway.deadlines import Deadlines, Guard
from routing.gateway.endpoints import Call, Endpoint
from routing.gateway.exchange import Exchange, Limits, monotonic
from routing.gateway.intake import ClientGone, Receive, check_framing, read_body, unpacked
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
                await writer.whole(200, listed(snapshot, caller, call.endpoint.format, call.name, call.query))
                return
            if call.endpoint.operation in STORED:
                await answer_stored(writer, self.memory.conversations, caller, call)
                return
            callers.permit(caller, call.endpoint.operation)
            packed = check_framing(headers, self._limits.max_body)
            if call.array or call.endpoint.format != writer.format:
                writer = Writer(send, request_id, FORMATS[call.endpoint.format], array=call.array)
            record = _record(scope, request_id, began, caller, call.endpoint)
            await self._serve(scope, receive, writer, record, snapshot, call, packed)
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
        self,
        scope: Scope,
        receive: Receive,
        writer: Writer,
        record: Record,
        snapshot: Snapshot,
        call: Call,
        packed: str,
    ) -> None:
        """Run the exchange and tell its outcome exactly once, on every way out. ``packed``: how the body is."""
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
            await self._watched(exchange, receive, packed)
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

    async def _watched(self, exchange: Exchange, receive: Receive, packed: str) -> None:
        """Read the body and answer, each in its time; stop at once when the client leaves (ClientGone)."""
        late = "The request's body did not arrive in time."
        guard = Guard(self._here(), self._deadlines, exchange, late, self._limits.body_seconds)
        try:
            body = await read_body(receive, self._limits.max_body)
            guard.go_on("The answer took longer than the gateway allows.", self._limits.total_seconds, receive)
            if packed:
                body = await unpacked(body, packed, self._limits.max_body)
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
