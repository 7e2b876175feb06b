"""Providers and their models, as the operator set them."""

from __future__ import annotations

from typing import Any

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import at_least_one, countable, one_line
from providers.models.proxies import Proxy

slug = RegexValidator(r"^[a-z0-9][a-z0-9._-]*\Z", _("Small letters, digits, dot, underscore and hyphen only."))


class Tier(models.TextChoices):
    SUBSCRIPTION = "subscription", _("Subscription")
    API_KEY = "api_key", _("API key")
    CHEAP = "cheap", _("Cheap")
    FREE = "free", _("Free")


class TransportKind(models.TextChoices):
    FAST = "fast", _("Fast")
    AIOHTTP = "aiohttp", _("Compatible (aiohttp)")


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
