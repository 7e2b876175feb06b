"""Limits, budgets and address rules: rows → what the hot path reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils import timezone

from providers.entry import Entry
from routing.addresses import Addresses, Rule, network_of
from routing.models import AddressMode, ApiKey, Budget, IpRule, Limit, Scope
from routing.money import units
from routing.snapshot import Budget as LiveBudget
from routing.snapshot import Caller
from routing.snapshot import Limit as LiveLimit

Whose = tuple[str, int | str | None]  # scope and what it is in
Budgets = Mapping[Whose, tuple[LiveBudget, ...]]
Limits = Mapping[Whose, LiveLimit]
T = TypeVar("T")


def whose(row: Limit | Budget) -> Whose:
    """Scope and id of what a row belongs to."""
    provider, tier = (row.provider_id, row.tier) if isinstance(row, Budget) else (None, "")
    return str(row.scope), row.api_key_id or row.user_id or row.team_id or provider or tier or None


def named(row: Limit | Budget) -> str:
    """Whose it is, in a sentence: ``team 'Research'``."""
    if row.scope == Scope.GLOBAL:
        return "everybody"
    subject = row.api_key.name if row.api_key is not None else row.subject if isinstance(row, Budget) else str(row)
    return f"{row.scope} '{subject}'"


def live_limits() -> Limits:
    return {whose(row): live_limit(row) for row in Limit.objects.select_related("api_key", "user", "team")}


def live_limit(row: Limit) -> LiveLimit:
    """Limits as the hot path reads them."""
    return LiveLimit(
        key=":".join(map(str, whose(row))),
        whose=named(row),
        requests=row.requests_per_minute,
        tokens=row.tokens_per_minute,
        parallel=row.parallel,
    )


def live_budgets() -> Budgets:
    found: defaultdict[Whose, list[LiveBudget]] = defaultdict(list)
    for row in Budget.objects.filter(enabled=True).select_related("api_key", "user", "team"):
        found[whose(row)].append(live(row))
    return {key: tuple(rows) for key, rows in found.items()}


def live(row: Budget) -> LiveBudget:
    """A budget as the hot path reads it."""
    return LiveBudget(
        id=row.pk,
        whose=named(row),
        period=row.period,
        zone=ZoneInfo(row.time_zone),
        limit=units(row.limit_usd),
        hard=row.hard,
    )


def of_caller(table: Mapping[Whose, T], key: ApiKey) -> tuple[T, ...]:
    """What applies to a key: its own, its user's, its team's."""
    scopes: tuple[Whose, ...] = ((Scope.KEY, key.pk), (Scope.USER, key.owner_id), (Scope.TEAM, key.team_id))
    return tuple(found for scope, id in scopes if id and (found := table.get((str(scope), id))) is not None)


def set_limit(figures: Mapping[str, int | None], **whose: Any) -> None:
    """Set the limits of one ``api_key``, ``user`` or ``team``. A row that limits nothing is not kept."""
    if any(figures.values()):
        Limit.objects.update_or_create(**whose, defaults=dict(figures))
    else:
        for row in Limit.objects.filter(**whose):
            row.delete()


def limits_on(key: ApiKey) -> QuerySet[Limit]:
    """The rows whose limits hold for a key: its own, its user's, its team's."""
    return _limits(_callers(key.pk, key.owner_id, key.team_id))


def limits_of(caller: Caller) -> QuerySet[Limit]:
    """Likewise for whoever asks, with a key or without."""
    return _limits(_callers(caller.key_id, caller.user_id, caller.team_id))


def _limits(whose: Q) -> QuerySet[Limit]:
    return Limit.objects.filter(whose).select_related("api_key", "user", "team")


def budgets_on(key: ApiKey) -> QuerySet[Budget]:
    """The budgets that hold for a key wherever its requests go: its own, its user's, its team's, everybody's."""
    found = Budget.objects.filter(_callers(key.pk, key.owner_id, key.team_id) | Q(scope=Scope.GLOBAL), enabled=True)
    return found.select_related("api_key", "user", "team")


def _callers(key: int | None, user: int | None, team: int | None) -> Q:
    """Rows of any of these; of nobody none."""
    found = Q(pk__in=())
    for column, pk in (("api_key", key), ("user", user), ("team", team)):
        found |= Q(**{column: pk}) if pk is not None else Q(pk__in=())
    return found


def of_provider(budgets: Budgets, entry: Entry) -> tuple[LiveBudget, ...]:
    return budgets.get(("provider", entry.id), ()) + budgets.get(("tier", entry.tier), ())


def live_addresses(mode: str) -> Addresses | None:
    """None when everybody is let in."""
    rows = IpRule.objects.filter(Q(until=None) | Q(until__gt=timezone.now()))
    rules = [
        Rule(network_of(row.network), row.allow, row.until.timestamp() if row.until else None, row.reason)
        for row in rows
    ]
    if mode == AddressMode.OFF or (not rules and mode != AddressMode.ALLOW):
        return None
    return Addresses(mode, rules)
