"""Budgets' live counters: loaded from the ledger when first needed, confirmed when the ledger has a line, and read
again from time to time, for the ledger is the truth."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from routing.gateway.outcome import Outcome, spends
from routing.money import Span, Spans
from routing.snapshot import Budget
from routing.state import Shared, State

log = logging.getLogger(__name__)

# (budget, begin, end, request ids) → (units spent in that span, those of the ids whose lines are in that sum)
Ledger = Callable[[int, datetime, datetime | None, Sequence[str]], tuple[int, Sequence[str]]]
READ_AGAIN = 60.0  # seconds
PATIENCE = 3.0  # seconds that a request waits for the ledger; then the database counts as away
THREADS = 2  # of their own: a database that hangs must hold up nobody else's work
MOST_TRIES = 5


def purse_key(budget: int, period: str, begin: datetime) -> str:
    """The name of a budget's live counters in one span."""
    return f"b:{budget}:{period}:{int(begin.timestamp())}"


class Purses:
    """One per gateway. ``ledger`` is called in threads; it may raise while the database is away."""

    def __init__(self, state: State, ledger: Ledger | None) -> None:
        self.state, self._ledger = state, ledger
        self._spans = Spans()
        self._names: dict[int, tuple[Budget, float, float, tuple[str, Span]]] = {}  # by id: from, until, its purse
        self._known: dict[str, tuple[int, Span]] = {}
        self._loading: dict[str, asyncio.Task[bool]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")

    def at(self, budget: Budget, now: float) -> tuple[str, Span]:
        """The purse of a budget, and its span, at a Unix time."""
        known = self._names.get(budget.id)
        if known is None or known[0] is not budget or not known[1] <= now < known[2]:
            span = begin, end = self._spans.at(budget.period, budget.zone, now)
            last = end.timestamp() if end is not None else float("inf")
            purse = (purse_key(budget.id, budget.period, begin), span)
            known = self._names[budget.id] = (budget, begin.timestamp(), last, purse)
        return known[3]

    def used(self, key: str, budget: int, span: Span) -> None:
        """This process counts on the purse: it reads the ledger again for it, whoever loaded it first."""
        self._known[key] = (budget, span)

    async def load(self, key: str, budget: int, span: Span) -> bool:
        """Whether the purse's counters stand on the ledger now; many who ask at once cause one reading. A reading that
        takes too long goes on without those who wait for it."""
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.ensure_future(self._load(key, budget, span))
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE)
        except TimeoutError:
            log.error("What was spent cannot be read from the ledger: the database does not answer")
            return False

    async def _load(self, key: str, budget: int, span: Span) -> bool:
        if self._ledger is None:
            return False
        loop = asyncio.get_running_loop()
        try:
            for _ in range(MOST_TRIES):
                seen = await self.state.look(key)
                if seen is None:
                    return False
                version, ids = seen
                booked, known = await loop.run_in_executor(self._threads, self._ledger, budget, *span, ids)
                if await self.state.load(key, version, booked, known):
                    return True
        except Exception as wrong:  # the database is away: whoever needs this budget is refused
            log.error("What was spent cannot be read from the ledger: %s", wrong)
        return False

    async def read_again(self) -> None:
        """Every purse of a span that is not over; the others are forgotten."""
        now = time.time()
        for key, (budget, span) in list(self._known.items()):
            if span[1] is not None and span[1].timestamp() + READ_AGAIN < now:
                del self._known[key]
            else:
                await self.load(key, budget, span)

    async def start(self) -> None:
        """Open the state, and read the ledger again every minute, and whenever a server was away."""
        if isinstance(self.state, Shared):
            self.state.returned = self.read_again
        await self.state.start()
        self._keeper = asyncio.ensure_future(self._keep())

    async def aclose(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        await self.state.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(READ_AGAIN)
            await self.read_again()

    async def confirm(self, outcomes: Sequence[Outcome]) -> None:
        """These have their lines in the ledger. Counters that did not know of one (the server has lost what it knew, or
        a lease was over) are read from the ledger again."""
        rows = [
            (charge.purse, outcome.request_id, spent)
            for outcome in outcomes
            if outcome.charges
            for charge, spent in spends(outcome)
        ]
        for key in await self.state.confirm(rows) if rows else ():
            if key in self._known:
                await self.load(key, *self._known[key])
