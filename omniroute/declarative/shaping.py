"""The sections ``policies`` and ``cache``: applied and exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from accounts.models import Team
from omniroute.declarative.changes import Work, assign
from omniroute.declarative.document import Node
from omniroute.declarative.readers import Item, unquoted
from routing.models import ApiKey, CacheSettings, Policy
from routing.snapshot import Caching

USUAL = CacheSettings()


def settings(node: Node, path: str) -> Any:
    """A policy's settings as plain values; what they may be is the policy's to say."""
    match node.value:
        case dict():
            return {name: settings(child, path) for name, child in node.value.items()}
        case list():
            return [settings(child, path) for child in node.value]
    return unquoted(node)


# -- policies ----------------------------------------------------------------------------------------------------------
def apply_policies(items: Sequence[Item], work: Work) -> None:
    """Policies by kind and whose they are."""
    kept: set[int] = set()
    for item in items:
        subject = _subject(item, work)
        if subject is None:
            continue
        row = Policy.objects.filter(kind=item["kind"], **subject).first()
        new = row is None
        row = row or Policy(kind=item["kind"], **subject)
        details = assign(row, {"enabled": item.get("enabled", True), "settings": item.get("settings", {})})
        try:
            row.full_clean(validate_unique=False, validate_constraints=False)
        except ValidationError as wrong:
            work.refuse(item, "settings", " ".join(wrong.messages))
            continue
        if new or details:
            row.save()
        kept.add(row.pk)
        if new:
            work.added("policy", _called(row))
        else:
            work.changed("policy", _called(row), details)
    if work.prune and not work.problems:
        for row in Policy.objects.exclude(pk__in=kept):
            work.removed("policy", _called(row))
            row.delete()


def _subject(item: Item, work: Work) -> dict[str, Any] | None:
    """Whose it is, as columns; None when there is nobody of that name, which is noted."""
    scope, name = item.get("scope", "global"), item.get("name", "")
    if scope == "global":
        return {"team": None, "api_key": None}
    if scope == "team":
        teams: list[Any] = list(Team.objects.filter(name=name)[:2])
        found, column = teams, "team"
    else:
        rows = ApiKey.objects.filter(name=name)
        if item.get("user"):
            rows = rows.filter(owner__email__iexact=item["user"])
        if item.get("team"):
            rows = rows.filter(team__name=item["team"])
        found, column = list(rows[:2]), "api_key"
    if len(found) != 1:
        hint = "there is no" if not found else "there is more than one"
        work.refuse(item, "name" if "name" in item else None, f"{hint} {scope} {name!r}.")
        return None
    return {"team": None, "api_key": None} | {column: found[0]}


def _called(row: Policy) -> str:
    whose = f"key {row.api_key.name}" if row.api_key else f"team {row.team.name}" if row.team else "global"
    return f"{row.kind} {whose}"


def policies() -> list[dict[str, Any]]:
    found = []
    for row in Policy.objects.select_related("team", "api_key__owner", "api_key__team").order_by("pk"):
        fields: dict[str, Any] = {"kind": row.kind}
        if row.team:
            fields |= {"scope": "team", "name": row.team.name}
        if (key := row.api_key) is not None:
            people = {"user": key.owner and key.owner.email, "team": key.team and key.team.name}
            fields |= {"scope": "key", "name": key.name, **{name: text for name, text in people.items() if text}}
        found.append(fields | ({} if row.enabled else {"enabled": False}) | {"settings": row.settings})
    return found


# -- caches ------------------------------------------------------------------------------------------------------------
def apply_cache(item: Item, work: Work) -> None:
    """Only what is given changes; null: as at the start."""
    row = CacheSettings.load()
    wanted = {name: item.get(name, getattr(USUAL, name)) for name in Caching.__dataclass_fields__ if name in item}
    details = assign(row, wanted)
    try:
        row.full_clean(exclude=["id"])
    except ValidationError as wrong:
        work.refuse(item, None, " ".join(wrong.messages))
        return
    if details:
        row.save()
    work.changed("settings", "cache", details)


def cache() -> dict[str, Any]:
    """All of it, so that another installation becomes the same; an empty text is null."""
    row = CacheSettings.load()
    values = {name: getattr(row, name) for name in Caching.__dataclass_fields__}
    return {name: None if value == "" else value for name, value in values.items()}
