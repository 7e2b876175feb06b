"""Management keys: they open the management API as their user, narrowed to scopes. Stored as hashes, shown once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ManagementKey, User, digest
from accounts.services import Refused

PREFIX = "omni-mgmt-"
SCOPES = (ManagementKey.READ, ManagementKey.WRITE)
# How exact "last used" is: at most one write a minute and key.
LAST_USED_GRAIN = timedelta(seconds=60)


def create(
    user: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[ManagementKey, str]:
    """A new key and its text, which is kept nowhere. Raises Refused for no or unknown scopes and a past expiry."""
    wanted = set(scopes)
    if not wanted or wanted - set(SCOPES):
        raise Refused(_("A management key needs one or both of the scopes read and write."))
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused(_("The expiry must be in the future."))
    text = ManagementKey.generate()
    key = ManagementKey.objects.create(
        user=user,
        name=name,
        key_hash=digest(text),
        last4=text[-4:],
        scopes=[scope for scope in SCOPES if scope in wanted],
        expires_at=expires_at,
    )
    return key, text


def holder(text: str) -> ManagementKey | None:
    """The usable key of a text: enabled, not expired, its user active. None otherwise."""
    key = ManagementKey.objects.select_related("user").filter(key_hash=digest(text), enabled=True).first()
    if key is None or not key.user.is_active:
        return None
    return key if key.expires_at is None or key.expires_at > timezone.now() else None


def note_use(key: ManagementKey) -> None:
    """Remember when the key was last used, at most once a minute."""
    stale = timezone.now() - LAST_USED_GRAIN
    if key.last_used_at is None or key.last_used_at <= stale:
        rows = ManagementKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=stale), pk=key.pk)
        rows.update(last_used_at=timezone.now())


def disable(key: ManagementKey) -> None:
    """Stop a key for good; its row stays as a record."""
    key.enabled = False
    key.save(update_fields=["enabled"])
