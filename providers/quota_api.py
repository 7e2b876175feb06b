"""The management API's quotas: what is left of each account, read only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from providers import strict
from providers.models import QuotaWindow


class QuotaWindowSerializer(strict.ModelSerializer[QuotaWindow]):
    """One window of an account as last told. Figures the vendor does not give are null."""

    provider = serializers.CharField(source="connection.provider_id", read_only=True)
    plan = serializers.SerializerMethodField(help_text="Of the account; empty when nobody said.")

    class Meta:
        model = QuotaWindow
        fields = [
            "id", "connection", "provider", "plan", "window", "family", "used_percent", "used", "limit", "remaining",
            "unit", "unlimited", "uncertain", "resets_at", "measured_at", "source",
        ]  # fmt: skip

    def get_plan(self, row: QuotaWindow) -> str:
        state = getattr(row.connection, "quota_state", None)
        return state.plan if state else ""


class QuotaFilters(serializers.Serializer[Any]):
    provider = serializers.CharField(required=False)
    connection = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class QuotaViewSet(viewsets.ReadOnlyModelViewSet[QuotaWindow]):
    """What is left of each account; ``connections/{id}/quota/`` asks again."""

    queryset = QuotaWindow.objects.select_related("connection__quota_state").order_by("connection_id", "pk")
    serializer_class = QuotaWindowSerializer
    filters = QuotaFilters
    lookup_value_regex = "[0-9]+"

    @extend_schema(parameters=[QuotaFilters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action != "list":
            return queryset
        wanted = QuotaFilters(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        columns = {"provider": "connection__provider_id", "connection": "connection_id"}
        return queryset.filter(**{columns[name]: value for name, value in wanted.validated_data.items()})


class AskedSerializer(strict.Serializer[Any]):
    """What came of asking a vendor."""

    ok = serializers.BooleanField()
    message = serializers.CharField(help_text="Why there is no reading; empty when there is one.")
    windows = QuotaWindowSerializer(many=True)
