"""Whether what names stand for comes to an end: combos lead to combos and aliases, aliases to either. Without I/O.

As :mod:`routing.names` goes: a combo's name before an alias, and patterns are for what clients write only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from routing.names import DEEPEST, MOST_ALIASES


@dataclass(frozen=True, slots=True)
class Names:
    """``combos``: name → models of its steps; ``aliases``: exact name or pattern → target."""

    combos: Mapping[str, Sequence[str]]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """A chain that must not be. ``root``: the combo or (``alias``) the alias it begins at; ``step``: what follows."""

    root: str
    alias: bool
    step: str
    why: str


def faults(names: Names) -> list[Fault]:
    """One for each step and each alias from which a chain comes back to its beginning, or is too long."""
    found = [fault for name in names.combos for fault in combo_faults(names, name)]
    return found + [fault for pattern in names.aliases for fault in _alias_fault(names, pattern)]


def combo_faults(names: Names, name: str) -> Iterator[Fault]:
    """Those of one combo."""
    for step in dict.fromkeys(names.combos.get(name, ())):
        why = next(_fault(names, (name,), step, 1), None)
        if why is not None:
            yield Fault(name, False, step, why)


def _alias_fault(names: Names, pattern: str) -> Iterator[Fault]:
    """How deep the combos behind it are is theirs to say."""
    target = names.aliases[pattern]
    path = [pattern]
    while target not in names.combos and target in names.aliases and target not in path:
        path.append(target)
        target = names.aliases[target]
    chain = " → ".join((*path, target))
    if target in path:
        why = _("the alias comes back to itself: %(chain)s.") % {"chain": chain}
    elif len(path) > MOST_ALIASES:
        why = _("aliases may be %(most)s in a row at most: %(chain)s.") % {"most": MOST_ALIASES, "chain": chain}
    else:
        return
    yield Fault(pattern, True, names.aliases[pattern], why)


def _fault(names: Names, path: tuple[str, ...], step: str, depth: int) -> Iterator[str]:
    """Walks at most DEEPEST levels of combos; the steps of one are few, and a row of aliases ends where it repeats."""
    said = {"chain": " → ".join((*path, step)), "deepest": DEEPEST}
    if step == path[0]:
        yield _("the combo comes back to itself: %(chain)s.") % said
    elif step in path:
        return
    elif step in names.combos and depth == DEEPEST:
        yield _("combos may be %(deepest)s deep at most: %(chain)s.") % said
    elif step in names.combos:
        for further in dict.fromkeys(names.combos[step]):
            yield from _fault(names, (*path, step), further, depth + 1)
    elif step in names.aliases:
        yield from _fault(names, (*path, step), names.aliases[step], depth)
