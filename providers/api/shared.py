"""What the view sets below a provider share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from providers import proxies

METHODS = ["get", "post", "patch", "delete", "head", "options"]


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


class ProviderFilters(serializers.Serializer[Any]):
    provider = serializers.CharField(required=False)


class OfProvider(viewsets.ModelViewSet[Any]):
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
