"""Which provider answers: client keys, combos, aliases, the gateway's switches and the version of all of it."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


def _everything() -> list[str]:
    return ["*"]


class ApiKey(models.Model):
    """A client's key, stored as a hash. ``last_used_at`` and ``request_count`` are written in batches."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    last4 = models.CharField(_("ends in"), max_length=4, editable=False)
    owner = models.ForeignKey(
        "accounts.User", models.CASCADE, null=True, blank=True, related_name="api_keys", verbose_name=_("owner")
    )
    team = models.ForeignKey(
        "accounts.Team", models.CASCADE, null=True, blank=True, related_name="api_keys", verbose_name=_("team")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    model_patterns = models.JSONField(
        _("models"),
        default=_everything,
        blank=True,
        help_text=_("Patterns over model names: *, openai/*, openai/gpt-4o."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    request_count = models.PositiveBigIntegerField(_("requests"), default=0, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("client key"), _("client keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last4})"


class Strategy(models.TextChoices):
    PRIORITY = "priority", _("Priority")
    FILL_FIRST = "fill-first", _("Fill first")
    ROUND_ROBIN = "round-robin", _("Round robin")
    P2C = "p2c", _("Power of two choices")
    RANDOM = "random", _("Random")
    LEAST_USED = "least-used", _("Least used")
    COST_OPTIMIZED = "cost-optimized", _("Cheapest first")
    WEIGHTED = "weighted", _("Weighted")


class Combo(models.Model):
    """A named chain of models; its name is used as a model name."""

    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_/.-]+\Z", _("Letters, digits and _ / . - only."))],
    )
    strategy = models.CharField(_("strategy"), max_length=20, choices=Strategy, default=Strategy.PRIORITY)
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("combo"), _("combos")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ComboStep(models.Model):
    combo = models.ForeignKey(Combo, models.CASCADE, related_name="steps", verbose_name=_("combo"))
    position = models.PositiveIntegerField(_("position"), default=0)
    model = models.CharField(_("model"), max_length=260, help_text=_("provider/model, an alias or another combo."))
    weight = models.PositiveIntegerField(_("weight"), default=1, validators=[MaxValueValidator(100)])

    class Meta:
        verbose_name, verbose_name_plural = _("step"), _("steps")
        ordering = ["combo", "position", "id"]

    def __str__(self) -> str:
        return self.model


class Alias(models.Model):
    """Another name for a model: exact, or with ``*`` and ``?``; the most specific pattern wins."""

    pattern = models.CharField(_("pattern"), max_length=200, unique=True)
    target = models.CharField(_("target"), max_length=260)

    class Meta:
        verbose_name, verbose_name_plural = _("alias"), _("aliases")
        ordering = ["pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.target}"


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


class ConfigVersion(models.Model):
    """A number that grows with every change the hot path must see; one row, read by every worker's poll."""

    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)
