"""The management API's limits and address rules; of budgets what they are, for how they stand is told above."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets

from accounts.api_auth import SiteAdministrator
from providers import strict
from routing import levels
from routing.api.shared import METHODS
from routing.models import Budget, IpRule, Limit, Scope


class LevelSerializer(strict.Serializer[levels.Level]):
    """What counts at a figure now: ``used`` and ``left`` of it, over all web processes where they share a Redis;
    ``reset_seconds`` until nothing does, where that is known."""

    limit = serializers.IntegerField()
    used = serializers.IntegerField()
    left = serializers.IntegerField()
    reset_seconds = serializers.SerializerMethodField()

    def get_reset_seconds(self, level: levels.Level) -> float | None:
        return None if level.seconds is None else round(level.seconds, 1)


class LimitStandingSerializer(strict.Serializer[Any]):
    """Requests and tokens of the last minute, requests at the same time; null: no limit, or not known."""

    requests = LevelSerializer(allow_null=True)
    tokens = LevelSerializer(allow_null=True)
    parallel = LevelSerializer(allow_null=True)


class LimitSerializer(strict.CheckedSerializer[Limit]):
    """Exactly one of ``api_key``, ``user`` and ``team``, which stays; ``scope`` says which, and may be left out. Null
    figures are no limits. ``standing``: what counts now."""

    standing = serializers.SerializerMethodField()

    scope = serializers.ChoiceField(choices=[Scope.KEY.value, Scope.USER.value, Scope.TEAM.value], required=False)
    fixed = ("scope", "api_key", "user", "team")

    class Meta:
        model = Limit
        fields = [
            "id", "scope", "api_key", "user", "team", "requests_per_minute", "tokens_per_minute", "parallel",
            "standing",
        ]  # fmt: skip

    @extend_schema_field(LimitStandingSerializer)
    def get_standing(self, row: Limit) -> dict[str, Any]:
        known: Mapping[int, Mapping[str, levels.Level]] = self.context["view"].levels
        now = known.get(row.pk) or levels.of_rows([row])[row.pk]
        told = {kind: level for kind, level in now.items() if level.used is not None}
        return LimitStandingSerializer({kind: told.get(kind) for kind in ("requests", "tokens", "parallel")}).data

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        scope = data.pop("scope", None)
        checked = super().validate(data)
        if scope not in (None, Limit(**checked).scope):
            raise serializers.ValidationError({"scope": ["It is not whose limit this is."]})
        return checked


class LimitViewSet(viewsets.ModelViewSet[Limit]):
    """Limits of client keys, users and teams."""

    queryset = Limit.objects.select_related("api_key", "user", "team").order_by("id")
    serializer_class = LimitSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"
    levels: Mapping[int, Mapping[str, levels.Level]] = {}

    def paginate_queryset(self, queryset: Any) -> Any:
        """What counts is asked once for a whole page."""
        page = super().paginate_queryset(queryset)
        self.levels = levels.of_rows(page or ())
        return page


class BudgetSerializer(strict.CheckedSerializer[Budget]):
    """``scope`` says which of ``api_key``, ``user``, ``team``, ``provider`` and ``tier`` is given; global: none. Whose
    a budget is stays as it was made."""

    fixed = ("scope", "api_key", "user", "team", "provider", "tier")

    class Meta:
        model = Budget
        fields = [
            "id", "scope", "api_key", "user", "team", "provider", "tier", "period", "time_zone", "limit_usd", "hard",
            "notify_at", "enabled",
        ]  # fmt: skip


class IpRuleSerializer(strict.CheckedSerializer[IpRule]):
    """``action`` says the same as ``allow``; either may be given."""

    action = serializers.ChoiceField(choices=IpRule.Action.choices, required=False)

    class Meta:
        model = IpRule
        fields = ["id", "network", "action", "allow", "until", "reason", "created_at"]
        read_only_fields = ["created_at"]

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if "action" in data:
            allow = data.pop("allow", None)  # the default, where it was not sent
            if "allow" in self.initial_data and allow is not (data["action"] == IpRule.Action.ALLOW):
                raise serializers.ValidationError({"action": ["It says something else than allow does."]})
        return super().validate(data)


class IpRuleViewSet(viewsets.ModelViewSet[IpRule]):
    """Which network addresses may use the client API."""

    queryset = IpRule.objects.order_by("id")
    serializer_class = IpRuleSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"
