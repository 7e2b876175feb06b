"""Pages before sign-in that are ours: invitation links, and what stands in for mail while there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from allauth.account import views
from allauth.account.utils import perform_login
from allauth.socialaccount.providers.openid_connect import views as oidc
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from requests import RequestException

from accounts import invitations
from accounts.forms import AcceptForm
from accounts.models import Invitation, User
from accounts.services import Refused

log = logging.getLogger(__name__)


@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("password")
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Open link: a form, or a button for somebody signed in. Unknown: 404. Used, expired, withdrawn backing: 410."""
    row = invitations.find(token)
    if row is None:
        return _closed(request, _("This invitation is unknown. It may have been withdrawn."), 404)
    reason = invitations.why_closed(row)
    if reason:
        return _closed(request, reason, 410)
    try:
        if isinstance(request.user, User):
            return _confirm(request, row, token, request.user)
        return _newcomer(request, row, token)
    except invitations.Gone as gone:
        return _closed(request, str(gone), 410)


def _newcomer(request: HttpRequest, row: Invitation, token: str) -> HttpResponseBase:
    form = AcceptForm(request.POST or None, invitation=row)
    if form.is_valid():
        data = form.cleaned_data
        try:
            user = invitations.accept(token, **data)
        except invitations.Gone:
            raise
        except Refused as wrong:
            form.add_error(None, str(wrong))
        else:
            return perform_login(request, user, redirect_url="/")
    return render(request, "accounts/invitation.html", {"invitation": row, "form": form})


def _confirm(request: HttpRequest, row: Invitation, token: str, user: User) -> HttpResponse:
    context: dict[str, Any] = {"invitation": row}
    if request.method == "POST":
        try:
            invitations.accept_as(token, user)
            return redirect("accounts:people")
        except invitations.Gone:
            raise
        except Refused as wrong:
            context["refusal"] = str(wrong)
    return render(request, "accounts/invitation.html", context)


def _closed(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    return render(request, "accounts/invitation_closed.html", {"reason": reason}, status=status)


def password_reset(request: HttpRequest) -> HttpResponseBase:
    """allauth's page when mail is set up; else the truth: nobody would receive anything."""
    if settings.MAIL_ENABLED:
        return views.password_reset(request)
    explanation = _(
        "This installation sends no mail, so it cannot send you a link. Ask an administrator to set a new password."
    )
    return render(request, "account/no_mail.html", {"title": _("Forgot your password?"), "explanation": explanation})


def email(request: HttpRequest) -> HttpResponseBase:
    """Adding an address means proving it by mail; without mail an administrator changes it."""
    if settings.MAIL_ENABLED or not request.user.is_authenticated:
        return views.email(request)
    explanation = _(
        "You sign in as %(email)s. This installation sends no mail, so a new address cannot be proven: ask an "
        "administrator to change it."
    ) % {"email": request.user.get_username()}
    context = {"title": _("E-mail addresses"), "explanation": explanation, "within": "account/base_manage.html"}
    return render(request, "account/no_mail.html", context)


def identity_login(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    return _told(oidc.login, request, provider_id)


def identity_callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    return _told(oidc.callback, request, provider_id)


def _told(view: Callable[..., HttpResponseBase], request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """allauth trusts a provider to be there and to answer in form; one that is not is a page (502), not a failure."""
    try:
        return view(request, provider_id=provider_id)
    except (RequestException, LookupError, TypeError, ValueError, AttributeError) as wrong:
        log.warning("identity provider %s did not answer as it should", provider_id, exc_info=wrong)
        return render(request, "socialaccount/authentication_error.html", status=502)


def signup_closed(request: HttpRequest) -> HttpResponse:
    """What stands where an identity provider's newcomer would be asked for another address."""
    return render(request, "account/signup_closed.html")
