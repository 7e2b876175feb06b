"""Client keys: made, shown once, stored as hashes; who may see and change them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, Team, User, digest
from accounts.permissions import is_site_admin, owned_team_ids
from providers.bounds import list_of_patterns
from providers.models import Provider
from routing.models import ApiKey
from routing.patterns import matches

PREFIX = "sk-omni-"
SHORTEST_GIVEN_KEY = 32  # characters


def generate() -> str:
    """A new key: 256 random bits behind a prefix that secret scanners can find."""
    return PREFIX + secrets.token_urlsafe(32)


def create(
    *,
    name: str,
    owner: User | None = None,
    team: Team | None = None,
    patterns: Sequence[str] = ("*",),
    expires_at: datetime | None = None,
    key: str | None = None,
) -> tuple[ApiKey, str]:
    """The stored key and its plain text, which is nowhere kept. ``key``: one that the operator brings, for automation.

    Raises ValidationError for an empty name, a pattern that is none, a given key that is short or already in use.
    """
    if not name.strip():
        raise ValidationError({"name": _("A key needs a name.")})
    text = key if key is not None else generate()
    if len(text) < SHORTEST_GIVEN_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise ValidationError({"key": _("A key has at least 32 printable ASCII characters and no spaces.")})
    if ApiKey.objects.filter(key_hash=digest(text)).exists():
        raise ValidationError({"key": _("This key is already in use.")})
    row = ApiKey(
        name=name.strip(),
        key_hash=digest(text),
        last4=text[-4:],
        owner=owner,
        team=team,
        model_patterns=checked_patterns(patterns),
        expires_at=expires_at,
    )
    row.full_clean(exclude=["key_hash", "last4"])
    row.save()
    return row, text


def checked_patterns(patterns: Iterable[str]) -> list[str]:
    """Patterns without blanks and repetitions. Raises ValidationError. An empty list allows nothing."""
    try:
        if isinstance(patterns, str):  # it would be read letter by letter
            list_of_patterns(patterns)
        texts = [each.strip() if isinstance(each, str) else each for each in patterns]
        list_of_patterns([text for text in texts if text != ""])
    except ValidationError as wrong:
        raise ValidationError({"model_patterns": wrong.messages}) from None
    return [text for text in dict.fromkeys(texts) if text]


def check_providers(names: Iterable[str], kept: Iterable[str] = ()) -> None:
    """Whether these are providers, for a key that may be answered by nobody else; ``kept``: those that its row names
    already, which may be gone since. Raises ValidationError: a name that is none would lock the key out."""
    wanted = set(names) - set(kept)
    if unknown := sorted(wanted - set(Provider.objects.filter(pk__in=wanted).values_list("pk", flat=True))):
        raise ValidationError(_("There is no provider “%(name)s”."), params={"name": unknown[0]})


def allows(patterns: Iterable[str], name: str) -> bool:
    """Whether a key with these patterns may use the name."""
    return any(matches(pattern, name) for pattern in patterns)


def visible_to(user: User) -> QuerySet[ApiKey]:
    """Keys a person may see: all for a site administrator; else their own and those of teams they own."""
    keys = ApiKey.objects.select_related("owner", "team")
    if is_site_admin(user):
        return keys
    return keys.filter(Q(owner=user) | Q(team_id__in=owned_team_ids(user)))


def editable_by(user: User) -> QuerySet[ApiKey]:
    """Keys a person may change; the same as they may see."""
    return visible_to(user)


def owners_for(user: User) -> QuerySet[User]:
    """People a person may make keys for, in some team at least: all for a site administrator; else themselves, and the
    people of teams they own."""
    if is_site_admin(user):
        return User.objects.order_by("email")
    mine = Q(pk=user.pk) | Q(memberships__team__in=owned_team_ids(user))
    return User.objects.filter(mine).distinct().order_by("email")


def may_create(user: User, *, owner: User | None, team: Team | None) -> bool:
    """Whether a person may make a key for this owner and team. Viewers of a team may not make keys for it."""
    if is_site_admin(user):
        return True
    if not user.is_active:
        return False
    if team is not None and team.pk in owned_team_ids(user):
        return owner is None or owner == user or team.memberships.filter(user=owner).exists()
    if owner != user:
        return False
    return team is None or team.memberships.filter(user=user).exclude(role=Role.VIEWER).exists()
