"""The page of quotas: what is left of each account, and asking again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from providers import quotas, registry
from providers.models import Connection, QuotaState, QuotaWindow
from providers.quota.table import HEADERS, USAGE

NAMES = {
    "5h": gettext_lazy("5 hours"),
    "7d": gettext_lazy("7 days"),
    "day": gettext_lazy("Day"),
    "month": gettext_lazy("Month"),
    "minute": gettext_lazy("Minute"),
    "trial": gettext_lazy("Trial"),
    "balance": gettext_lazy("Balance"),
    "key": gettext_lazy("Limit of the key"),
    "window": gettext_lazy("Current period"),
}
ORDER = {name: position for position, name in enumerate(("minute", "5h", "day", "7d", "month"))}
LOW, SCARCE = 25.0, 10.0  # percent that remain


class Bar(NamedTuple):
    """A window as it is drawn. ``left``: percent that remain, None when nobody says; ``over``: it was reset since;
    ``fresh``: read less than a minute ago."""

    row: QuotaWindow
    name: str
    left: float | None
    over: bool
    fresh: bool

    @property
    def tone(self) -> str:
        if self.left is None or self.left > LOW:
            return "good"
        return "warn" if self.left > SCARCE else "bad"


class Account(NamedTuple):
    """A connection and what is known of its quota; ``asks``: the vendor can be asked."""

    connection: Connection
    provider: str
    state: QuotaState | None
    bars: list[Bar]
    asks: bool


def accounts(rows: QuerySet[Connection], now: datetime) -> list[Account]:
    """Those of the connections whose vendor tells of quotas, asked or in replies."""
    rows = rows.filter(provider__in=[*USAGE, *HEADERS]).select_related("provider", "quota_state")
    rows = rows.prefetch_related(Prefetch("quota_windows", QuotaWindow.objects.all()))
    entries = registry.effective_all()
    found = []
    for row in rows:
        entry = entries.get(row.provider_id)
        bars = _bars(row.quota_windows.all(), now)
        if bars or quotas.can_ask(row.provider_id):
            name = entry.name if entry else row.provider_id
            state = getattr(row, "quota_state", None)
            found.append(Account(row, name, state, bars, quotas.can_ask(row.provider_id)))
    return found


def _bars(rows: Iterable[QuotaWindow], now: datetime) -> list[Bar]:
    """Shorter windows first, those for all models before those of families."""
    found = []
    for row in rows:
        over = row.resets_at is not None and row.resets_at <= now
        left = 100.0 if over or row.unlimited else None if row.used_percent is None else 100 - row.used_percent
        fresh = (now - row.measured_at).total_seconds() < 60
        found.append(Bar(row, str(NAMES.get(row.window, row.window)), left, over, fresh))
    return sorted(found, key=lambda bar: (bar.row.family != "", bar.row.family, ORDER.get(bar.row.window, 9)))


@login_required
@permission_required("providers.view_quotawindow", raise_exception=True)
def quota_page(request: HttpRequest) -> HttpResponse:
    """Every account whose vendor tells of quotas, by provider."""
    rows = Connection.objects.filter(enabled=True, provider__enabled=True).order_by("provider", "priority", "pk")
    now = timezone.now()
    return render(request, "providers/quotas.html", {"accounts": accounts(rows, now), "now": now, "title": _("Quotas")})


@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def quota_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask one account's vendor now."""
    connection = get_object_or_404(Connection.objects.select_related("provider__proxy", "proxy"), pk=pk)
    asked = quotas.refresh(connection)
    words = {"name": connection, "message": asked.message}
    if asked.reading:
        messages.success(request, _("%(name)s: the quota is up to date.") % words)
    else:
        messages.error(request, _("%(name)s: %(message)s") % words)
    if request.POST.get("from") == "provider":
        return redirect("providers:detail", connection.provider_id)
    return redirect(f"{reverse('quotas:list')}#account-{pk}")


@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def quota_refresh_all(request: HttpRequest) -> HttpResponse:
    """Ask the vendors of all accounts in use."""
    rows = Connection.objects.filter(enabled=True, provider__enabled=True, provider__in=list(USAGE))
    results = quotas.refresh_many(rows.select_related("provider__proxy", "proxy"))
    told = {"good": sum(result.reading is not None for result in results), "all": len(results)}
    messages.info(request, _("%(good)s of %(all)s accounts told their quota.") % told)
    return redirect("quotas:list")
