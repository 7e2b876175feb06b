"""The credentials that reach a provider."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import countable, one_line
from providers.fields import EncryptedTextField, SealingQuerySet
from providers.models.providers import Provider
from providers.models.proxies import Proxy


class Connection(models.Model):
    """One credential for one provider. Read its secret through ``connections.secret_of``."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="connections", verbose_name=_("provider"))
    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    secret = EncryptedTextField(_("API key"), null=True, blank=True, help_text=_("Written only; never shown again."))
    origin = models.CharField(
        max_length=300, blank=True, editable=False
    )  # scheme://host:port the secret was given for; it is never sent anywhere else
    parameters = models.JSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_("Values of the provider's placeholders: region, project …"),
    )
    priority = models.PositiveIntegerField(
        _("priority"), default=1, validators=[countable], help_text=_("Lower is tried first.")
    )
    weight = models.PositiveIntegerField(
        _("weight"), default=1, validators=[MaxValueValidator(100)], help_text=_("For the choice by weight.")
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        default=0,
        validators=[countable],
        help_text=_("0: no limit. Further requests wait for their turn."),
    )
    min_gap_ms = models.PositiveIntegerField(
        _("gap between requests"), default=0, validators=[MaxValueValidator(60_000)], help_text=_("Milliseconds.")
    )
    max_concurrent = models.PositiveIntegerField(
        _("requests at once"), default=0, validators=[countable], help_text=_("0: no limit.")
    )
    quota_reserve = models.PositiveIntegerField(
        _("reserve of its quota in percent"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(99)],
        help_text=_("Empty: as in the gateway's settings."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    proxy = models.ForeignKey(
        Proxy, models.PROTECT, null=True, blank=True, related_name="connections", verbose_name=_("proxy")
    )
    direct = models.BooleanField(_("through no proxy"), default=False)  # not even a wider one; then proxy is None
    tags = models.JSONField(_("tags"), default=list, blank=True, help_text=_("Short words to find it by."))
    # People are known by name only here, as packages below ``accounts`` know them. CASCADE: a credential that a team
    # gave must not become everybody's when the team is gone.
    team = models.ForeignKey(
        "accounts.Team",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("team"),
        help_text=_("Only client keys of this team use it. Empty: everyone."),
    )
    preamble = models.TextField(_("opening system text"), blank=True)  # of logins whose vendor wants one
    adds_preamble = models.BooleanField(_("add it for clients that do not send it"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    tested_at = models.DateTimeField(_("tested"), null=True, editable=False)
    test_ok = models.BooleanField(_("test passed"), null=True, editable=False)
    test_message = models.CharField(_("test result"), max_length=500, blank=True, editable=False)
    test_latency_ms = models.PositiveIntegerField(_("test latency"), null=True, editable=False)
    testing_since = models.DateTimeField(null=True, editable=False)  # waits for a test in the background

    objects = SealingQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("connection"), _("connections")
        ordering = ["provider", "priority", "id"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="connection_name_is_unique")]

    def __str__(self) -> str:
        return f"{self.provider_id} · {self.name}"
