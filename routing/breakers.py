"""Circuit breakers: what fails again and again is left alone for a while, then asked once to find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Closed while ``opened_at`` is None; open for the set time from then; after that ``probe`` is the one attempt that
    may find out."""

    failures: int = 0
    opened_at: float | None = None
    probe: object | None = None


@dataclass(slots=True)
class Breakers:
    """One breaker per subject (a provider, a connection) that failed since its last success.

    ``clock`` is monotonic seconds; ``threshold`` failures in a row open one for ``seconds``.
    """

    clock: Callable[[], float]
    threshold: int = 5
    seconds: float = 30.0
    found: dict[str, Breaker] = field(default_factory=dict)

    def wait(self, subject: str) -> float | None:
        """None when it may be asked; else the seconds until it may, at least one while a probe is under way."""
        breaker = self.found.get(subject)
        if breaker is None or breaker.opened_at is None:
            return None
        left = breaker.opened_at + self.seconds - self.clock()
        if left <= 0 and breaker.probe is None:
            return None
        return max(left, 1.0)

    def probing(self, subject: str) -> bool:
        """Whether an attempt begun now would be the probe of an open breaker."""
        breaker = self.found.get(subject)
        return breaker is not None and breaker.opened_at is not None and breaker.probe is None and self._over(breaker)

    def failures(self, subject: str) -> int:
        """Failures in a row."""
        breaker = self.found.get(subject)
        return breaker.failures if breaker is not None else 0

    def began(self, subject: str, attempt: object) -> None:
        """An attempt is being made: the one probe of a breaker whose time is over."""
        breaker = self.found.get(subject)
        if breaker is None or breaker.opened_at is None or breaker.probe is not None:
            return
        if self._over(breaker):
            breaker.probe = attempt

    def succeeded(self, subject: str) -> bool:
        """Closed. Whether anything was held against it."""
        return self.found.pop(subject, None) is not None

    def failed(self, subject: str, attempt: object) -> bool:
        """Count a failure; whether it opened the breaker. A failed probe opens again; what began before it opened and
        fails now does not prolong."""
        was_probe = self.give_back(subject, attempt)
        breaker = self.found.setdefault(subject, Breaker())
        breaker.failures += 1
        if was_probe or (breaker.opened_at is None and breaker.failures >= self.threshold):
            breaker.opened_at = self.clock()
            return True
        return False

    def give_back(self, subject: str, attempt: object) -> bool:
        """An attempt ended: whether it was the probe, which it now no longer is."""
        breaker = self.found.get(subject)
        if breaker is None or breaker.probe is not attempt:
            return False
        breaker.probe = None
        return True

    def _over(self, breaker: Breaker) -> bool:
        return breaker.opened_at is not None and self.clock() >= breaker.opened_at + self.seconds
