"""Which provider answers: client keys, combos, aliases, the gateway's switches and the version of all of it."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import at_least_one, can_be_asked, countable, list_of_patterns, no_spaces, one_line
from providers.choosing import Strategy as Strategy
from providers.entry import TIERS
from routing.addresses import network_of
from routing.money import MOST_USD
from routing.shaping import CacheFlush as CacheFlush
from routing.shaping import CacheSettings as CacheSettings
from routing.shaping import Policy as Policy
from routing.snapshot import FLAT_RATE

# What a key or a team may be allowed to ask for: the operations of the client APIs.
ENDPOINTS = (
    "chat", "completions", "count", "embeddings", "images", "transcription", "speech", "moderation", "rerank",
)  # fmt: skip


LONGEST_NOTICE = 10_000  # characters, in each language


def _everything() -> list[str]:
    return ["*"]


def list_of_texts(value: Any) -> None:
    """Validator. Raises ValidationError."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValidationError(_("A list of texts is expected."))


def known_endpoints(value: Any) -> None:
    """Validator. Raises ValidationError."""
    list_of_texts(value)
    unknown = [item for item in value if item not in ENDPOINTS]
    if unknown:
        raise ValidationError(
            _("%(name)s is none of %(known)s."), params={"name": unknown[0], "known": ", ".join(ENDPOINTS)}
        )


class ApiKey(models.Model):
    """A client's key, stored as a hash. ``last_used_at`` and ``request_count`` are written in batches."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100, validators=[one_line])
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
        validators=[list_of_patterns],
        help_text=_("Patterns over model names: *, openai/*, openai/gpt-4o."),
    )
    combo_patterns = models.JSONField(
        _("combos"),
        null=True,
        blank=True,
        validators=[list_of_patterns],
        help_text=_("Patterns over the names of combos. Empty: as the models say."),
    )
    providers = models.JSONField(
        _("providers"),
        default=list,
        blank=True,
        validators=[list_of_texts],
        help_text=_("Ids of the only providers that may answer. Empty: all."),
    )
    endpoints = models.JSONField(
        _("endpoints"),
        default=list,
        blank=True,
        validators=[known_endpoints],
        help_text=_("The only things that may be asked for, such as chat or embeddings. Empty: all."),
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


class TeamAccess(models.Model):
    """What the keys of a team may use, whatever each of them says; a team without a row may use everything."""

    team = models.OneToOneField(
        "accounts.Team", models.CASCADE, related_name="access", primary_key=True, verbose_name=_("team")
    )
    model_patterns = models.JSONField(_("models"), default=_everything, blank=True, validators=[list_of_patterns])
    combo_patterns = models.JSONField(_("combos"), null=True, blank=True, validators=[list_of_patterns])
    providers = models.JSONField(_("providers"), default=list, blank=True, validators=[list_of_texts])
    endpoints = models.JSONField(_("endpoints"), default=list, blank=True, validators=[known_endpoints])

    class Meta:
        verbose_name, verbose_name_plural = _("permissions of a team"), _("permissions of teams")

    def __str__(self) -> str:
        return str(self.team)


class Combo(models.Model):
    """A named chain of models; its name is used as a model name."""

    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_/.-]+\Z", _("Letters, digits and _ / . - only.")), can_be_asked],
    )
    strategy = models.CharField(_("strategy"), max_length=20, choices=Strategy, default=Strategy.PRIORITY)
    enabled = models.BooleanField(_("enabled"), default=True)
    sticky = models.PositiveIntegerField(
        _("requests in a row"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Round robin: how many requests go to a step before the next one's turn."),
    )
    grants_steps = models.BooleanField(
        _("grants its steps"),
        default=True,
        help_text=_("Who may use the combo may use what it leads to. Off: only the steps that their key allows."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("combo"), _("combos")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ComboStep(models.Model):
    combo = models.ForeignKey(Combo, models.CASCADE, related_name="steps", verbose_name=_("combo"))
    position = models.PositiveIntegerField(_("position"), default=0)
    model = models.CharField(
        _("model"), max_length=260, validators=[no_spaces], help_text=_("provider/model, an alias or another combo.")
    )
    weight = models.PositiveIntegerField(_("weight"), default=1, validators=[MaxValueValidator(100)])

    class Meta:
        verbose_name, verbose_name_plural = _("step"), _("steps")
        ordering = ["combo", "position", "id"]

    def __str__(self) -> str:
        return self.model


one_name = RegexValidator(r"[*?]", _("A target is one name: no * and no ?."), inverse_match=True)


class Alias(models.Model):
    """Another name for a model: exact, or with ``*`` and ``?``; the most specific pattern wins."""

    pattern = models.CharField(_("pattern"), max_length=200, unique=True, validators=[no_spaces, can_be_asked])
    target = models.CharField(_("target"), max_length=260, validators=[no_spaces, one_name])

    class Meta:
        verbose_name, verbose_name_plural = _("alias"), _("aliases")
        ordering = ["pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.target}"

    def clean(self) -> None:
        """Raises ValidationError."""
        if self.pattern and self.pattern == self.target:
            raise ValidationError({"target": _("An alias must not point at itself.")})
        from routing import combos

        if fault := combos.alias_fault(self):
            raise ValidationError({"target": fault})


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


class IpRule(models.Model):
    """A network that may ask, or may not; see the mode in the gateway's settings. A block that ends is a ban."""

    class Action(models.TextChoices):
        ALLOW = "allow", _("Allow")
        BLOCK = "block", _("Block")

    network = models.CharField(
        _("network"), max_length=50, help_text=_("An address or a network: 203.0.113.7, 10.0.0.0/8, 2001:db8::/32.")
    )
    allow = models.BooleanField(_("allow"), default=False, help_text=_("Off: block."))
    until = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("UTC. Empty: for good."))
    reason = models.CharField(_("reason"), max_length=200, blank=True, validators=[one_line])
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("address rule"), _("address rules")
        ordering = ["network"]
        constraints = [
            models.UniqueConstraint(
                fields=["network", "allow"],
                name="one_rule_per_network",
                violation_error_message=_("There is such a rule for this network already; change that one."),
            )
        ]

    def __str__(self) -> str:
        return self.network

    @property
    def action(self) -> str:
        return self.Action.ALLOW.value if self.allow else self.Action.BLOCK.value

    @action.setter
    def action(self, action: str) -> None:
        self.allow = action == self.Action.ALLOW

    def clean_fields(self, exclude: Any = None) -> None:
        """A network is stored as it is compared: no bits beyond its length, IPv4 as IPv4."""
        super().clean_fields(exclude=exclude)
        try:
            self.network = str(network_of(self.network))
        except ValueError as wrong:
            raise ValidationError({"network": _("This is no network: %(why)s.") % {"why": wrong}}) from None

    def clean(self) -> None:
        if self.allow and self.until is not None:
            raise ValidationError({"until": _("Only a block can end.")})


class AddressMode(models.TextChoices):
    """What the address rules mean. Bans hold in every mode but off."""

    OFF = "off", _("Off")
    BLOCK = "block", _("All but the blocked")
    ALLOW = "allow", _("Only the allowed")
    ALLOW_FIRST = "allow_first", _("All but the blocked; an allowed one always")


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


class HealthState(models.Model):
    """What is held against a provider, a connection or a model on it, as the web processes found out. One row per
    subject; an old row whose ``until`` is null says that it was lifted."""

    key = models.CharField(max_length=300, primary_key=True)  # routing.board.News.key
    what = models.CharField(max_length=10)
    subject = models.CharField(max_length=80)
    model = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=30, blank=True)
    level = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True)
    words = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()
    probed_until = models.DateTimeField(null=True)  # an open breaker's one probe is under way, at most until then
    number = models.PositiveBigIntegerField(db_index=True)  # of the change, as ConfigVersion.health counts them

    def __str__(self) -> str:
        return self.key


def first_version() -> int:
    """Where the versions of a database begin: at the time, so that one that was emptied or restored never repeats a
    number already seen."""
    return time.time_ns() // 1000


class ConfigVersion(models.Model):
    """Numbers that grow with every change the hot path must see; one row, read by every worker's poll. ``health``
    counts changes of :class:`HealthState`."""

    version = models.PositiveBigIntegerField(default=0)
    health = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)
