"""The sections ``combos``, ``aliases`` and ``settings``: which model a name stands for, and the gateway's switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modeltranslation.utils import build_localized_fieldname

from omniroute.declarative.changes import Work, assign
from omniroute.declarative.readers import Item
from omniroute.declarative.schema import RESILIENCE, SWITCHES, Document
from routing import chains, combos
from routing.chains import Fault
from routing.models import Alias, Combo, GatewaySettings, Strategy
from routing.patterns import is_plain

USUAL = GatewaySettings()  # what a null stands for


def apply_combos(items: Sequence[Item], work: Work) -> None:
    """Combos by name, each with exactly the steps of the file. :func:`refuse_faults` judges their chains."""
    rows = {row.name: row for row in Combo.objects.prefetch_related("steps")}
    if work.prune:
        for name in sorted(set(rows) - {item["name"] for item in items}):
            work.removed("combo", name)
            rows.pop(name).delete()
    for item in items:
        _combo(rows.get(item["name"]) or Combo(name=item["name"]), item, work)


def refuse_faults(document: Document, before: Sequence[Fault], work: Work) -> None:
    """Loops, and chains of names that are too long: those of what the document names, and those that it makes."""
    named: dict[tuple[bool, str], Item] = {(False, item["name"]): item for item in document.combos or ()}
    for item in (*(document.aliases or ()), *(document.wildcards or ())):
        named[True, item["pattern"]] = item
    known = set(before)
    for fault in chains.faults(combos.stored()) if named else ():
        blamed = named.get((fault.alias, fault.root))
        if blamed is not None:
            work.refuse(blamed, "target" if fault.alias else "steps", fault.why)
        elif fault not in known:
            last = list(named.values())[-1]
            work.refuse(last, "target" if "target" in last else "steps", fault.why)


def _combo(row: Combo, item: Item, work: Work) -> None:
    new = row._state.adding
    steps = [combos.Step(each["model"], _weight(each)) for each in item.get("steps", [])]
    before = [] if new else combos.steps_of(row)
    wanted = {
        "strategy": item.get("strategy", Strategy.PRIORITY.value),
        "enabled": item.get("enabled", True),
        "sticky": item.get("sticky", 1),
        "grants_steps": item.get("grants_steps", True),
    }
    details = assign(row, wanted)
    if before != steps:
        details.append(f"steps {' '.join(map(str, before)) or 'none'} → {' '.join(map(str, steps))}")
    if new or details:
        combos.store(row, steps)
    if new:
        work.added("combo", row.name)
    else:
        work.changed("combo", row.name, details)


def _weight(step: Item) -> int:
    return int(step.get("weight", 1))


def apply_aliases(items: Sequence[Item], work: Work, wildcards: bool | None = None) -> None:
    """Aliases by pattern. ``wildcards``: prune only those with a wildcard in them, or only those without."""
    rows = {row.pattern: row for row in Alias.objects.all() if wildcards in (None, not is_plain(row.pattern))}
    if work.prune:
        for pattern in sorted(set(rows) - {item["pattern"] for item in items}):
            work.removed("alias", pattern)
            rows.pop(pattern).delete()
    for item in items:
        row = rows.get(item["pattern"])
        new = row is None
        row = row or Alias(pattern=item["pattern"])
        details = assign(row, {"target": item["target"]})
        if details:
            row.save()
        if new:
            work.added("alias", row.pattern)
        else:
            work.changed("alias", row.pattern, details)


def apply_settings(item: Item, work: Work) -> None:
    """Only the given switches change; there is nothing to prune."""
    wanted = _given(item, SWITCHES)
    for language, words in item.get("notice", {}).items():
        wanted[build_localized_fieldname("notice", language)] = words
    _set(wanted, work, "gateway")


def apply_resilience(item: Item, work: Work) -> None:
    """Only the given figures change."""
    _set(_given(item, RESILIENCE), work, "resilience")


def _given(item: Item, names: Sequence[str]) -> dict[str, Any]:
    """null: as at the start."""
    return {name: item.get(name, getattr(USUAL, name)) for name in names if name in item}


def _set(wanted: dict[str, Any], work: Work, name: str) -> None:
    row = GatewaySettings.load()
    details = assign(row, {field: value for field, value in wanted.items() if (getattr(row, field) or "") != value})
    if details:
        row.save()
    work.changed("settings", name, details)
