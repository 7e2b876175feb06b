"""State of one process. Every method runs without waiting, so that each is one step for the event loop.

Leases are not needed here: what a killed process held goes with it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from routing.state.base import SETTLED_LEASE, WINDOW, Claim, End, Others, Purse, Slot, Taken, Why, Window

MOST_ENTRIES = 50_000  # of each kind
NEVER = float("inf")
V = TypeVar("V")


@dataclass(slots=True)
class _Window:
    """Counts per second, the oldest first. A second counts until it lies a whole window behind."""

    seconds: deque[list[int]] = field(default_factory=deque)  # [second, amount]
    total: int = 0

    def forget(self, now: float) -> None:
        while self.seconds and self.seconds[0][0] + WINDOW + 1 <= now:
            self.total -= self.seconds.popleft()[1]

    def add(self, second: int, amount: int) -> None:
        if not self.seconds or self.seconds[-1][0] != second:
            self.seconds.append([second, 0])
        self.seconds[-1][1] += amount
        self.total += amount

    def room_after(self, now: float, over: int) -> float:
        """Seconds until ``over`` of what counts now does not count any more."""
        for second, amount in self.seconds:
            over -= amount
            if over <= 0:
                return second + WINDOW + 1 - now
        return float(WINDOW)

    def level(self, now: float) -> tuple[int, float]:
        return self.total, (self.seconds[-1][0] + WINDOW + 1 - now) if self.seconds else 0.0


@dataclass(slots=True)
class _Purse:
    """``open``: what requests hold, as (amount, when it lapses); a reservation never does, its process lives."""

    booked: int | None = None  # by the ledger; None: not loaded
    version: int = 0
    settled: int = 0  # by requests whose line is not in the ledger yet
    reserved: int = 0
    open: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def spent(self) -> int:
        return (self.booked or 0) + self.settled

    def reserve(self, id: str, amount: int) -> None:
        if id in self.open:
            self.drop(id)
        self.open[id] = (amount, NEVER)
        self.reserved += amount

    def settle(self, id: str, amount: int, lapses: float) -> None:
        self.drop(id)
        if amount:
            self.open[id] = (amount, lapses)
            self.settled += amount

    def held(self, id: str) -> int:
        amount, lapses = self.open.get(id, (0, NEVER))
        return amount if lapses == NEVER else 0

    def drop(self, id: str) -> bool:
        amount, lapses = self.open.pop(id, (-1, NEVER))
        if amount < 0:
            return False
        if lapses == NEVER:
            self.reserved -= amount
        else:
            self.settled -= amount
        return True


class Memory:
    """``clock`` is seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._slots: dict[str, set[str]] = {}
        self._purses: OrderedDict[str, _Purse] = OrderedDict()
        self.others: Others | None = None

    async def start(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    # -- claims -------------------------------------------------------------------------------------------------------
    async def take(self, claim: Claim) -> Taken:
        return self.take_now(claim)

    def take_now(self, claim: Claim) -> Taken:
        """As :meth:`take`, for who must not wait."""
        now = self._clock()
        windows = [self._window(window.key, now) for window in claim.windows]
        refused = (
            self._full_window(now, claim.windows, windows)
            or self._full_slot(claim.slots, claim.id)
            or self._short_purse(claim.purses, claim.id)
        )
        if refused is not None:
            return refused
        second = int(now)
        for found, window in zip(windows, claim.windows, strict=True):
            if window.amount:
                found.add(second, window.amount)
        for slot in claim.slots:
            self._slots.setdefault(slot.key, set()).add(claim.id)
        for key in claim.drop:
            if key in self._purses:
                self._purses[key].drop(claim.id)
        for purse in claim.purses:
            self._purses[purse.key].reserve(claim.id, purse.amount)
        return Taken(second=second, levels=tuple([found.level(now) for found in windows]))

    def _window(self, key: str, now: float) -> _Window:
        found = _bounded(self._windows, key, _Window)
        if found.seconds and found.seconds[0][0] + WINDOW + 1 <= now:
            found.forget(now)
        return found

    def _full_window(self, now: float, wanted: Sequence[Window], found: Sequence[_Window]) -> Taken | None:
        for index, (window, counts) in enumerate(zip(wanted, found, strict=True)):
            over = counts.total + window.amount - window.limit
            if over > 0:
                levels = tuple(each.level(now) for each in found)
                return Taken(Why.WINDOW, index, counts.room_after(now, over), levels=levels)
        return None

    def _full_slot(self, wanted: Sequence[Slot], id: str) -> Taken | None:
        for index, slot in enumerate(wanted):
            held = self._slots.get(slot.key, ())
            if id not in held and len(held) >= slot.limit:
                return Taken(Why.SLOT, index)
        return None

    def _short_purse(self, wanted: Sequence[Purse], id: str) -> Taken | None:
        for index, purse in enumerate(wanted):
            found = self._purses.get(purse.key)
            if found is None or found.booked is None:
                return Taken(Why.UNKNOWN, index)
            reserved = found.reserved - found.held(id)
            gone = found.spent + reserved
            if gone >= purse.limit or gone + purse.amount > purse.limit:
                return Taken(Why.PURSE, index, spent=found.spent, reserved=reserved)
        return None

    def end(self, end: End) -> None:
        for key in end.slots:
            held = self._slots.get(key)
            if held is not None:
                held.discard(end.id)
                if not held:
                    del self._slots[key]
        for key, second, amount in end.corrections:
            if key in self._windows:
                _correct(self._windows[key], second, amount)
        for key, amount in end.purses:
            purse = self._purses.get(key)
            if purse is not None and purse.booked is not None:  # else it will be loaded from the ledger
                purse.settle(end.id, amount, self._clock() + SETTLED_LEASE)

    # -- purses -------------------------------------------------------------------------------------------------------
    async def look(self, purse: str) -> tuple[int, tuple[str, ...]] | None:
        found = _bounded(self._purses, purse, _Purse)
        for id in [id for id, (_, lapses) in found.open.items() if lapses <= self._clock()]:
            found.drop(id)
        return found.version, tuple(found.open)

    async def load(self, purse: str, version: int, spent: int, known: Sequence[str]) -> bool:
        found = _bounded(self._purses, purse, _Purse)
        if found.version != version:
            return False
        found.booked = spent
        for id in known:
            found.drop(id)
        return True

    async def reserved(self, purses: Sequence[str]) -> list[int] | None:
        return [self._purses[purse].reserved if purse in self._purses else 0 for purse in purses]

    async def running(self, slots: Sequence[str]) -> list[int]:
        return [len(self._slots.get(slot, ())) for slot in slots]

    async def confirm(self, rows: Sequence[tuple[str, str, int]]) -> Collection[str]:
        unknown = set()
        for key, id, amount in rows:
            purse = _bounded(self._purses, key, _Purse)
            purse.version += 1
            dropped = purse.drop(id)
            if purse.booked is not None and amount:
                if dropped:
                    purse.booked += amount
                else:
                    unknown.add(key)
        return unknown


def _correct(window: _Window, second: int, amount: int) -> None:
    """Change what was counted at a second, while it counts; never below nothing."""
    for row in reversed(window.seconds):
        if row[0] == second:
            change = max(amount, -row[1])
            row[1] += change
            window.total += change
            return


def _bounded(table: OrderedDict[str, V], key: str, make: Callable[[], V]) -> V:
    """The entry, made when it is missing; the one that was not asked for the longest goes beyond the bound."""
    found = table.get(key)
    if found is None:
        found = table[key] = make()
        if len(table) > MOST_ENTRIES:
            table.popitem(last=False)
    else:
        table.move_to_end(key)
    return found
