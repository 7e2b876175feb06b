"""What is resting and for how long: cooldowns of connections and models, circuit breakers of providers, counters.

One board per process, in memory. Every rest is bounded in time; one that has ended is remembered until the next
success, because a repetition doubles it. The methods never wait, so the board needs no lock: it is only touched from
the event loop.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from providers.failures import CONSEQUENCES, Rest
from providers.upstream import Attempt
from providers.wire.errors import Kind, UpstreamFailure

BREAKER_FAILURES = 5  # in a row
BREAKER_SECONDS = 30.0
MOST_LEVELS = 10
MOST_ENTRIES = 50_000

Key = tuple[int, str]  # connection id, model ("" = the whole connection)


@dataclass(slots=True)
class Cooldown:
    until: float
    kind: Kind
    level: int


@dataclass(slots=True)
class Breaker:
    """Closed while ``opened_at`` is None; open for BREAKER_SECONDS from then; after that ``probe`` is the one attempt
    that may find out."""

    failures: int = 0
    opened_at: float | None = None
    probe: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an attempt is not to be made now. ``seconds`` until it may be; ``hard``: asking sooner is pointless."""

    kind: Kind
    seconds: float
    hard: bool


@dataclass(slots=True)
class Board:
    """``clock`` is monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    die: Random = field(default_factory=Random)
    _cooldowns: OrderedDict[Key, Cooldown] = field(default_factory=OrderedDict)
    _breakers: dict[str, Breaker] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _uses: OrderedDict[str, int] = field(default_factory=OrderedDict)

    # -- asking -------------------------------------------------------------------------------------------------------
    def verdict(self, attempt: Attempt, *, cooldowns: bool, breakers: bool) -> Verdict | None:
        """None when the attempt may be made."""
        found = self._breaker_verdict(attempt) if breakers and self._breakers else None
        if found is None and cooldowns and self._cooldowns:
            found = self._cooldown_verdict(attempt)
        return found

    def _breaker_verdict(self, attempt: Attempt) -> Verdict | None:
        breaker = self._breakers.get(attempt.entry.id)
        if breaker is None or breaker.opened_at is None:
            return None
        left = breaker.opened_at + BREAKER_SECONDS - self.clock()
        if left <= 0 and breaker.probe is None:
            return None
        return Verdict(Kind.OVERLOADED, max(left, 1.0), hard=True)

    def _cooldown_verdict(self, attempt: Attempt) -> Verdict | None:
        """The harder one of the connection's and the model's, then the longer one."""
        now, connection = self.clock(), attempt.link.connection_id
        rests = (self._cooldowns.get((connection, "")), self._cooldowns.get((connection, attempt.model)))
        found = [
            Verdict(rest.kind, rest.until - now, hard=not CONSEQUENCES[rest.kind].trips)
            for rest in rests
            if rest is not None and rest.until > now
        ]
        return max(found, key=lambda verdict: (verdict.hard, verdict.seconds), default=None)

    def turn(self, combo: str) -> int:
        """How many requests this combo has had; counts this one."""
        self._turns[combo] = turn = self._turns.get(combo, -1) + 1
        return turn

    def uses(self, key: str) -> int:
        return self._uses.get(key, 0)

    def recent_failures(self, key: str) -> int:
        """Failures in a row of the provider of a step (``provider/model``)."""
        breaker = self._breakers.get(key.partition("/")[0])
        return breaker.failures if breaker is not None else 0

    # -- telling ------------------------------------------------------------------------------------------------------
    def began(self, attempt: Attempt) -> None:
        """An attempt is being made: counts as use, and as the one probe of a breaker whose time is over."""
        key = f"{attempt.entry.id}/{attempt.model}"
        _bounded(self._uses, key, self.uses(key) + 1)
        breaker = self._breakers.get(attempt.entry.id)
        if breaker is None or breaker.opened_at is None or breaker.probe is not None:
            return
        if self.clock() >= breaker.opened_at + BREAKER_SECONDS:
            breaker.probe = attempt

    def succeeded(self, attempt: Attempt) -> None:
        """Clears everything that was held against the provider, the connection and the model."""
        self._breakers.pop(attempt.entry.id, None)
        self._cooldowns.pop((attempt.link.connection_id, ""), None)
        self._cooldowns.pop((attempt.link.connection_id, attempt.model), None)

    def failed(self, attempt: Attempt, failure: UpstreamFailure) -> None:
        """Note a failure, as ``providers.failures`` says what follows from it."""
        now, follows = self.clock(), CONSEQUENCES[failure.kind]
        was_probe = self._give_back(attempt)
        if follows.trips:
            self._count(attempt.entry.id, was_probe, now)
        if follows.rest is Rest.NOTHING:
            return
        key = (attempt.link.connection_id, attempt.model if follows.rest is Rest.MODEL else "")
        before = self._cooldowns.get(key)
        if before is not None and before.until > now:
            # Parallel failures of one cause count once; only a longer wait that the provider asks for is news.
            if failure.retry_after is not None and now + failure.retry_after > before.until:
                _bounded(self._cooldowns, key, Cooldown(now + failure.retry_after, failure.kind, before.level))
            return
        level = min(before.level + 1, MOST_LEVELS) if before is not None and before.kind is failure.kind else 0
        seconds = failure.retry_after
        if seconds is None:
            seconds = min(follows.seconds * 2**level, follows.longest)
        _bounded(self._cooldowns, key, Cooldown(now + seconds, failure.kind, level))

    def abandoned(self, attempt: Attempt) -> None:
        """An attempt ended without a verdict (the client left): a probe is given back."""
        self._give_back(attempt)

    def _give_back(self, attempt: Attempt) -> bool:
        """Whether the attempt was its provider's probe, which it now no longer is."""
        breaker = self._breakers.get(attempt.entry.id)
        if breaker is None or breaker.probe is not attempt:
            return False
        breaker.probe = None
        return True

    def _count(self, provider_id: str, was_probe: bool, now: float) -> None:
        """A failed probe opens again; what began before the breaker opened and fails now does not prolong it."""
        breaker = self._breakers.setdefault(provider_id, Breaker())
        breaker.failures += 1
        if was_probe or (breaker.opened_at is None and breaker.failures >= BREAKER_FAILURES):
            breaker.opened_at = now


K = TypeVar("K")
V = TypeVar("V")


def _bounded(table: OrderedDict[K, V], key: K, value: V) -> None:
    """Set, newest last, and let the oldest go beyond the bound."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > MOST_ENTRIES:
        table.popitem(last=False)
