"""Who may call the management API: a session, or a management key with the scope the method needs.

A client key (``sk-omni-…``) is no management key: it gets a 401 here, in whatever header it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts import management_keys
from accounts.models import ManagementKey, User
from accounts.permissions import is_site_admin

if TYPE_CHECKING:  # the framework loads this module while it builds its own views
    from rest_framework.views import APIView


class ManagementKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer omni-mgmt-…``. Any other bearer token is refused, other schemes are not ours."""

    def authenticate(self, request: Request) -> tuple[User, ManagementKey] | None:
        scheme, _, text = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        text = text.strip()
        key = management_keys.holder(text) if text.startswith(management_keys.PREFIX) else None
        if key is None:
            raise AuthenticationFailed("This is not a valid management key (omni-mgmt-…).")
        management_keys.note_use(key)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="omniroute management"'


def scopes_of(request: Request) -> frozenset[str]:
    """What the request may do: a session reads and writes, a key what it was made for."""
    if isinstance(request.auth, ManagementKey):
        return frozenset(request.auth.scopes)
    return frozenset(management_keys.SCOPES)


class Denied(BasePermission):
    """The default: a view that names no permission is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class SignedIn(BasePermission):
    """An active person, and the scope ``read`` for safe methods, ``write`` for the others."""

    message = "You may not do this, or the key lacks the scope."

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not (user and user.is_authenticated and user.is_active):
            return False
        needed = ManagementKey.READ if request.method in SAFE_METHODS else ManagementKey.WRITE
        return needed in scopes_of(request)


class SiteAdministrator(SignedIn):
    """The same, for site administrators only."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and is_site_admin(request.user)
