"""The management API's request log: read only, newest first, paged without counting."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SignedIn, SiteAdministrator
from analytics import reports
from analytics.budget_api import BudgetViewSet
from analytics.cache_api import CacheViewSet
from analytics.combos import figures
from analytics.ledger_api import LedgerViewSet
from analytics.models import Result, UsageRecord
from providers import strict
from routing.models import Combo


class NewestFirst(CursorPagination):
    """Pages by cursor: nothing is counted, and nothing is seen twice while requests come in."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500


class RequestSerializer(strict.ModelSerializer[UsageRecord]):
    """``cost_usd`` is by the model's prices, ``charged_usd`` what was charged of it: nothing where ``flat_rate``."""

    charged_usd = serializers.DecimalField(max_digits=18, decimal_places=10, read_only=True, allow_null=True)

    class Meta:
        model = UsageRecord
        exclude = ["id"]


class RequestFilters(serializers.Serializer[Any]):
    """What narrows the list. ``model``: as asked for or as answered; ``since`` and ``until``: when it began."""

    result = serializers.ChoiceField(choices=Result.choices, required=False)
    provider = serializers.CharField(max_length=60, required=False)
    model = serializers.CharField(max_length=260, required=False)
    key = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False, help_text="A client key's id.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def condition(self) -> Q:
        """The filters as a query. Raises ValidationError."""
        self.is_valid(raise_exception=True)
        given: dict[str, Any] = self.validated_data
        names = {
            "result": "result",
            "provider": "provider",
            "key": "key_id",
            "since": "started_at__gte",
            "until": "started_at__lt",
        }
        found = Q(**{column: given[name] for name, column in names.items() if name in given})
        return found & (Q(model=given["model"]) | Q(requested_model=given["model"])) if "model" in given else found


class RequestViewSet(viewsets.ReadOnlyModelViewSet[UsageRecord]):
    """Requests of clients. People see those of their own keys, owners those of their teams, administrators all."""

    queryset = UsageRecord.objects.none()
    serializer_class = RequestSerializer
    permission_classes = [SignedIn]
    pagination_class = NewestFirst
    filters = RequestFilters
    lookup_field = "request_id"
    lookup_value_regex = "[A-Za-z0-9._:-]+"

    def get_queryset(self) -> QuerySet[UsageRecord]:
        if getattr(self, "swagger_fake_view", False):  # the schema is drawn without anybody asking
            return super().get_queryset()
        return reports.visible_to(self.request.user)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action != "list":
            return queryset
        return queryset.filter(RequestFilters(data=self.request.query_params).condition())

    @extend_schema(parameters=[RequestFilters])
    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """The request log, newest first. ``next`` is the address of the page with older ones."""
        return super().list(request, *args, **kwargs)


class StepFiguresSerializer(strict.Serializer[Any]):
    """One step. ``requests`` are attempts; times are medians in milliseconds, ``success_rate`` percent, cost USD;
    ``notional`` is what flat-rate use would have cost."""

    step = serializers.CharField()
    current = serializers.BooleanField()
    requests = serializers.IntegerField()
    answered = serializers.IntegerField()
    failed = serializers.IntegerField()
    fallbacks = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    first_byte_ms = serializers.IntegerField(allow_null=True)
    tokens = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    notional = serializers.DecimalField(max_digits=20, decimal_places=10)


class ComboFiguresSerializer(strict.Serializer[Any]):
    """``requests`` that the figures are of; ``bounded`` when there are more in the window than are read."""

    requests = serializers.IntegerField()
    answered = serializers.IntegerField()
    bounded = serializers.BooleanField()
    steps = StepFiguresSerializer(many=True)


class FiguresFilters(serializers.Serializer[Any]):
    hours = serializers.IntegerField(min_value=1, max_value=24 * 7, default=24)


class ComboFiguresViewSet(viewsets.GenericViewSet[Combo]):
    """What the steps of a combo did, over everybody's requests, by the combo's id."""

    queryset = Combo.objects.prefetch_related("steps")
    serializer_class = ComboFiguresSerializer
    permission_classes = [SiteAdministrator]
    filters = FiguresFilters
    lookup_value_regex = "[0-9]+"

    @extend_schema(parameters=[FiguresFilters])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The last ``hours``, a week at most."""
        asked = FiguresFilters(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(self.get_serializer(figures(self.get_object(), asked.validated_data["hours"])).data)


routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("requests", RequestViewSet),
    ("combo-figures", ComboFiguresViewSet),
    ("cache", CacheViewSet),
    ("ledger", LedgerViewSet),
    ("budgets", BudgetViewSet),
]
