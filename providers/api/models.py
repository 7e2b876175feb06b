"""A provider's models in the management API: as they are in force, and the operator's own rows."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers import connections, importing, registry, strict
from providers.api.shared import OfProvider
from providers.entry import CAPABILITIES, Entry, Model, Price
from providers.models import Connection, Provider, ProviderModel
from providers.overrides import MODEL_COLUMNS
from providers.prices import price_of
from providers.wire.efforts import MORE

PER_MILLION = "USD per million tokens; null: not known."


class EffectiveModelSerializer(strict.Serializer[Any]):
    """A model as it is in force."""

    id = serializers.CharField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    context = serializers.IntegerField(allow_null=True, help_text="Tokens.")  # type: ignore[assignment]
    max_output = serializers.IntegerField(allow_null=True, help_text="Tokens.")
    capabilities = serializers.ListField(child=serializers.CharField())
    input_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    output_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    cache_read_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    cache_write_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    cache_write_1h_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    input_over_200k_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    output_over_200k_price = serializers.DecimalField(None, None, allow_null=True, help_text=PER_MILLION)
    efforts = serializers.ListField(
        child=serializers.CharField(), help_text="Of reasoning, beside low, medium and high; empty: not known."
    )
    unit_prices = serializers.DictField(child=serializers.DecimalField(None, None), help_text="USD per unit.")
    operation = serializers.CharField(help_text="What it is for: chat, embeddings, images and so on.")
    price_source = serializers.CharField(help_text="Where the prices come from; empty: there are none.")
    shutdown = serializers.DateField(allow_null=True, help_text="The announced last day.")
    uncertain = serializers.BooleanField(help_text="Check what is said of it before relying on it.")


def described(entry: Entry, model: Model) -> dict[str, Any]:
    """What EffectiveModelSerializer shows."""
    price = price_of(entry, model.id) or Price(source="")
    return {
        "id": model.id,
        "name": model.name or model.id,
        "enabled": model.enabled,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": sorted(model.capabilities),
        "efforts": [effort for effort in MORE if effort in model.efforts],
        "input_price": price.input,
        "output_price": price.output,
        "cache_read_price": price.cache_read,
        "cache_write_price": price.cache_write,
        "cache_write_1h_price": price.cache_write_1h,
        "input_over_200k_price": price.input_over_200k,
        "output_over_200k_price": price.output_over_200k,
        "unit_prices": dict(price.per),
        "operation": model.operation,
        "price_source": price.source,
        "shutdown": model.shutdown,
        "uncertain": model.uncertain,
    }


class ProviderModelSerializer(strict.CheckedSerializer[ProviderModel]):
    """A model of one's own, or what differs of a catalogue model. ``provider`` and ``model_id`` are fixed."""

    capabilities = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(CAPABILITIES)), required=False, allow_null=True
    )

    fixed = ("provider", "model_id")

    class Meta:
        model = ProviderModel
        fields = ["id", "provider", "model_id", "enabled", *MODEL_COLUMNS]

    def validate_provider(self, provider: Provider) -> Provider:
        connections.check_open(registry.effective_of(provider))
        return provider


class ProviderModelViewSet(OfProvider):
    """Models the operator added, and overrides of the catalogue's models."""

    queryset = ProviderModel.objects.order_by("provider_id", "model_id")
    serializer_class = ProviderModelSerializer


# -- the live list ----------------------------------------------------------------------------------------------------
class LiveSerializer(strict.Serializer[Any]):
    """Over which connection the provider is asked; and, when models are taken over, which."""

    connection = serializers.PrimaryKeyRelatedField(queryset=Connection.objects.all())
    add = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, default=list, help_text="New ones to be added."
    )


class ListedSerializer(strict.Serializer[Any]):
    """A model on the provider's list, on ours, or on both."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=[importing.NEW, importing.KNOWN, importing.GONE])
    enabled = serializers.BooleanField(help_text="Here, now.")
    name = serializers.CharField(source="listed.name", default="")
    context = serializers.IntegerField(source="listed.context", default=None)  # type: ignore[assignment]
    max_output = serializers.IntegerField(source="listed.max_output", default=None)
    input_price = serializers.DecimalField(None, None, source="listed.input_price", default=None)
    output_price = serializers.DecimalField(None, None, source="listed.output_price", default=None)
