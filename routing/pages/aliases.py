"""Aliases: other names for models, exact ones and patterns, and which of all names wins."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from routing import publish
from routing.combos import Step
from routing.forms.aliases import AliasForm
from routing.models import Alias
from routing.names import rules
from routing.patterns import is_plain, specificity
from routing.preview import board_now
from routing.standing import standing


@login_required
@permission_required("routing.view_alias", raise_exception=True)
def alias_list(request: HttpRequest) -> HttpResponse:
    """Exact ones by name, then patterns in the order in which they are tried; a form to add one, one to try a name."""
    may_add = request.user.has_perm("routing.add_alias")
    form = AliasForm(request.POST or None) if may_add else None
    if form is not None and form.is_valid():
        alias = form.save()
        messages.success(request, _("The alias %(name)s is saved.") % {"name": alias.pattern})
        return redirect("routing:aliases")
    snapshot = publish.build()
    rows = sorted(Alias.objects.all(), key=lambda row: (not is_plain(row.pattern), specificity(row.pattern)))
    stand = standing(snapshot, board_now(), [Step(row.target) for row in rows])
    asked = request.GET.get("name", "").strip()
    context = {
        "rows": [
            (row, is_plain(row.pattern), row.pattern in snapshot.combos, one)
            for row, one in zip(rows, stand, strict=True)
        ],
        "form": form,
        "asked": asked,
        "rules": list(rules(snapshot, asked)) if asked else [],
    }
    return render(request, "routing/aliases.html", context)


@require_POST
@login_required
@permission_required("routing.delete_alias", raise_exception=True)
def alias_delete(request: HttpRequest, pk: int) -> HttpResponse:
    alias = get_object_or_404(Alias, pk=pk)
    alias.delete()
    messages.success(request, _("The alias %(name)s is deleted.") % {"name": alias.pattern})
    return redirect("routing:aliases")
