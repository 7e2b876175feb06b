"""The one gate of every request: its caller's limits, and the money an attempt may cost.

A :class:`Ticket` comes with every request's attempts and is asked before each: no endpoint can leave the gate out.
The first attempt takes everything in one step (requests, tokens, a slot, the money), whole or not at all; another
attempt takes the money anew, at its own price. Who has no limit and no budget pays nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from msgspec import Struct

from providers.entry import Price
from providers.prices import price_of
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal
from routing.board import Verdict
from routing.bounded import put
from routing.gateway import denials
from routing.gateway.attempts import Tries
from routing.gateway.outcome import Charge
from routing.gateway.purses import Purses
from routing.gateway.record import Record
from routing.gateway.worst import Demand
from routing.gateway.writer import Writer
from routing.money import Span, charged, units
from routing.snapshot import Budget, Caller, Limit, Snapshot
from routing.state import Claim, End, Purse, Slot, Taken, Why, Window

Held = tuple[Budget, str, Span]  # a budget, and its purse in the span in which the request began
MOST_LOADS = 2  # of purses, beyond one for each, before the ledger counts as away


class Meters(Struct, frozen=True, eq=False):
    """The counters of a caller's limits, and whose each of them is."""

    windows: tuple[Window, ...] = ()
    slots: tuple[Slot, ...] = ()
    counted: tuple[tuple[Limit, str], ...] = ()  # of each window: (whose, "requests" or "tokens")
    held: tuple[Limit, ...] = ()  # of each slot


NOTHING = Meters()
_known: OrderedDict[int, tuple[tuple[Limit, ...], Meters]] = OrderedDict()  # by identity: a caller asks a lot


def meters(limits: tuple[Limit, ...], usual: Callable[[], int]) -> Meters:
    """What a request of a caller with these limits counts at. Estimates larger than a limit take all of it."""
    known = _known.get(id(limits))
    if known is None or known[0] is not limits:
        known = (limits, _meters(limits))
        put(_known, id(limits), known)
    found = known[1]
    if not any(kind == "tokens" for _, kind in found.counted):
        return found
    tokens = usual()
    windows = [
        Window(window.key, window.limit, min(tokens, window.limit)) if kind == "tokens" else window
        for window, (_, kind) in zip(found.windows, found.counted, strict=True)
    ]
    return Meters(tuple(windows), found.slots, found.counted, found.held)


def _meters(limits: tuple[Limit, ...]) -> Meters:
    """The same of a request without tokens."""
    rows: list[tuple[Window, tuple[Limit, str]]] = []
    for limit in limits:
        if limit.requests is not None:
            rows.append((Window(f"r:{limit.key}", limit.requests, 1), (limit, "requests")))
        if limit.tokens is not None:
            rows.append((Window(f"t:{limit.key}", limit.tokens, 0), (limit, "tokens")))
    held = tuple(limit for limit in limits if limit.parallel is not None)
    slots = tuple(Slot(f"p:{limit.key}", limit.parallel or 0) for limit in held)
    return Meters(tuple(window for window, _ in rows), slots, tuple(whose for _, whose in rows), held)


def counting(snapshot: Snapshot, caller: Caller, attempt: Attempt, operation: str) -> tuple[Budget, ...]:
    """The budgets that an attempt counts at: none at a flat rate, and none when tokens are only counted."""
    provider = snapshot.providers[attempt.entry.id]
    if provider.flat_rate or operation == "count":
        return ()
    return caller.budgets + snapshot.budgets + provider.budgets


class Ticket:
    """The gate of one request's attempts; ``close()`` exactly once, whatever happened."""

    __slots__ = (
        "_caller",
        "_claim",
        "_demand",
        "_denied",
        "_entered",
        "_free",
        "_meters",
        "_purses",
        "_record",
        "_second",
        "_snapshot",
        "_writer",
        "tries",
    )  # fmt: skip

    def __init__(self, purses: Purses, snapshot: Snapshot, record: Record, writer: Writer, demand: Demand) -> None:
        caller: Caller = record.caller
        self._purses, self._snapshot, self._record, self._writer = purses, snapshot, record, writer
        self._demand, self._caller = demand, caller
        self.tries: Tries | None = None
        self._free = not (caller.limits or caller.budgets or snapshot.budgets or snapshot.spending)
        self._entered = not caller.limits
        self._meters: Meters | None = None
        self._claim: Claim | None = None  # the last one, granted or on its way
        self._second = 0
        self._denied: Refusal | None = None

    @property
    def gate(self) -> Callable[[Attempt], Awaitable[Verdict | None]] | None:
        """What is asked before each attempt; None where nothing limits the caller."""
        return None if self._free else self._admit

    async def refusal(self) -> Refusal:
        """What the client is told when no attempt answered: of money, when that was what kept providers away."""
        assert self.tries is not None
        await self.enter()  # nobody could be asked: it was a request all the same
        if self._denied is not None and not self.tries.failures:
            return self._denied
        return self.tries.refusal()

    async def enter(self) -> None:
        """Count the request at its caller's limits, if no attempt has. Raises Refusal 429 when one is reached."""
        if not self._entered:
            await self._take([], 0)

    # -- in -----------------------------------------------------------------------------------------------------------
    async def _admit(self, attempt: Attempt) -> Verdict | None:
        """None when the attempt may be made, and paid. Raises Refusal 429 when a limit of the caller's is reached."""
        budgets = counting(self._snapshot, self._caller, attempt, self._demand.operation)
        purses = [(budget, *self._purses.at(budget, self._record.started_at)) for budget in budgets]
        hard = [row for row in purses if row[0].hard]
        worst = 0
        if hard:
            price = await self._price(attempt, self._snapshot.providers[attempt.entry.id].prices.get(attempt.model))
            bound = self._bound(attempt, price) if price is not None else None
            if bound is None:
                what = self._demand.boundless(attempt) if price is not None else ""
                return self._deny(denials.unpriced(attempt, hard[0][0], what))
            worst = units(bound)
        taken = await self._take(hard, worst)
        if taken.why is not None:
            return self._deny(self._shortage(taken, hard, worst))
        self._record.charges = tuple(
            [Charge(budget=budget.id, purse=key, reserved=worst if budget.hard else 0) for budget, key, _ in purses]
        )
        return None

    def _bound(self, attempt: Attempt, price: Price) -> Decimal | None:
        """USD at most; of a request that has no bound, without what can be left out of it."""
        bound = self._demand.worst(attempt, price)
        return self._demand.worst(attempt, price) if bound is None and self._demand.spare(attempt) else bound

    async def _price(self, attempt: Attempt, price: Price | None) -> Price | None:
        """The price at hand, else the list's, which is long to look for the first time."""
        if price is None and attempt.model not in attempt.entry.models:
            price = await asyncio.to_thread(price_of, attempt.entry, attempt.model)
        return price

    def _deny(self, denied: Refusal) -> Verdict:
        self._denied = self._denied or denied
        return Verdict(Kind.QUOTA, denied.retry_after or 0.0, hard=True, why=denied.code or denied.type)

    async def _take(self, hard: Sequence[Held], worst: int) -> Taken:
        """Take what is not held yet, and the money. Raises Refusal 429 when a limit of the caller's is reached."""
        wanted = self._wanted(hard, worst)
        if not (wanted.windows or wanted.slots or wanted.purses or wanted.drop):
            return Taken()
        before, self._claim = self._claim, wanted
        taken = await self._purses.state.take(wanted)
        for _ in range(len(hard) + MOST_LOADS):
            if taken.why is not Why.UNKNOWN:
                break
            budget, key, span = hard[taken.index]
            if not await self._purses.load(key, budget.id, span):
                break
            taken = await self._purses.state.take(wanted)
        if not self._entered:
            self._tell(taken)
        if taken.why is None:
            self._second, self._entered = taken.second or self._second, True
            for budget, key, span in hard:
                self._purses.used(key, budget.id, span)
        else:
            self._claim = before
        return taken

    def _wanted(self, hard: Sequence[Held], worst: int) -> Claim:
        if self._meters is None:
            self._meters = meters(self._caller.limits, self._demand.usual)
        found = NOTHING if self._entered else self._meters
        purses = tuple([Purse(key, budget.limit, worst) for budget, key, _ in hard])
        drop: tuple[str, ...] = ()
        if self._claim is not None and self._claim.purses:
            drop = tuple({purse.key for purse in self._claim.purses} - {purse.key for purse in purses})
        return Claim(self._record.request_id, found.windows, found.slots, purses, drop)

    def _tell(self, taken: Taken) -> None:
        """The limits go out with whatever is answered; a limit that is reached is answered at once."""
        assert self._meters is not None
        if taken.levels:
            levels = zip(self._meters.counted, self._meters.windows, taken.levels, strict=True)
            rows = [(kind, window.limit, *level) for (_, kind), window, level in levels]
            self._writer.always(denials.limit_headers(self._record.client_format, rows))
        if taken.why is Why.WINDOW:
            limit, kind = self._meters.counted[taken.index]
            raise denials.too_many(limit, kind, taken.retry_after)
        if taken.why is Why.SLOT:
            raise denials.too_parallel(self._meters.held[taken.index])

    def _shortage(self, taken: Taken, hard: Sequence[Held], worst: int) -> Refusal:
        if taken.why is not Why.PURSE:
            return denials.unknown_budget()
        budget, _, (_, end) = hard[taken.index]
        return denials.over_budget(budget, taken.spent, taken.reserved, worst, end, self._record.started_at)

    # -- out ----------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Give back what is held; what was spent is kept until the ledger has it. The record knows its usage."""
        if self._claim is None:
            return
        assert self._meters is not None
        record, claim = self._record, self._claim
        cost = None if record.unknown else int(charged(record.cost_usd).scaleb(10))
        purses = tuple([(p.key, p.amount if cost is None else cost) for p in claim.purses])
        corrections: tuple[tuple[str, int, int], ...] = ()
        if self._second and (record.usage is not None or record.pending is None):
            used = record.usage.input + record.usage.output if record.usage is not None else 0
            corrections = tuple(
                [
                    (window.key, self._second, used - window.amount)
                    for window, (_, kind) in zip(self._meters.windows, self._meters.counted, strict=True)
                    if kind == "tokens" and used != window.amount
                ]
            )
        slots = tuple([slot.key for slot in self._meters.slots])
        self._purses.state.end(End(claim.id, slots, corrections, purses))
