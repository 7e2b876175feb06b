"""Proxies in the management API, and what providers and connections say of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from providers import proxies, proxytest, strict
from providers.api.shared import METHODS, Conflict
from providers.models import Provider, Proxy


class ProxyReference(serializers.CharField):
    """What a provider or connection says of its proxy: a proxy's name, ``direct`` (through none), null (as the wider
    level says). A URL may be written as well; it becomes a proxy of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, allow_blank=True, max_length=2000, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        return instance

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return proxies.written(value)


class ProxyInForceSerializer(strict.Serializer[Any]):
    """How calls leave. ``level``: who said so, null: nobody did; ``name`` and ``address`` are null when direct."""

    level = serializers.ChoiceField(choices=list(proxies.Level), allow_null=True)
    name = serializers.CharField(allow_null=True)
    address = serializers.CharField(allow_null=True, help_text="host:port")


def described_way(way: proxies.Way) -> dict[str, Any]:
    """What ProxyInForceSerializer shows."""
    proxy = way.proxy
    return {"level": way.level, "name": proxy and proxy.name, "address": proxy and proxy.address}


class ProxySerializer(strict.ModelSerializer[Proxy]):
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


class TrialRequestSerializer(strict.Serializer[Any]):
    """Whom to ask through the proxy; by default a provider that goes through it."""

    provider = serializers.PrimaryKeyRelatedField(queryset=Provider.objects.all(), required=False, allow_null=True)


class TrialSerializer(strict.Serializer[Any]):
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
