"""Policies, and what the caches are set to."""

from __future__ import annotations

from rest_framework import mixins, serializers, viewsets

from accounts.api_auth import SiteAdministrator
from accounts.models import Team
from providers import strict
from routing.api.shared import METHODS
from routing.models import ApiKey, CacheSettings, Policy
from routing.snapshot import Caching


class PolicySerializer(strict.CheckedSerializer[Policy]):
    """A rule on requests. Without ``team`` and ``key`` it is everybody's; ``settings`` go by ``kind``."""

    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), required=False, allow_null=True)
    key = serializers.PrimaryKeyRelatedField(
        source="api_key", queryset=ApiKey.objects.all(), required=False, allow_null=True
    )

    class Meta:
        model = Policy
        fields = ["id", "kind", "team", "key", "enabled", "settings"]


class PolicyViewSet(viewsets.ModelViewSet[Policy]):
    """Policies: rules that change or refuse requests."""

    queryset = Policy.objects.order_by("id")
    serializer_class = PolicySerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


class CacheSettingsSerializer(strict.CheckedSerializer[CacheSettings]):
    class Meta:
        model = CacheSettings
        fields = [*Caching.__dataclass_fields__]


class CacheSettingsViewSet(mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[CacheSettings]):
    """What answers are kept, and for how long."""

    singleton = True
    queryset = CacheSettings.objects.all()
    serializer_class = CacheSettingsSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = ["get", "patch", "head", "options"]

    def get_object(self) -> CacheSettings:
        return CacheSettings.load()
