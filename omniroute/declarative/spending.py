"""The sections ``teams``, ``limits``, ``budgets`` and ``ip_rules``: applied and exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.models import Membership, Role, Team, User
from omniroute.declarative.changes import Work, assign
from omniroute.declarative.keys import check_providers
from omniroute.declarative.readers import Item
from omniroute.declarative.schema import FIGURES
from providers.models import Provider
from routing.models import ApiKey, Budget, IpRule, Limit, Scope, TeamAccess

Subject = dict[str, Any]  # the columns that say whose a row is
COLUMNS = {Scope.KEY: "api_key", Scope.USER: "user", Scope.TEAM: "team", Scope.PROVIDER: "provider"}
BUDGET_USUAL: Mapping[str, Any] = {"time_zone": "UTC", "hard": True, "notify_at": 80, "enabled": True}


# What of a team's permissions a file may say: its word → the column, and what it is when nothing is said.
ACCESS: dict[str, tuple[str, Any]] = {
    "models": ("model_patterns", ["*"]),
    "combos": ("combo_patterns", None),
    "providers": ("providers", []),
    "endpoints": ("endpoints", []),
}


# -- teams ------------------------------------------------------------------------------------------------------------
def apply_teams(items: Sequence[Item], work: Work) -> None:
    """Teams by name; where ``members`` is given, exactly those people, who must have accounts."""
    rows = {row.name: row for row in Team.objects.all()}
    for item in items:
        row = rows.get(item["name"])
        if row is None:
            row = Team.objects.create(name=item["name"])
            work.added("team", row.name)
            _members(row, item, work)
            _access(row, item, work)
        else:
            work.changed("team", row.name, _members(row, item, work) + _access(row, item, work))


def prune_teams(items: Sequence[Item], work: Work) -> None:
    """With a team go its connections, so this comes after those that are the team's no longer."""
    for row in Team.objects.exclude(name__in=[item["name"] for item in items]).order_by("name"):
        work.removed("team", row.name)
        row.delete()


def _members(team: Team, item: Item, work: Work) -> list[str]:
    if "members" not in item:
        return []
    before = {row.user.email: row for row in team.memberships.select_related("user")}
    wanted = {member["email"].lower(): member.get("role", Role.MEMBER.value) for member in item.get("members", [])}
    told = []
    for email, role in wanted.items():
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            work.refuse(item, "members", f"there is no user {email!r}.")
        elif user.email not in before:
            Membership.objects.create(team=team, user=user, role=role)
            told.append(f"{email} {role}")
        elif before[user.email].role != role:
            told += [f"{email} {text}" for text in assign(before[user.email], {"role": role})]
            before[user.email].save()
    for email, membership in before.items():
        if email.lower() not in wanted:
            membership.delete()
            told.append(f"{email} leaves")
    return told


def _access(team: Team, item: Item, work: Work) -> list[str]:
    """What the team's keys may use, as far as the file says; a team that may use everything has no row."""
    given = {column: item.get(word, usual) for word, (column, usual) in ACCESS.items() if word in item}
    row = TeamAccess.objects.filter(team=team).first() or TeamAccess(team=team)
    check_providers(row.providers, item, work)
    told = assign(row, given)
    if not told:
        return []
    if all(getattr(row, column) == usual for column, usual in ACCESS.values()):
        TeamAccess.objects.filter(team=team).delete()
    else:
        row.save()
    return told


def teams() -> list[dict[str, Any]]:
    found = []
    access = TeamAccess.objects.in_bulk()
    for team in Team.objects.prefetch_related("memberships__user"):
        people = [{"email": row.user.email, "role": row.role} for row in team.memberships.all()]
        row = access.get(team.pk, TeamAccess())
        differs = {word: getattr(row, c) for word, (c, usual) in ACCESS.items() if getattr(row, c) != usual}
        found.append({"name": team.name, "members": people, **differs})
    return found


# -- limits and budgets -----------------------------------------------------------------------------------------------
def apply_limits(items: Sequence[Item], work: Work) -> None:
    _apply(items, work, "limit", Limit, lambda item: {name: item.get(name) for name in FIGURES}, ())


def apply_budgets(items: Sequence[Item], work: Work) -> None:
    def wanted(item: Item) -> dict[str, Any]:
        given = {name: item.get(name, usual) for name, usual in BUDGET_USUAL.items()}
        given["notify_at"] = item.values.get("notify_at", BUDGET_USUAL["notify_at"])  # null: never
        return {"limit_usd": item["limit_usd"], **given}

    _apply(items, work, "budget", Budget, wanted, ("scope", "tier", "period"))


def _apply(
    items: Sequence[Item],
    work: Work,
    kind: str,
    model: type[Limit] | type[Budget],
    wanted: Callable[[Item], dict[str, Any]],
    more: tuple[str, ...],
) -> None:
    """Rows by whose they are (and, of budgets, their period)."""
    kept: set[int] = set()
    for item in items:
        subject = _subject(item, work)
        if subject is None:
            continue
        said = {"scope": item["scope"], "tier": subject.pop("tier", ""), "period": item.get("period", "monthly")}
        identity = subject | {name: said[name] for name in more}
        row: Any = model._default_manager.filter(**identity).first()
        new = row is None
        row = row or model(**identity)
        details = assign(row, wanted(item))
        try:
            row.full_clean()
        except ValidationError as wrong:
            work.refuse(item, None, " ".join(wrong.messages))
            continue
        if new or details:
            row.save()
        kept.add(row.pk)
        name = _called(item)
        if new:
            work.added(kind, name)
        else:
            work.changed(kind, name, details)
    if work.prune and not work.problems:
        for row in model._default_manager.exclude(pk__in=kept):
            work.removed(kind, str(row))
            row.delete()


def _called(item: Item) -> str:
    return " ".join(filter(None, (item["scope"], item.get("name"), item.get("period"))))


def _subject(item: Item, work: Work) -> Subject | None:
    """Whose an item is, as columns; None when there is nobody of that name, which is noted."""
    scope, name = item["scope"], item.get("name", "")
    nobody: Subject = dict.fromkeys(("api_key", "user", "team"))
    if scope == Scope.GLOBAL:
        return nobody | {"provider": None}
    if scope == Scope.TIER:
        return nobody | {"provider": None, "tier": name}
    found = _find(scope, item, name)
    if len(found) != 1:
        number = "no" if not found else "more than one"
        hint = "; say user or team" if len(found) > 1 else ""
        work.refuse(item, "name" if name else None, f"there is {number} {scope} {name!r}{hint}.")
        return None
    others = {"provider": None} if "period" in item.values or "limit_usd" in item else {}
    return nobody | others | {COLUMNS[Scope(scope)]: found[0]}


def _find(scope: str, item: Item, name: str) -> list[models.Model]:
    if scope == Scope.USER:
        return list(User.objects.filter(email__iexact=name)[:2])
    if scope == Scope.TEAM:
        return list(Team.objects.filter(name=name)[:2])
    if scope == Scope.PROVIDER:
        return list(Provider.objects.filter(pk=name)[:2])
    rows = ApiKey.objects.filter(name=name)
    if item.get("user"):
        rows = rows.filter(owner__email__iexact=item["user"])
    if item.get("team"):
        rows = rows.filter(team__name=item["team"])
    return list(rows[:2])


def limits() -> list[dict[str, Any]]:
    rows = Limit.objects.select_related("api_key__owner", "api_key__team", "user", "team")
    return [
        _whose(row) | {name: value for name in FIGURES if (value := getattr(row, name)) is not None} for row in rows
    ]


def budgets() -> list[dict[str, Any]]:
    found = []
    for row in Budget.objects.select_related("api_key__owner", "api_key__team", "user", "team"):
        other = {name: getattr(row, name) for name, usual in BUDGET_USUAL.items() if getattr(row, name) != usual}
        found.append(_whose(row) | {"period": row.period, "limit_usd": row.limit_usd.normalize(), **other})
    return found


def _whose(row: Limit | Budget) -> dict[str, Any]:
    key = row.api_key
    if key is None:
        named = row.user or row.team or (row.provider_id or row.tier if isinstance(row, Budget) else None)
        return {"scope": str(row.scope), **({"name": str(named)} if named else {})}
    people = {"user": key.owner and key.owner.email, "team": key.team and key.team.name}
    return {"scope": "key", "name": key.name, **{name: value for name, value in people.items() if value}}


# -- address rules ----------------------------------------------------------------------------------------------------
def apply_ip_rules(items: Sequence[Item], work: Work) -> None:
    kept: set[int] = set()
    for item in items:
        rule = IpRule(network=item["network"], allow=item["action"] == "allow")
        try:
            rule.clean_fields()
            rule = IpRule.objects.filter(network=rule.network, allow=rule.allow).first() or rule
            new = rule._state.adding
            details = assign(rule, {"until": item.get("until"), "reason": item.get("reason", "")})
            rule.full_clean()
        except ValidationError as wrong:
            work.refuse(item, "network", " ".join(wrong.messages))
            continue
        if new or details:
            rule.save()
        kept.add(rule.pk)
        if new:
            work.added("ip rule", rule.network)
        else:
            work.changed("ip rule", rule.network, details)
    if work.prune and not work.problems:
        for row in IpRule.objects.exclude(pk__in=kept):
            work.removed("ip rule", row.network)
            row.delete()


def ip_rules() -> list[dict[str, Any]]:
    found = []
    for row in IpRule.objects.all():
        fields: dict[str, Any] = {"network": row.network, "action": "allow" if row.allow else "block"}
        if row.until:
            fields["until"] = row.until.isoformat().replace("+00:00", "Z")
        found.append(fields | ({"reason": row.reason} if row.reason else {}))
    return found
