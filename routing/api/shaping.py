"""Policies, and what the caches are set to."""

from __future__ import annotations

from typing import Any

from rest_framework import mixins, serializers, viewsets

from accounts.api_auth import SiteAdministrator
from accounts.models import Team
from routing.api.shared import METHODS
from routing.models import ApiKey, CacheSettings, Policy
from routing.shaping import has_embeddings
from routing.snapshot import Caching


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """A rule on requests. Without ``team`` and ``key`` it is everybody's; ``settings`` go by ``kind``."""

    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), required=False, allow_null=True)
    key = serializers.PrimaryKeyRelatedField(
        source="api_key", queryset=ApiKey.objects.all(), required=False, allow_null=True
    )

    class Meta:
        model = Policy
        fields = ["id", "kind", "team", "key", "enabled", "settings"]
        validators: list[Any] = []  # the model's own say more

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        row = Policy(pk=self.instance.pk if self.instance else None)
        for name in ("kind", "team", "api_key", "enabled", "settings"):
            if name in data:
                setattr(row, name, data[name])
            elif self.instance:
                setattr(row, name, getattr(self.instance, name))
        row.full_clean()
        return data


class PolicyViewSet(viewsets.ModelViewSet[Policy]):
    """Policies: rules that change or refuse requests."""

    queryset = Policy.objects.order_by("id")
    serializer_class = PolicySerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


class CacheSettingsSerializer(serializers.ModelSerializer[CacheSettings]):
    semantic = serializers.BooleanField(required=False, validators=[has_embeddings])

    class Meta:
        model = CacheSettings
        fields = [*Caching.__dataclass_fields__]

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        now = CacheSettings.load()
        if data.get("semantic", now.semantic) and not data.get("exact", now.exact):
            raise serializers.ValidationError({"semantic": ["Questions that mean the same need kept answers (exact)."]})
        return data


class CacheSettingsViewSet(mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[CacheSettings]):
    """What answers are kept, and for how long."""

    singleton = True
    queryset = CacheSettings.objects.all()
    serializer_class = CacheSettingsSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = ["get", "patch", "head", "options"]

    def get_object(self) -> CacheSettings:
        return CacheSettings.load()
