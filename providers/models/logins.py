"""What logins gave, and those that were begun."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.fields import EncryptedTextField, SealingQuerySet
from providers.models.connections import Connection
from providers.models.providers import Provider


class Grant(models.Model):
    """What a vendor's login gave a connection: its tokens, whose they are, and how they fare.

    Written by ``providers.grants`` alone. ``generation`` grows with every stored token: who stores names the one it
    began with, so an overtaken renewal never overwrites a newer token.
    """

    class State(models.TextChoices):
        GOOD = "good", _("valid")
        FAILING = "failing", _("refresh failed")
        ENDED = "ended", _("login needed")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    connection = models.OneToOneField(Connection, models.CASCADE, related_name="grant", verbose_name=_("connection"))
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+", verbose_name=_("provider"))
    flow = models.CharField(_("login"), max_length=60)
    method = models.CharField(_("method"), max_length=30)
    access_token = EncryptedTextField(null=True)
    refresh_token = EncryptedTextField(null=True)
    id_token = EncryptedTextField(null=True)
    hidden = EncryptedTextField(null=True)  # JSON object: further secrets, such as a client secret made for this login
    facts = models.JSONField(default=dict)  # what is no secret: project, organization, region, profile
    scope = models.CharField(_("scope"), max_length=1000, blank=True)
    identity = models.CharField(
        max_length=300, blank=True
    )  # what tells accounts apart; "" when the vendor says nothing
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    account_id = models.CharField(_("account id"), max_length=200, blank=True)
    plan = models.CharField(_("plan"), max_length=100, blank=True)
    generation = models.PositiveIntegerField(default=1)
    obtained_at = models.DateTimeField(_("last refreshed"), default=timezone.now)
    expires_at = models.DateTimeField(_("valid until"), null=True)  # None: until the vendor refuses it
    renew_at = models.DateTimeField(null=True, db_index=True)  # when the clock renews it, or tries again; None: never
    leased_until = models.DateTimeField(null=True)  # somebody is renewing it just now
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.GOOD)
    message = models.CharField(_("what happened"), max_length=500, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)  # renewals in a row that failed in passing
    accepted_by = models.CharField(_("restriction accepted by"), max_length=254, blank=True)
    accepted_at = models.DateTimeField(_("restriction accepted"), null=True)

    objects = SealingQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("login"), _("logins")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "identity"], condition=~models.Q(identity=""), name="one_connection_per_account"
            )
        ]

    def __str__(self) -> str:
        return self.email or self.account_id or self.identity or str(self.connection_id)


class LoginAttempt(models.Model):
    """A login that was begun: ten minutes, one person, one session, one provider, used once."""

    class Status(models.TextChoices):
        OPEN = "open"
        TAKEN = "taken"  # the vendor's answer is here and being exchanged; nobody can use it again
        DONE = "done"
        FAILED = "failed"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, related_name="+")  # the one to renew, or made
    method = models.CharField(max_length=30)
    user = models.CharField(max_length=40)  # primary key of who began it
    session_hash = models.CharField(max_length=64, blank=True)
    state_hash = models.CharField(max_length=64, unique=True, null=True)
    origin = models.CharField(max_length=300, blank=True)  # scheme://host:port the dashboard was used at
    redirect_uri = models.CharField(max_length=500, blank=True)
    secrets = EncryptedTextField(null=True)  # JSON object: verifier, device code, made client
    proxy = EncryptedTextField(null=True)  # as ``proxies.choose`` takes it
    shown = models.JSONField(default=dict)  # what the person needs: address, user code
    name = models.CharField(max_length=100, blank=True)
    team = models.ForeignKey("accounts.Team", models.CASCADE, null=True, related_name="+")  # of a connection it makes
    tags = models.JSONField(default=list)
    accepted_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    interval = models.PositiveSmallIntegerField(default=5)  # seconds between two questions to the vendor
    ask_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    message = models.CharField(max_length=500, blank=True)

    objects = SealingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.provider_id} · {self.method}"
