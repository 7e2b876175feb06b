"""How much a caller may ask per minute and at the same time."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import at_least_one, countable
from routing.models.keys import ApiKey


class Scope(models.TextChoices):
    """Whose a limit or a budget is."""

    KEY = "key", _("Client key")
    USER = "user", _("User")
    TEAM = "team", _("Team")
    PROVIDER = "provider", _("Provider")
    TIER = "tier", _("Tier")
    GLOBAL = "global", _("Everybody")


class Limit(models.Model):
    """How much a key, a user or a team may ask; of several that apply each counts by itself. Empty: no limit."""

    api_key = models.OneToOneField(
        ApiKey, models.CASCADE, null=True, blank=True, related_name="limit", verbose_name=_("client key")
    )
    user = models.OneToOneField(
        "accounts.User", models.CASCADE, null=True, blank=True, related_name="limit", verbose_name=_("user")
    )
    team = models.OneToOneField(
        "accounts.Team", models.CASCADE, null=True, blank=True, related_name="limit", verbose_name=_("team")
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"), null=True, blank=True, validators=[at_least_one, countable]
    )
    tokens_per_minute = models.PositiveIntegerField(
        _("tokens per minute"),
        null=True,
        blank=True,
        validators=[at_least_one, countable],
        help_text=_("Input and output together; estimated before, corrected after."),
    )
    parallel = models.PositiveIntegerField(
        _("requests at the same time"), null=True, blank=True, validators=[at_least_one, countable]
    )

    class Meta:
        verbose_name, verbose_name_plural = _("limit"), _("limits")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=(
                    models.Q(api_key__isnull=False, user=None, team=None)
                    | models.Q(api_key=None, user__isnull=False, team=None)
                    | models.Q(api_key=None, user=None, team__isnull=False)
                ),
                name="limit_of_one",
                violation_error_message=_("A limit belongs to exactly one client key, user or team."),
            )
        ]

    def __str__(self) -> str:
        return str(self.api_key or self.user or self.team)

    @property
    def scope(self) -> str:
        return Scope.KEY if self.api_key_id else Scope.USER if self.user_id else Scope.TEAM
