"""The management API's budgets: what they are, and how they stand in their current period."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets

from accounts.api_auth import SignedIn, SiteAdministrator
from accounts.models import User
from analytics import budgets
from providers import strict
from routing.api.shared import METHODS
from routing.api.spending import BudgetSerializer
from routing.models import Budget


def _usd(**said: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=20, decimal_places=10, **said)


class BudgetStandingSerializer(strict.Serializer[budgets.Standing]):
    """The current period: ``end`` null: it never begins again; ``reserved_usd`` is what running requests may still
    cost, null when it is not known; ``share`` is whole percent of the limit."""

    begin = serializers.DateTimeField()
    end = serializers.DateTimeField(allow_null=True)
    spent_usd = _usd(source="spent")
    reserved_usd = _usd(source="reserved", allow_null=True)
    left_usd = _usd(source="left")
    share = serializers.IntegerField()


class StandingBudgetSerializer(BudgetSerializer):
    standing = serializers.SerializerMethodField()

    class Meta(BudgetSerializer.Meta):
        fields = [*BudgetSerializer.Meta.fields, "standing"]

    @extend_schema_field(BudgetStandingSerializer)
    def get_standing(self, row: Budget) -> dict[str, Any]:
        known: dict[int, budgets.Standing] = self.context["view"].standings
        now: Any = known.get(row.pk) or budgets.standings([row])[0]
        return BudgetStandingSerializer(now).data


class BudgetViewSet(viewsets.ModelViewSet[Budget]):
    """Budgets: an amount of money per period. People see their own, site administrators all."""

    queryset = Budget.objects.none()
    serializer_class = StandingBudgetSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"
    standings: dict[int, budgets.Standing] = {}

    def get_permissions(self) -> list[Any]:
        return [SignedIn() if self.action in ("list", "retrieve") else SiteAdministrator()]

    def get_queryset(self) -> QuerySet[Budget]:
        if getattr(self, "swagger_fake_view", False):  # the schema is drawn without anybody asking
            return super().get_queryset()
        assert isinstance(self.request.user, User)
        return budgets.visible_to(self.request.user).order_by("id")

    def paginate_queryset(self, queryset: Any) -> Any:
        """What is reserved is asked once for a whole page."""
        page = super().paginate_queryset(queryset)
        self.standings = {now.budget.pk: now for now in budgets.standings(page or ())}
        return page
