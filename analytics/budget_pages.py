"""Budgets: all of them with what is spent, the ledger of each; made, changed and deleted by those who may."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from analytics import budgets
from analytics.models import LedgerLine
from routing.forms.budgets import BudgetForm
from routing.models import Budget

PAGE = 50


@login_required
def budget_list(request: HttpRequest) -> HttpResponse:
    rows = [budgets.standing(row) for row in budgets.visible_to(_person(request))]
    return render(request, "analytics/budgets.html", {"rows": rows})


@login_required
@permission_required("routing.add_budget", raise_exception=True)
def create(request: HttpRequest) -> HttpResponse:
    """``for``: whose it is to be, as the form's field has it."""
    form = BudgetForm(request.POST or None, initial={"whose": request.GET.get("for", "")})
    return _form(request, form, _("New budget"))


@login_required
@permission_required("routing.change_budget", raise_exception=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Budget, pk=pk)
    return _form(request, BudgetForm(request.POST or None, instance=row), _("Change the budget"))


@login_required
@permission_required("routing.delete_budget", raise_exception=True)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Budget, pk=pk)
    if request.method == "POST":
        row.delete()
        messages.success(request, _("The budget is deleted."))
        return redirect("analytics_budgets:list")
    context = {
        "title": str(row),
        "question": _("Delete the budget %(name)s?") % {"name": row},
        "warning": _("It holds nobody back within a second, and its ledger can no longer be looked at."),
        "action": _("Delete"),
        "back": reverse("analytics_budgets:list"),
    }
    return render(request, "parts/confirm.html", context)


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


def _form(request: HttpRequest, form: BudgetForm, title: str) -> HttpResponse:
    if form.is_valid():
        form.save()
        messages.success(request, _("The budget is saved; it holds within a second."))
        return redirect("analytics_budgets:list")
    context = {
        "form": form,
        "title": title,
        "zones": sorted(available_timezones()),
        "back": reverse("analytics_budgets:list"),
    }
    return render(request, "analytics/budget_form.html", context)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # login_required
    return request.user
