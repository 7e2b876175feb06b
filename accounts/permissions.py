"""Who may see and change whom. Site administrators everything, owners their teams, everybody else looks."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Invitation, ManagementKey, Membership, Role, Team, User

Person = User | AnonymousUser


def is_site_admin(user: Person) -> bool:
    """True for an active person with every right."""
    return bool(user.is_authenticated and user.is_active and user.is_superuser)


def team_ids(user: Person) -> frozenset[int]:
    """Teams the person belongs to in any role; empty for strangers and inactive people."""
    return _ids(user, list(Role))


def owned_team_ids(user: Person) -> frozenset[int]:
    """Teams whose members, invitations and keys the person manages as owner."""
    return _ids(user, [Role.OWNER])


def can_manage_team(user: Person, team: Team | None) -> bool:
    """Whether the person may change the team's people. ``None`` stands for no team: site administrators only."""
    return is_site_admin(user) or (team is not None and team.pk in owned_team_ids(user))


def users_visible_to(user: Person) -> QuerySet[User]:
    """A site administrator sees all people, everybody else themselves and the people of their teams."""
    if is_site_admin(user):
        return User.objects.order_by("email")
    return User.objects.filter(Q(pk=user.pk) | Q(memberships__team__in=team_ids(user))).distinct().order_by("email")


def teams_visible_to(user: Person) -> QuerySet[Team]:
    return Team.objects.all() if is_site_admin(user) else Team.objects.filter(pk__in=team_ids(user))


def memberships_visible_to(user: Person) -> QuerySet[Membership]:
    rows = Membership.objects.select_related("team", "user").order_by("team__name", "user__email")
    return rows if is_site_admin(user) else rows.filter(team__in=team_ids(user))


def invitations_visible_to(user: Person) -> QuerySet[Invitation]:
    """Those the person may withdraw: all of them, or those into teams they own."""
    rows = Invitation.objects.select_related("team", "created_by")
    return rows if is_site_admin(user) else rows.filter(team__in=owned_team_ids(user), site_administrator=False)


def open_invitations_visible_to(user: Person) -> QuerySet[Invitation]:
    return invitations_visible_to(user).filter(accepted_at=None, expires_at__gt=timezone.now())


def management_keys_visible_to(user: Person) -> QuerySet[ManagementKey]:
    """A management key is its user's own matter; a site administrator sees (and can stop) all of them."""
    rows = ManagementKey.objects.select_related("user")
    return rows if is_site_admin(user) else rows.filter(user=user.pk)


def _ids(user: Person, roles: list[Role]) -> frozenset[int]:
    if not (user.is_authenticated and user.is_active):
        return frozenset()
    return frozenset(Membership.objects.filter(user=user.pk, role__in=roles).values_list("team_id", flat=True))
