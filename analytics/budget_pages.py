"""Budgets: all of them with what is spent, and the ledger of each."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.models import User
from accounts.permissions import is_site_admin
from analytics import budgets
from analytics.models import LedgerLine

PAGE = 50


@login_required
def budget_list(request: HttpRequest) -> HttpResponse:
    person = _person(request)
    rows = [budgets.standing(row) for row in budgets.visible_to(person)]
    return render(request, "analytics/budgets.html", {"rows": rows, "may_change": is_site_admin(person)})


@login_required
def ledger(request: HttpRequest, pk: int) -> HttpResponse:
    """Newest first; ``before``: the id the page begins under, so that deep pages cost no more."""
    budget = get_object_or_404(budgets.visible_to(_person(request)), pk=pk)
    lines = LedgerLine.objects.filter(budget_id=budget.pk).order_by("-id")
    before = request.GET.get("before", "")
    if before.isdigit() and len(before) < 19:
        lines = lines.filter(id__lt=int(before))
    found = list(lines[: PAGE + 1])
    older = found[PAGE - 1].pk if len(found) > PAGE else None
    context = {"row": budgets.standing(budget), "lines": found[:PAGE], "older": older, "paged": bool(before)}
    return render(request, "analytics/ledger.html", context)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # login_required
    return request.user
