"""The attempts of one request: which may be made now, what became of each, and what is told when none answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from providers.failures import CONSEQUENCES
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from routing.board import Board, Verdict
from routing.gateway.answers import most_telling, refusal_for
from routing.gateway.outcome import AttemptNote
from routing.snapshot import Switches


class Tries:
    """Iterate for the next attempt to make; tell what became of it with :meth:`answered` or :meth:`failed`."""

    def __init__(self, plan: Sequence[Attempt], board: Board, switches: Switches, clock: Callable[[], float]) -> None:
        self._plan, self._board, self._switches, self._clock = plan, board, switches, clock
        self._began = 0.0
        self._useless: set[tuple[str, str]] = set()  # provider and model that no other connection can help
        self._final = False
        self.notes: list[AttemptNote] = []
        self.failures: list[UpstreamFailure] = []
        self.resting: list[Verdict] = []
        self.current: Attempt | None = None

    def __iter__(self) -> Iterator[Attempt]:
        """Attempts in order. What rests after a passing failure comes last, what asking would not help not at all."""
        later: list[Attempt] = []
        for attempt in self._plan:
            verdict = self._verdict(attempt)
            if verdict is None:
                if self._worth(attempt):
                    yield self._begin(attempt)
            elif verdict.hard:
                self.resting.append(verdict)
            else:
                later.append(attempt)
        for attempt in later:
            verdict = self._verdict(attempt)  # again: the breaker may have opened since
            if verdict is not None and verdict.hard:
                self.resting.append(verdict)
            elif self._worth(attempt):
                yield self._begin(attempt)

    @property
    def made(self) -> int:
        return len(self.notes) + (self.current is not None)

    def answered(self) -> None:
        """The current attempt has given its whole answer."""
        attempt = self._end("ok", 200, "")
        self._board.succeeded(attempt)

    def failed(self, failure: UpstreamFailure) -> None:
        """The current attempt failed; the board is told."""
        attempt = self._end(str(failure.kind), failure.status, failure.message)
        self._board.failed(attempt, failure)
        self.failures.append(failure)
        self._final = CONSEQUENCES[failure.kind].final
        if CONSEQUENCES[failure.kind].skips_model:
            self._useless.add((attempt.entry.id, attempt.model))

    def abandoned(self, why: str) -> None:
        """The request ended while an attempt was under way, without a verdict on the provider."""
        if self.current is not None:
            self._board.abandoned(self._end(why, None, ""))

    def refusal(self) -> Refusal:
        """What the client is told when no attempt answered."""
        if self.failures:
            return refusal_for(most_telling(self.failures), len(self.failures))
        soonest = min((verdict.seconds for verdict in self.resting), default=1.0)
        limited = all(verdict.kind in (Kind.RATE_LIMITED, Kind.QUOTA) for verdict in self.resting)
        return Refusal(
            429 if limited else 503,
            "Every connection that could answer is resting after failures. Try again later.",
            type="rate_limit_error" if limited else "server_error",
            code="all_connections_resting",
            retry_after=soonest,
        )

    def _verdict(self, attempt: Attempt) -> Verdict | None:
        return self._board.verdict(
            attempt, cooldowns=self._switches.connection_cooldown, breakers=self._switches.circuit_breaker
        )

    def _worth(self, attempt: Attempt) -> bool:
        return not self._final and (attempt.entry.id, attempt.model) not in self._useless

    def _begin(self, attempt: Attempt) -> Attempt:
        self.current, self._began = attempt, self._clock()
        self._board.began(attempt)
        return attempt

    def _end(self, kind: str, status: int | None, message: str) -> Attempt:
        attempt, self.current = self.current, None
        assert attempt is not None
        self.notes.append(
            AttemptNote(
                provider=attempt.entry.id,
                connection=attempt.link.name,
                model=attempt.model,
                kind=kind,
                status=status,
                ms=round((self._clock() - self._began) * 1000),
                message=message,
            )
        )
        return attempt
