"""Combos: their steps as plain values, and whether chains of them end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from routing.models import Combo, ComboStep
from routing.resolve import DEEPEST


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``model`` is provider/model, an alias or another combo's name. ``weight`` counts for ``weighted``."""

    model: str
    weight: int = 1

    def __str__(self) -> str:
        return self.model if self.weight == 1 else f"{self.model}×{self.weight}"


def steps_of(combo: Combo) -> list[Step]:
    """The stored steps in order; uses what was prefetched."""
    rows = sorted(combo.steps.all(), key=lambda row: (row.position, row.pk))
    return [Step(row.model, row.weight) for row in rows]


@transaction.atomic
def store(combo: Combo, steps: Sequence[Step]) -> None:
    """Save the combo with exactly these steps. Loops are the caller's to check, by :func:`faults`."""
    combo.save()
    combo.steps.all().delete()
    for position, step in enumerate(steps):
        ComboStep.objects.create(combo=combo, position=position, model=step.model, weight=step.weight)


def stored() -> dict[str, list[str]]:
    """Every combo's name → the models of its steps."""
    return {row.name: [step.model for step in steps_of(row)] for row in Combo.objects.prefetch_related("steps")}


def faults(combos: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Name → what is wrong with its chain: a loop, or deeper than DEEPEST. Sound ones are absent."""
    return {name: fault for name in combos if (fault := next(_fault(combos, (name,)), None))}


def _fault(combos: Mapping[str, Sequence[str]], path: tuple[str, ...]) -> Iterator[str]:
    """Walks at most DEEPEST levels; the steps of one combo are few."""
    for step in dict.fromkeys(combos[path[-1]]):
        chain = " → ".join((*path, step))
        if step == path[0]:
            yield f"the combo comes back to itself: {chain}."
        elif step in combos and step not in path:
            if len(path) == DEEPEST:
                yield f"combos may be {DEEPEST} deep at most: {chain}."
            else:
                yield from _fault(combos, (*path, step))
