"""Services of policies: are these settings right, and what do they make of a caller's requests."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from routing.gateway.policies import KINDS, Rule
from routing.models import ApiKey, Policy

log = logging.getLogger(__name__)
# Of these everybody's, the team's and the key's hold together; of the others the narrowest one wins.
ADDING = frozenset(("system_prompt",))
Scope = tuple[str, int | None]  # ("all" | "team" | "key", id)
Rules = Mapping[Scope, Mapping[str, Rule]]  # by kind
T = TypeVar("T")


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
    found: dict[Scope, dict[str, Rule]] = defaultdict(dict)
    for row in Policy.objects.filter(enabled=True):
        try:
            found[scope_of(row)][row.kind] = ready(row.kind, row.settings)
        except ValueError as wrong:
            log.error("policy %s (%s) cannot be used: %s", row.pk, row.kind, wrong)
    return dict(found)


def of_caller(rules: Rules, key: ApiKey | None = None) -> tuple[Rule, ...]:
    """The rules of one caller in the order in which they are obeyed; () for most."""
    if not rules:
        return ()
    return _chosen(rules, key.pk if key is not None else None, key.team_id if key is not None else None)


def in_force(key_id: int | None, team_id: int | None) -> tuple[Policy, ...]:
    """The rows of one caller's rules, likewise."""
    found: dict[Scope, dict[str, Policy]] = defaultdict(dict)
    for row in Policy.objects.filter(enabled=True).select_related("team", "api_key"):
        if fault(row.kind, row.settings) is None:
            found[scope_of(row)][row.kind] = row
    return _chosen(found, key_id, team_id)


def scope_of(row: Policy) -> Scope:
    """Whose a policy is."""
    return ("key", row.api_key_id) if row.api_key_id else ("team", row.team_id) if row.team_id else ("all", None)


def _chosen(rules: Mapping[Scope, Mapping[str, T]], key_id: int | None, team_id: int | None) -> tuple[T, ...]:
    found = [rules[scope] for scope in (("all", None), ("team", team_id), ("key", key_id)) if scope in rules]
    return tuple(rule for kind in KINDS for rule in _of_kind(kind, found))


def _of_kind(kind: str, found: Iterable[Mapping[str, T]]) -> list[T]:
    having = [rules[kind] for rules in found if kind in rules]
    return having[::-1] if kind in ADDING else having[-1:]  # each around what is there: everybody's outermost
