"""Figures for pages and the API: exact, and cheap whatever the size of the request log.

Every figure is the sum of HourlyUsage and of the few requests after the RollupMark; the log itself is never summed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from accounts.permissions import Person, is_site_admin, owned_team_ids
from analytics.models import HourlyUsage, Result, RollupMark, UsageRecord

HOURLY_UP_TO = 48  # hours; longer windows are shown by day
LONGEST = 24 * 731  # hours; sums older than that are removed
FAILURES = (Result.FAILED, Result.REFUSED)  # the client got an error; one that left did not
_FIGURES = ("requests", "failures", "input_tokens", "output_tokens", "cost_usd", "latency_ms", "notional_usd")
# Of the log's rows: a flat rate's cost is notional, nothing of it was charged.
MONEY = {
    "cost_usd": Sum("cost_usd", filter=Q(flat_rate=False)),
    "notional_usd": Sum("cost_usd", filter=Q(flat_rate=True)),
}
_TRIES = 3
_CENT = Decimal("1e-10")  # SQLite adds in binary floating point; the columns keep ten places


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One bucket of a series: ``start`` is UTC; ``tokens`` is input and output, ``cost`` USD."""

    start: datetime
    requests: int = 0
    failures: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a person may see of a window that ends now. ``failures`` are the requests whose client got an error.
    ``cost_usd`` was charged; ``notional_usd`` is what flat-rate use would have cost by its models' prices."""

    requests: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    notional_usd: Decimal
    average_latency_ms: int | None
    series: tuple[Point, ...]


@dataclass(slots=True)
class _Sums:
    requests: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    latency_ms: int = 0
    notional_usd: Decimal = Decimal(0)

    def add(self, other: _Sums) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def visible_to(user: Person) -> QuerySet[UsageRecord]:
    """Requests a person may see: all as site administrator, else their own and those of teams they own."""
    return UsageRecord.objects.filter(_scope(user))


def overview(user: Person, hours: int = 24) -> Overview:
    """The last ``hours`` (at most two years) as totals and as a series without gaps.

    Windows are whole buckets and end with the one that runs now: up to 48 hours these are hours, beyond it UTC days (a
    window of 168 hours is today and the six days before). So the first bucket is never a part of one.
    """
    step, starts = _buckets(timezone.now(), min(max(hours, 1), LONGEST))
    sums = {start: _Sums() for start in starts}
    for hour, part in _consistent(_scope(user), starts[0]):
        start = hour.astimezone(UTC) if step < timedelta(days=1) else _midnight(hour)
        if start in sums:  # else a clock ran ahead, or the tail reaches back before the window
            sums[start].add(part)
    total = _Sums()
    for part in sums.values():
        total.add(part)
    return Overview(
        requests=total.requests,
        failures=total.failures,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cost_usd=total.cost_usd,
        notional_usd=total.notional_usd,
        average_latency_ms=round(total.latency_ms / total.requests) if total.requests else None,
        series=tuple(_point(start, part) for start, part in sums.items()),
    )


def _point(start: datetime, sums: _Sums) -> Point:
    return Point(
        start=start,
        requests=sums.requests,
        failures=sums.failures,
        tokens=sums.input_tokens + sums.output_tokens,
        cost=sums.cost_usd,
    )


def _scope(user: Person) -> Q:
    if is_site_admin(user):
        return Q()
    if user.pk is None:
        return Q(pk__in=())
    teams = owned_team_ids(user)
    return Q(user_id=user.pk) | Q(team_id__in=teams) if teams else Q(user_id=user.pk)


def _buckets(now: datetime, hours: int) -> tuple[timedelta, list[datetime]]:
    """(length, starts in order) of the buckets of a window that ends now."""
    if hours <= HOURLY_UP_TO:
        step, count = timedelta(hours=1), hours
        last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    else:
        step, count = timedelta(days=1), -(-hours // 24)
        last = _midnight(now)
    return step, [last - step * n for n in reversed(range(count))]


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _consistent(scope: Q, since: datetime) -> list[tuple[datetime, _Sums]]:
    """Sums by hour in which no request is missing or double, though the roll-up may run in between.

    The roll-up moves the mark in the transaction that writes the sums: the same mark before and after reading proves
    that nothing moved. After a few tries (a backlog is being rolled up) it is held back with a lock.
    """
    for _ in range(_TRIES):
        mark = _mark()
        parts = [*_rolled_up(scope, since), *_tail(scope, mark)]
        if _mark() == mark:
            return parts
    with transaction.atomic():
        mark = RollupMark.objects.select_for_update().get(pk=1).last_id
        return [*_rolled_up(scope, since), *_tail(scope, mark)]


def _mark() -> int:
    return RollupMark.objects.filter(pk=1).values_list("last_id", flat=True).first() or 0


def _rolled_up(scope: Q, since: datetime) -> Iterator[tuple[datetime, _Sums]]:
    rows = (
        HourlyUsage.objects.filter(scope, hour__gte=since)
        .values_list("hour")
        .annotate(**{f"sum_{name}": Sum(name) for name in _FIGURES})
    )
    for hour, *figures in rows.order_by():
        yield hour, _sums(*figures)


def _tail(scope: Q, mark: int) -> Iterator[tuple[datetime, _Sums]]:
    """Requests not rolled up yet. Only the id bounds them: a second bound would let the database pick another index."""
    rows = (
        UsageRecord.objects.filter(scope, id__gt=mark)
        .values_list(TruncHour("started_at", tzinfo=UTC))
        .annotate(
            count=Count("id"),
            failed=Count("id", filter=Q(result__in=FAILURES)),
            **{f"sum_{name}": MONEY.get(name, Sum(name)) for name in _FIGURES[2:]},
        )
    )
    for hour, *figures in rows.order_by():
        yield hour, _sums(*figures)


def _sums(*figures: int | Decimal | None) -> _Sums:
    requests, failures, tokens_in, tokens_out, cost, latency, notional = (figure or 0 for figure in figures)
    return _Sums(
        int(requests),
        int(failures),
        int(tokens_in),
        int(tokens_out),
        Decimal(cost).quantize(_CENT),
        int(latency),
        Decimal(notional).quantize(_CENT),
    )
