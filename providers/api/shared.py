"""What the view sets below a provider share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

METHODS = ["get", "post", "patch", "delete", "head", "options"]


class Conflict(APIException):
    """What was asked for does not fit what is there."""

    status_code = 409


class ProviderFilters(serializers.Serializer[Any]):
    provider = serializers.CharField(required=False)


class OfProvider(viewsets.ModelViewSet[Any]):
    """Rows that belong to a provider: ``?provider=`` narrows the list."""

    http_method_names = METHODS
    filters: type[ProviderFilters] = ProviderFilters
    lookup_value_regex = "[0-9]+"

    @extend_schema(parameters=[ProviderFilters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action != "list":
            return queryset
        wanted = self.filters(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        return self.narrowed(queryset, dict(wanted.validated_data))

    def narrowed(self, queryset: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
        """The rows that fit the filters given."""
        return queryset.filter(**{("provider_id" if name == "provider" else name): v for name, v in wanted.items()})
