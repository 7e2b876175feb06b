"""Lines of the ledger that are past their time become one that says their sum, an opening balance.

Whatever was shown as spent stays the sum of the lines. A window (day, week, month) that was over before the time gets
one line; of a budget in all, which has no windows, so does everything before it. Each step is one transaction that
removes exactly the lines it adds up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from analytics import ledger
from analytics.models import LedgerLine
from routing.models import Budget, GatewaySettings
from routing.money import BEGINNING, Span, span

log = logging.getLogger(__name__)
AT_ONCE = 1000  # lines of one transaction


def close_old() -> int:
    """Sum up what is older than the settings keep; of budgets that are gone nothing is shown, so it is removed.
    Returns how many lines there are fewer."""
    until = timezone.now() - timedelta(days=GatewaySettings.load().ledger_days)
    kept = {row.pk: row for row in Budget.objects.all()}
    fewer = 0
    for budget_id in LedgerLine.objects.filter(at__lt=until).order_by().values_list("budget_id", flat=True).distinct():
        row = kept.get(budget_id)
        fewer += _removed(budget_id, until) if row is None else sum(_close(row.pk, *at) for at in _windows(row, until))
    if fewer:
        log.info("The ledger has %d lines fewer, summed up past their time", fewer)
    return fewer


def _windows(budget: Budget, until: datetime) -> Iterable[Span]:
    """The windows that were over by then and have lines that are not summed up, the oldest first."""
    if budget.period == "total":
        yield BEGINNING, until
        return
    zone = ZoneInfo(budget.time_zone)
    last, _ = span(budget.period, zone, until)
    begin = BEGINNING
    while (at := _open(budget.pk, begin, last).aggregate(at=Min("at"))["at"]) is not None:
        window = span(budget.period, zone, at)
        yield window
        assert window[1] is not None
        begin = window[1]


def _open(budget_id: int, begin: datetime, end: datetime) -> QuerySet[LedgerLine]:
    return ledger.lines(budget_id, begin, end).exclude(kind=LedgerLine.Kind.OPENING)


def _close(budget_id: int, begin: datetime, end: datetime | None) -> int:
    """Sum up a span's lines, the oldest first. Returns how many lines there are fewer."""
    fewer = 0
    while (gone := _step(budget_id, begin, end)) > 0:
        fewer += gone
    return fewer


def _step(budget_id: int, begin: datetime, end: datetime | None) -> int:
    with transaction.atomic():
        rows = ledger.lines(budget_id, begin, end).order_by("at", "id")
        found = list(rows.select_for_update()[:AT_ONCE])
        if not found or (len(found) == 1 and found[0].kind == LedgerLine.Kind.OPENING):
            return 0
        LedgerLine.objects.create(
            budget_id=budget_id,
            kind=LedgerLine.Kind.OPENING,
            units=sum(line.units for line in found),
            at=found[-1].at,
        )
        gone, _ = LedgerLine.objects.filter(pk__in=[line.pk for line in found]).delete()
        if gone != len(found):  # somebody else sums up the same
            transaction.set_rollback(True)
            return 0
    return gone - 1


def _removed(budget_id: int, until: datetime) -> int:
    removed = 0
    while True:
        oldest = LedgerLine.objects.filter(budget_id=budget_id, at__lt=until).order_by("at").values("pk")[:AT_ONCE]
        gone, _ = LedgerLine.objects.filter(pk__in=oldest).delete()
        removed += gone
        if gone < AT_ONCE:
            return removed
