"""Logging in at a vendor: the restriction and how → the vendor's page, a code or a paste → the connection."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from providers import audit, grants, opening, registry
from providers.entry import Entry
from providers.login_forms import LoginForm, PasteForm, PreambleForm
from providers.logins import attempts, listener
from providers.logins.attempts import Who
from providers.logins.engine import LoginFailed
from providers.logins.flow import Flow, flows
from providers.logins.redirects import CALLBACK, is_loopback
from providers.logins.sentences import explain
from providers.models import Connection, LoginAttempt, Provider
from providers.pages.names import row_page
from providers.special import UNSPOKEN


def offered(entry: Entry) -> Flow | None:
    """The login of a provider, when somebody can log in."""
    flow = flows().get(entry.login)
    return None if flow is None or flow.ended or entry.ended else flow


def takes_keys(entry: Entry) -> bool:
    """Whether a connection can be made of an API key; of most vendors with a login it cannot."""
    return entry.ended is None and entry.auth != "oauth"


def who(request: HttpRequest) -> Who:
    """The person and their browser's session."""
    user: Any = request.user
    return Who(str(user.pk), user.get_username(), request.session.session_key or "")


def origin_of(request: HttpRequest) -> str:
    """Where the browser finds us: as it does now on the same machine, else under the public address."""
    here = f"{request.scheme}://{request.get_host()}"
    if is_loopback(urlsplit(here).hostname or "") and is_loopback(request.META.get("REMOTE_ADDR", "")):
        return here
    return settings.PUBLIC_URL or here


@login_required
@permission_required("providers.add_connection", raise_exception=True)
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """What the vendor's terms say, and how to log in."""
    row = get_object_or_404(Provider, pk=provider_id)
    return _begin(request, row, None)


@login_required
@permission_required("providers.change_connection", raise_exception=True)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """As ``begin``, for a connection whose login is renewed by hand."""
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    return _begin(request, connection.provider, connection)


def _begin(request: HttpRequest, row: Provider, connection: Connection | None) -> HttpResponse:
    try:
        entry = registry.effective_of(row)
    except registry.BadProvider:
        return redirect(row_page(row))  # it says there what is wrong
    flow = offered(entry)
    if flow is None:
        raise Http404
    form = LoginForm(request.POST or None, flow=flow, connection=connection)
    if form.is_valid() and (attempt := _begun(request, form, entry, connection)):
        return redirect("providers:login_attempt", attempt.uid)
    context = {
        "form": form,
        "entry": entry,
        "flow": flow,
        "connection": connection,
        "unspoken": UNSPOKEN.get(entry.envelope, ""),
        "back": row_page(row),
        "title": _("Log in at %(name)s") % {"name": entry.name},
    }
    return render(request, "providers/login.html", context)


def _begun(request: HttpRequest, form: LoginForm, entry: Entry, connection: Connection | None) -> LoginAttempt | None:
    """The attempt; None when it could not be begun, and then the form says why."""
    said = form.cleaned_data
    answers = {name: said.get(name) or "" for name in ("label", "start_url", "region")}
    try:
        attempt = attempts.begin(
            entry,
            said["method"],
            who(request),
            origin=origin_of(request),
            connection=connection,
            proxy=said.get("proxy"),
            answers=answers,
            team=said.get("team"),
            tags=said.get("tags") or (),
        )
    except LoginFailed as wrong:
        form.add_error(None, explain(wrong))
        return None
    audit.note(request.user, attempt.provider, f"Accepted the restriction of {entry.name} and began a login.")
    return attempt


@login_required
@permission_required("providers.view_provider", raise_exception=True)
def attempt(request: HttpRequest, uid: UUID) -> HttpResponse:
    """What to do next, and whether it is done."""
    try:
        row = attempts.own(uid, who(request))
    except LoginFailed as wrong:
        return _failed(request, explain(wrong), None)
    if row.status == LoginAttempt.Status.DONE:
        return redirect(row_page(row.provider))
    if row.status == LoginAttempt.Status.FAILED:
        return _failed(request, row.message, row)
    form = PasteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _welcome(request, attempts.pasted(form.cleaned_data["pasted"], row, who(request)))
        except LoginFailed as wrong:
            row.refresh_from_db()
            if row.status == LoginAttempt.Status.FAILED:
                return _failed(request, row.message, row)
            form.add_error("pasted", explain(wrong))
    if row.shown.get("how") == "listener":
        listener.listen(row.redirect_uri)
    return _next(request, row, form)


def _next(request: HttpRequest, row: LoginAttempt, form: PasteForm) -> HttpResponse:
    entry = registry.effective_of(row.provider)
    flow = flows()[entry.login]
    context = {
        "attempt": row,
        "kind": "code" if row.state_hash else ("device" if row.ask_at else "import"),
        "method": flow.method(row.method),
        "entry": entry,
        "form": form,
        "back": row_page(row.provider),
        "title": _("Log in at %(name)s") % {"name": entry.name},
    }
    return render(request, "providers/login_attempt.html", context)


@login_required
@require_POST
def status(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Whether the vendor has agreed meanwhile: it is asked when it is time to. For the page's script."""
    try:
        row = attempts.poll(attempts.own(uid, who(request)), who(request))
    except LoginFailed as wrong:
        return JsonResponse({"status": "failed", "message": explain(wrong)}, status=403)
    if row.status == LoginAttempt.Status.DONE and row.connection is not None and row.ask_at is not None:
        _tell(request, row.connection)
    waiting = row.status == LoginAttempt.Status.TAKEN
    return JsonResponse({"status": LoginAttempt.Status.OPEN if waiting else row.status, "message": row.message})


@login_required
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """The browser comes back from the vendor."""
    query = {name: request.GET.getlist(name) for name in request.GET}
    row = attempts.by_state(request.GET.get("state", ""))
    mine = row if row is not None and row.user == str(request.user.pk) else None
    try:
        return _welcome(request, attempts.answered(query, who(request)))
    except LoginFailed as wrong:
        return _failed(request, explain(wrong), mine)


@require_GET
def loopback(request: HttpRequest) -> HttpResponse:
    """Vendors that know ``http://localhost:<port>/callback`` only send the browser here, perhaps under another name of
    this machine than the one it is signed in at: it goes on there, where the session is checked."""
    row = attempts.by_state(request.GET.get("state", ""))
    if row is None:
        raise Http404
    return HttpResponseRedirect(f"{row.origin}{CALLBACK}?{request.META['QUERY_STRING']}")


def _welcome(request: HttpRequest, connection: Connection) -> HttpResponse:
    _tell(request, connection)
    return redirect(row_page(connection.provider))


def _tell(request: HttpRequest, connection: Connection) -> None:
    words = {"account": connection.grant, "name": connection.name}
    messages.success(request, _("%(account)s is logged in as the connection %(name)s.") % words)


def _failed(request: HttpRequest, message: str, row: LoginAttempt | None) -> HttpResponse:
    again = back = reverse("providers:list")
    if row is not None:
        back = row_page(row.provider)
        again = reverse("providers:login", args=[row.provider_id])
        if row.connection_id:
            again = reverse("providers:login_again", args=[row.connection_id])
    context = {"message": message, "again": again if row else "", "back": back, "title": _("The login did not work")}
    return render(request, "providers/login_failed.html", context, status=400)


# -- of connections that have a login -----------------------------------------------------------------------------
@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Renew the token now."""
    connection = get_object_or_404(Connection.objects.select_related("provider", "grant"), pk=pk, grant__isnull=False)
    try:
        grants.refresh(connection.grant.pk)
    except grants.NotRenewed as wrong:
        messages.error(request, _("%(name)s: %(message)s") % {"name": connection.name, "message": wrong})
    else:
        messages.success(request, _("%(name)s has a new token.") % {"name": connection.name})
    return redirect(row_page(connection.provider))


@login_required
@permission_required("providers.change_connection", raise_exception=True)
def preamble(request: HttpRequest, pk: int) -> HttpResponse:
    """The opening system text of a connection, and the restriction in plain words beside it."""
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    entry = registry.effective_of(connection.provider)
    if not opening.wanted(entry):
        raise Http404
    form = PreambleForm(request.POST or None, instance=connection)
    if form.is_valid():
        changed = "adds_preamble" in form.changed_data
        form.instance.save(update_fields=["adds_preamble", "preamble"])
        if changed:
            audit.note(request.user, connection, opening.told(connection.adds_preamble))
        messages.success(request, _("Saved."))
        return redirect(row_page(connection.provider))
    context = {"form": form, "entry": entry, "connection": connection, "back": row_page(connection.provider)}
    context |= {"what": opening.WHAT, "risk": opening.RISK}
    return render(request, "providers/preamble.html", {**context, "title": _("Opening system text")})
