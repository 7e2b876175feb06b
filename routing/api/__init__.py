"""The management API of routing: client keys, names, permissions, switches, health."""

from __future__ import annotations

from typing import Any

from rest_framework import viewsets

from routing.api.keys import KeyViewSet, TeamAccessViewSet
from routing.api.names import AliasViewSet, ComboViewSet
from routing.api.preview import PreviewViewSet
from routing.api.resilience import HealthViewSet, SettingsViewSet
from routing.api.shaping import CacheSettingsViewSet, PolicyViewSet
from routing.api.spending import IpRuleViewSet, LimitViewSet

routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("keys", KeyViewSet),
    ("combos", ComboViewSet),
    ("aliases", AliasViewSet),
    ("limits", LimitViewSet),
    ("ip-rules", IpRuleViewSet),
    ("settings", SettingsViewSet),
    ("team-access", TeamAccessViewSet),
    ("health", HealthViewSet),
    ("preview", PreviewViewSet),
    ("policies", PolicyViewSet),
    ("cache-settings", CacheSettingsViewSet),
]
