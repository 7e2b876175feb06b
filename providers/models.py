"""Who can answer: providers as the operator set them, their models, and the credentials that reach them."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.bounds import at_least_one, countable, one_line
from providers.fields import EncryptedTextField, SealingQuerySet

slug = RegexValidator(r"^[a-z0-9][a-z0-9._-]*\Z", _("Small letters, digits, dot, underscore and hyphen only."))


class Tier(models.TextChoices):
    SUBSCRIPTION = "subscription", _("Subscription")
    API_KEY = "api_key", _("API key")
    CHEAP = "cheap", _("Cheap")
    FREE = "free", _("Free")


class TransportKind(models.TextChoices):
    FAST = "fast", _("Fast")
    AIOHTTP = "aiohttp", _("Compatible (aiohttp)")


class Proxy(models.Model):
    """A way out: what refers to it is called through it, or not at all. Read its URL through ``proxies.url_of``."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(
        _("name"),
        max_length=170,
        unique=True,
        validators=[
            RegexValidator(r"^(?!direct\Z)(?!.*://)[^\x00-\x1f\x7f]+\Z", _("One line, no URL, and not “direct”."))
        ],
    )
    url = EncryptedTextField(
        _("URL"),
        null=True,
        blank=True,
        help_text=_("http://, https://, socks5:// or socks5h://, with user and password if needed."),
    )
    scheme = models.CharField(_("kind"), max_length=10, editable=False)
    address = models.CharField(_("address"), max_length=270, editable=False)  # host:port, what of the URL may be shown
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Off: what goes through it is not called at all, never directly.")
    )
    is_global = models.BooleanField(
        _("for everything"),
        default=False,
        help_text=_("Used by every provider and connection that says nothing else. There is at most one."),
    )
    note = models.CharField(_("note"), max_length=300, blank=True, validators=[one_line])
    tested_at = models.DateTimeField(_("tested"), null=True, editable=False)
    test_ok = models.BooleanField(_("test passed"), null=True, editable=False)
    test_message = models.CharField(_("test result"), max_length=500, blank=True, editable=False)
    test_latency_ms = models.PositiveIntegerField(_("test latency"), null=True, editable=False)
    exit_address = models.GenericIPAddressField(_("exit address"), null=True, editable=False)

    objects = SealingQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("proxy"), _("proxies")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["is_global"], condition=models.Q(is_global=True), name="one_global_proxy")
        ]

    def __str__(self) -> str:
        return self.name


class Provider(models.Model):
    """One provider. A catalogue entry has a row for its switch and for what the operator overrides (empty = as in
    the catalogue); a custom provider's row is all there is of it."""

    id = models.CharField(_("id"), primary_key=True, max_length=60, validators=[slug])
    custom = models.BooleanField(_("custom"), default=True, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    name = models.CharField(_("name"), max_length=100, blank=True, validators=[one_line])
    alias = models.CharField(
        _("alias"),
        max_length=60,
        blank=True,
        validators=[slug],
        help_text=_("Short prefix in model names: alias/model."),
    )
    format = models.CharField(_("format"), max_length=30, blank=True)
    base_url = models.CharField(
        _("base URL"),
        max_length=500,
        blank=True,
        help_text=_("Up to and including the version segment, e.g. https://host/v1."),
    )
    allow_private_network = models.BooleanField(
        _("may be on a private network"),
        null=True,
        blank=True,
        help_text=_("Needed for loopback, private and link-local addresses."),
    )
    tier = models.CharField(_("tier"), max_length=20, choices=Tier, blank=True)
    operations = models.JSONField(
        _("operation paths"),
        default=dict,
        blank=True,
        help_text=_("Only where a path under the base URL is not the usual one."),
    )
    any_model = models.BooleanField(_("forward any model name"), null=True, blank=True)
    overrides = models.JSONField(
        _("everything else"),
        default=dict,
        blank=True,
        help_text=_("In the words of a catalogue file, as JSON; each key replaces the catalogue's value."),
    )
    transport = models.CharField(_("HTTP client"), max_length=10, choices=TransportKind, default=TransportKind.FAST)
    strategy = models.CharField(
        _("choice among connections"),
        max_length=20,
        blank=True,
        validators=[slug],
        help_text=_("Empty: as in the gateway's settings."),
    )
    proxy = models.ForeignKey(
        Proxy, models.PROTECT, null=True, blank=True, related_name="providers", verbose_name=_("proxy")
    )
    direct = models.BooleanField(_("through no proxy"), default=False)  # not even a wider one; then proxy is None

    class Meta:
        verbose_name, verbose_name_plural = _("provider"), _("providers")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["alias"], condition=~models.Q(alias=""), name="provider_alias_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name or self.id


def usd(name: Any, help_text: Any = "") -> Any:
    """A column of a price: USD, zero or more; null = not said."""
    return models.DecimalField(
        name, max_digits=14, decimal_places=6, null=True, blank=True,
        validators=[MinValueValidator(0)], help_text=help_text,
    )  # fmt: skip


class ProviderModel(models.Model):
    """A model of a provider: one the operator added, or the operator's override of a catalogue model."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models", verbose_name=_("provider"))
    model_id = models.CharField(_("model id"), max_length=200, validators=[one_line])
    enabled = models.BooleanField(_("enabled"), default=True)
    input_price = usd(_("input price"), _("USD per million tokens."))
    output_price = usd(_("output price"))
    cache_read_price = usd(_("cached input price"))
    cache_write_price = usd(_("cache write price"))
    cache_write_1h_price = usd(_("cache write price, kept for an hour"))
    input_over_200k_price = usd(_("input price of prompts over 200,000 tokens"))
    output_over_200k_price = usd(_("output price of prompts over 200,000 tokens"))
    # One for each of vocabulary.UNITS.
    image_output_price = usd(_("image output price"), _("USD per million tokens of pictures."))
    audio_input_price = usd(_("audio input price"), _("USD per million tokens of sound."))
    audio_output_price = usd(_("audio output price"), _("USD per million tokens of sound."))
    image_price = usd(_("price of an image"), _("USD per picture."))
    audio_minute_price = usd(_("price of a minute of audio"), _("USD per minute."))
    characters_price = usd(_("price of characters"), _("USD per million characters."))
    query_price = usd(_("price of a query"), _("USD per query of a rerank."))
    context = models.PositiveIntegerField(
        _("context window"), null=True, blank=True, validators=[at_least_one, countable], help_text=_("Tokens.")
    )
    max_output = models.PositiveIntegerField(
        _("longest output"), null=True, blank=True, validators=[at_least_one, countable], help_text=_("Tokens.")
    )
    capabilities = models.JSONField(_("capabilities"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("model"), _("models")
        ordering = ["provider", "model_id"]
        constraints = [models.UniqueConstraint(fields=["provider", "model_id"], name="one_row_per_model")]

    def __str__(self) -> str:
        return f"{self.provider_id}/{self.model_id}"


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


class VaultCanary(models.Model):
    """One sealed word. If the key ring cannot open it, the installation has another key and must not start."""

    WORD = "omniroute"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    word = EncryptedTextField(null=True)
    fingerprint = models.CharField(max_length=16)

    objects = SealingQuerySet.as_manager()

    def __str__(self) -> str:
        return self.fingerprint

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1  # there is one
        super().save(*args, **kwargs)
