"""What may be spent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.entry import TIERS
from routing.models.keys import ApiKey
from routing.models.limits import Scope
from routing.money import MOST_USD
from routing.snapshot import FLAT_RATE


class Period(models.TextChoices):
    DAILY = "daily", _("Daily")
    WEEKLY = "weekly", _("Weekly")
    MONTHLY = "monthly", _("Monthly")
    TOTAL = "total", _("Total")


def is_time_zone(value: str) -> None:
    """Raises ValidationError for a name that is no time zone's."""
    if value not in available_timezones():
        raise ValidationError(_("%(name)s is no time zone; write one such as Europe/Berlin."), params={"name": value})


TAKEN_PERIOD = _("There is such a budget for this period already; change that one.")


class Budget(models.Model):
    """An amount of money per period. Hard: nothing is sent that could go beyond it. It counts from when it is made."""

    scope = models.CharField(_("scope"), max_length=10, choices=Scope)
    api_key = models.ForeignKey(
        ApiKey, models.CASCADE, null=True, blank=True, related_name="budgets", verbose_name=_("client key")
    )
    user = models.ForeignKey(
        "accounts.User", models.CASCADE, null=True, blank=True, related_name="budgets", verbose_name=_("user")
    )
    team = models.ForeignKey(
        "accounts.Team", models.CASCADE, null=True, blank=True, related_name="budgets", verbose_name=_("team")
    )
    provider = models.ForeignKey(
        "providers.Provider", models.CASCADE, null=True, blank=True, related_name="budgets", verbose_name=_("provider")
    )
    tier = models.CharField(_("tier"), max_length=20, blank=True)
    period = models.CharField(_("period"), max_length=10, choices=Period, default=Period.MONTHLY)
    time_zone = models.CharField(
        _("time zone"),
        max_length=60,
        default="UTC",
        validators=[is_time_zone],
        help_text=_("In which a day, a week (from Monday) or a month begins."),
    )
    limit_usd = models.DecimalField(
        _("limit (USD)"),
        max_digits=15,
        decimal_places=6,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MOST_USD)],
    )
    hard = models.BooleanField(
        _("hard"), default=True, help_text=_("On: refuse what could go beyond it. Off: only notify.")
    )
    notify_at = models.PositiveSmallIntegerField(
        _("notify at (%)"),
        null=True,
        blank=True,
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Once per period, when so much of it is spent. Empty: never."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("budget"), _("budgets")
        ordering = ["scope", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "api_key", "period"],
                condition=models.Q(api_key__isnull=False),
                name="one_budget_per_key_and_period",
                violation_error_message=TAKEN_PERIOD,
            ),
            models.UniqueConstraint(
                fields=["scope", "user", "period"],
                condition=models.Q(user__isnull=False),
                name="one_budget_per_user_and_period",
                violation_error_message=TAKEN_PERIOD,
            ),
            models.UniqueConstraint(
                fields=["scope", "team", "period"],
                condition=models.Q(team__isnull=False),
                name="one_budget_per_team_and_period",
                violation_error_message=TAKEN_PERIOD,
            ),
            models.UniqueConstraint(
                fields=["scope", "provider", "period"],
                condition=models.Q(provider__isnull=False),
                name="one_budget_per_provider_and_period",
                violation_error_message=TAKEN_PERIOD,
            ),
            models.UniqueConstraint(
                fields=["scope", "tier", "period"],
                condition=models.Q(api_key=None, user=None, team=None, provider=None),
                name="one_budget_per_tier_and_period",
                violation_error_message=TAKEN_PERIOD,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.subject}".rstrip() + f" · {self.get_period_display()}"

    @property
    def subject(self) -> str:
        """Whose it is, by name; empty for everybody's."""
        return str(self.api_key or self.user or self.team or self.provider_id or self.tier or "")

    def clean(self) -> None:
        """Exactly what its scope names is given."""
        given: dict[str, Any] = {Scope.KEY: self.api_key_id, Scope.USER: self.user_id, Scope.TEAM: self.team_id}
        given |= {Scope.PROVIDER: self.provider_id, Scope.TIER: self.tier}
        if {scope for scope, value in given.items() if value} != {self.scope} - {Scope.GLOBAL}:
            raise ValidationError(_("A budget belongs to exactly what its scope says."))
        if self.tier and self.tier not in TIERS:
            raise ValidationError({"tier": _("There is no such tier.")})
        if self.tier in FLAT_RATE:
            raise ValidationError({"tier": _("Nothing is charged in this tier: it is paid by the month or free.")})
