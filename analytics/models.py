"""What happened: one row per request, hourly sums of them, and how far the sums have come."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from routing.money import usd


class Result(models.TextChoices):
    """How a request ended. Only ``refused`` never reached a provider."""

    OK = "ok", _("Answered")
    FAILED = "failed", _("Failed")
    CLIENT_GONE = "client_gone", _("Client left")
    REFUSED = "refused", _("Refused")


class UsageRecord(models.Model):
    """One request of one client. Ids of other tables are plain numbers: a deleted key keeps its history."""

    request_id = models.CharField(_("request id"), max_length=64, unique=True)
    started_at = models.DateTimeField(_("time"))
    key_id = models.BigIntegerField(null=True)
    key_name = models.CharField(_("key"), max_length=100, blank=True)
    user_id = models.BigIntegerField(null=True)
    team_id = models.BigIntegerField(null=True)
    operation = models.CharField(_("operation"), max_length=30)
    client_format = models.CharField(_("client format"), max_length=30)
    upstream_format = models.CharField(_("upstream format"), max_length=30, blank=True)
    requested_model = models.CharField(_("asked for"), max_length=260, blank=True)
    provider = models.CharField(_("provider"), max_length=60, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    connection = models.CharField(_("connection"), max_length=100, blank=True)
    stream = models.BooleanField(_("streamed"), default=False)
    status = models.PositiveSmallIntegerField(_("status"))
    result = models.CharField(_("result"), max_length=12, choices=Result)
    error_kind = models.CharField(_("error"), max_length=40, blank=True)
    error_message = models.CharField(_("error message"), max_length=500, blank=True)
    attempts = models.JSONField(_("attempts"), default=list)
    skips = models.JSONField(_("not asked"), default=list)
    latency_ms = models.PositiveIntegerField(_("latency"))
    first_byte_ms = models.PositiveIntegerField(_("first byte"), null=True)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    cached_tokens = models.PositiveBigIntegerField(_("cached tokens"), default=0)
    cache_write_tokens = models.PositiveBigIntegerField(_("cache write tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    reasoning_tokens = models.PositiveBigIntegerField(_("reasoning tokens"), default=0)
    estimated = models.BooleanField(_("estimated"), default=False)
    cost_usd = models.DecimalField(_("cost"), max_digits=18, decimal_places=10, null=True)
    price_source = models.CharField(_("price source"), max_length=60, blank=True)
    client_address = models.GenericIPAddressField(_("address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    dropped = models.CharField(_("not carried"), max_length=500, blank=True)
    price = models.JSONField(_("price"), null=True)  # the rates the cost was worked out with, USD per million tokens
    flat_rate = models.BooleanField(_("flat rate"), default=False)  # the cost is notional: nothing was charged
    policies = models.CharField(_("policies"), max_length=500, blank=True)
    cache = models.CharField(_("cache"), max_length=10, blank=True)  # hit, semantic, repeated, miss
    saved_tokens = models.PositiveBigIntegerField(_("tokens saved"), default=0)
    saved_usd = models.DecimalField(_("saved"), max_digits=18, decimal_places=10, default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("request"), _("requests")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["started_at"], name="usage_time"),
            models.Index(fields=["key_id", "-id"], name="usage_key"),
            models.Index(fields=["user_id", "-id"], name="usage_user"),
            models.Index(fields=["team_id", "-id"], name="usage_team"),
            models.Index(fields=["requested_model", "-id"], name="usage_asked_for"),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def charged_usd(self) -> Decimal | None:
        """USD that were charged: nothing at a flat rate, whose cost is notional. None: not known."""
        return Decimal(0) if self.flat_rate and self.cost_usd is not None else self.cost_usd


class HourlyUsage(models.Model):
    """Sums of an hour per key, provider and model; every chart of more than the newest rows reads these."""

    hour = models.DateTimeField()
    key_id = models.BigIntegerField(default=0)  # 0: none; NULL would escape the unique constraint
    user_id = models.BigIntegerField(default=0)
    team_id = models.BigIntegerField(default=0)
    provider = models.CharField(max_length=60, blank=True)
    model = models.CharField(max_length=200, blank=True)
    requests = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=10, default=0)
    notional_usd = models.DecimalField(max_digits=20, decimal_places=10, default=0)  # of flat-rate connections
    latency_ms = models.PositiveBigIntegerField(default=0)  # sum; divide by requests

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "key_id", "user_id", "team_id", "provider", "model"], name="one_row_per_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h {self.provider}/{self.model}"


class LedgerLine(models.Model):
    """What one request cost one budget. Append-only: a correction is another line, and lines of long ago become one
    that says their sum. The id of a deleted budget stays."""

    class Kind(models.TextChoices):
        SETTLE = "settle", _("Spent")
        RELEASE = "release", _("Released")
        ADJUST = "adjust", _("Adjusted")
        OPENING = "opening", _("Opening balance")

    budget_id = models.BigIntegerField()
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # Whole units of 1e-10 USD: SQLite sums decimals as floats, and these sums must be exact.
    units = models.BigIntegerField(_("amount"))
    reserved_units = models.BigIntegerField(_("reserved before"), default=0)
    at = models.DateTimeField(_("time"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("ledger line"), _("ledger lines")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["budget_id", "at"], include=["units"], name="ledger_sum")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"

    @property
    def amount(self) -> Decimal:
        """USD that the line adds to what its budget has spent."""
        return usd(self.units)

    @property
    def reserved(self) -> Decimal:
        """USD that was set aside before the request was sent."""
        return usd(self.reserved_units)


class BudgetNotice(models.Model):
    """A budget reached its share: told once per period."""

    budget_id = models.BigIntegerField()
    period_start = models.DateTimeField()
    spent = models.DecimalField(max_digits=20, decimal_places=10)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget_id", "period_start"], name="one_notice_per_period")]

    def __str__(self) -> str:
        return f"{self.budget_id} {self.period_start:%Y-%m-%d}"


class RollupMark(models.Model):
    """The id of the last request summed into HourlyUsage; one row."""

    last_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last_id)
