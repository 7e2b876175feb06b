"""What is left of an account, and how asking for it fares."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.models.connections import Connection


class QuotaWindow(models.Model):
    """One window of an account as last told: by the vendor's usage call, or by the headers of a reply."""

    class Source(models.TextChoices):
        USAGE = "usage", _("usage call")
        HEADERS = "headers", _("reply headers")

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="quota_windows")
    window = models.CharField(_("window"), max_length=30)  # as providers.quota.windows.Window.id
    family = models.CharField(_("models"), max_length=200, blank=True)  # "" = all
    used_percent = models.FloatField(_("used"), null=True)  # 0 to 100; None: the vendor does not say
    used = models.DecimalField(_("used"), max_digits=20, decimal_places=4, null=True)
    limit = models.DecimalField(_("limit"), max_digits=20, decimal_places=4, null=True)
    remaining = models.DecimalField(_("remaining"), max_digits=20, decimal_places=4, null=True)
    unit = models.CharField(_("unit"), max_length=30, blank=True)
    unlimited = models.BooleanField(_("unlimited"), default=False)
    uncertain = models.BooleanField(_("uncertain"), default=False)
    resets_at = models.DateTimeField(_("resets"), null=True)
    measured_at = models.DateTimeField(_("measured"))
    source = models.CharField(_("source"), max_length=10, choices=Source)

    class Meta:
        verbose_name, verbose_name_plural = _("quota window"), _("quota windows")
        ordering = ["connection", "family", "window"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "window", "family"], name="one_row_per_quota_window")
        ]

    def __str__(self) -> str:
        return f"{self.connection} · {self.window} {self.family}".strip()


class QuotaState(models.Model):
    """How asking for an account's quota fares. ``next_at``: not asked by the clock before then."""

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="quota_state")
    plan = models.CharField(_("plan"), max_length=100, blank=True)
    asked_at = models.DateTimeField(_("asked"), null=True)
    next_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)  # in a row
    message = models.CharField(_("what happened"), max_length=500, blank=True)  # "" = it went well

    class Meta:
        verbose_name, verbose_name_plural = _("quota state"), _("quota states")

    def __str__(self) -> str:
        return str(self.connection)
