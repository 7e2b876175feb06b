"""What each step of a combo did: requests, success, fallbacks, times, tokens, cost, from the log's attempts.

Read are the newest requests that asked for the combo (or a plain alias of it), at most MOST of them, by an index; with
more than that in the window the figures are of the newest, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.utils import timezone

from analytics.models import Result, UsageRecord
from providers.wire.errors import Kind, Refusal
from routing.combos import steps_of
from routing.models import Alias, Combo
from routing.names import EVERY_MODEL
from routing.publish import build
from routing.standing import leaves_of

MOST = 5000
KINDS = frozenset(Kind)  # of failures; an attempt that ended otherwise says nothing of the step
COLUMNS = (
    "started_at", "result", "provider", "model", "attempts", "first_byte_ms", "input_tokens", "output_tokens",
    "cost_usd", "flat_rate",
)  # fmt: skip
Place = tuple[str, str]  # provider, model


@dataclass(slots=True)
class StepFigures:
    """``requests`` are attempts at the step; ``fallbacks`` those that failed and were followed by another attempt.
    Times are medians in milliseconds: ``latency_ms`` of whole attempts that answered, ``first_byte_ms`` of requests
    that began with this step. ``cost`` is USD charged, without what has no known price, ``notional`` what flat-rate use
    would have cost. ``current``: a step of the combo as it
    is now."""

    step: str
    current: bool = True
    requests: int = 0
    answered: int = 0
    failed: int = 0
    fallbacks: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)
    latencies: list[int] = field(default_factory=list)
    first_bytes: list[int] = field(default_factory=list)

    @property
    def success_rate(self) -> float | None:
        """Percent of the attempts that have a verdict."""
        judged = self.answered + self.failed
        return self.answered * 100 / judged if judged else None

    @property
    def latency_ms(self) -> int | None:
        return round(median(self.latencies)) if self.latencies else None

    @property
    def first_byte_ms(self) -> int | None:
        return round(median(self.first_bytes)) if self.first_bytes else None


@dataclass(frozen=True, slots=True)
class ComboFigures:
    """``requests`` that were read; ``bounded`` when the window holds more than those."""

    steps: tuple[StepFigures, ...]
    requests: int
    answered: int
    bounded: bool


def figures(combo: Combo, hours: int) -> ComboFigures:
    """Of the last so many hours, the combo's steps in order, then what is no step of it any more."""
    names = [combo.name, *Alias.objects.filter(target=combo.name).values_list("pattern", flat=True)]
    newest = UsageRecord.objects.filter(requested_model__in=names).order_by("-id").values(*COLUMNS)[: MOST + 1]
    since = timezone.now() - timedelta(hours=hours)
    rows = [row for row in newest if row["started_at"] >= since]
    steps = [step.model for step in steps_of(combo)] or [step.name for step in EVERY_MODEL]
    found = {step: StepFigures(step) for step in steps}
    places = _places(steps)
    for row in rows[:MOST]:
        _count(row, found, places)
    return ComboFigures(
        tuple(found.values()),
        len(rows[:MOST]),
        sum(row["result"] == Result.OK for row in rows[:MOST]),
        len(rows) > MOST,
    )


def _places(steps: Iterable[str]) -> dict[Place, str]:
    """Which step a model belongs to; the first, when several lead to it."""
    snapshot = build()
    found: dict[Place, str] = {}
    for step in steps:
        try:
            leaves = leaves_of(snapshot, step)
        except Refusal:
            continue
        for leaf in leaves:
            found.setdefault((leaf.provider.entry.id, leaf.model), step)
    return found


def _count(row: Mapping[str, Any], found: dict[str, StepFigures], places: Mapping[Place, str]) -> None:
    attempts = row["attempts"] if isinstance(row["attempts"], list) else []
    for position, attempt in enumerate(attempts):
        figures = _of(found, places, attempt["provider"], attempt["model"])
        figures.requests += 1
        if attempt["kind"] == "ok":
            figures.answered += 1
            figures.latencies.append(attempt["ms"])
        elif attempt["kind"] in KINDS:
            figures.failed += 1
            figures.fallbacks += position + 1 < len(attempts)
    if row["provider"] and attempts:
        last = _of(found, places, row["provider"], row["model"])
        last.tokens += row["input_tokens"] + row["output_tokens"]
        if row["flat_rate"]:
            last.notional += row["cost_usd"] or 0
        else:
            last.cost += row["cost_usd"] or 0
        if len(attempts) == 1 and row["first_byte_ms"] is not None:
            last.first_bytes.append(row["first_byte_ms"])


def _of(found: dict[str, StepFigures], places: Mapping[Place, str], provider: str, model: str) -> StepFigures:
    step = places.get((provider, model), f"{provider}/{model}")
    return found.setdefault(step, StepFigures(step, current=False))
