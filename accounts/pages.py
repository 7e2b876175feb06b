"""The people pages: teams, their members, invitations, everybody; and one's own management keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import invitations, management_keys, services
from accounts.forms import InviteForm, ManagementKeyForm, RoleForm, TeamForm
from accounts.models import ManagementKey, Membership, Role, Team, User
from accounts.permissions import (
    invitations_visible_to,
    is_site_admin,
    memberships_visible_to,
    open_invitations_visible_to,
    owned_team_ids,
    teams_visible_to,
)
from accounts.services import Refused

PEOPLE_PER_PAGE = 50


@require_GET
@login_required
def people(request: HttpRequest) -> HttpResponse:
    return _people(request)


@require_POST
@login_required
@never_cache
def invite(request: HttpRequest) -> HttpResponse:
    """The answer to the post shows the link, so that it is stored nowhere in between."""
    user = _person(request)
    if not (is_site_admin(user) or owned_team_ids(user)):
        raise PermissionDenied
    form = InviteForm(request.POST, user=user)
    if not form.is_valid():
        return _people(request, invite_form=form)
    try:
        _row, token = invitations.create(by=user, **form.cleaned_data)
    except Refused as wrong:
        form.add_error(None, str(wrong))
        return _people(request, invite_form=form)
    return _people(request, link=invitations.link(request, token))


@require_POST
@login_required
def invitation_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(invitations_visible_to(_person(request)), pk=pk, accepted_at=None).delete()
    messages.success(request, _("The invitation was withdrawn."))
    return redirect("accounts:people")


@require_POST
@login_required
def team_add(request: HttpRequest) -> HttpResponse:
    if not is_site_admin(_person(request)):
        raise PermissionDenied
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _people(request, team_form=form)
    form.save()
    return redirect("accounts:people")


@require_POST
@login_required
def membership_role(request: HttpRequest, pk: int) -> HttpResponse:
    membership = _membership(request, pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        _say(request, lambda: services.set_role(membership, form.cleaned_data["role"], by=_person(request)))
    return redirect("accounts:people")


@require_POST
@login_required
def membership_remove(request: HttpRequest, pk: int) -> HttpResponse:
    membership = _membership(request, pk)
    _say(request, lambda: services.remove_member(membership, by=_person(request)))
    return redirect("accounts:people")


@require_POST
@login_required
def user_active(request: HttpRequest, pk: int) -> HttpResponse:
    if not is_site_admin(_person(request)):
        raise PermissionDenied
    person = get_object_or_404(User, pk=pk)
    _say(request, lambda: services.set_active(person, request.POST.get("active") == "1"))
    return redirect("accounts:people")


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def own_management_keys(request: HttpRequest) -> HttpResponse:
    user, text = _person(request), ""
    form = ManagementKeyForm(request.POST or None)
    if form.is_valid():
        data = form.cleaned_data
        _row, text = management_keys.create(user, data["name"], data["scopes"], form.expires_at())
        form = ManagementKeyForm()
    context = {"keys": user.management_keys.all(), "form": form, "text": text}
    return render(request, "accounts/management_keys.html", context)


@require_POST
@login_required
def management_key_disable(request: HttpRequest, pk: int) -> HttpResponse:
    management_keys.disable(get_object_or_404(ManagementKey, pk=pk, user=_person(request)))
    messages.success(request, _("The key was disabled."))
    return redirect("accounts:management_keys")


def _people(request: HttpRequest, *, link: str = "", **forms: Any) -> HttpResponse:
    user = _person(request)
    everything, owned = is_site_admin(user), owned_team_ids(user)
    context: dict[str, Any] = {"teams": _teams(user, everything, owned), "roles": Role.choices, "link": link}
    if everything or owned:
        context["invite_form"] = forms.get("invite_form") or InviteForm(user=user)
        context["invitations"] = open_invitations_visible_to(user)
    if everything:
        context["team_form"] = forms.get("team_form") or TeamForm()
        rows = User.objects.prefetch_related("memberships__team")
        context["people"] = Paginator(rows, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/people.html", context)


def _teams(user: User, everything: bool, owned: frozenset[int]) -> list[tuple[Team, list[Membership], bool]]:
    members: dict[int, list[Membership]] = {}
    for row in memberships_visible_to(user):
        members.setdefault(row.team_id, []).append(row)
    return [(team, members.get(team.pk, []), everything or team.pk in owned) for team in teams_visible_to(user)]


def _membership(request: HttpRequest, pk: int) -> Membership:
    """A membership the person may at least see; the services decide what they may do with it."""
    return get_object_or_404(memberships_visible_to(_person(request)), pk=pk)


def _say(request: HttpRequest, change: Callable[[], object]) -> None:
    try:
        change()
    except Refused as wrong:
        messages.error(request, str(wrong))
    else:
        messages.success(request, _("The change was saved."))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
