"""What budgets say to attempts before any is made: looked up in the ledger, nothing is reserved."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import UTC, datetime

from accounts.models import User
from providers.prices import price_of
from providers.upstream import Attempt
from providers.wire.errors import Refusal
from routing.gateway import denials
from routing.gateway.admission import counting
from routing.gateway.worst import Demand
from routing.money import span, units
from routing.snapshot import Budget, Caller, Snapshot

# A budget, begin and end of its current span → units spent, and what running requests hold of it (None: not known).
Spent = Callable[[Budget, datetime, datetime | None], tuple[int, int | None]]
Seen = Callable[[User], Container[int]]  # ids of the budgets whose figures somebody may see


@dataclass(slots=True)
class Stand:
    """A budget in its current span. ``spent`` and ``reserved`` in units, None where it is not known; ``keeps_away``:
    models, as provider/model, whose attempts it lets nobody make now."""

    budget: Budget
    begin: datetime
    end: datetime | None
    spent: int | None = None
    reserved: int | None = None
    keeps_away: list[str] = field(default_factory=list)

    @property
    def gone(self) -> int:
        return (self.spent or 0) + (self.reserved or 0)

    @property
    def used_up(self) -> bool:
        """Whether nothing more is paid of it, whatever it costs."""
        return self.spent is not None and self.gone >= self.budget.limit


def go_by(spent: Spent, seen: Seen) -> None:
    """Where to look up what budgets have spent, and who may see it; without it, attempts that a hard budget counts are
    refused, and nobody sees any."""
    global _spent, visible_to
    _spent, visible_to = spent, seen


def _nobody(user: User) -> Container[int]:
    return ()


_spent: Spent | None = None
visible_to: Seen = _nobody


class Till:
    """The verdicts of budgets on one caller's attempts. ``denied``: the first of them; ``now`` is Unix time."""

    def __init__(self, snapshot: Snapshot, caller: Caller, demand: Demand, now: float) -> None:
        self._snapshot, self._caller, self._demand, self._now = snapshot, caller, demand, now
        self._known: dict[int, Stand] = {}
        self.denied: Refusal | None = None
        for budget in caller.budgets + snapshot.budgets:
            self._stand(budget)

    @property
    def stands(self) -> tuple[Stand, ...]:
        """The caller's budgets, everybody's, and those of the providers that were looked at."""
        return tuple(self._known.values())

    def refusal(self, attempt: Attempt) -> Refusal | None:
        """None when it would be paid."""
        budgets = counting(self._snapshot, self._caller, attempt, self._demand.operation)
        for budget in self._snapshot.providers[attempt.entry.id].budgets:
            self._stand(budget)
        hard = [budget for budget in budgets if budget.hard]
        found = self._refusals(attempt, hard) if hard else []
        self.denied = self.denied or next(iter(found), None)
        return next(iter(found), None)

    def _refusals(self, attempt: Attempt, hard: list[Budget]) -> list[Refusal]:
        """Of each budget that lets the attempt not be made."""
        price = self._snapshot.providers[attempt.entry.id].prices.get(attempt.model)
        if price is None and attempt.model not in attempt.entry.models:
            price = price_of(attempt.entry, attempt.model)
        bound = self._demand.worst(attempt, price) if price is not None else None
        found: list[Refusal] = []
        for budget in hard:
            short = denials.unpriced(attempt, budget) if bound is None else self._short(budget, units(bound))
            if short is not None:
                found.append(short)
                away, model = self._stand(budget).keeps_away, f"{attempt.entry.id}/{attempt.model}"
                away.extend([model] if model not in away else [])
        return found

    def _short(self, budget: Budget, worst: int) -> Refusal | None:
        """As ``routing.state`` decides when money is taken."""
        stand = self._stand(budget)
        if stand.spent is None:
            return denials.unknown_budget()
        if not stand.used_up and stand.gone + worst <= budget.limit:
            return None
        return denials.over_budget(budget, stand.spent, stand.reserved or 0, worst, stand.end, self._now)

    def _stand(self, budget: Budget) -> Stand:
        known = self._known.get(budget.id)
        if known is None:
            begin, end = span(budget.period, budget.zone, datetime.fromtimestamp(self._now, UTC))
            known = self._known[budget.id] = Stand(budget, begin, end)
            if _spent is not None:
                known.spent, known.reserved = _spent(budget, begin, end)
        return known
