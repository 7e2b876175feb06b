"""Connections in the management API."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from providers import connections, proxies, quotas, registry
from providers.api.shared import OfProvider, ProxyInForceSerializer, ProxyReference, described_way
from providers.entry import Entry
from providers.models import Connection, Proxy, QuotaWindow
from providers.quota_api import AskedSerializer


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    """A credential. ``secret`` is written and never shown; null or an empty text removes it.

    It is a key; for providers that want several values, the JSON text that ``docs/provider-credentials.md`` names.
    ``parameters`` are the provider's own: region, project, account …; they replace all earlier ones.
    """

    name = serializers.CharField(max_length=100)
    priority = serializers.IntegerField(min_value=0, max_value=2_147_483_647, required=False)
    secret = serializers.CharField(write_only=True, required=False, allow_null=True, allow_blank=True, max_length=16384)
    parameters = serializers.DictField(child=serializers.CharField(max_length=200, allow_blank=True), required=False)
    proxy = ProxyReference()
    has_secret = serializers.SerializerMethodField()
    proxy_in_force = serializers.SerializerMethodField()
    problem = serializers.SerializerMethodField(help_text="Why the connection is not used; null when it is.")

    class Meta:
        model = Connection
        fields = [
            "id", "provider", "name", "secret", "has_secret", "parameters", "proxy", "proxy_in_force",
            "priority", "enabled",
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


class ConnectionViewSet(OfProvider):
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
        if "parameters" in data:
            connections.set_parameters(row, data.pop("parameters"))
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
