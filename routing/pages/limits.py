"""How much the keys of a user or a team may ask together; a key's own limits are in its form."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Team, User
from routing.forms.limits import LimitForm

may = permission_required("routing.change_limit", raise_exception=True)


@login_required
@may
def team_limits(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, "team", get_object_or_404(Team, pk=pk))


@login_required
@may
def user_limits(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, "user", get_object_or_404(User, pk=pk))


def _form(request: HttpRequest, scope: str, row: Team | User) -> HttpResponse:
    form = LimitForm(request.POST or None, whose={scope: row})
    if form.is_valid():
        form.save()
        messages.success(request, _("The limits of %(name)s are saved; they hold within a second.") % {"name": row})
        return redirect("accounts:people")
    context: dict[str, Any] = {
        "form": form,
        "title": _("Limits of %(name)s") % {"name": row},
        "lead": _("All keys together. What a key's own limits say holds besides."),
        "back": reverse("accounts:people"),
        "whose": f"{scope}:{row.pk}",
        "budgets": row.budgets.all(),
    }
    return render(request, "routing/limits.html", context)
