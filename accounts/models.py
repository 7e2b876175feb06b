"""People: who signs in, which teams they belong to, and what lets them in."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.bounds import one_line
from providers.fields import EncryptedTextField, SealingQuerySet


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """A person. The e-mail address is folded to lower case: it is the name they sign in with."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """A site administrator."""
        return self.create_user(email, password, **{**extra, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by e-mail. A site administrator has ``is_superuser`` (and with it ``is_staff``)."""

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    is_active = models.BooleanField(_("active"), default=True, help_text=_("Off: cannot sign in, and their keys stop."))
    is_staff = models.BooleanField(_("may open the admin"), default=False)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name, verbose_name_plural = _("user"), _("users")
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class Role(models.TextChoices):
    """What a member of a team may do: owners manage people and keys, members have keys, viewers look."""

    OWNER = "owner", _("Owner")
    MEMBER = "member", _("Member")
    VIEWER = "viewer", _("Viewer")


class Team(models.Model):
    """People who share keys, usage and, later, budgets."""

    name = models.CharField(_("name"), max_length=100, unique=True, validators=[one_line])
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="teams", verbose_name=_("members")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("team"), _("teams")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships", verbose_name=_("team"))
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)

    class Meta:
        verbose_name, verbose_name_plural = _("membership"), _("memberships")
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.get_role_display()}"


def digest(token: str) -> str:
    """How every token and key of ours is stored: SHA-256, hexadecimal. They carry 256 bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _in_a_week() -> Any:
    return timezone.now() + timedelta(days=7)


class Invitation(models.Model):
    """A one-time link that makes an account (or adds an existing one to a team). The link is shown once."""

    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    email = models.EmailField(_("e-mail address"), blank=True, help_text=_("Empty: whoever holds the link."))
    team = models.ForeignKey(Team, models.CASCADE, null=True, blank=True, verbose_name=_("team"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    site_administrator = models.BooleanField(_("site administrator"), default=False)
    created_by = models.ForeignKey(User, models.CASCADE, null=True, blank=True, editable=False, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), default=_in_a_week)
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("invitation"), _("invitations")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.email or f"#{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.expires_at > timezone.now()


class ManagementKey(models.Model):
    """Opens the management API as its user, narrowed to its scopes. Never opens the client API, nor the reverse."""

    READ, WRITE = "read", "write"

    user = models.ForeignKey(User, models.CASCADE, related_name="management_keys", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=100)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    last4 = models.CharField(_("ends in"), max_length=4, editable=False)
    scopes = models.JSONField(_("scopes"), default=list, help_text=_("Any of read, write."))
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("management key"), _("management keys")
        ordering = ["user", "name"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last4})"

    @staticmethod
    def generate() -> str:
        """A new key: 256 random bits behind a prefix that secret scanners can find."""
        return f"omni-mgmt-{secrets.token_urlsafe(32)}"


class IdentityProvider(models.Model):
    """An OpenID Connect provider people may sign in with, as the administrator configured it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.CharField(
        _("id"),
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9-]+$")],
        help_text=_("Part of the callback address; small letters, digits and hyphens."),
    )
    name = models.CharField(_("name"), max_length=100)
    server_url = models.URLField(_("issuer address"))
    client_id = models.CharField(_("client id"), max_length=250)
    client_secret = EncryptedTextField(_("client secret"), null=True, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)

    objects = SealingQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("identity provider"), _("identity providers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
