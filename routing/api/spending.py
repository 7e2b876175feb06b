"""The management API's limits, budgets and address rules."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers, viewsets

from accounts.api_auth import SiteAdministrator
from routing.api.shared import METHODS
from routing.models import Budget, IpRule, Limit


class CheckedSerializer(serializers.ModelSerializer[Any]):
    """The model's own checks are the API's."""

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        model: Any = self.Meta.model
        row = model(**{field.attname: getattr(self.instance, field.attname) for field in self._columns()})
        for name, value in data.items():
            setattr(row, name, value)
        try:
            row.full_clean(validate_unique=False, validate_constraints=self.instance is None)
        except DjangoValidationError as wrong:
            raise serializers.ValidationError(serializers.as_serializer_error(wrong)) from None
        return {name: getattr(row, name) for name in data}

    def _columns(self) -> list[Any]:
        return list(self.instance._meta.concrete_fields) if self.instance is not None else []


class LimitSerializer(CheckedSerializer):
    """Exactly one of ``api_key``, ``user`` and ``team``; null figures are no limits."""

    class Meta:
        model = Limit
        fields = ["id", "api_key", "user", "team", "requests_per_minute", "tokens_per_minute", "parallel"]


class LimitViewSet(viewsets.ModelViewSet[Limit]):
    """Limits of client keys, users and teams."""

    queryset = Limit.objects.order_by("id")
    serializer_class = LimitSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


class BudgetSerializer(CheckedSerializer):
    """``scope`` says which of ``api_key``, ``user``, ``team``, ``provider`` and ``tier`` is given; global: none."""

    class Meta:
        model = Budget
        fields = [
            "id", "scope", "api_key", "user", "team", "provider", "tier", "period", "time_zone", "limit_usd", "hard",
            "notify_at", "enabled",
        ]  # fmt: skip


class BudgetViewSet(viewsets.ModelViewSet[Budget]):
    """Budgets: an amount of money per period."""

    queryset = Budget.objects.order_by("id")
    serializer_class = BudgetSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


class IpRuleSerializer(CheckedSerializer):
    class Meta:
        model = IpRule
        fields = ["id", "network", "allow", "until", "reason", "created_at"]
        read_only_fields = ["created_at"]


class IpRuleViewSet(viewsets.ModelViewSet[IpRule]):
    """Which network addresses may use the client API."""

    queryset = IpRule.objects.order_by("id")
    serializer_class = IpRuleSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"
