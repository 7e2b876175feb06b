"""One-time links: how people come in while sign-up is closed. The token is shown once and stored as a hash."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import services
from accounts.models import Invitation, Membership, Role, Team, User, digest
from accounts.permissions import can_manage_team, is_site_admin
from accounts.services import Refused

LONGEST_DAYS = 90


class Gone(Refused):
    """The link was used, has run out, or whoever made it may not invite any more."""


def create(
    *,
    by: User,
    email: str = "",
    team: Team | None = None,
    role: str = Role.MEMBER,
    site_administrator: bool = False,
    days: int = 7,
) -> tuple[Invitation, str]:
    """A new invitation and its token, which nobody can read again. Raises Refused."""
    if site_administrator and not is_site_admin(by):
        raise Refused(_("Only site administrators may invite site administrators."))
    if not can_manage_team(by, team):
        raise Refused(_("You may invite people into teams you own only."))
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(_("An invitation is valid from 1 to %(most)s days.") % {"most": LONGEST_DAYS})
    return _make(by, email, team, role, site_administrator, days)


def find(token: str) -> Invitation | None:
    """The invitation of a token, open or not; None for a token that never was."""
    return Invitation.objects.select_related("team", "created_by").filter(token_hash=digest(token)).first()


def why_closed(invitation: Invitation) -> str | None:
    """None while the link may be used, else a sentence."""
    if invitation.accepted_at is not None:
        return _("This invitation was used already.")
    if not invitation.is_open:
        return _("This invitation has expired.")
    if not _still_backed(invitation):
        return _("This invitation is no longer valid.")
    return None


@transaction.atomic
def accept(token: str, *, email: str, name: str, password: str) -> User:
    """Make the account (and membership) an open invitation promises. Raises Gone, Refused; then nothing is used up."""
    invitation = _open(token)
    email = invitation.email or email
    # Whoever may appoint anybody also vouches for the address they wrote down; an owner's word is not enough.
    vouched = bool(invitation.email) and (invitation.created_by is None or is_site_admin(invitation.created_by))
    _use_up(invitation)
    user = services.create_user(
        email=email,
        name=name,
        password=password,
        site_administrator=invitation.site_administrator,
        email_verified=vouched or _is_first(invitation),
    )
    _join(invitation, user)
    return user


@transaction.atomic
def accept_as(token: str, user: User) -> None:
    """An existing, signed-in person takes what the invitation offers. Raises Gone, Refused."""
    invitation = _open(token)
    if invitation.email and invitation.email.lower() != user.email.lower():
        raise Refused(_("This invitation is for another e-mail address."))
    _use_up(invitation)
    if invitation.site_administrator:
        services.set_site_administrator(user, True)
    _join(invitation, user)


def matching(email: str) -> Invitation | None:
    """An open invitation into a team for this (proven) address; one for a site administrator needs its link."""
    rows = Invitation.objects.select_related("team", "created_by")
    rows = rows.filter(email__iexact=email, site_administrator=False).exclude(email="")
    return next((row for row in rows if why_closed(row) is None), None)


@transaction.atomic
def accept_matching(email: str, user: User) -> None:
    """Use the invitation :func:`matching` finds, for somebody an identity provider vouched for. Raises Gone."""
    invitation = matching(email)
    if invitation is None:
        raise Gone(_("This invitation is no longer valid."))
    _use_up(invitation)
    _join(invitation, user)


def first_administrator_link(base_url: str) -> str | None:
    """A fresh link that makes the first site administrator; None when an active one exists. Earlier links end."""
    if _active_administrators().exists():
        return None
    with transaction.atomic():
        Invitation.objects.filter(created_by=None, site_administrator=True, accepted_at=None).delete()
        _row, token = _make(None, "", None, Role.MEMBER, True, 7)
    return base_url.rstrip("/") + reverse("invitation", args=[token])


def link(request: HttpRequest, token: str) -> str:
    """The address to hand to the invited person: under PUBLIC_URL when set, else where this request came in."""
    path = reverse("invitation", args=[token])
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


def expired(before: datetime) -> QuerySet[Invitation]:
    """Invitations nobody can use and nobody needs to read about any more."""
    return Invitation.objects.filter(expires_at__lt=before)


def _make(
    by: User | None, email: str, team: Team | None, role: str, site_administrator: bool, days: int
) -> tuple[Invitation, str]:
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        token_hash=digest(token),
        email=email.strip().lower(),
        team=team,
        role=Role(role),
        site_administrator=site_administrator,
        created_by=by,
        expires_at=timezone.now() + timedelta(days=days),
    )
    return invitation, token


def _open(token: str) -> Invitation:
    invitation = find(token)
    closed = _("This invitation is unknown.") if invitation is None else why_closed(invitation)
    if invitation is None or closed:
        raise Gone(closed)
    return invitation


def _still_backed(invitation: Invitation) -> bool:
    """An invitation is worth what its maker may give now, not what they might have given once."""
    if _is_first(invitation):
        return not _active_administrators().exists()
    if invitation.created_by is None or invitation.site_administrator:
        return invitation.created_by is not None and is_site_admin(invitation.created_by)
    return can_manage_team(invitation.created_by, invitation.team)


def _is_first(invitation: Invitation) -> bool:
    return invitation.created_by is None and invitation.site_administrator


def _use_up(invitation: Invitation) -> None:
    """Conditional update: of two people with the same link the database lets exactly one pass."""
    now = timezone.now()
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, expires_at__gt=now)
    if unused.update(accepted_at=now) != 1:
        raise Gone(_("This invitation was used already."))


def _join(invitation: Invitation, user: User) -> None:
    """Adds the membership; somebody who is in the team already keeps their role."""
    if invitation.team is not None:
        Membership.objects.get_or_create(team=invitation.team, user=user, defaults={"role": invitation.role})


def _active_administrators() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True, is_active=True)
