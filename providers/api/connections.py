"""Connections in the management API."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from providers import audit, bulk, connections, grants, opening, proxies, quotas, registry, strict
from providers.api.logins import GrantSerializer
from providers.api.proxies import ProxyInForceSerializer, ProxyReference, described_way
from providers.api.shared import Conflict, OfProvider, ProviderFilters
from providers.entry import Entry
from providers.models import Connection, Provider, Proxy, QuotaWindow
from providers.quota_api import AskedSerializer


class ConnectionSerializer(strict.ModelSerializer[Connection]):
    """A credential. ``secret`` is written and never shown; null or an empty text removes it.

    It is a key; for providers that want several values, the JSON text that ``docs/provider-credentials.md`` names.
    ``parameters`` are the provider's own: region, project, account …; they replace all earlier ones.
    """

    secret = serializers.CharField(write_only=True, required=False, allow_null=True, allow_blank=True, max_length=16384)
    parameters = serializers.DictField(child=serializers.CharField(max_length=200, allow_blank=True), required=False)
    proxy = ProxyReference()
    tags = serializers.ListField(
        child=serializers.CharField(max_length=30), required=False, help_text="Short words; stored small and sorted."
    )
    preamble = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=opening.LONGEST,
        help_text=f"An opening system text, of logins whose vendor wants one. {opening.WHAT}",
    )
    adds_preamble = serializers.BooleanField(
        required=False, help_text=f"Whether it is added for clients that do not send it. {opening.RISK}"
    )
    has_secret = serializers.SerializerMethodField()
    proxy_in_force = serializers.SerializerMethodField()
    login = serializers.SerializerMethodField(help_text="The vendor's login behind it; null: a key, or nothing yet.")
    problem = serializers.SerializerMethodField(help_text="Why the connection is not used; null when it is.")
    fixed = ("provider",)  # a secret stays with whom it was given for

    class Meta:
        model = Connection
        fields = [
            "id", "provider", "name", "secret", "has_secret", "parameters", "proxy", "proxy_in_force", "priority",
            *connections.PACE, "enabled", "team", "tags", "preamble", "adds_preamble", "login", "problem",
            "created_at", "tested_at", "test_ok", "test_message", "test_latency_ms", "testing_since",
        ]  # fmt: skip
        read_only_fields = ["testing_since", "tested_at", "test_ok", "test_message", "test_latency_ms"]
        validators: list[Any] = []  # the service says whether the name is free

    def get_has_secret(self, row: Connection) -> bool:
        return bool(row.secret)

    @extend_schema_field(ProxyInForceSerializer)
    def get_proxy_in_force(self, row: Connection) -> dict[str, Any]:
        return described_way(proxies.way_of(row, self.context["view"].everywhere))

    @extend_schema_field(GrantSerializer(allow_null=True))
    def get_login(self, row: Connection) -> dict[str, Any] | None:
        grant = grants.grant_of(row)
        return GrantSerializer(grant).data if grant else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_problem(self, row: Connection) -> str | None:
        entry = self.context["view"].entries.get(row.provider_id)
        if entry is None:
            return "Its provider cannot be used."
        return connections.usable_reason(row, entry, proxies.way_of(row, self.context["view"].everywhere))


class ProbeSerializer(strict.Serializer[Any]):
    """How a test went."""

    ok = serializers.BooleanField()
    message = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    models = serializers.ListField(child=serializers.CharField(), help_text="What the provider lists.")


class BulkKeySerializer(strict.Serializer[Any]):
    """One key."""

    name = serializers.CharField(max_length=100, required=False, default="", help_text="Empty: any that is free.")
    secret = serializers.CharField(write_only=True, max_length=8192)


class BulkSerializer(strict.Serializer[Any]):
    """Keys of one provider, and what holds for all of them."""

    provider = serializers.PrimaryKeyRelatedField(queryset=Provider.objects.all())
    keys = BulkKeySerializer(many=True, allow_empty=False)
    priority = serializers.IntegerField(min_value=0, max_value=2_147_483_647, required=False)
    enabled = serializers.BooleanField(required=False)
    team = serializers.PrimaryKeyRelatedField(
        queryset=apps.get_model("accounts.Team")._default_manager.all(), required=False, allow_null=True
    )
    tags = serializers.ListField(child=serializers.CharField(max_length=30), required=False)
    parameters = serializers.DictField(child=serializers.CharField(max_length=200), required=False)
    proxy = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=170, help_text="A proxy's name, or direct."
    )


class BulkOutcomeSerializer(strict.Serializer[Any]):
    """What became of one key."""

    number = serializers.IntegerField(help_text="Its place among the keys given, from 1.")
    connection = serializers.IntegerField(source="connection.pk", default=None, help_text="The one added.")
    why = serializers.CharField(help_text="Why there is none.")


class TestsSerializer(strict.Serializer[Any]):
    """Which connections are tested: these, else all of a provider, else all."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), required=False, allow_empty=False
    )
    provider = serializers.PrimaryKeyRelatedField(queryset=Provider.objects.all(), required=False)

    def rows(self) -> QuerySet[Connection]:
        """The connections that are meant. Raises ValidationError for an id that is none of them."""
        rows, said = Connection.objects.all(), self.validated_data
        if "provider" in said:
            rows = rows.filter(provider=said["provider"])
        if "ids" in said:
            rows = rows.filter(pk__in=said["ids"])
            if unknown := sorted(set(said["ids"]) - set(rows.values_list("pk", flat=True))):
                where = f" of {said['provider'].pk}" if "provider" in said else ""
                raise serializers.ValidationError({"ids": [f"There is no connection {unknown[0]}{where}."]})
        return rows


class TestedSerializer(strict.Serializer[Any]):
    """How many tests are under way. Results come in with the connections: ``tested_at`` and what is beside it."""

    testing = serializers.IntegerField()


class ConnectionFilters(ProviderFilters):
    """What narrows the list of connections."""

    team = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    tag = serializers.CharField(required=False)
    enabled = serializers.BooleanField(required=False, allow_null=True, default=None)


class ConnectionViewSet(OfProvider):
    """Connections: one credential of one provider each."""

    queryset = Connection.objects.select_related("provider__proxy", "proxy", "grant")
    serializer_class = ConnectionSerializer
    filters = ConnectionFilters

    @extend_schema(parameters=[ConnectionFilters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def narrowed(self, queryset: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
        if tag := wanted.pop("tag", ""):
            queryset = connections.tagged(queryset, tag)
        if wanted.get("enabled") is None:
            wanted.pop("enabled", None)
        return super().narrowed(queryset, wanted)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return registry.effective_all()

    @cached_property
    def everywhere(self) -> Proxy | None:
        return proxies.everywhere()

    def perform_create(self, serializer: Any) -> None:
        data = dict(serializer.validated_data)
        adds = data.get("adds_preamble", False)
        serializer.instance = connections.add(data.pop("provider"), data.pop("name"), data.pop("secret", None), **data)
        if adds:
            audit.note(self.request.user, serializer.instance, opening.told(adds))

    @transaction.atomic
    def perform_update(self, serializer: Any) -> None:
        row, data = serializer.instance, dict(serializer.validated_data)
        if "tags" in data:
            data["tags"] = connections.check_tags(data["tags"])
        if "proxy" in data:
            connections.set_proxy(row, data.pop("proxy"))
        if "parameters" in data:
            connections.set_parameters(row, data.pop("parameters"))
        secret = [data.pop("secret")] if "secret" in data else []
        added = row.adds_preamble
        for name, value in data.items():
            setattr(row, name, value)
        connections.check_opening(row)
        row.full_clean(exclude=["secret"])
        row.save()
        if row.adds_preamble is not added:
            audit.note(self.request.user, row, opening.told(row.adds_preamble))
        for text in secret:
            connections.set_secret(row, text)

    @extend_schema(request=None, responses=ProbeSerializer)
    @action(detail=True, methods=["post"], serializer_class=strict.Nothing)
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Ask the provider whether the credential works. The answer is 200 whatever the provider said."""
        return Response(ProbeSerializer(connections.test(self.get_object())).data, status=status.HTTP_200_OK)

    @extend_schema(request=None, responses=AskedSerializer)
    @action(detail=True, methods=["post"], serializer_class=strict.Nothing)
    def quota(self, request: Request, pk: str | None = None) -> Response:
        """Ask the vendor what is left. The answer is 200 whatever the vendor said."""
        row = self.get_object()
        asked = quotas.refresh(row)
        windows = QuotaWindow.objects.filter(connection=row).select_related("connection__quota_state")
        shown = {"ok": asked.reading is not None, "message": asked.message, "windows": windows}
        return Response(AskedSerializer(shown).data)

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"], serializer_class=strict.Nothing)
    def renew(self, request: Request, pk: str | None = None) -> Response:
        """Renew the token of the login behind it now."""
        row = self.get_object()
        grant = grants.grant_of(row)
        if grant is None:
            raise Conflict("The connection has no login.")
        try:
            grants.refresh(grant.pk)
        except grants.NotRenewed as wrong:
            raise Conflict(str(wrong)) from None
        return Response(ConnectionSerializer(self.get_object(), context=self.get_serializer_context()).data)

    @extend_schema(request=BulkSerializer, responses={201: BulkOutcomeSerializer(many=True)})
    @action(detail=False, methods=["post"], serializer_class=BulkSerializer, pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Add many keys; each by itself, so a bad one takes no other along. Keys that are there are recognised."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = dict(asked.validated_data)
        keys = [bulk.Key(each["secret"], each["name"]) for each in said.pop("keys")]
        outcomes = bulk.add_many(said.pop("provider"), keys, **said)
        shown: Any = outcomes
        return Response(BulkOutcomeSerializer(shown, many=True).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="connections_test_many", request=TestsSerializer, responses={202: TestedSerializer})
    @action(detail=False, methods=["post"], url_path="test", url_name="test-many", serializer_class=TestsSerializer)
    def test_many(self, request: Request) -> Response:
        """Test many in the background."""
        asked = TestsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response({"testing": connections.test_soon(asked.rows())}, status=status.HTTP_202_ACCEPTED)
