"""What rests after a failure: a connection, or one model on it, and until when."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from providers.failures import CONSEQUENCES, Rest
from providers.wire.errors import Kind, UpstreamFailure
from routing.bounded import put

MOST_LEVELS = 10

Key = tuple[int, str]  # connection id, model ("" = the whole connection)


@dataclass(slots=True)
class Cooldown:
    """``until`` is monotonic; ``level`` how often in a row; ``words`` what the provider said."""

    until: float
    kind: Kind
    level: int
    words: str = ""


@dataclass(slots=True)
class Rests:
    """Every rest is bounded in time; one that has ended is remembered until the next success, because a repetition
    doubles it. ``longest`` caps what providers ask for, in seconds."""

    clock: Callable[[], float]
    longest: float = 3600.0
    found: OrderedDict[Key, Cooldown] = field(default_factory=OrderedDict)

    def of(self, connection: int, model: str) -> Cooldown | None:
        """The rest that holds now: a terminal or hard one before a soft one, then the longer."""
        now = self.clock()
        rests = (self.found.get((connection, "")), self.found.get((connection, model)))
        held = [rest for rest in rests if rest is not None and rest.until > now]
        return max(held, key=lambda rest: (hard(rest.kind), rest.until), default=None)

    def failed(self, connection: int, model: str, failure: UpstreamFailure) -> Key | None:
        """Note what follows from a failure; the key of what rests now, None when nothing new does."""
        follows, now = CONSEQUENCES[failure.kind], self.clock()
        if follows.rest is Rest.NOTHING:
            return None
        key = (connection, model if follows.rest is Rest.MODEL or failure.of_model else "")
        before = self.found.get(key)
        if before is not None and before.until > now:
            return key if self._prolonged(key, before, failure, now) else None
        level = min(before.level + 1, MOST_LEVELS) if before is not None and before.kind is failure.kind else 0
        put(self.found, key, Cooldown(now + self._seconds(failure, level), failure.kind, level, failure.message))
        return key

    def _prolonged(self, key: Key, before: Cooldown, failure: UpstreamFailure, now: float) -> bool:
        """While it rests, parallel failures of one cause count once: only a terminal state, or a longer wait that the
        provider asks for, is news. What is terminal stays."""
        if CONSEQUENCES[before.kind].terminal:
            return False
        if CONSEQUENCES[failure.kind].terminal:
            put(self.found, key, Cooldown(now + self._seconds(failure, 0), failure.kind, 0, failure.message))
            return True
        if failure.retry_after is None or now + self._seconds(failure, 0) <= before.until:
            return False
        put(self.found, key, Cooldown(now + self._seconds(failure, 0), failure.kind, before.level, failure.message))
        return True

    def _seconds(self, failure: UpstreamFailure, level: int) -> float:
        follows = CONSEQUENCES[failure.kind]
        if failure.retry_after is not None and not follows.terminal:
            return min(failure.retry_after, self.longest)
        return min(follows.seconds * 2.0**level, follows.longest)

    def succeeded(self, connection: int, model: str) -> list[Key]:
        """Clear what was held against the connection and this model; the keys that were."""
        return [key for key in ((connection, ""), (connection, model)) if self.found.pop(key, None) is not None]


def hard(kind: Kind) -> bool:
    """Whether asking before the time is pointless; the failures of a shaky provider are worth a last try."""
    return not CONSEQUENCES[kind].trips
