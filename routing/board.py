"""What is known of providers and connections right now: what rests, which circuit breakers are open, how fast each may
be asked, who served which conversation, and the counters behind the strategies.

One board per process, in memory; it belongs to the event loop, its methods never wait and need no lock. What rests and
which breakers are open is told to the other processes (``news``) and learned from them (``learn``), see
``routing.health``.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from providers.failures import CONSEQUENCES
from providers.upstream import Attempt
from providers.wire.errors import Kind, UpstreamFailure
from routing.bounded import put
from routing.breakers import Breaker, Breakers
from routing.pace import Paces
from routing.rests import Cooldown, Rests, hard
from routing.sessions import Sessions
from routing.snapshot import Switches

MOST_NEWS = 10_000
RESET = "reset"
UNPROVEN_AT_ONCE = 20
RETRY_SHARE = 0.2  # further requests to a provider that fails, per request that asks it first
RETRY_RESERVE = 10.0  # how many a quiet provider may have at once
SMOOTHING = 0.2  # weight of the newest first byte in a model's latency


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an attempt is not to be made now. ``seconds`` until it may be, 0 where no time helps; ``hard``: asking sooner
    is pointless. ``why`` is a word for the request's trail."""

    kind: Kind
    seconds: float
    hard: bool
    why: str = "resting"

    @property
    def code(self) -> str:
        """The word for the trail: what it rests after, or ``why``."""
        return str(self.kind) if self.why == "resting" else self.why


@dataclass(frozen=True, slots=True)
class News:
    """A change of health. ``subject`` is a provider's id, or ``#`` and a connection's; ``model`` only of a rest of one
    model. ``until`` and ``at`` are Unix time; ``until`` None: nothing is held against it any more. A ``reset`` forgets
    also what is nobody's news, failures that have not opened a breaker; without a subject, of everything."""

    subject: str
    model: str
    what: str  # "rest" | "breaker" | RESET
    kind: str
    level: int  # repetitions of a rest, failures in a row of a breaker
    until: float | None
    words: str
    at: float

    @property
    def key(self) -> str:
        return f"{self.what} {self.subject} {self.model}".rstrip()


@dataclass(slots=True)
class Board:
    """``clock`` is monotonic seconds, ``wall`` Unix time."""

    clock: Callable[[], float] = time.monotonic
    die: Random = field(default_factory=Random)
    wall: Callable[[], float] = time.time
    news: deque[News] = field(default_factory=lambda: deque(maxlen=MOST_NEWS))
    rests: Rests = field(init=False)
    breakers: Breakers = field(init=False)
    paces: Paces = field(init=False)
    sessions: Sessions = field(init=False)
    _turns: dict[str, int] = field(default_factory=dict)
    _uses: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _latencies: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _retries: dict[str, float] = field(default_factory=dict)
    _running: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    _proven: set[str] = field(default_factory=set)  # providers that spoke, and have not failed since

    def __post_init__(self) -> None:
        self.rests, self.breakers = Rests(self.clock), Breakers(self.clock)
        self.paces, self.sessions = Paces(self.clock), Sessions(self.clock)

    def configure(self, switches: Switches) -> None:
        """What the operator set; holds for what happens from now on. From any thread."""
        self.breakers.threshold, self.breakers.seconds = switches.breaker_failures, switches.breaker_seconds
        self.rests.longest = switches.longest_rest_seconds

    # -- asking -------------------------------------------------------------------------------------------------------
    def verdict(self, attempt: Attempt, *, cooldowns: bool, breakers: bool) -> Verdict | None:
        """None when the attempt may be made."""
        if breakers and self.breakers.found:
            for subject in (attempt.entry.id, _subject(attempt)):
                if (left := self.breakers.wait(subject)) is not None:
                    return Verdict(Kind.OVERLOADED, left, hard=True, why="breaker_open")
        if cooldowns and self.rests.found:
            rest = self.rests.of(attempt.link.connection_id, attempt.model)
            if rest is not None:
                return Verdict(rest.kind, rest.until - self.clock(), hard=hard(rest.kind))
        return None

    def crowded(self, provider: str) -> bool:
        """Whether a provider that has not answered yet, or failed last, is asked by so many requests already that
        further ones would find out no more than these."""
        if provider in self._proven:
            return False
        running = self._running.get(provider, 0)
        return running >= (self.breakers.threshold if self.breakers.failures(provider) else UNPROVEN_AT_ONCE)

    async def found_out(self, provider: str, seconds: float) -> None:
        """Wait while a provider is crowded, for what those before find out; no longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.crowded(provider):
                    await self._waiting.setdefault(provider, asyncio.Event()).wait()

    def _tell_waiting(self, provider: str) -> None:
        if (waiting := self._waiting.pop(provider, None)) is not None:
            waiting.set()

    def probing(self, attempt: Attempt) -> list[str]:
        """The open breakers whose one probe this attempt would be."""
        if not self.breakers.found:
            return []
        return [subject for subject in (attempt.entry.id, _subject(attempt)) if self.breakers.probing(subject)]

    def may_retry(self, attempt: Attempt) -> bool:
        """Whether a request that this provider already failed may ask it once more: a share of what it is asked first,
        so that a failing provider is not asked many times over."""
        left = self._retries.get(attempt.entry.id, RETRY_RESERVE)
        if left < 1:
            return False
        self._retries[attempt.entry.id] = left - 1
        return True

    def turn(self, name: str) -> int:
        """How many requests this combo (or provider) has had; counts this one."""
        self._turns[name] = turn = self._turns.get(name, -1) + 1
        return turn

    def uses(self, key: str) -> int:
        return self._uses.get(key, 0)

    def recent_failures(self, key: str) -> int:
        """Failures in a row of the provider of a step (``provider/model``), or of a connection (``#id``)."""
        return self.breakers.failures(key if key.startswith("#") else key.partition("/")[0])

    def latency(self, key: str) -> float | None:
        """Seconds to the first byte of late, of a step or a connection; None when it was never measured."""
        return self._latencies.get(key)

    # -- telling ------------------------------------------------------------------------------------------------------
    def began(self, attempt: Attempt, *, first: bool = True) -> None:
        """An attempt is being made; ``first`` of its request at this provider."""
        subject = _subject(attempt)
        self._running[attempt.entry.id] = self._running.get(attempt.entry.id, 0) + 1
        for key in (f"{attempt.entry.id}/{attempt.model}", subject):
            put(self._uses, key, self.uses(key) + 1)
        if first and (left := self._retries.get(attempt.entry.id, RETRY_RESERVE)) < RETRY_RESERVE:
            self._retries[attempt.entry.id] = left + RETRY_SHARE
        if self.breakers.found:
            self.breakers.began(attempt.entry.id, attempt)
            self.breakers.began(subject, attempt)

    def spoke(self, attempt: Attempt, seconds: float) -> None:
        """Its first byte came after so many seconds."""
        self._proven.add(attempt.entry.id)
        self._tell_waiting(attempt.entry.id)
        for key in (f"{attempt.entry.id}/{attempt.model}", _subject(attempt)):
            before = self._latencies.get(key, seconds)
            put(self._latencies, key, before + SMOOTHING * (seconds - before))

    def succeeded(self, attempt: Attempt) -> None:
        """Clears everything that was held against the provider, the connection and the model."""
        self._proven.add(attempt.entry.id)
        self._ended(attempt)
        self._retries.pop(attempt.entry.id, None)
        if self.breakers.found:
            for subject in (attempt.entry.id, _subject(attempt)):
                before = self.breakers.found.get(subject)
                if self.breakers.succeeded(subject) and before is not None and before.opened_at is not None:
                    self._tell_breaker(subject, None)
        if self.rests.found:
            for connection, model in self.rests.succeeded(attempt.link.connection_id, attempt.model):
                self._tell_rest(connection, model, None)

    def failed(self, attempt: Attempt, failure: UpstreamFailure) -> None:
        """Note a failure, as ``providers.failures`` says what follows from it."""
        self._ended(attempt)
        for subject in (attempt.entry.id, _subject(attempt)):
            if CONSEQUENCES[failure.kind].trips:
                self._proven.discard(attempt.entry.id)
                if self.breakers.failed(subject, attempt):
                    self._tell_breaker(subject, self.breakers.found[subject])
            else:
                self.breakers.give_back(subject, attempt)
        key = self.rests.failed(attempt.link.connection_id, attempt.model, failure)
        if key is not None:
            self._tell_rest(*key, self.rests.found[key])

    def abandoned(self, attempt: Attempt) -> None:
        """An attempt ended without a verdict (the client left): a probe is given back."""
        self._ended(attempt)
        for subject in (attempt.entry.id, _subject(attempt)):
            self.breakers.give_back(subject, attempt)

    def _ended(self, attempt: Attempt) -> None:
        left = self._running.get(attempt.entry.id, 0) - 1
        if left > 0:
            self._running[attempt.entry.id] = left
        else:
            self._running.pop(attempt.entry.id, None)
        self._tell_waiting(attempt.entry.id)

    # -- other processes ----------------------------------------------------------------------------------------------
    def learn(self, rows: Iterable[News]) -> None:
        """What others found out, or somebody reset. Nothing is held longer than it was when it was told, wherever the
        clock has gone since."""
        now, wall = self.clock(), self.wall()
        for row in rows:
            until = None if row.until is None else now + min(row.until - wall, row.until - row.at)
            if row.what == RESET:
                self._forget(row.subject)
            elif row.what == "breaker":
                self._learn_breaker(row, until)
            else:
                self._learn_rest(row, until)

    def _forget(self, subject: str) -> None:
        if subject:
            self.breakers.found.pop(subject, None)
            for key in [key for key in self.rests.found if f"#{key[0]}" == subject]:
                del self.rests.found[key]
        else:
            self.breakers.found.clear()
            self.rests.found.clear()
            self._retries.clear()

    def _learn_breaker(self, row: News, until: float | None) -> None:
        if until is None:
            self.breakers.found.pop(row.subject, None)
            return
        known = self.breakers.found.setdefault(row.subject, Breaker())
        known.failures, known.opened_at = max(known.failures, row.level), until - self.breakers.seconds

    def _learn_rest(self, row: News, until: float | None) -> None:
        key = (int(row.subject[1:]), row.model)
        if until is None:
            self.rests.found.pop(key, None)
        else:
            put(self.rests.found, key, Cooldown(until, Kind(row.kind), row.level, row.words))

    def _tell_breaker(self, subject: str, breaker: Breaker | None) -> None:
        opened = breaker.opened_at if breaker is not None else None
        until = None if opened is None else self._unix(opened + self.breakers.seconds)
        failures = breaker.failures if breaker is not None else 0
        self.news.append(News(subject, "", "breaker", "", failures, until, "", self.wall()))

    def _tell_rest(self, connection: int, model: str, rest: Cooldown | None) -> None:
        subject, until = f"#{connection}", None if rest is None else self._unix(rest.until)
        kind, level, words = ("", 0, "") if rest is None else (str(rest.kind), rest.level, rest.words)
        self.news.append(News(subject, model, "rest", kind, level, until, words, self.wall()))

    def _unix(self, monotonic: float) -> float:
        return self.wall() + (monotonic - self.clock())


def _subject(attempt: Attempt) -> str:
    return f"#{attempt.link.connection_id}"
