"""What the beat runs: sum the newest requests by hour, and remove what is past its time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import Any

from celery import shared_task
from django.db import connection, transaction
from django.db.models import Count, Max, Model, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncHour
from django.utils import timezone

from analytics import budgets, closing
from analytics.models import HourlyUsage, RollupMark, UsageRecord
from analytics.record import STORE_LOCK
from analytics.reports import FAILURES, MONEY

log = logging.getLogger(__name__)

RETENTION_DAYS = 90  # of single requests; their hourly sums live longer
SUMS_RETENTION_DAYS = 731
SLICE = 5000  # rows summed in one transaction
PRUNED_AT_ONCE = 1000

KEYS = ("hour", "key_id", "user_id", "team_id", "provider", "model")
FIGURES = (
    "requests",
    "failures",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "notional_usd",
    "latency_ms",
)
SUMS = {**{name: Sum(name) for name in FIGURES[2:]}, **MONEY}


@shared_task(ignore_result=True)
def roll_up() -> None:
    """Beat, every 30 seconds: add the requests after the mark to HourlyUsage and move it; any number may run."""
    RollupMark.objects.get_or_create(pk=1)
    limit = settled_id()
    while _roll_up_slice(limit):
        pass


@shared_task(ignore_result=True)
def notify_budgets() -> None:
    """Beat, every minute: tell of budgets that reached their share."""
    budgets.notify()


@shared_task(ignore_result=True)
def prune() -> None:
    """Beat, daily: remove requests older than 90 days and sums older than two years, in small transactions."""
    mark = RollupMark.objects.filter(pk=1).values_list("last_id", flat=True).first() or 0
    now = timezone.now()
    old = UsageRecord.objects.filter(started_at__lt=now - timedelta(days=RETENTION_DAYS), id__lte=mark)
    sums = HourlyUsage.objects.filter(hour__lt=now - timedelta(days=SUMS_RETENTION_DAYS))
    removed = _remove(old, "started_at"), _remove(sums, "hour")
    if any(removed):
        log.info("Removed %d requests and %d hourly sums past their time", *removed)


@shared_task(ignore_result=True)
def close_ledger() -> None:
    """Beat, daily: sum up the lines of the ledger that are past their time."""
    closing.close_old()


def settled_id() -> int:
    """An id up to which no row will appear any more.

    SQLite has one writer, ids come in the order of commits. On PostgreSQL a row with a lower id may be committed later:
    every store holds a shared lock from before its first id until its commit, so once we have it alone all ids that
    were given out are visible or void.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [STORE_LOCK])
        return UsageRecord.objects.aggregate(last=Max("id"))["last"] or 0


def _roll_up_slice(limit: int) -> bool:
    """Sum the next rows up to ``limit``; False when there is none. Locks the mark: slices happen one after another."""
    with transaction.atomic():
        mark = RollupMark.objects.select_for_update().get(pk=1)
        rows = UsageRecord.objects.filter(id__gt=mark.last_id, id__lte=limit)
        ids = rows.order_by("id").values_list("id", flat=True)
        last = ids[SLICE - 1 : SLICE].first() or (limit if ids.exists() else None)
        if last is None:
            return False
        _add(_summed(rows.filter(id__lte=last)))
        mark.last_id = last
        mark.save(update_fields=["last_id"])
    return True


def _summed(rows: QuerySet[UsageRecord]) -> Iterable[tuple[Any, ...]]:
    """Tuples of KEYS and FIGURES."""
    return (
        rows.annotate(
            hour=TruncHour("started_at", tzinfo=UTC),
            key=Coalesce("key_id", 0),
            user=Coalesce("user_id", 0),
            team=Coalesce("team_id", 0),
        )
        .values_list("hour", "key", "user", "team", "provider", "model")
        .annotate(
            count=Count("id"),
            failed=Count("id", filter=Q(result__in=FAILURES)),
            **{f"sum_{name}": SUMS[name] for name in FIGURES[2:]},
        )
        .order_by()
    )


def _add(sums: Iterable[tuple[Any, ...]]) -> None:
    fields = {field.name: field for field in HourlyUsage._meta.concrete_fields}
    columns = [fields[name] for name in (*KEYS, *FIGURES)]
    values = [
        [
            column.get_db_prep_save(value or column.get_default(), connection)
            for column, value in zip(columns, row, strict=True)
        ]
        for row in sums
    ]
    table = HourlyUsage._meta.db_table
    more = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in FIGURES)
    sql = f"""INSERT INTO {table} ({", ".join((*KEYS, *FIGURES))}) VALUES ({", ".join(["%s"] * len(columns))})
        ON CONFLICT ({", ".join(KEYS)}) DO UPDATE SET {more}"""  # noqa: S608 - names from the two tables above
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _remove(rows: QuerySet[Any], order: str) -> int:
    """Delete rows a thousand at a time, each in its own transaction: no lock is held for long."""
    model: type[Model] = rows.model
    removed = 0
    while True:
        oldest = rows.order_by(order).values("pk")[:PRUNED_AT_ONCE]
        count = model._base_manager.filter(pk__in=oldest).delete()[0]
        removed += count
        if count < PRUNED_AT_ONCE:
            return removed
