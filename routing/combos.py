"""Combos: their steps as plain values, stored where their chains end; the same of aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from routing import chains
from routing.chains import Names
from routing.models import Alias, Combo, ComboStep


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


def check_step(step: Step) -> None:
    """Raises ValidationError for a model that is no name, and for a weight that is none."""
    ComboStep(model=step.model, weight=step.weight).clean_fields(exclude=["combo", "position"])


@transaction.atomic
def store(combo: Combo, steps: Sequence[Step]) -> None:
    """Save the combo with exactly these steps. Loops are the caller's to check, by ``chains.faults``."""
    combo.save()
    combo.steps.all().delete()
    for position, step in enumerate(steps):
        ComboStep.objects.create(combo=combo, position=position, model=step.model, weight=step.weight)


def stored() -> Names:
    """Every combo with the models of its steps, and every alias."""
    rows = Combo.objects.prefetch_related("steps")
    return Names(
        {row.name: [step.model for step in steps_of(row)] for row in rows},
        dict(Alias.objects.values_list("pattern", "target")),
    )


class BadChain(ValueError):
    """A combo that must not be saved. ``steps``: by the model of one of its steps, what is wrong from there on;
    ``others``: faults that it would make in combos that lead to it."""

    def __init__(self, steps: Mapping[str, str], others: Sequence[str]) -> None:
        super().__init__(" ".join([*steps.values(), *others]))
        self.steps, self.others = steps, others


@transaction.atomic
def store_sound(combo: Combo, steps: Sequence[Step]) -> None:
    """As :func:`store`, and nothing is stored when a chain would come back to itself or be too deep: BadChain."""
    before = set(chains.faults(stored()))
    store(combo, steps)
    now = chains.faults(stored())
    own = {fault.step: fault.why for fault in now if fault.root == combo.name and not fault.alias}
    others = [fault.why for fault in now if fault not in before and (fault.alias or fault.root != combo.name)]
    if own or others:
        raise BadChain(own, others)


def alias_fault(alias: Alias) -> str | None:
    """What would be wrong with the chains of names if the alias were saved as it is; None when nothing would."""
    before = stored()
    others = {pattern: to for pattern, to in before.aliases.items() if pattern != _pattern_of(alias)}
    found = chains.faults(Names(before.combos, {**others, alias.pattern: alias.target}))
    known = {fault for fault in chains.faults(before) if fault.root != alias.pattern}
    return next((fault.why for fault in found if fault not in known), None)


def _pattern_of(alias: Alias) -> str | None:
    """As it is stored."""
    return Alias.objects.filter(pk=alias.pk).values_list("pattern", flat=True).first() if alias.pk else None


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
