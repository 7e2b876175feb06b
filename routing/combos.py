"""Combos: their steps as plain values, and whether chains of them end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

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


class BadChain(ValueError):
    """A combo that must not be saved. ``steps``: by the model of one of its steps, what is wrong from there on;
    ``others``: faults that it would make in combos that lead to it."""

    def __init__(self, steps: Mapping[str, str], others: Sequence[str]) -> None:
        super().__init__(" ".join([*steps.values(), *others]))
        self.steps, self.others = steps, others


@transaction.atomic
def store_sound(combo: Combo, steps: Sequence[Step]) -> None:
    """As :func:`store`, and nothing is stored when a chain would come back to itself or be too deep: BadChain."""
    before = faults(stored())
    store(combo, steps)
    now = stored()
    own = step_faults(now, combo.name)
    others = [fault for name, fault in faults(now).items() if name not in before and name != combo.name]
    if own or others:
        raise BadChain(own, others)


def duplicate(combo: Combo) -> Combo:
    """A copy under a free name, saved with its steps."""
    steps, base = steps_of(combo), f"{combo.name[:90]}-copy"
    taken = set(Combo.objects.filter(name__startswith=base).values_list("name", flat=True))
    name = next(name for n in range(1, len(taken) + 2) if (name := base if n == 1 else f"{base}-{n}") not in taken)
    copy = Combo(
        name=name,
        strategy=combo.strategy,
        enabled=combo.enabled,
        sticky=combo.sticky,
        grants_steps=combo.grants_steps,
    )
    store(copy, steps)
    return copy


def faults(combos: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Name → what is wrong with its chain: a loop, or deeper than DEEPEST. Sound ones are absent."""
    return {name: fault for name in combos if (fault := next(_fault(combos, (name,)), None))}


def step_faults(combos: Mapping[str, Sequence[str]], name: str) -> dict[str, str]:
    """As :func:`faults` for one combo, by the step from which the fault is reached."""
    found = {step: next(_step_fault(combos, (name,), step), None) for step in dict.fromkeys(combos.get(name, ()))}
    return {step: fault for step, fault in found.items() if fault}


def _fault(combos: Mapping[str, Sequence[str]], path: tuple[str, ...]) -> Iterator[str]:
    """Walks at most DEEPEST levels; the steps of one combo are few."""
    for step in dict.fromkeys(combos[path[-1]]):
        yield from _step_fault(combos, path, step)


def _step_fault(combos: Mapping[str, Sequence[str]], path: tuple[str, ...], step: str) -> Iterator[str]:
    said = {"chain": " → ".join((*path, step)), "deepest": DEEPEST}
    if step == path[0]:
        yield _("the combo comes back to itself: %(chain)s.") % said
    elif step in combos and step not in path:
        if len(path) == DEEPEST:
            yield _("combos may be %(deepest)s deep at most: %(chain)s.") % said
        else:
            yield from _fault(combos, (*path, step))
