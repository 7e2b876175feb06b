"""What the keys of a team may use, whatever each of them says."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Team
from accounts.permissions import is_site_admin
from routing.forms.access import TeamAccessForm
from routing.models import TeamAccess
from routing.pages.shared import person


@login_required
def team_access(request: HttpRequest, pk: int) -> HttpResponse:
    if not is_site_admin(person(request)):
        raise PermissionDenied
    team = get_object_or_404(Team, pk=pk)
    row = TeamAccess.objects.filter(team=team).first() or TeamAccess(team=team)
    form = TeamAccessForm(request.POST or None, row=row)
    if form.is_valid():
        form.save()
        messages.success(request, _("What %(name)s may use is saved.") % {"name": team.name})
        return redirect("accounts:people")
    context = {
        "form": form,
        "title": _("What the keys of %(name)s may use") % {"name": team.name},
        "lead": _("A key of the team may use what both it and its team allow."),
        "back": reverse("accounts:people"),
    }
    return render(request, "routing/key_form.html", context)
