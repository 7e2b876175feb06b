"""The management API's providers, their models and connections. Who may use it is said where it is put together."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from providers import connections, proxies, proxytest, quotas, registry
from providers.entry import CAPABILITIES, FORMATS, TIERS, Entry, Model, Price
from providers.models import Connection, Provider, ProviderModel, Proxy, QuotaWindow
from providers.prices import price_of
from providers.quota_api import AskedSerializer, QuotaViewSet

METHODS = ["get", "post", "patch", "delete", "head", "options"]
OVERRIDES = (
    "name", "alias", "format", "base_url", "allow_private_network", "tier", "operations", "any_model",
)  # fmt: skip
PER_MILLION = "USD per million tokens; null: not known."


class Conflict(APIException):
    """What was asked for does not fit what is there."""

    status_code = 409


class ProxyReference(serializers.CharField):
    """What a provider or connection says of its proxy: a proxy's name, ``direct`` (through none), null (as the wider
    level says). A URL may be written as well; it becomes a proxy of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, allow_blank=True, max_length=2000, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        return instance

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return proxies.written(value)


class ProxyInForceSerializer(serializers.Serializer[Any]):
    """How calls leave. ``level``: who said so, null: nobody did; ``name`` and ``address`` are null when direct."""

    level = serializers.ChoiceField(choices=list(proxies.Level), allow_null=True)
    name = serializers.CharField(allow_null=True)
    address = serializers.CharField(allow_null=True, help_text="host:port")


def described_way(way: proxies.Way) -> dict[str, Any]:
    """What ProxyInForceSerializer shows."""
    proxy = way.proxy
    return {"level": way.level, "name": proxy and proxy.name, "address": proxy and proxy.address}


# -- providers --------------------------------------------------------------------------------------------------------
class ProviderSerializer(serializers.ModelSerializer[Provider]):
    """Shown as in force: the catalogue's values where nothing is ``overridden``. Writing a field overrides it; an
    empty text, no operations, and null for a switch go back to the catalogue's."""

    format = serializers.ChoiceField(choices=FORMATS, required=False, allow_blank=True)
    tier = serializers.ChoiceField(choices=TIERS, required=False, allow_blank=True)
    operations = serializers.DictField(child=serializers.CharField(max_length=200), required=False)
    proxy = ProxyReference()
    overridden = serializers.SerializerMethodField(help_text="Fields the operator has set.")
    problem = serializers.SerializerMethodField(help_text="Why the provider cannot be used; null when it can.")

    class Meta:
        model = Provider
        fields = ["id", "custom", "enabled", *OVERRIDES, "transport", "proxy", "overridden", "problem"]
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
        return [name for name in OVERRIDES if getattr(row, name) not in ("", None, {})]

    def get_problem(self, row: Provider) -> str | None:
        found = in_force(row)
        return found if isinstance(found, str) else None

    def to_representation(self, row: Provider) -> dict[str, Any]:
        shown = super().to_representation(row)
        entry = in_force(row)
        if isinstance(entry, Entry):
            shown |= {name: getattr(entry, name) for name in OVERRIDES} | {"operations": dict(entry.operations)}
        return shown


def in_force(row: Provider) -> Entry | str:
    """The provider's entry, or the sentence that says why there is none."""
    try:
        return registry.effective_of(row)
    except registry.BadProvider as wrong:
        return str(wrong)


class EffectiveModelSerializer(serializers.Serializer[Any]):
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
    price_source = serializers.CharField(help_text="Where the prices come from; empty: there are none.")
    shutdown = serializers.DateField(allow_null=True, help_text="The announced last day.")


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
        "input_price": price.input,
        "output_price": price.output,
        "cache_read_price": price.cache_read,
        "cache_write_price": price.cache_write,
        "price_source": price.source,
        "shutdown": model.shutdown,
    }


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


class ProviderModelSerializer(serializers.ModelSerializer[ProviderModel]):
    """A model of one's own, or what differs of a catalogue model. ``provider`` and ``model_id`` are fixed."""

    capabilities = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(CAPABILITIES)), required=False, allow_null=True
    )

    class Meta:
        model = ProviderModel
        fields = [
            "id", "provider", "model_id", "enabled", "input_price", "output_price", "cache_read_price",
            "cache_write_price", "context", "max_output", "capabilities",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.instance is not None:
            fields["provider"].read_only = fields["model_id"].read_only = True
        return fields

    def get_validators(self) -> list[Any]:
        return [] if self.instance is not None else super().get_validators()


class ProviderFilters(serializers.Serializer[Any]):
    provider = serializers.CharField(required=False)


class _OfProvider(viewsets.ModelViewSet[Any]):
    """Rows that belong to a provider: ``?provider=`` narrows the list."""

    http_method_names = METHODS
    filters = ProviderFilters
    lookup_value_regex = "[0-9]+"

    @extend_schema(parameters=[ProviderFilters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action != "list":
            return queryset
        wanted = ProviderFilters(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        return queryset.filter(**{f"{name}_id": value for name, value in wanted.validated_data.items()})


class ProviderModelViewSet(_OfProvider):
    """Models the operator added, and overrides of the catalogue's models."""

    queryset = ProviderModel.objects.order_by("provider_id", "model_id")
    serializer_class = ProviderModelSerializer


# -- connections ------------------------------------------------------------------------------------------------------
class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    """A credential. ``secret`` is written and never shown; null or an empty text removes it."""

    name = serializers.CharField(max_length=100)
    priority = serializers.IntegerField(min_value=0, max_value=2_147_483_647, required=False)
    secret = serializers.CharField(write_only=True, required=False, allow_null=True, allow_blank=True, max_length=8192)
    proxy = ProxyReference()
    has_secret = serializers.SerializerMethodField()
    proxy_in_force = serializers.SerializerMethodField()
    problem = serializers.SerializerMethodField(help_text="Why the connection is not used; null when it is.")

    class Meta:
        model = Connection
        fields = [
            "id", "provider", "name", "secret", "has_secret", "proxy", "proxy_in_force", "priority", "enabled",
            "problem", "created_at", "tested_at", "test_ok", "test_message", "test_latency_ms",
        ]  # fmt: skip
        read_only_fields = ["tested_at", "test_ok", "test_message", "test_latency_ms"]
        validators: list[Any] = []  # the service says whether the name is free

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.instance is not None:
            fields["provider"].read_only = True  # a secret stays with whom it was given for
        return fields

    def get_has_secret(self, row: Connection) -> bool:
        return bool(row.secret)

    @extend_schema_field(ProxyInForceSerializer)
    def get_proxy_in_force(self, row: Connection) -> dict[str, Any]:
        return described_way(proxies.way_of(row, self.context["view"].everywhere))

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_problem(self, row: Connection) -> str | None:
        entry = self.context["view"].entries.get(row.provider_id)
        if entry is None:
            return "Its provider cannot be used."
        return connections.usable_reason(row, entry, proxies.way_of(row, self.context["view"].everywhere))


class ProbeSerializer(serializers.Serializer[Any]):
    """How a test went."""

    ok = serializers.BooleanField()
    message = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    models = serializers.ListField(child=serializers.CharField(), help_text="What the provider lists.")


class ConnectionViewSet(_OfProvider):
    """Connections: one credential of one provider each."""

    queryset = Connection.objects.select_related("provider__proxy", "proxy")
    serializer_class = ConnectionSerializer

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return registry.effective_all()

    @cached_property
    def everywhere(self) -> Proxy | None:
        return proxies.everywhere()

    def perform_create(self, serializer: Any) -> None:
        data = dict(serializer.validated_data)
        serializer.instance = connections.add(data.pop("provider"), data.pop("name"), data.pop("secret", None), **data)

    @transaction.atomic
    def perform_update(self, serializer: Any) -> None:
        row, data = serializer.instance, dict(serializer.validated_data)
        if "proxy" in data:
            connections.set_proxy(row, data.pop("proxy"))
        secret = [data.pop("secret")] if "secret" in data else []
        for name, value in data.items():
            setattr(row, name, value)
        row.validate_constraints()
        row.save()
        for text in secret:
            connections.set_secret(row, text)

    @extend_schema(request=None, responses=ProbeSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Ask the provider whether the credential works. The answer is 200 whatever the provider said."""
        return Response(ProbeSerializer(connections.test(self.get_object())).data, status=status.HTTP_200_OK)

    @extend_schema(request=None, responses=AskedSerializer)
    @action(detail=True, methods=["post"])
    def quota(self, request: Request, pk: str | None = None) -> Response:
        """Ask the vendor what is left. The answer is 200 whatever the vendor said."""
        row = self.get_object()
        asked = quotas.refresh(row)
        windows = QuotaWindow.objects.filter(connection=row).select_related("connection__quota_state")
        shown = {"ok": asked.reading is not None, "message": asked.message, "windows": windows}
        return Response(AskedSerializer(shown).data)


# -- proxies ----------------------------------------------------------------------------------------------------------
class ProxySerializer(serializers.ModelSerializer[Proxy]):
    """A way out. ``url`` is written and never shown; ``address`` is what of it may be."""

    url = serializers.CharField(write_only=True, required=False, max_length=2000)
    is_global = serializers.BooleanField(required=False, help_text="Takes that place from another.")

    class Meta:
        model = Proxy
        fields = [
            "id", "name", "url", "scheme", "address", "enabled", "is_global", "note",
            "tested_at", "test_ok", "test_message", "test_latency_ms", "exit_address",
        ]  # fmt: skip
        read_only_fields = [
            "scheme", "address", "tested_at", "test_ok", "test_message", "test_latency_ms", "exit_address",
        ]  # fmt: skip
        validators: list[Any] = []  # a global one takes the place of another


class TrialRequestSerializer(serializers.Serializer[Any]):
    """Whom to ask through the proxy; by default a provider that goes through it."""

    provider = serializers.PrimaryKeyRelatedField(queryset=Provider.objects.all(), required=False, allow_null=True)


class TrialSerializer(serializers.Serializer[Any]):
    """How a test of a proxy went."""

    ok = serializers.BooleanField()
    message = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    exit_address = serializers.CharField(allow_null=True, help_text="What the world sees; null: nobody could say.")
    provider = serializers.CharField(help_text="Who was asked; empty: nobody.")


class ProxyViewSet(viewsets.ModelViewSet[Proxy]):
    """Proxies. Calls leave through the connection's, else the provider's, else the global one."""

    queryset = Proxy.objects.all()
    serializer_class = ProxySerializer
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = Proxy()
        self.perform_update(serializer)

    def perform_update(self, serializer: Any) -> None:
        row, data = serializer.instance, dict(serializer.validated_data)
        url = data.pop("url", None)
        for name, value in data.items():
            setattr(row, name, value)
        proxies.save(row, url)

    def perform_destroy(self, instance: Proxy) -> None:
        if instance.connections.exists() or instance.providers.exists():
            raise Conflict("Providers or connections go through this proxy; give them another way first.")
        instance.delete()

    @extend_schema(request=TrialRequestSerializer, responses=TrialSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Call a provider through the proxy. The answer is 200 whatever came of it."""
        asked = TrialRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        trial = proxytest.try_out(self.get_object(), asked.validated_data.get("provider"))
        return Response(TrialSerializer(trial).data, status=status.HTTP_200_OK)


routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("providers", ProviderViewSet),
    ("provider-models", ProviderModelViewSet),
    ("connections", ConnectionViewSet),
    ("proxies", ProxyViewSet),
    ("quotas", QuotaViewSet),
]
