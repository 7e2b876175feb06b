"""The spine: one request from its parsed body to its last byte, top to bottom."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from providers.transport.base import Timeouts, TransportError
from providers.upstream import MAX_REPLY, Attempt, Upstream, told_inside, transport_failure
from providers.wire.errors import Refusal, UpstreamFailure
from routing.board import Board, Verdict
from routing.gateway.admission import Ticket
from routing.gateway.answers import refusal_for
from routing.gateway.asking import Asking, Memory
from routing.gateway.attempts import NO_PACE, Claim, Tries
from routing.gateway.counting import count
from routing.gateway.endpoints import Call, Headers
from routing.gateway.lanes import Answer, Lane, Prepared
from routing.gateway.outcome import Outcome
from routing.gateway.peek import named
from routing.gateway.policies import Rule
from routing.gateway.purses import Purses
from routing.gateway.record import Record
from routing.gateway.relay import KeepAlive, Opened, open_stream
from routing.gateway.replay import Replays
from routing.gateway.services import OPERATIONS, answer
from routing.gateway.worst import Demand
from routing.gateway.writer import JSON_TYPE, Header, Writer
from routing.names import is_single, left_out
from routing.pace import Pace
from routing.plan import plan
from routing.reserves import reserved
from routing.resolve import resolve_once
from routing.sessions import session_of
from routing.snapshot import Snapshot

if TYPE_CHECKING:
    from routing.gateway.aside import Aside

monotonic = time.monotonic
UNSAFE = re.compile(r"[^A-Za-z0-9_.,\[\]-]")  # names of what was dropped may hold a client's own words
LONGEST_HEADER = 2000
STREAM_TIMEOUTS = Timeouts(connect=5, write=30, first_byte=180, idle=120)
WHOLE_TIMEOUTS = Timeouts(connect=5, write=30, first_byte=600, idle=120)  # the whole answer is made before its head


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a request. Times are seconds, sizes bytes."""

    max_body: int = 50 * 1024 * 1024
    body_seconds: float = 120.0
    total_seconds: float = 3600.0
    keep_alive_seconds: float = 15.0
    stream: Timeouts = STREAM_TIMEOUTS
    whole: Timeouts = WHOLE_TIMEOUTS


class Exchange(Struct, kw_only=True, eq=False):
    """One request and all it needs. ``finished`` is set once the client has everything it will get."""

    snapshot: Snapshot
    board: Board
    upstream: Upstream
    memory: Memory
    purses: Purses
    replays: Replays
    limits: Limits
    writer: Writer
    record: Record
    call: Call
    aside: Aside
    claim: Claim | None = None  # the one probe of an open circuit breaker
    headers: Headers = ()
    tries: Tries | None = None
    ticket: Ticket | None = None
    session: bytes | None = None  # the conversation, where it matters who answers it
    finished: bool = False
    keepers: list[Callable[[], Awaitable[None]]] = []
    last_words: Callable[[Refusal], bytes | None] | None = None  # of a stream that has begun

    async def answer(self, body: bytes) -> None:
        """Answer the request. Raises Refusal for what is to be told to the client."""
        operation = self.call.endpoint.operation
        try:
            if operation in OPERATIONS:
                await answer(self, operation, self.headers, body, name=self.call.name)
                return
            asking = Asking(self, body)
            self.record.requested_model, self.record.stream = asking.model, asking.stream
            if self.rules:
                await asking.obey(len(body))
            await self.replays.through(self, asking.question, lambda: self._ask(asking, body))
        except Refusal:
            self.record.requested_model = self.record.requested_model or self.call.name or named(body, self.headers)
            raise

    async def _ask(self, asking: Asking, body: bytes) -> None:
        """Have somebody answer."""
        ticket = self.begin(asking.model, asking.demand(body), asking)
        try:
            if self.call.endpoint.operation == "count":
                await count(self, asking, ticket)
            else:
                await (self._stream(asking, ticket) if asking.stream else self._whole(asking, ticket))
        finally:
            asking.let_go()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The caller's policies; those of everybody for somebody without a key."""
        caller = self.record.caller
        return self.snapshot.policies if caller.key_id is None else caller.policies

    def begin(
        self,
        model: str,
        demand: Demand,
        asking: Asking | None = None,
        able: Callable[[list[Attempt]], list[Attempt]] = lambda attempts: attempts,
    ) -> Ticket:
        """What the name stands for, as attempts, each behind the gate of limits and budgets; ``able`` leaves those that
        can do what is asked. Raises Refusal."""
        snapshot, caller = self.snapshot, self.record.caller
        node = resolve_once(snapshot, model, caller)
        session = None
        if asking is not None and snapshot.switches.session_affinity and not is_single(node):
            self.session, goes_on = session_of(str(caller.key_id), self.headers, asking.peek.fields)
            session = self.session if goes_on else None
        self.ticket = ticket = Ticket(self.purses, snapshot, self.record, self.writer, demand)
        self.tries = ticket.tries = Tries(
            able(plan(node, self.board, snapshot.switches, session=session)),
            self.board,
            snapshot.switches,
            monotonic,
            caller=str(caller.key_id),
            paces=self._pace,
            reserve=self._reserve,
            claim=self.claim,
            gate=ticket.gate,
        )
        for step in left_out(node):
            self.tries.skipped(*step)
        self.record.notes, self.record.skips = self.tries.notes, self.tries.skips
        return ticket

    async def counted(self, refusal: Refusal) -> Refusal:
        """A request that was refused before it came to the gate is one all the same: it counts at the caller's limits,
        and what it is told says how much is left. Another refusal when no more than that was left."""
        if self.tries is not None or not self.record.caller.limits:
            return refusal
        nothing = Demand(self.call.endpoint.operation, b"")
        self.ticket = Ticket(self.purses, self.snapshot, self.record, self.writer, nothing)
        try:
            await self.ticket.enter()
        except Refusal as limited:
            return limited
        return refusal

    def _pace(self, attempt: Attempt) -> Pace:
        return self.snapshot.providers[attempt.entry.id].paces.get(attempt.link.connection_id, NO_PACE)

    def _reserve(self, attempt: Attempt) -> Verdict | None:
        return reserved(self.snapshot, attempt, time.time()) if self.snapshot.quotas else None

    def _spoke(self, attempt: Attempt) -> None:
        """Something of the answer is there: from now on nobody else answers."""
        assert self.tries is not None
        self.record.first_byte_at = monotonic()
        self.tries.spoke()
        if self.session is not None:
            self.board.sessions.answered(self.session, (attempt.link.connection_id, attempt.model))

    async def _whole(self, asking: Asking, ticket: Ticket) -> None:
        assert self.tries is not None
        async for attempt in self.tries:
            try:
                lane, prepared = self._prepare(asking, attempt)
            except Refusal as refusal:
                self.tries.unable(refusal)
                continue
            try:
                answer = await self._fetch(attempt, lane, prepared)
            except UpstreamFailure as failure:
                self.tries.failed(failure)
                continue
            self._spoke(attempt)
            self.tries.answered()
            self.record.settle(answer.usage, prepared.body, answer.sample)
            headers = self.reply_headers(attempt, prepared.dropped, whole=True)
            await self.writer.whole(200, answer.body, (JSON_TYPE, *headers))
            self.finished = True
            return
        raise await ticket.refusal()

    async def _fetch(self, attempt: Attempt, lane: Lane, prepared: Prepared) -> Answer:
        reply = await self.upstream.open(
            attempt,
            self.record.operation,
            prepared.body,
            stream=False,
            timeouts=self.limits.whole,
            headers=prepared.headers,
        )
        try:
            return lane.whole(await reply.read(MAX_REPLY))
        except TransportError as wrong:
            raise transport_failure(wrong) from None
        except UpstreamFailure as failure:
            raise told_inside(attempt, failure, reply.headers) from None
        finally:
            await reply.aclose()

    async def _stream(self, asking: Asking, ticket: Ticket) -> None:
        assert self.tries is not None
        alive = KeepAlive(self.writer, self.limits.keep_alive_seconds)
        try:
            async for attempt in self.tries:
                try:
                    lane, prepared = self._prepare(asking, attempt)
                except Refusal as refusal:
                    self.tries.unable(refusal)
                    continue
                try:
                    operation, reader = self.record.operation, lane.stream()
                    opened = await open_stream(self.upstream, attempt, operation, prepared, self.limits.stream, reader)
                except UpstreamFailure as failure:
                    self.tries.failed(failure)
                    continue
                await self._relay(opened, attempt, alive, prepared)
                return
            raise await ticket.refusal()
        finally:
            alive.stop()

    async def _relay(self, opened: Opened, attempt: Attempt, alive: KeepAlive, prepared: Prepared) -> None:
        assert self.tries is not None
        self.last_words = opened.reader.fail
        try:
            self._spoke(attempt)
            try:
                await self._pass_on(opened, attempt, alive, prepared)
            finally:
                reader = opened.reader
                usage, opening = reader.usage, reader.opening
                if usage is not None and not reader.finished:  # of what was said by then, as Gemini tells it
                    usage, opening = None, usage
                self.record.settle(usage, prepared.body, reader.sample(), opening=opening)
            await self.told()
            await opened.drain()
        finally:
            await opened.reply.aclose()

    async def _pass_on(self, opened: Opened, attempt: Attempt, alive: KeepAlive, prepared: Prepared) -> None:
        assert self.tries is not None
        alive.touch()
        await self.writer.begin_stream(self.reply_headers(attempt, prepared.dropped))
        if opened.held:
            await self.writer.piece(opened.held)
        failure = await opened.relay(self.writer, alive)
        if failure is not None:
            failure = told_inside(attempt, failure, opened.reply.headers)
            self.tries.failed(failure)
            raise refusal_for(failure, 1)
        self.tries.answered()
        await self.writer.end_stream()
        self.finished = True

    def ended(self, result: str, status: int) -> Outcome:
        """The end, exactly once: what is held is given back. ``status`` is the client's, where nothing was written."""
        record = self.record
        if self.tries is not None:
            self.tries.abandoned(record.error_kind or result)
        if result != "ok":
            record.ended_badly(charge=self.snapshot.switches.charge_without_output, left=result == "client_gone")
        if self.ticket is not None:
            self.ticket.close()
        outcome = record.outcome(result, self.writer.status or status, monotonic(), self.upstream.ear.taken())
        self._let_go()
        return outcome

    def _let_go(self) -> None:
        """What knows of each other parts: a request is freed when it is over, not when the collector comes by, which is
        a hundred requests later and, for those that were under way when it came, a hundred thousand."""
        if self.tries is not None:
            self.tries.close()
        if self.ticket is not None:
            self.ticket.tries = None
        self.tries = self.ticket = self.last_words = None

    async def told(self) -> None:
        """The client has its answer: whoever keeps it does so now."""
        while self.keepers:
            await self.keepers.pop()()

    def _prepare(self, asking: Asking, attempt: Attempt) -> tuple[Lane, Prepared]:
        """How an attempt is asked, and what it is sent; the record knows from now on whom it goes to.

        Raises Refusal for what this provider cannot be told: the client's own mistake, found only now that its words
        are read, or something its format cannot say.
        """
        lane, prepared = asking.prepare(attempt)
        self.note(attempt)
        self.record.dropped, self.record.sent = prepared.dropped, prepared.body
        return lane, prepared

    def note(self, attempt: Attempt) -> None:
        """The record knows whom it went to, and what they charge."""
        provider = self.snapshot.providers[attempt.entry.id]
        self.record.attempt, self.record.price = attempt, provider.prices.get(attempt.model)
        self.record.flat_rate = provider.flat_rate

    def reply_headers(self, attempt: Attempt, dropped: tuple[str, ...], *, whole: bool = False) -> tuple[Header, ...]:
        """Who answered, and what could not be carried to them."""
        headers = self._answered_by(attempt.entry.id, attempt.model)
        if dropped:
            headers.append((b"x-omniroute-dropped", UNSAFE.sub("_", ",".join(dropped))[:LONGEST_HEADER].encode()))
        if whole and self.record.cost_usd is not None:
            headers.append((b"x-omniroute-cost-usd", f"{self.record.charged_usd:f}".encode()))
            if self.record.flat_rate:
                headers.append((b"x-omniroute-notional-usd", f"{self.record.cost_usd:f}".encode()))
        return tuple(headers)

    def error_headers(self) -> tuple[Header, ...]:
        """Who said the error that the client is told; nothing when no provider answered."""
        note = self.tries.told() if self.tries else None
        return tuple(self._answered_by(note.provider, note.model)) if note else ()

    def _answered_by(self, provider: str, model: str) -> list[Header]:
        return [
            (b"x-omniroute-provider", provider.encode()),
            (b"x-omniroute-model", model.encode("ascii", "replace")),
            (b"x-omniroute-attempts", str(max(self.tries.made, 1) if self.tries else 1).encode()),
            (b"x-omniroute-cache", self.record.cache.encode() or b"bypass"),
        ]
