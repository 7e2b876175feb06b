"""The management API's ledger: a budget's lines with what they sum to, and a line that corrects it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.api_auth import SignedIn, SiteAdministrator
from accounts.models import User
from analytics import budgets, ledger
from analytics.models import LedgerLine
from providers import strict
from routing.models import Budget
from routing.money import MOST_USD


def _usd(**said: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=20, decimal_places=10, **said)


class LineSerializer(strict.ModelSerializer[LedgerLine]):
    amount_usd = _usd(source="amount", read_only=True)
    reserved_usd = _usd(source="reserved", read_only=True)

    class Meta:
        model = LedgerLine
        fields = ["id", "at", "kind", "request_id", "reserved_usd", "amount_usd", "note"]


class EntrySerializer(strict.Serializer[ledger.Entry]):
    """A line, and in ``balance_usd`` what the lines of the period up to it come to."""

    balance_usd = _usd(source="balance")

    def to_representation(self, entry: ledger.Entry) -> dict[str, Any]:
        return {**LineSerializer(entry.line).data, **super().to_representation(entry)}


class LedgerSerializer(strict.Serializer[Any]):
    """A period of a budget: ``results`` are its lines, newest first, which sum to ``spent_usd``; ``end`` null: it never
    begins again. ``reserved_usd``: null when it is not known, or the period is over."""

    budget = serializers.IntegerField(source="now.budget.pk")
    begin = serializers.DateTimeField(source="now.begin")
    end = serializers.DateTimeField(source="now.end", allow_null=True)
    limit_usd = _usd(source="now.budget.limit_usd")
    spent_usd = _usd(source="now.spent")
    reserved_usd = _usd(source="now.reserved", allow_null=True)
    left_usd = _usd(source="now.left")
    next = serializers.URLField(allow_null=True)
    results = EntrySerializer(many=True)


class LedgerFilters(serializers.Serializer[Any]):
    """``at``: a moment in the period, now by default; ``before``: the id of the line that the page begins under."""

    budget = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    at = serializers.DateTimeField(required=False)
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)

    def validate_at(self, value: datetime) -> datetime:
        if value.year not in budgets.YEARS:
            raise serializers.ValidationError("There is no period that far away.")
        return value


class AdjustmentSerializer(strict.Serializer[Any]):
    """A correction: ``amount_usd`` above 0 counts as spent, below 0 no longer counts; ``note`` says why."""

    budget = serializers.PrimaryKeyRelatedField(queryset=Budget.objects.all())
    amount_usd = _usd(min_value=-MOST_USD, max_value=MOST_USD)
    note = serializers.CharField(max_length=200)

    def validate_amount_usd(self, value: Decimal) -> Decimal:
        if not value:
            raise serializers.ValidationError("Nothing would change.")
        return value


class LedgerViewSet(viewsets.GenericViewSet[LedgerLine]):
    """The lines of budgets. People see those of their own budgets, site administrators all. Nothing is ever changed."""

    queryset = LedgerLine.objects.none()
    serializer_class = LedgerSerializer
    permission_classes = [SignedIn]
    filters = LedgerFilters
    pagination_class = None

    def get_permissions(self) -> list[Any]:
        return [SiteAdministrator() if self.action == "create" else SignedIn()]

    @extend_schema(parameters=[LedgerFilters], responses=LedgerSerializer)
    def list(self, request: Request) -> Response:
        """A page of a budget's lines in one period. ``next`` is the address of the page with older ones."""
        asked = LedgerFilters(data=request.query_params)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        budget = budgets.visible_to(request.user).filter(pk=asked.validated_data["budget"]).first()
        if budget is None:
            raise Http404
        now, page = budgets.with_lines(budget, asked.validated_data.get("at"), asked.validated_data.get("before"))
        here = request.build_absolute_uri()
        further = replace_query_param(here, "before", page.older) if page.older else None
        return Response(LedgerSerializer({"now": now, "next": further, "results": page.entries}).data)

    @extend_schema(request=AdjustmentSerializer, responses={201: LineSerializer})
    def create(self, request: Request) -> Response:
        """Correct what is spent by a line of its own; the gateway goes by it within a minute."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        assert isinstance(request.user, User)
        line = budgets.adjust(said["budget"], said["amount_usd"], said["note"], request.user)
        return Response(LineSerializer(line).data, status=201)

    def get_serializer_class(self) -> Any:
        return AdjustmentSerializer if self.action == "create" else LedgerSerializer
