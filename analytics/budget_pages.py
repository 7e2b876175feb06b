"""Budgets: all of them with what is spent, the ledger of each; made, changed and deleted by those who may."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from analytics import budgets
from analytics.models import LedgerLine, UsageRecord
from providers.deleting import deletion
from routing.forms.budgets import BudgetForm
from routing.models import Budget
from routing.money import MOST_USD


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
    return deletion(
        request,
        row,
        question=_("Delete the budget %(name)s?") % {"name": row},
        warning=_("It holds nobody back within a second, and its ledger can no longer be looked at."),
        done=_("The budget is deleted."),
        back=reverse("analytics_budgets:list"),
    )


@login_required
def ledger(request: HttpRequest, pk: int) -> HttpResponse:
    """A period's lines, newest first. ``at``: a moment in the period; ``before``: the line that the page begins under,
    so that deep pages cost no more."""
    budget = get_object_or_404(budgets.visible_to(_person(request)), pk=pk)
    at = _moment(request.GET.get("at", ""))
    before = request.GET.get("before", "")
    row, page = budgets.with_lines(budget, at, int(before) if before.isdigit() and len(before) < 19 else None)
    earlier = LedgerLine.objects.filter(budget_id=budget.pk, at__lt=row.begin).exists()
    later = row.end is not None and row.end <= timezone.now()
    context = {
        "row": row,
        "page": page,
        "kept": _kept(entry.line.request_id for entry in page.entries),
        "earlier": (row.begin - timedelta(seconds=1)).isoformat() if earlier else None,
        "later": row.end.isoformat() if later and row.end is not None else None,
    }
    return render(request, "analytics/ledger.html", context)


def _moment(text: str) -> datetime | None:
    """A moment in an address; None for none, and for what is no moment of our time."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    if found is None or found.year not in budgets.YEARS:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _kept(request_ids: Iterable[str]) -> set[str]:
    """Which of the requests are still in the log, which forgets them earlier than the ledger."""
    ids = [id for id in request_ids if id]
    return set(UsageRecord.objects.filter(request_id__in=ids).values_list("request_id", flat=True))


class AdjustForm(forms.Form):
    """A line of the ledger that corrects what is spent."""

    amount = forms.DecimalField(
        label=gettext_lazy("amount (USD)"),
        min_value=-MOST_USD,
        max_value=MOST_USD,
        decimal_places=10,
        help_text=gettext_lazy("More than 0: counts as spent. Less than 0: no longer counts."),
    )
    note = forms.CharField(
        label=gettext_lazy("reason"), max_length=200, help_text=gettext_lazy("Stands in the ledger.")
    )

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(_("Nothing would change."))
        return amount


@login_required
@permission_required("analytics.add_ledgerline", raise_exception=True)
def adjust(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Budget, pk=pk)
    form = AdjustForm(request.POST or None)
    back = reverse("analytics_budgets:ledger", args=[row.pk])
    if form.is_valid():
        budgets.adjust(row, form.cleaned_data["amount"], form.cleaned_data["note"], _person(request))
        messages.success(request, _("The line is in the ledger; the gateway goes by it within a minute."))
        return redirect(back)
    context = {
        "form": form,
        "title": _("Adjust what is spent"),
        "row": budgets.standing(row),
        "back": back,
    }
    return render(request, "analytics/budget_form.html", context)


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
