"""Answers that need nobody to be asked: kept ones (the cache), and those of the same request sent twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Refusal, UpstreamFailure
from routing.gateway.relay import KeepAlive
from routing.gateway.replay.elsewhere import Elsewhere, Job
from routing.gateway.replay.index import Index, MemoryIndex
from routing.gateway.replay.kept import Kept, Tape
from routing.gateway.replay.meaning import Meanings, Search
from routing.gateway.replay.once import MOST_SLOTS, Once, Slot
from routing.gateway.replay.question import Question, answerers, scope_of
from routing.gateway.replay.shared import SharedShelf
from routing.gateway.replay.shared_index import SharedIndex
from routing.gateway.replay.shelf import MemoryShelf, Shelf, flushed
from routing.gateway.replay.telling import tell, worth_keeping
from routing.resolve import resolve
from routing.snapshot import Caching, Snapshot

if TYPE_CHECKING:
    from routing.gateway.endpoints import Headers
    from routing.gateway.exchange import Exchange

__all__ = ["Elsewhere", "Index", "Question", "Replays", "Shelf", "open_index", "open_repeats", "open_shelf"]

Run = Callable[[], Awaitable[None]]
LONGEST_KEPT = 4 * 1024 * 1024  # bytes of one answer in the cache
LONGEST_REPEATED = 16 * 1024 * 1024  # and of one under an Idempotency-Key
ALONE = Caching()  # a repeated request is its caller's own
REPEATS = "omniroute:once"
NO_CACHE = ("no-cache", "no-store")


def open_repeats(url: str | None, timeout: float) -> Shelf | None:
    """Where several processes find the answers of repeated requests; None without a Redis. Nobody waits for it but
    who repeats a request, and none while the state says that Redis is away: it may take a second at least, and does not
    pause by itself, for what the state says is done must be found as soon as Redis is back."""
    if not url:
        return None
    shelf = SharedShelf(url, REPEATS, max(timeout, 1.0), pause=0)
    shelf.bound(MOST_SLOTS, 0)
    return shelf


def open_shelf(url: str | None) -> Shelf:
    """The shelf of an installation: shared when there is a Redis."""
    return SharedShelf(url) if url else MemoryShelf()


def open_index(url: str | None) -> Index:
    """Likewise where questions are found by their meaning."""
    return SharedIndex(url) if url else MemoryIndex()


class Wish(msgspec.Struct, frozen=True):
    """What a request's headers say: its Idempotency-Key, and whether it wants no kept answer."""

    key: str | None = None
    bypass: bool = False


def wish_of(headers: Headers) -> Wish:
    key, bypass = None, False
    for name, value in headers:
        if name == b"idempotency-key":
            key = value.decode("latin-1").strip()
        elif name == b"x-omniroute-no-cache":
            bypass = bypass or value.strip().lower() in (b"true", b"1")
        elif name == b"cache-control":
            bypass = bypass or any(word in value.decode("latin-1").lower() for word in NO_CACHE)
    return Wish(key, bypass)


class Replays:
    """All kept answers of a gateway. Belongs to one event loop."""

    def __init__(
        self, shelf: Shelf | None = None, elsewhere: Elsewhere | None = None, index: Index | None = None
    ) -> None:
        self.shelf: Shelf = shelf or MemoryShelf()
        self.elsewhere = elsewhere
        self.once, self.meanings = Once(), Meanings(index)

    def follow(self, snapshot: Snapshot) -> None:
        """New settings: other bounds, and what was flushed goes."""
        caching = snapshot.caching
        self.shelf.bound(caching.max_entries, caching.max_mb * 1024 * 1024)
        self.shelf.sweep(snapshot.flushed)
        self.meanings.follow(snapshot.flushed.get("", 0.0))

    async def aclose(self) -> None:
        await self.shelf.aclose()
        await self.meanings.index.aclose()
        if self.elsewhere is not None:
            await self.elsewhere.aclose()

    # -- a request ----------------------------------------------------------------------------------------------------
    async def through(self, exchange: Exchange, question: Callable[[], Question], run: Run) -> None:
        """Answer by a kept answer, else by ``run``, whose answer is kept then. Raises Refusal."""
        caching = exchange.snapshot.caching
        wish = wish_of(exchange.headers) if caching.exact or caching.idempotency_seconds else Wish()
        keyed = wish.key is not None and caching.idempotency_seconds > 0
        if not caching.exact and not keyed:
            await run()
            return
        asked = question()
        # Whoever may not ask for the model gets no answer of it either.
        node = resolve(exchange.snapshot, asked.model, exchange.record.caller)
        who = answerers(node)
        cached = caching.exact and not wish.bypass and asked.cacheable(caching.any_temperature)
        inner: Run = (lambda: self._cached(exchange, asked, who, run)) if cached else run
        if keyed and wish.key is not None:
            await self._once(exchange, asked, wish.key, inner)
        else:
            await inner()

    async def _cached(self, exchange: Exchange, question: Question, who: str, run: Run) -> None:
        record = exchange.record
        scope = scope_of(record.caller, exchange.snapshot.caching, record.client_address)
        key = question.digest(scope, who)
        kept = await self._get(exchange, key)
        if kept is not None:
            await self._tell(exchange, question, kept, "hit")
            return
        search = None
        if exchange.snapshot.caching.semantic:
            search = await self.meanings.look_up(exchange, question, scope, who)
        for near in search.keys if search is not None else ():
            if (kept := await self._get(exchange, near)) is not None:
                await self._tell(exchange, question, kept, "semantic")
                return
        record.cache = "miss"
        with _taped(exchange, LONGEST_KEPT) as tape:

            async def keep() -> None:
                made = self._made(exchange, question, tape)
                if made is not None:
                    await self._put(exchange.snapshot.caching, key, made, search)

            exchange.keepers.append(keep)
            await run()
            await exchange.told()

    async def _put(self, caching: Caching, key: str, made: Kept, search: Search | None) -> None:
        if await self.shelf.put(key, made, caching.ttl_seconds) and search is not None:
            until = time.time() + caching.ttl_seconds
            await self.meanings.remember(search, key, until, caching.semantic_entries)

    async def _get(self, exchange: Exchange, key: str) -> Kept | None:
        kept = await self.shelf.get(key)
        return None if kept is None or flushed(kept, exchange.snapshot.flushed) else kept

    def _made(self, exchange: Exchange, question: Question, tape: Tape) -> Kept | None:
        """What may be kept of an answer that was given; None when it is none that would be given again."""
        kept = tape.kept() if exchange.finished else None
        if kept is None or kept.kind == "bytes":
            return None
        try:
            if question.chat and not worth_keeping(question.draft.format, kept):
                return None
        except (UpstreamFailure, msgspec.MsgspecError):
            return None
        record = exchange.record
        usage, cost = record.usage, record.charged_usd
        return replace(
            kept,
            include_usage=question.include_usage,
            usage=usage,
            subject=f"key:{record.caller.key_id}",
            model=question.model,
            at=time.time(),
            tokens=usage.input + usage.output if usage is not None else 0,
            usd=f"{cost:f}" if cost is not None else "0",
        )

    async def _tell(self, exchange: Exchange, question: Question, kept: Kept, how: str) -> None:
        """Answer with it; it costs nothing, and what it would have cost is noted."""
        record = exchange.record
        record.cache, record.cost_usd = how, Decimal(0)
        record.saved_tokens, record.saved_usd = kept.tokens, Decimal(kept.usd)
        headers = [(b"x-omniroute-cache", b"hit"), (b"x-omniroute-attempts", b"0")]
        if how == "repeated":
            headers.append((b"x-omniroute-idempotent", b"true"))
        if not question.stream:
            headers.append((b"x-omniroute-cost-usd", b"0"))
        record.first_byte_at = time.monotonic()
        await tell(exchange.writer, kept, question, tuple(headers))
        exchange.finished = True

    # -- the same request again ---------------------------------------------------------------------------------------
    async def _once(self, exchange: Exchange, question: Question, key: str, run: Run) -> None:
        record = exchange.record
        scope = scope_of(record.caller, ALONE, record.client_address)
        digest = question.digest(str(question.stream), str(question.include_usage), str(question.array))
        while True:
            slot, first = self.once.find(scope, key, digest)
            if first:
                break
            with _patience(exchange, question):
                await slot.over.wait()
            if slot.refusal is not None:
                raise slot.refusal
            if slot.kept is not None:
                await self._tell(exchange, question, slot.kept, "repeated")
                return
        refusal: Refusal | None = None
        job: Job | None = None
        try:
            if self.elsewhere is not None:
                with _patience(exchange, question):
                    found = await self.elsewhere.first(scope, key, digest)
                if not isinstance(found, Job):
                    self.once.answered(scope, key, slot, *found)
                    await self._tell(exchange, question, found[0], "repeated")
                    return
                job = found
            await self._first(
                exchange, question, run, lambda kept: self._answered(exchange, scope, key, slot, job, kept)
            )
        except Refusal as wrong:
            refusal = wrong
            raise
        finally:
            if not slot.over.is_set():
                self.once.ended(scope, key, slot, refusal)
                if self.elsewhere is not None and job is not None:
                    self.elsewhere.ended(job, refusal)

    async def _first(
        self, exchange: Exchange, question: Question, run: Run, answered: Callable[[Kept | None], Awaitable[None]]
    ) -> None:
        with _taped(exchange, LONGEST_REPEATED) as tape:

            async def keep() -> None:
                await answered(self._repeatable(exchange, question, tape))

            exchange.keepers.append(keep)
            await run()
            await exchange.told()

    async def _answered(
        self, exchange: Exchange, scope: str, key: str, slot: Slot, job: Job | None, kept: Kept | None
    ) -> None:
        seconds = exchange.snapshot.caching.idempotency_seconds
        self.once.answered(scope, key, slot, kept, seconds)
        if self.elsewhere is not None and job is not None:
            await self.elsewhere.answered(job, kept, seconds)

    def _repeatable(self, exchange: Exchange, question: Question, tape: Tape) -> Kept | None:
        kept, record = tape.kept(), exchange.record
        if kept is None:
            return None
        usage, cost = record.usage, record.charged_usd
        tokens = usage.input + usage.output if usage is not None else 0
        usd = f"{cost:f}" if cost is not None else "0"
        return replace(kept, include_usage=question.include_usage, tokens=tokens, usd=usd)


@contextlib.contextmanager
def _patience(exchange: Exchange, question: Question) -> Iterator[None]:
    """While somebody else's answer is waited for, clients of streams hear that they are not forgotten."""
    alive = KeepAlive(exchange.writer, exchange.limits.keep_alive_seconds) if question.stream else None
    try:
        yield
    finally:
        if alive is not None:
            alive.stop()


@contextlib.contextmanager
def _taped(exchange: Exchange, limit: int) -> Iterator[Tape]:
    """A tape of what the client gets, beside one that may be running already."""
    tape = Tape(limit)
    before = exchange.writer.tapes
    exchange.writer.tapes = (*before, tape)
    try:
        yield tape
    finally:
        exchange.writer.tapes = before
