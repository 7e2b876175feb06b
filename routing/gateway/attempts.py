"""The attempts of one request: which may be made now, what became of each, and what is told when none answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence

from providers.failures import CONSEQUENCES
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from routing.board import Board, Verdict
from routing.gateway.answers import most_telling, nobody, refusal_for
from routing.gateway.outcome import AttemptNote, SkipNote
from routing.pace import Pace, Start
from routing.snapshot import Switches

NO_PACE = Pace()
MOST_SKIPS = 50  # kept of one request
LONGEST_WHY = 200
CROWD_SECONDS = 2.0  # how long a request waits for what others before it find out of a provider
Claim = Callable[[str], Awaitable[bool]]
Step = Attempt | float  # an attempt to make, or seconds to wait
UNANSWERED = (Kind.NETWORK, Kind.TIMEOUT, Kind.PROTOCOL)  # when they come without a status


class Tries:
    """Iterate for the next attempt to make; tell what became of it with :meth:`answered` or :meth:`failed`.

    ``paces`` says how fast a connection may be asked, ``reserve`` whether too little is left of its quota. ``gate`` is
    asked before each attempt; its verdict skips one. ``claim`` is asked for the one probe, over all processes, of an
    open circuit breaker.
    """

    def __init__(
        self,
        plan: Sequence[Attempt],
        board: Board,
        switches: Switches,
        clock: Callable[[], float],
        *,
        caller: str = "",
        paces: Callable[[Attempt], Pace] = lambda attempt: NO_PACE,
        reserve: Callable[[Attempt], Verdict | None] = lambda attempt: None,
        gate: Callable[[Attempt], Awaitable[Verdict | None]] | None = None,
        claim: Claim | None = None,
    ) -> None:
        self._plan, self._board, self._switches, self._clock = plan, board, switches, clock
        self._caller, self._paces, self._reserve, self._gate, self._claim = caller, paces, reserve, gate, claim
        self._began, self._end_at = 0.0, clock() + switches.attempt_seconds
        self._useless: set[tuple[str, str]] = set()  # provider and model that no other connection can help
        self._struggling: set[str] = set()  # providers that failed this request by their own fault
        self._final, self._patient = False, len(plan) == 1  # whether to stand in line: nobody else could answer
        self._start: Start | None = None  # of the current attempt, where its connection has a pace
        self._busy = False  # whether the attempt could be made, were it its turn
        self._walk = self._steps()
        self.notes: list[AttemptNote] = []
        self.skips: list[SkipNote] = []
        self.failures: list[UpstreamFailure] = []
        self.refusals: list[Refusal] = []  # of attempts that could not be made
        self.resting: list[Verdict] = []
        self.current: Attempt | None = None

    def __aiter__(self) -> Tries:
        return self

    async def __anext__(self) -> Attempt:
        for step in self._walk:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif await self._may(step):
                return self._begin(step)
        raise StopAsyncIteration

    @property
    def made(self) -> int:
        return len(self.notes) + (self.current is not None)

    def spoke(self) -> None:
        """The current attempt's first byte is there."""
        if self.current is not None:
            self._board.spoke(self.current, self._clock() - self._began)

    def answered(self) -> None:
        """The current attempt has given its whole answer."""
        attempt = self._end("ok", 200, "")
        self._board.succeeded(attempt)

    def failed(self, failure: UpstreamFailure) -> None:
        """The current attempt failed; the board is told."""
        attempt = self._end(str(failure.kind), failure.status, failure.message)
        self._board.failed(attempt, failure)
        self.failures.append(failure)
        follows = CONSEQUENCES[failure.kind]
        self._final = follows.final
        if follows.skips_model:
            self._useless.add((attempt.entry.id, attempt.model))
        if follows.trips:
            self._struggling.add(attempt.entry.id)

    def withdraw(self) -> None:
        """The current attempt is not made after all: nothing went to the provider."""
        if self.current is not None:
            self._board.abandoned(self._end("withdrawn", None, ""))
            self.notes.pop()

    def abandoned(self, why: str, failure: UpstreamFailure | None = None) -> None:
        """The attempt under way ended without a verdict on the provider, whatever it said in ``failure``."""
        if self.current is not None:
            status, message = (failure.status, failure.message) if failure is not None else (None, "")
            self._board.abandoned(self._end(why, status, message))

    def close(self) -> None:
        """Nothing is asked of it any more."""
        self._walk.close()
        self._gate = None

    def told(self) -> AttemptNote | None:
        """The attempt whose failure :meth:`refusal` tells; None unless its provider answered."""
        if not self.failures:
            return None
        failure = most_telling(self.failures)
        note = self.notes[next(i for i, one in enumerate(self.failures) if one is failure)]
        answered = failure.status is not None or failure.kind not in UNANSWERED
        return note if answered else None

    def unable(self, refusal: Refusal) -> None:
        """The current attempt is not made: its provider cannot be told the request. Another one of a combo may be."""
        if self.current is not None:
            self._useless.add((self.current.entry.id, self.current.model))
        self.withdraw()
        self.refusals.append(refusal)

    def refusal(self) -> Refusal:
        """What the client is told when no attempt answered."""
        if self.failures:
            return refusal_for(most_telling(self.failures), len(self.failures))
        if self.refusals:
            return self.refusals[0]
        return nobody(self.resting)

    # -- the way through the plan ------------------------------------------------------------------------------------
    def _steps(self) -> Generator[Step]:
        """In order. What rests after a passing failure comes last, what asking would not help not at all; when all of
        it rests for a moment only, the moment is waited for. What comes last is in the trail until it is its turn."""
        later: list[tuple[Attempt, SkipNote | None]] = []
        resting: list[tuple[Attempt, Verdict]] = []
        for attempt in self._plan:
            verdict = self._verdict(attempt)
            if verdict is None:
                if self._worth(attempt):
                    yield attempt
                    if self._busy:
                        later.append((attempt, self._note(attempt, "busy", self._until_free(attempt) or None)))
            elif verdict.hard:
                self._skip(attempt, verdict)
                resting.append((attempt, verdict))
            else:
                later.append((attempt, self._note(attempt, verdict.code, verdict.seconds)))
        self._patient = True
        for attempt, note in later:
            if note is not None:
                self.skips.remove(note)
            verdict = self._verdict(attempt)  # again: the breaker may have opened since
            if verdict is not None and verdict.hard:
                self._skip(attempt, verdict)
            elif self._worth(attempt):
                yield attempt
        if resting and not self.made:
            yield from self._patiently(resting)

    def _patiently(self, resting: Sequence[tuple[Attempt, Verdict]]) -> Iterator[Step]:
        """Wait for the first to come back where that is soon: a client would only ask again."""
        soonest = min(verdict.seconds for _, verdict in resting)
        if soonest > self._switches.patience_seconds:
            return
        yield soonest + self._board.die.uniform(0.0, 0.1 * soonest + 0.05)  # not all at the same moment
        for attempt, _ in resting:
            if self._verdict(attempt) is None and self._worth(attempt):
                yield attempt

    def _verdict(self, attempt: Attempt) -> Verdict | None:
        """The harder of what failures and what the pace of the connection say."""
        found = self._board.verdict(
            attempt, cooldowns=self._switches.connection_cooldown, breakers=self._switches.circuit_breaker
        )
        if found is None or not found.hard:
            found = self._reserve(attempt) or found
        if found is not None:
            return found
        left = self._until_free(attempt)
        return Verdict(Kind.RATE_LIMITED, left, hard=False, why="busy") if left > 0 else None

    def _until_free(self, attempt: Attempt) -> float:
        """Seconds until the pace of the connection lets another request begin."""
        pace = self._paces(attempt)
        if not pace and not self._board.paces.learned:
            return 0.0
        return self._board.paces.wait(attempt.link.connection_id, pace, attempt.model)

    def _worth(self, attempt: Attempt) -> bool:
        """Whether this attempt can still help the request, within what one request may cost providers."""
        if self._final or (attempt.entry.id, attempt.model) in self._useless:
            return False
        if self.made >= self._switches.max_attempts:
            return self._left_out(attempt, "attempts_used_up")
        if self.notes and self._clock() > self._end_at:
            return self._left_out(attempt, "time_used_up")
        if attempt.entry.id in self._struggling and self._switches.circuit_breaker:
            return self._board.may_retry(attempt) or self._left_out(attempt, "retry_budget")
        return True

    async def _may(self, attempt: Attempt) -> bool:
        """What has to be asked of others, or waited for, before an attempt: whether the provider lives, the attempt's
        turn, the caller's money."""
        self._busy = False
        if self._switches.circuit_breaker and not await self._may_be_alive(attempt):
            return False
        if (pace := self._paces(attempt)) and not await self._turn(attempt, pace):
            return False
        verdict, passed = None, False
        try:
            verdict = await self._gate(attempt) if self._gate is not None else None
            passed = verdict is None
        finally:  # also when the gate ends the request
            if self._start is not None and not passed:
                self._start.withdraw()
                self._start = None
        if verdict is not None:
            self._skip(attempt, verdict)
        return passed

    async def _turn(self, attempt: Attempt, pace: Pace) -> bool:
        """Whether it is this attempt's turn on its connection: at once, or when nobody else is left, after a while."""
        paces, connection = self._board.paces, attempt.link.connection_id
        self._start = await paces.start(connection, pace)
        if self._start is None and not self._patient:
            self._busy = True
            return False
        if self._start is None:
            self._start = await paces.queue(connection, pace, self._caller, self._switches.queue_seconds)
        if self._start is None:
            left = paces.wait(connection, pace, attempt.model)
            self._skip(attempt, Verdict(Kind.RATE_LIMITED, left, hard=True, why="queue_too_long"))
        return self._start is not None

    async def _may_be_alive(self, attempt: Attempt) -> bool:
        """A crowd does not rush to a provider that nobody has had an answer of; one request, over all processes, asks
        what an open breaker protects."""
        if len(self._plan) > 1 and self._board.crowded(attempt.entry.id):
            await self._board.found_out(attempt.entry.id, CROWD_SECONDS)
            verdict = self._verdict(attempt)
            if verdict is not None and verdict.hard:
                self._skip(attempt, verdict)
                return False
        for subject in self._board.probing(attempt):
            if self._claim is not None and not await self._claim(subject):
                self._skip(attempt, Verdict(Kind.OVERLOADED, 1.0, hard=True, why="breaker_open"))
                return False
        return True

    def _begin(self, attempt: Attempt) -> Attempt:
        self.current, self._began = attempt, self._clock()
        self._board.began(attempt, first=attempt.entry.id not in self._struggling)
        return attempt

    def _end(self, kind: str, status: int | None, message: str) -> Attempt:
        attempt, self.current = self.current, None
        assert attempt is not None
        if self._start is not None:
            (self._start.withdraw if kind == "withdrawn" else self._start.leave)()
            self._start = None
        self.notes.append(
            AttemptNote(
                provider=attempt.entry.id,
                connection=attempt.link.name,
                model=attempt.model,
                kind=kind,
                status=status,
                ms=round((self._clock() - self._began) * 1000),
                message=message,
                proxy=attempt.link.way,
            )
        )
        return attempt

    def skipped(self, name: str, why: str, code: str) -> None:
        """A step of a combo that stands for nothing now."""
        if len(self.skips) < MOST_SKIPS:
            self.skips.append(
                SkipNote(provider="", connection="", model=name, why=why[:LONGEST_WHY], seconds=None, code=code)
            )

    # -- the trail ---------------------------------------------------------------------------------------------------
    def _skip(self, attempt: Attempt, verdict: Verdict) -> None:
        self.resting.append(verdict)
        self._note(attempt, verdict.code, verdict.seconds or None)

    def _left_out(self, attempt: Attempt, why: str) -> bool:
        """Always False: the attempt is not made."""
        self._note(attempt, why, None)
        return False

    def _note(self, attempt: Attempt, why: str, seconds: float | None) -> SkipNote | None:
        """What is now in the trail; None when it is full."""
        if len(self.skips) >= MOST_SKIPS:
            return None
        entry, link = attempt.entry, attempt.link
        note = SkipNote(provider=entry.id, connection=link.name, model=attempt.model, why=why, seconds=seconds)
        self.skips.append(note)
        return note
