"""How allauth behaves in this house: sign-up is closed, people come by invitation, second factors lie encrypted."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts import identity, invitations, throttling
from accounts.custody import MFA_CONTEXT
from accounts.models import User
from providers.fields import ring


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self._attempt = self._get_login_attempts_cache_key(request, **credentials)
        super().pre_authenticate(request, **credentials)

    def validation_error(self, code: str, *args: Any) -> Exception:
        """Too many passwords or codes: a page of status 429 that says how long, not a form error of status 200."""
        if code != "too_many_login_attempts":
            error: Exception = super().validation_error(code, *args)
            return error
        seconds = throttling.wait(self.request, "login_failed", getattr(self, "_attempt", None))
        return ImmediateHttpResponse(throttling.too_many(self.request, seconds=seconds))


class MFAAdapter(DefaultMFAAdapter):
    """TOTP secrets and recovery seeds are sealed with the installation's keys."""

    def encrypt(self, text: str) -> str:
        return ring().seal(text, MFA_CONTEXT)

    def decrypt(self, encrypted_text: str) -> str:
        return ring().open(encrypted_text, MFA_CONTEXT)


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Rules of ``accounts.identity``: by subject, no linking by e-mail, new people by invitation only."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        return identity.apps(provider, client_id)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Raises ValueError when the provider names nobody; a missing subject must not become somebody's."""
        subject = _claims(sociallogin).get("sub")
        if not isinstance(subject, str) or not subject:
            raise ValueError("The identity provider sent no subject.")
        proven = _proven_email(sociallogin)
        for address in sociallogin.email_addresses:
            # allauth takes any truthy claim, "false" included, for verified.
            address.verified = address.email.lower() == proven
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect" or not proven:
            return
        if User.objects.filter(Q(email__iexact=proven) | Q(pk__in=_users_with(proven))).exists():
            messages.error(
                request,
                _("You have an account here already: sign in to it, then connect this identity in your account."),
            )
            raise ImmediateHttpResponse(redirect("account_login"))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        proven = _proven_email(sociallogin)
        return bool(proven and invitations.matching(proven))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        user.email = user.email.lower()
        user.name = str(data.get("name") or "")[:150]
        return user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Account and used-up invitation come together: when somebody else was quicker, no account is made."""
        proven = _proven_email(sociallogin)
        try:
            with transaction.atomic():
                user = super().save_user(request, sociallogin, form)
                invitations.accept_matching(proven or "", user)
        except invitations.Gone as wrong:
            raise ImmediateHttpResponse(redirect("account_signup")) from wrong
        return user


def _users_with(email: str) -> Any:
    return EmailAddress.objects.filter(email__iexact=email).values("user_id")


def _proven_email(sociallogin: SocialLogin) -> str | None:
    """The address the provider calls verified (the JSON value ``true``, nothing looser), in lower case."""
    claims = _claims(sociallogin)
    email = claims.get("email")
    return email.lower() if isinstance(email, str) and claims.get("email_verified") is True else None


def _claims(sociallogin: SocialLogin) -> dict[str, Any]:
    """What allauth takes the identity from: the userinfo reply, else the id token."""
    extra = sociallogin.account.extra_data or {}
    return extra.get("userinfo") or extra.get("id_token") or {}
