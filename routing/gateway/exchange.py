"""The spine: one request from its parsed body to its last byte, top to bottom."""

from __future__ import annotations

import time
from dataclasses import dataclass

from providers.body import dump
from providers.failures import classify
from providers.transport.base import Timeouts, TransportError
from providers.upstream import MAX_REPLY, Attempt, Upstream, cleaned, transport_failure
from providers.wire.errors import UpstreamFailure
from providers.wire.openai_chat import ChatRequest, WholeReply, parse
from routing.board import Board
from routing.gateway.answers import refusal_for
from routing.gateway.attempts import Tries
from routing.gateway.record import Record
from routing.gateway.relay import KeepAlive, Opened, open_stream
from routing.gateway.writer import JSON_TYPE, Header, Writer
from routing.plan import plan
from routing.resolve import resolve
from routing.snapshot import Snapshot

monotonic = time.monotonic
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


@dataclass(slots=True)
class Exchange:
    """One request and all it needs. ``finished`` is set once the client has everything it will get."""

    snapshot: Snapshot
    board: Board
    upstream: Upstream
    limits: Limits
    writer: Writer
    record: Record
    tries: Tries | None = None
    finished: bool = False

    async def answer(self, body: bytes) -> None:
        """Answer the request. Raises Refusal for what is to be told to the client."""
        request = parse(body, self.record.operation)
        self.record.requested_model, self.record.stream = request.model, request.stream
        node = resolve(self.snapshot, request.model, self.record.caller)
        self.tries = Tries(plan(node, self.board), self.board, self.snapshot.switches, monotonic)
        self.record.notes = self.tries.notes
        await (self._stream(request, self.tries) if request.stream else self._whole(request, self.tries))

    async def _whole(self, request: ChatRequest, tries: Tries) -> None:
        for attempt in tries:
            body, dropped = self._prepare(request, attempt)
            try:
                reply = await self._fetch(attempt, request.operation, body)
            except UpstreamFailure as failure:
                tries.failed(failure)
                continue
            self.record.first_byte_at = monotonic()
            tries.answered()
            self.record.settle(reply.usage, body, reply.body)
            await self.writer.whole(200, reply.body, (JSON_TYPE, *self._headers(attempt, tries, dropped, whole=True)))
            self.finished = True
            return
        raise tries.refusal()

    async def _fetch(self, attempt: Attempt, operation: str, body: bytes) -> WholeReply:
        reply = await self.upstream.open(attempt, operation, body, stream=False, timeouts=self.limits.whole)
        try:
            return WholeReply(await reply.read(MAX_REPLY))
        except TransportError as wrong:
            raise transport_failure(wrong) from None
        except UpstreamFailure as failure:
            raise cleaned(attempt, classify(failure, attempt.entry.failures)) from None
        finally:
            await reply.aclose()

    async def _stream(self, request: ChatRequest, tries: Tries) -> None:
        alive = KeepAlive(self.writer, self.limits.keep_alive_seconds)
        try:
            for attempt in tries:
                body, dropped = self._prepare(request, attempt)
                try:
                    opened = await open_stream(
                        self.upstream,
                        attempt,
                        request.operation,
                        body,
                        self.limits.stream,
                        pass_usage=request.include_usage,
                    )
                except UpstreamFailure as failure:
                    tries.failed(failure)
                    continue
                await self._relay(opened, attempt, tries, alive, body, self._headers(attempt, tries, dropped))
                return
            raise tries.refusal()
        finally:
            alive.stop()

    async def _relay(
        self, opened: Opened, attempt: Attempt, tries: Tries, alive: KeepAlive, body: bytes, headers: tuple[Header, ...]
    ) -> None:
        try:
            self.record.first_byte_at = monotonic()
            alive.touch()
            await self.writer.begin_stream(headers)
            if opened.held:
                await self.writer.piece(opened.held)
            failure = await opened.relay(self.writer, alive)
            if failure is not None:
                failure = cleaned(attempt, classify(failure, attempt.entry.failures))
                tries.failed(failure)
                raise refusal_for(failure, 1)
            tries.answered()
            await self.writer.end_stream()
            self.finished = True
            await opened.drain()
        finally:
            self.record.settle(opened.reader.usage, body, opened.reader.sample())
            await opened.reply.aclose()

    def _prepare(self, request: ChatRequest, attempt: Attempt) -> tuple[bytes, tuple[str, ...]]:
        self.record.attempt = attempt
        self.record.price = self.snapshot.providers[attempt.entry.id].prices.get(attempt.model)
        return dump(request, attempt.model, attempt.entry.request, stream_usage=attempt.entry.stream_usage)

    def _headers(
        self, attempt: Attempt, tries: Tries, dropped: tuple[str, ...], *, whole: bool = False
    ) -> tuple[Header, ...]:
        headers = [
            (b"x-omniroute-provider", attempt.entry.id.encode()),
            (b"x-omniroute-model", attempt.model.encode("ascii", "replace")),
            (b"x-omniroute-attempts", str(max(tries.made, 1)).encode()),
            (b"x-omniroute-cache", b"bypass"),
        ]
        if dropped:
            headers.append((b"x-omniroute-dropped", ",".join(dropped).encode()))
        if whole and self.record.cost_usd is not None:
            headers.append((b"x-omniroute-cost-usd", f"{self.record.cost_usd:f}".encode()))
        return tuple(headers)
