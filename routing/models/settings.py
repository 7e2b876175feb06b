"""The gateway's switches."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import at_least_one, countable
from providers.choosing import Strategy
from routing.models.addresses import AddressMode

LONGEST_NOTICE = 10_000  # characters, in each language


class GatewaySettings(models.Model):
    """The gateway's switches; one row, every one of them read by the hot path or the dashboard."""

    require_api_key = models.BooleanField(
        _("require a client key"), default=True, help_text=_("Off: whoever reaches the address may use every model.")
    )
    connection_cooldown = models.BooleanField(
        _("rest failing connections"), default=True, help_text=_("Off: every request may try every connection.")
    )
    circuit_breaker = models.BooleanField(
        _("circuit breaker"), default=True, help_text=_("Leave a provider alone for a while after failures in a row.")
    )
    breaker_failures = models.PositiveIntegerField(
        _("failures that open a breaker"), default=5, validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("In a row, of a provider or of one connection."),
    )  # fmt: skip
    breaker_seconds = models.PositiveIntegerField(
        _("seconds a breaker stays open"), default=30, validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text=_("Then one request finds out."),
    )  # fmt: skip
    longest_rest_seconds = models.PositiveIntegerField(
        _("longest rest in seconds"), default=3600, validators=[MinValueValidator(1), MaxValueValidator(604800)],
        help_text=_("However long a provider asks to be left alone."),
    )  # fmt: skip
    max_attempts = models.PositiveIntegerField(
        _("attempts per request"), default=12, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    attempt_seconds = models.PositiveIntegerField(
        _("seconds in which attempts begin"), default=600, validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text=_("After that a request begins no further attempt."),
    )  # fmt: skip
    patience_seconds = models.PositiveIntegerField(
        _("patience in seconds"), default=0, validators=[MaxValueValidator(60)],
        help_text=_("How long a request waits for a connection to come back when all of them rest. 0: not at all."),
    )  # fmt: skip
    queue_seconds = models.PositiveIntegerField(
        _("longest wait for a turn in seconds"), default=30, validators=[MaxValueValidator(600)],
        help_text=_("On a connection whose requests are limited."),
    )  # fmt: skip
    session_affinity = models.BooleanField(
        _("conversations stay on their connection"), default=True,
        help_text=_("Where it can be used: prompt caches cost less. Never instead of one that works."),
    )  # fmt: skip
    connection_strategy = models.CharField(
        _("choice among connections"), max_length=20, default=Strategy.FILL_FIRST, choices=Strategy,
        help_text=_("Of providers that have no choice of their own. Fill first: by priority."),
    )  # fmt: skip
    sticky_requests = models.PositiveIntegerField(
        _("requests in a row"), default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Round robin: how many requests go to a connection before the next one's turn."),
    )  # fmt: skip
    quota_reserve = models.PositiveIntegerField(
        _("reserve of quotas in percent"), default=0, validators=[MaxValueValidator(99)],
        help_text=_("An account with no more than this left of a quota window is not asked until it is reset."),
    )  # fmt: skip
    charge_without_output = models.BooleanField(
        _("charge failures without output"),
        default=False,
        help_text=_("On: a request that broke off or was left counts its input even when nothing came out of it."),
    )
    address_mode = models.CharField(_("address rules"), max_length=12, choices=AddressMode, default=AddressMode.BLOCK)
    requests_per_address = models.PositiveIntegerField(
        _("requests per minute and address"),
        null=True,
        blank=True,
        validators=[at_least_one, countable],
        help_text=_("Of one network address, whoever asks. Empty: no limit."),
    )
    ledger_days = models.PositiveIntegerField(
        _("days that ledger lines are kept"), default=400, validators=[MinValueValidator(32), MaxValueValidator(3660)],
        help_text=_("Then the lines of a period become one, an opening balance: what was spent stays the same."),
    )  # fmt: skip
    notice = models.TextField(_("notice"), blank=True, help_text=_("Shown to everybody on the overview page."))

    objects: ClassVar[models.Manager[GatewaySettings]] = models.Manager()

    class Meta:
        verbose_name = verbose_name_plural = _("gateway settings")

    def __str__(self) -> str:
        return str(_("gateway settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1  # there is one
        super().save(*args, **kwargs)

    @classmethod
    def load(cls) -> GatewaySettings:
        """The row, or the defaults while nobody has saved any."""
        return cls.objects.filter(pk=1).first() or cls()
