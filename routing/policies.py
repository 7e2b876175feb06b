"""Services of policies: are these settings right, and what do they make of a caller's requests."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from routing.gateway.policies import KINDS, Rule
from routing.models import ApiKey, Policy

log = logging.getLogger(__name__)
# Of these everybody's, the team's and the key's hold together; of the others the narrowest one wins.
ADDING = frozenset(("system_prompt",))
Rules = Mapping[tuple[str, int | None], Mapping[str, Rule]]  # ("all" | "team" | "key", id) → kind → rule


def ready(kind: str, settings: Any) -> Rule:
    """Settings as a rule. Raises ValueError with a sentence that names the field."""
    if kind not in KINDS:
        raise ValueError(f"There is no policy of kind {kind!r}; there are {', '.join(KINDS)}.")
    try:
        found = msgspec.convert(settings, KINDS[kind])
    except msgspec.ValidationError as wrong:
        raise ValueError(f"{wrong}.".replace("`", "'").replace("$.", "")) from None
    if fault := found.fault():
        raise ValueError(fault)
    rule: Rule = found.rule()
    return rule


def fault(kind: str, settings: Any) -> str | None:
    """What is wrong with settings; None when nothing."""
    try:
        ready(kind, settings)
    except ValueError as wrong:
        return str(wrong)
    return None


# -- the read model ----------------------------------------------------------------------------------------------------
def live() -> Rules:
    """Every enabled policy, ready; one that cannot be used is left out with its reason."""
    found: dict[tuple[str, int | None], dict[str, Rule]] = defaultdict(dict)
    for row in Policy.objects.filter(enabled=True):
        scope = ("key", row.api_key_id) if row.api_key_id else ("team", row.team_id) if row.team_id else ("all", None)
        try:
            found[scope][row.kind] = ready(row.kind, row.settings)
        except ValueError as wrong:
            log.error("policy %s (%s) cannot be used: %s", row.pk, row.kind, wrong)
    return dict(found)


def of_caller(rules: Rules, key: ApiKey | None = None) -> tuple[Rule, ...]:
    """The rules of one caller in the order in which they are obeyed; () for most."""
    if not rules:
        return ()
    scopes: list[tuple[str, int | None]] = [("all", None)]
    if key is not None:
        scopes += [("team", key.team_id), ("key", key.pk)]
    found = [rules[scope] for scope in scopes if scope in rules]
    return tuple(rule for kind in KINDS for rule in _of_kind(kind, found))


def _of_kind(kind: str, found: Iterable[Mapping[str, Rule]]) -> list[Rule]:
    having = [rules[kind] for rules in found if kind in rules]
    return having[::-1] if kind in ADDING else having[-1:]  # each around what is there: everybody's outermost
