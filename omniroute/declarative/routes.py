"""The sections ``combos``, ``aliases`` and ``settings``: which model a name stands for, and the gateway's switches."""

from __future__ import annotations

from collections.abc import Sequence

from modeltranslation.utils import build_localized_fieldname

from omniroute.declarative.changes import Work, assign
from omniroute.declarative.readers import Item
from routing import combos
from routing.models import Alias, Combo, GatewaySettings, Strategy

SWITCHES = ("require_api_key", "connection_cooldown", "circuit_breaker")


def apply_combos(items: Sequence[Item], work: Work) -> None:
    """Combos by name, each with exactly the steps of the file. Loops and chains that are too deep are refused."""
    rows = {row.name: row for row in Combo.objects.prefetch_related("steps")}
    old_faults = combos.faults(combos.stored())
    if work.prune:
        for name in sorted(set(rows) - {item["name"] for item in items}):
            work.removed("combo", name)
            rows.pop(name).delete()
    for item in items:
        _combo(rows.get(item["name"]) or Combo(name=item["name"]), item, work)
    named = {item["name"]: item for item in items}
    for name, fault in combos.faults(combos.stored()).items():
        if name in named or (items and name not in old_faults):
            work.refuse(named.get(name) or items[-1], "steps", fault)


def _combo(row: Combo, item: Item, work: Work) -> None:
    new = row._state.adding
    steps = [combos.Step(each["model"], _weight(each)) for each in item["steps"]]
    before = [] if new else combos.steps_of(row)
    wanted = {"strategy": item.get("strategy", Strategy.PRIORITY.value), "enabled": item.get("enabled", True)}
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


def apply_aliases(items: Sequence[Item], work: Work) -> None:
    rows = {row.pattern: row for row in Alias.objects.all()}
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
    row = GatewaySettings.load()
    wanted = {name: item.get(name, True) for name in SWITCHES if name in item}  # null: as at the start
    for language, words in item.get("notice", {}).items():
        wanted[build_localized_fieldname("notice", language)] = words
    details = assign(row, {name: value for name, value in wanted.items() if (getattr(row, name) or "") != value})
    if details:
        row.save()
    work.changed("settings", "gateway", details)
