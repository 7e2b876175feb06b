"""How much a key, or the keys of a user or a team together, may ask: all limits, and those of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Team, User
from providers.deleting import deletion
from routing import levels, spending
from routing.forms.limits import LimitForm, NewLimitForm
from routing.models import ApiKey, Limit, Scope

may = permission_required("routing.change_limit", raise_exception=True)


@login_required
@permission_required("routing.view_limit", raise_exception=True)
def limit_list(request: HttpRequest) -> HttpResponse:
    """Every row, with what counts at it now as far as that is known."""
    rows = list(Limit.objects.select_related("api_key__owner", "api_key__team", "user", "team"))
    rows.sort(key=lambda row: (list(Scope).index(Scope(row.scope)), str(row)))
    return render(request, "routing/limit_list.html", {"rows": with_levels(rows)})


def with_levels(rows: Iterable[Limit]) -> list[tuple[Limit, Mapping[str, levels.Level]]]:
    """Each with what counts at it, by kind."""
    found = levels.of_rows(rows := list(rows))
    return [(row, found[row.pk]) for row in rows]


@login_required
@permission_required("routing.add_limit", raise_exception=True)
def limit_create(request: HttpRequest) -> HttpResponse:
    form = NewLimitForm(request.POST or None)
    if form.is_valid():
        form.save()
        messages.success(request, _("The limits are saved; they hold within a second."))
        return redirect("routing:limits")
    context = {
        "form": form,
        "title": _("New limits"),
        "lead": _("Every limit that applies counts; the strictest decides."),
        "back": reverse("routing:limits"),
    }
    return render(request, "routing/key_form.html", context)


@login_required
@may
def limit_edit(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Limit.objects.select_related("api_key", "user", "team"), pk=pk)
    return _form(request, *_owner(row), back=reverse("routing:limits"))


@login_required
@permission_required("routing.delete_limit", raise_exception=True)
def limit_delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Limit.objects.select_related("api_key", "user", "team"), pk=pk)
    return deletion(
        request,
        row,
        question=_("Delete the limits of %(name)s?") % {"name": row},
        warning=_("They hold nobody back within a second. Other limits that apply stay."),
        done=_("The limits of %(name)s are deleted.") % {"name": row},
        back=reverse("routing:limits"),
    )


@login_required
@may
def team_limits(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, "team", get_object_or_404(Team, pk=pk), back=reverse("accounts:people"))


@login_required
@may
def user_limits(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, "user", get_object_or_404(User, pk=pk), back=reverse("accounts:people"))


def _owner(row: Limit) -> tuple[str, Team | User | ApiKey]:
    """The column that says whose a limit is, and whose."""
    if row.team is not None:
        return "team", row.team
    if row.user is not None:
        return "user", row.user
    assert row.api_key is not None  # the table's constraint
    return "api_key", row.api_key


def _form(request: HttpRequest, column: str, row: Team | User | ApiKey, *, back: str) -> HttpResponse:
    form = LimitForm(request.POST or None, whose={column: row})
    if form.is_valid():
        form.save()
        messages.success(request, _("The limits of %(name)s are saved; they hold within a second.") % {"name": row})
        return redirect(back)
    key = isinstance(row, ApiKey)
    context: dict[str, Any] = {
        "form": form,
        "title": _("Limits of %(name)s") % {"name": row},
        "lead": _("The limits of its user and its team hold besides.")
        if key
        else _("All keys together. What a key's own limits say holds besides."),
        "back": back,
        "whose": f"{Scope.KEY if key else column}:{row.pk}",
        "budgets": spending.budgets_on(row) if isinstance(row, ApiKey) else row.budgets.all(),
    }
    return render(request, "routing/limits.html", context)
