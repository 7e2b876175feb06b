"""The gateway's switches, and what is held against providers and connections."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SiteAdministrator
from providers import strict
from routing import health
from routing.models import LONGEST_NOTICE, GatewaySettings, HealthState
from routing.snapshot import Switches


class SettingsSerializer(strict.ModelSerializer[GatewaySettings]):
    class Meta:
        model = GatewaySettings
        fields = [*Switches.__dataclass_fields__, "address_mode", "ledger_days", "notice"]
        extra_kwargs: dict[str, Any] = {"notice": {"max_length": LONGEST_NOTICE}}


class SettingsViewSet(mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[GatewaySettings]):
    """The gateway's switches."""

    singleton = True
    queryset = GatewaySettings.objects.all()
    serializer_class = SettingsSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = ["get", "patch", "head", "options"]

    def get_object(self) -> GatewaySettings:
        return GatewaySettings.load()


class HealthSerializer(strict.ModelSerializer[HealthState]):
    """What is held against a provider (``subject`` is its id) or a connection (``#`` and its id)."""

    class Meta:
        model = HealthState
        fields = ["key", "what", "subject", "model", "kind", "level", "until", "words", "at"]


class ResetSerializer(strict.Serializer[Any]):
    """``keys``: which to lift; without it, all."""

    keys = serializers.ListField(child=serializers.CharField(max_length=300), required=False, allow_empty=False)
    lifted = serializers.IntegerField(read_only=True)


class HealthViewSet(viewsets.GenericViewSet[HealthState]):
    """Rests and open circuit breakers of all web processes."""

    queryset = HealthState.objects.all()
    serializer_class = HealthSerializer
    permission_classes = [SiteAdministrator]
    pagination_class = None

    @extend_schema(responses=HealthSerializer(many=True))
    def list(self, request: Request) -> Response:
        """What holds now, the longest first."""
        return Response(HealthSerializer(health.held(), many=True).data)

    @extend_schema(request=ResetSerializer, responses=ResetSerializer)
    @action(detail=False, methods=["post"])
    def reset(self, request: Request) -> Response:
        """Lift some of it, or all; every process follows within a second."""
        asked = ResetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response({"lifted": health.reset(asked.validated_data.get("keys"))})
