"""What changes people: every page, API call, admin form and command goes through these.

Two rules are kept here and nowhere else: an installation never loses its last active site administrator, and a team
with people in it keeps an owner unless a site administrator decides otherwise.
"""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Membership, Role, Team, User
from accounts.permissions import Person, can_manage_team, is_site_admin


class Refused(ValueError):
    """The change is against a rule; the message is a translated sentence for the person who asked."""


# -- people ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def create_user(
    *,
    email: str,
    password: str | None,
    name: str = "",
    site_administrator: bool = False,
    email_verified: bool = False,
) -> User:
    """A new person who can sign in (with ``password`` None: only by an identity provider). Raises Refused."""
    email = _free_address(email)
    user = User(email=email, name=name.strip(), is_superuser=site_administrator, is_staff=site_administrator)
    if password is not None:
        _check_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise Refused(_address_taken()) from None
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=email_verified)
    return user


@transaction.atomic
def set_active(user: User, active: bool) -> None:
    """Let in or lock out. Locked out: sessions end at once, keys stop with the next snapshot. Raises Refused."""
    if not active:
        _keep_an_administrator(user)
    user.is_active = active
    user.save(update_fields=["is_active"])
    if not active:
        end_sessions(user)


@transaction.atomic
def set_site_administrator(user: User, on: bool) -> None:
    """Give or take every right. Raises Refused for the last active one."""
    if not on:
        _keep_an_administrator(user)
    user.is_superuser = user.is_staff = on
    user.save(update_fields=["is_superuser", "is_staff"])


@transaction.atomic
def delete_user(user: User) -> None:
    """Remove the person with memberships and keys. Raises Refused for the last active site administrator."""
    _keep_an_administrator(user)
    end_sessions(user)
    user.delete()


@transaction.atomic
def set_email(user: User, email: str, *, verified: bool) -> None:
    """Change the address the person signs in with; every other address of theirs goes. Raises Refused."""
    email = _free_address(email, besides=user)
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    user.email = email
    user.save(update_fields=["email"])


@transaction.atomic
def change_user(
    user: User,
    *,
    name: str | None = None,
    email: str | None = None,
    is_active: bool | None = None,
    is_superuser: bool | None = None,
) -> None:
    """Several changes as one; None leaves a thing as it is. Raises Refused, and then nothing changed."""
    if name is not None:
        user.name = name.strip()
        user.save(update_fields=["name"])
    if email is not None and email.lower() != user.email:
        set_email(user, email, verified=True)
    if is_superuser is not None and is_superuser != user.is_superuser:
        set_site_administrator(user, is_superuser)
    if is_active is not None and is_active != user.is_active:
        set_active(user, is_active)


def reset_second_factors(user: User) -> int:
    """Forget authenticator app, passkeys and recovery codes of somebody who lost them. How many there were."""
    return int(Authenticator.objects.filter(user=user).delete()[0])


def end_sessions(user: User) -> int:
    """Sign the person out everywhere; how many sessions. Their rows are opaque, so all live ones are read."""
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500):
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
            ended += 1
    return ended


@transaction.atomic
def ensure_initial_administrator(email: str, password: str) -> bool:
    """Make ``email`` the site administrator when there is no active one; True when it did. Raises Refused."""
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return False
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        create_user(email=email, password=password, site_administrator=True, email_verified=True)
        return True
    _check_password(password, user)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"primary": True, "verified": True})
    return True


# -- teams ----------------------------------------------------------------------------------------------------------
@transaction.atomic
def add_member(team: Team, user: User, role: str, *, by: Person) -> Membership:
    """Put a person into a team. Raises Refused when ``by`` may not, or they are in it already."""
    _may_manage(by, team)
    if Membership.objects.filter(team=team, user=user).exists():
        raise Refused(_("%(user)s is in %(team)s already.") % {"user": user, "team": team})
    return Membership.objects.create(team=team, user=user, role=Role(role))


@transaction.atomic
def set_role(membership: Membership, role: str, *, by: Person) -> None:
    """Raises Refused when ``by`` may not, or when the team would lose its last owner."""
    _may_manage(by, membership.team)
    if role != Role.OWNER:
        _keep_an_owner(membership, by)
    membership.role = Role(role)
    membership.save(update_fields=["role"])


@transaction.atomic
def remove_member(membership: Membership, *, by: Person) -> None:
    """Take a person out of a team; members may leave by themselves. Raises Refused like set_role."""
    if membership.user_id != by.pk:
        _may_manage(by, membership.team)
    _keep_an_owner(membership, by)
    membership.delete()


def _may_manage(by: Person, team: Team) -> None:
    if not can_manage_team(by, team):
        raise Refused(_("Only owners of %(team)s and site administrators may do that.") % {"team": team})


def _keep_an_owner(membership: Membership, by: Person) -> None:
    if is_site_admin(by) or membership.role != Role.OWNER:
        return
    owners = Membership.objects.select_for_update().filter(team=membership.team_id, role=Role.OWNER).order_by("pk")
    if [row.pk for row in owners] == [membership.pk]:
        raise Refused(_("%(team)s needs an owner: make somebody else owner first.") % {"team": membership.team})


def _keep_an_administrator(user: User) -> None:
    """Locks the administrators' rows, so that two of them cannot demote each other at the same moment."""
    rows = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    if [row.pk for row in rows] == [user.pk]:
        raise Refused(_("%(user)s is the last active site administrator.") % {"user": user})


def _free_address(email: str, besides: User | None = None) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as wrong:
        raise Refused(" ".join(wrong.messages)) from None
    users, addresses = User.objects.filter(email__iexact=email), EmailAddress.objects.filter(email__iexact=email)
    if besides is not None:
        users, addresses = users.exclude(pk=besides.pk), addresses.exclude(user=besides)
    if users.exists() or addresses.exists():
        raise Refused(_address_taken())
    return email


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as wrong:
        raise Refused(" ".join(wrong.messages)) from None


def _address_taken() -> str:
    return _("There is an account with this e-mail address already.")
