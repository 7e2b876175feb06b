"""OpenID Connect providers the administrator configured, as allauth wants to see them.

How identities are matched, and why: by issuer and subject, never by e-mail alone. An address an identity provider
claims can be somebody else's here, so an existing account is connected only by its owner, signed in, on the page
"Account connections". New people come in when the provider says the address is verified and an open invitation into
a team waits for that address. Subjects belong to an issuer: when an entry's issuer changes, or the entry goes, the
connections made through it go too, and its stored client secret is never sent to the new address.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialAccount, SocialApp
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import IdentityProvider
from accounts.services import Refused
from providers.fields import reveal
from providers.vault import SecretUnreadable

log = logging.getLogger(__name__)

# Linking by e-mail stays off whatever the installation says elsewhere: see above.
SETTINGS = {"oauth_pkce_enabled": True, "uid_field": "sub", "email_authentication": False, "verified_email": False}


def check_issuer(url: str) -> str:
    """The issuer address without a closing slash. Raises Refused: https only, but for a provider on this machine."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Refused(_("The issuer must be an address such as https://id.example.com/realm."))
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise Refused(_("The issuer must use https."))
    return url.strip().rstrip("/")


@transaction.atomic
def save(row: IdentityProvider, secret: str = "") -> None:
    """Validate and store; an empty ``secret`` keeps the stored one. Raises Refused, also when it is needed again."""
    row.server_url = check_issuer(row.server_url)
    before = IdentityProvider.objects.select_for_update().filter(pk=row.pk).first() if row.pk else None
    moved = before is not None and before.server_url != row.server_url
    if secret:
        row.client_secret = secret
    elif moved and before is not None and before.client_secret is not None:
        raise Refused(_("The issuer changed: enter its client secret."))
    if before is not None and (moved or before.slug != row.slug):
        SocialAccount.objects.filter(provider=before.slug).delete()
    row.save()


@transaction.atomic
def delete(row: IdentityProvider) -> None:
    """Remove the provider and what people connected through it."""
    SocialAccount.objects.filter(provider=row.slug).delete()
    row.delete()


def apps(slug: str | None = None, client_id: str | None = None) -> list[SocialApp]:
    """Enabled providers as unsaved rows of allauth's own model; an unreadable secret leaves one out, logged."""
    if slug and "\0" in slug:  # from an address; PostgreSQL would not be asked for it
        return []
    rows = IdentityProvider.objects.filter(enabled=True)
    if slug and slug != "openid_connect":
        rows = rows.filter(slug=slug)
    if client_id:
        rows = rows.filter(client_id=client_id)
    return [app for app in map(_as_app, rows) if app is not None]


def _as_app(row: IdentityProvider) -> SocialApp | None:
    try:
        secret = reveal(row, "client_secret") or ""
    except SecretUnreadable as wrong:
        log.warning("identity provider %s is left out: %s", row.slug, wrong)
        return None
    return SocialApp(
        provider="openid_connect",
        provider_id=row.slug,
        name=row.name,
        client_id=row.client_id,
        secret=secret,
        settings={**SETTINGS, "server_url": row.server_url},
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
