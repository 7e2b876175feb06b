"""Providers in the management API."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from providers import connections, importing, overrides, proxies, registry, strict
from providers.api.models import EffectiveModelSerializer, ListedSerializer, LiveSerializer, described
from providers.api.proxies import ProxyReference
from providers.api.shared import METHODS, Conflict
from providers.choosing import Strategy
from providers.entry import FORMATS, TIERS, Entry, Quota
from providers.models import Provider
from providers.probe import NoList

OVERRIDES = tuple(name for name in overrides.COLUMNS if name != "transport")


class QuotaSerializer(strict.Serializer[Quota]):
    """One limit of an account in the vendor's words; what is left of it is at ``quotas/``."""

    window = serializers.CharField()
    kind = serializers.CharField()
    limit = serializers.CharField()
    resets = serializers.CharField()
    uncertain = serializers.BooleanField()


class FactsSerializer(strict.Serializer[Entry]):
    """What is known of the provider and cannot be set here."""

    ended = serializers.DateField(allow_null=True, help_text="The vendor's last day; then nothing connects to it.")
    terms_risk = serializers.CharField(help_text="What the vendor's terms say against use from here.")
    uncertain = serializers.SerializerMethodField(help_text="Fields to check before relying on them.")
    quota = QuotaSerializer(many=True)
    plans = serializers.DictField(child=serializers.DecimalField(None, None), help_text="USD a month.")
    notes = serializers.CharField()
    website = serializers.CharField()
    login = serializers.CharField(help_text="The vendor's login that makes its connections; empty: keys only.")

    def get_uncertain(self, entry: Entry) -> list[str]:
        return sorted(set(entry.uncertain) - set(self.context.get("said", ())))


class ProviderSerializer(strict.ModelSerializer[Provider]):
    """Shown as in force: the catalogue's values where nothing is ``overridden``. Writing a field overrides it; an
    empty text, no operations, and null for a switch go back to the catalogue's."""

    format = serializers.ChoiceField(choices=FORMATS, required=False, allow_blank=True)
    tier = serializers.ChoiceField(choices=TIERS, required=False, allow_blank=True)
    operations = serializers.DictField(child=serializers.CharField(max_length=200), required=False)
    strategy = serializers.ChoiceField(choices=Strategy.values, required=False, allow_blank=True)
    proxy = ProxyReference()
    overrides = serializers.JSONField(
        required=False, help_text="What else differs, in the words of a catalogue file; each key replaces a value."
    )
    overridden = serializers.SerializerMethodField(help_text="Fields the operator has set.")
    base_urls = serializers.SerializerMethodField(
        help_text="The base URLs that the vendor has, the catalogue's usual one first: regions, plans. None if custom."
    )
    problem = serializers.SerializerMethodField(help_text="Why the provider cannot be used; null when it can.")
    facts = serializers.SerializerMethodField(help_text="Null where there is no entry in force.")

    class Meta:
        model = Provider
        fields = [
            "id", "custom", "enabled", *OVERRIDES, "transport", "strategy", "overrides", "proxy", "overridden",
            "base_urls", "problem", "facts",
        ]  # fmt: skip
        read_only_fields = ["custom"]
        extra_kwargs: dict[str, Any] = {
            "alias": {"validators": []}
        }  # the registry knows every prefix, not this table alone

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["id"].validators = [each for each in fields["id"].validators if not hasattr(each, "queryset")]
        if self.instance is not None:
            fields["id"].read_only = True
        return fields

    def get_overridden(self, row: Provider) -> list[str]:
        return list(overrides.said(row))

    def get_base_urls(self, row: Provider) -> list[str]:
        return list(registry.addresses_of(row))

    def get_problem(self, row: Provider) -> str | None:
        found = in_force(row)
        if isinstance(found, str):
            return found
        return connections.ended(found) if found.ended else None

    @extend_schema_field(FactsSerializer(allow_null=True))
    def get_facts(self, row: Provider) -> dict[str, Any] | None:
        found = in_force(row)
        return None if isinstance(found, str) else FactsSerializer(found, context={"said": overrides.said(row)}).data

    def to_representation(self, row: Provider) -> dict[str, Any]:
        shown = super().to_representation(row)
        entry = in_force(row)
        if isinstance(entry, Entry):
            shown |= {name: getattr(entry, name) for name in OVERRIDES} | {"operations": dict(entry.operations)}
        return shown


class OverrideResetSerializer(strict.Serializer[Any]):
    """Which fields go back to the catalogue's; none named: all of them."""

    names = serializers.ListField(
        child=serializers.ChoiceField(choices=[*overrides.COLUMNS, *overrides.WORDS]), required=False, allow_empty=False
    )


def in_force(row: Provider) -> Entry | str:
    """The provider's entry, or the sentence that says why there is none."""
    try:
        return registry.effective_of(row)
    except registry.BadProvider as wrong:
        return str(wrong)


class ProviderViewSet(viewsets.ModelViewSet[Provider]):
    """Providers: the catalogue's, which can be switched off and overridden, and custom ones."""

    queryset = Provider.objects.select_related("proxy").prefetch_related("models")
    serializer_class = ProviderSerializer
    http_method_names = METHODS
    lookup_value_regex = "[a-z0-9][a-z0-9._-]*"

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = Provider(custom=True, format="openai_chat")
        self.perform_update(serializer)

    @transaction.atomic
    def perform_update(self, serializer: Any) -> None:
        row, data = serializer.instance, dict(serializer.validated_data)
        if "proxy" in data:
            proxies.choose(row, data.pop("proxy"))
        for name, value in data.items():
            setattr(row, name, value)
        registry.save_provider(row)

    def perform_destroy(self, instance: Provider) -> None:
        if not instance.custom:
            raise Conflict("A provider of the catalogue cannot be deleted; set enabled to false.")
        instance.delete()

    @extend_schema(request=OverrideResetSerializer, responses=ProviderSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str | None = None) -> Response:
        """Take overridden fields back to what the catalogue says; without ``names``, all of them."""
        row = self.get_object()
        if row.custom:
            raise Conflict("A custom provider is all its own; there is nothing to go back to.")
        wanted = OverrideResetSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        registry.reset(row, wanted.validated_data.get("names", ()))
        return Response(self.get_serializer(row).data)

    @extend_schema(responses=EffectiveModelSerializer(many=True))
    @action(detail=True)
    def models(self, request: Request, pk: str | None = None) -> Response:
        """The provider's models as they are in force, catalogue and own ones."""
        entry = in_force(self.get_object())
        if isinstance(entry, str):
            raise Conflict(entry)
        models: Any = [described(entry, entry.models[name]) for name in sorted(entry.models)]
        shown = EffectiveModelSerializer(self.paginate_queryset(models) or (), many=True)
        return self.get_paginated_response(shown.data)

    @extend_schema(request=LiveSerializer, responses=ListedSerializer(many=True))
    @action(
        detail=True, methods=["post"], url_path="models/import", serializer_class=LiveSerializer, pagination_class=None
    )
    def import_models(self, request: Request, pk: str | None = None) -> Response:
        """Ask the provider for its models, add those named by ``add``, and tell how its list and ours compare then."""
        row = self.get_object()
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        connection, add = asked.validated_data["connection"], asked.validated_data["add"]
        if connection.provider_id != row.pk:
            raise serializers.ValidationError({"connection": ["This is a connection of another provider."]})
        entry = in_force(row)
        if isinstance(entry, str):
            raise Conflict(entry)
        try:
            listed = importing.live(connection)
        except NoList as wrong:
            raise Conflict(str(wrong)) from None
        if importing.take_over(row, entry, listed, add):
            entry = registry.effective_of(Provider.objects.get(pk=row.pk))
        compared: Any = importing.compare(entry, listed)
        return Response(ListedSerializer(compared, many=True).data)
