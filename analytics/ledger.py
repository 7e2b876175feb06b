"""The ledger: one line per request and budget, written with the request's row, in the same transaction.

Append-only. What a budget has spent is the sum of its lines and nothing else; live counters are built from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet, Sum

from analytics.models import LedgerLine
from routing.gateway.outcome import Charge, Outcome
from routing.money import charged, units, usd


def write(outcomes: Iterable[Outcome]) -> None:
    """The lines of requests that have just become rows."""
    lines = [_line(outcome, charge) for outcome in outcomes for charge in outcome.charges]
    if lines:
        LedgerLine.objects.bulk_create(lines)


def _line(outcome: Outcome, charge: Charge) -> LedgerLine:
    untold = outcome.cost_usd is None and outcome.usage.units is not None  # a service that was given, at a cost unknown
    amount = charge.reserved if untold else units(charged(outcome.cost_usd))
    return LedgerLine(
        budget_id=charge.budget,
        request_id=outcome.request_id[:64],
        kind=LedgerLine.Kind.SETTLE if amount or outcome.result == "ok" else LedgerLine.Kind.RELEASE,
        units=amount,
        reserved_units=charge.reserved,
        at=datetime.fromtimestamp(outcome.started_at, UTC),
    )


def adjust(budget_id: int, amount: Decimal, note: str, at: datetime) -> LedgerLine:
    """Correct what a budget has spent by a line of its own; nothing is ever changed or removed."""
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
