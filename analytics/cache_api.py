"""The caches in the management API: how full, what they saved; flushed as a whole, by key, by model."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SiteAdministrator
from analytics.models import UsageRecord
from analytics.savings import Savings, savings
from providers import strict
from routing import caching
from routing.models import ApiKey


class SavingsSerializer(strict.Serializer[Savings]):
    """Counts of the last ``days``; ``entries`` and ``bytes`` now, of this process or (``where``: redis) of all."""

    where = serializers.CharField(source="fill.where")
    away = serializers.BooleanField(source="fill.away")
    entries = serializers.IntegerField(source="fill.entries")
    bytes = serializers.IntegerField(source="fill.bytes")
    days = serializers.IntegerField()
    hits = serializers.IntegerField()
    semantic = serializers.IntegerField()
    repeated = serializers.IntegerField()
    misses = serializers.IntegerField()
    tokens_saved = serializers.IntegerField()
    usd_saved = serializers.DecimalField(max_digits=30, decimal_places=10)


class FlushSerializer(strict.Serializer[Any]):
    """``key`` (id of a client key) or ``model`` (as clients ask for it); neither: everything."""

    key = serializers.PrimaryKeyRelatedField(queryset=ApiKey.objects.all(), required=False)
    model = serializers.CharField(max_length=260, required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if len(data) > 1:
            raise serializers.ValidationError("Give a key or a model, not both.")
        return data


class CacheViewSet(viewsets.GenericViewSet[Any]):
    """Kept answers."""

    serializer_class = SavingsSerializer
    permission_classes = [SiteAdministrator]
    queryset = UsageRecord.objects.none()
    pagination_class = None

    @extend_schema(responses=SavingsSerializer)
    def list(self, request: Request) -> Response:
        """How full, and what was saved."""
        return Response(SavingsSerializer(savings()).data)

    @extend_schema(request=FlushSerializer, responses={204: None})
    @action(detail=False, methods=["post"], serializer_class=FlushSerializer)
    def flush(self, request: Request) -> Response:
        """Forget answers; every process follows within a second."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        key = asked.validated_data.get("key")
        caching.flush(key=key.pk if key is not None else None, model=asked.validated_data.get("model", ""))
        return Response(status=204)
