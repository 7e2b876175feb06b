"""The ledger: one line per request and budget, written with the request's row, in the same transaction.

Append-only. What a budget has spent is the sum of its lines and nothing else; live counters are built from it. Lines of
long ago become one that says their sum (``analytics.closing``), so that the sums stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet, Subquery, Sum

from analytics.models import LedgerLine
from routing.gateway.outcome import Outcome, spends
from routing.money import charged, units, usd

# Column → its type on PostgreSQL, in the order of _line().
COLUMNS = {
    "budget_id": "bigint",
    "request_id": "text",
    "kind": "text",
    "units": "bigint",
    "reserved_units": "bigint",
    "at": "timestamp AT TIME ZONE 'UTC'",
    "note": "text",
}


SETTLE, RELEASE = LedgerLine.Kind.SETTLE.value, LedgerLine.Kind.RELEASE.value


def write(outcomes: Iterable[Outcome]) -> None:
    """The lines of requests that have just become rows. Plain SQL: the ORM costs several times as much a line."""
    lines = [line for outcome in outcomes if outcome.charges for line in _lines(outcome)]
    if not lines:
        return
    table, names = LedgerLine._meta.db_table, ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            values = ", ".join(f"(r->>{n})::{kind}" for n, kind in enumerate(COLUMNS.values()))
            rows = f"SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS r"  # noqa: S608 - our own names
            cursor.execute(f'INSERT INTO "{table}" ({names}) {rows}', [msgspec.json.encode(lines).decode()])
        else:
            marks = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', lines)  # noqa: S608


def _lines(outcome: Outcome) -> list[tuple[int, str, str, int, int, str, str]]:
    at = str(datetime.fromtimestamp(outcome.started_at, UTC).replace(tzinfo=None))  # UTC, as Django writes it
    request, answered = outcome.request_id[:64], outcome.result == "ok"
    return [
        (charge.budget, request, SETTLE if amount or answered else RELEASE, amount, charge.reserved, at, "")
        for charge, amount in spends(outcome)
    ]


def adjust(budget_id: int, amount: Decimal, note: str, at: datetime) -> LedgerLine:
    """Correct what a budget has spent by a line of its own; no other is changed. ``amount`` is USD, less than nothing
    for what should not count; ``note`` says why."""
    return LedgerLine.objects.create(
        budget_id=budget_id, kind=LedgerLine.Kind.ADJUST, units=units(charged(amount)), at=at, note=note[:200]
    )


def lines(budget_id: int, begin: datetime, end: datetime | None) -> QuerySet[LedgerLine]:
    """A budget's lines in a span."""
    found = LedgerLine.objects.filter(budget_id=budget_id, at__gte=begin)
    return found.filter(at__lt=end) if end is not None else found


def spent(budget_id: int, begin: datetime, end: datetime | None) -> Decimal:
    """USD that a budget has spent in a span."""
    return usd(_units(budget_id, begin, end))


@dataclass(frozen=True, slots=True)
class Entry:
    """A line and what all lines of the span up to it come to, in USD."""

    line: LedgerLine
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, the newest first. ``older``: the id of the last one, when there are more; ``newest``: nothing is above."""

    entries: tuple[Entry, ...]
    older: int | None
    newest: bool


def page(budget_id: int, begin: datetime, end: datetime | None, *, before: int | None = None, count: int = 50) -> Page:
    """Lines of a span with running sums, those under the line ``before``; from the top when there is no such line.

    Lines and their sum come by one statement: while requests are stored, no line is in one of them only.
    """
    rows = lines(budget_id, begin, end)
    above = rows.filter(pk=before).first() if before is not None else None
    if above is not None:
        rows = rows.filter(Q(at__lt=above.at) | Q(at=above.at, pk__lt=above.pk))
    total = rows.order_by().values("budget_id").annotate(sum=Sum("units")).values("sum")
    found = list(rows.annotate(total=Subquery(total)).order_by("-at", "-id")[: count + 1])
    shown = found[:count]
    first = shown[0].total if shown else 0
    sums = accumulate((line.units for line in shown), lambda left, spent: left - spent, initial=first)
    entries = tuple(Entry(line, usd(sum)) for line, sum in zip(shown, sums, strict=False))
    return Page(entries, shown[-1].pk if len(found) > count else None, above is None)


def _units(budget_id: int, begin: datetime, end: datetime | None) -> int:
    return int(lines(budget_id, begin, end).aggregate(sum=Sum("units"))["sum"] or 0)


def standing(budget_id: int, begin: datetime, end: datetime | None, ids: Sequence[str]) -> tuple[int, list[str]]:
    """As ``routing.gateway.purses.Ledger``: units spent, and which of the requests are in that sum.

    The requests are looked up first: a line that comes between the two look-ups is in the sum and still held, so that
    the budget looks spent for a moment rather than free. Called in threads, so it leaves no connection behind.
    """
    try:
        known = lines(budget_id, begin, end).filter(request_id__in=list(ids)[:900])
        found = list(known.values_list("request_id", flat=True)) if ids else []
        return _units(budget_id, begin, end), found
    finally:
        connection.close()
