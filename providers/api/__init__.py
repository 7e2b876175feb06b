"""The management API's providers, their models and connections. Who may use it is said where it is put together."""

from __future__ import annotations

from typing import Any

from rest_framework import viewsets

from providers.api.connections import ConnectionViewSet
from providers.api.logins import LoginViewSet
from providers.api.models import ProviderModelViewSet
from providers.api.providers import ProviderViewSet
from providers.api.proxies import ProxyViewSet
from providers.quota_api import QuotaViewSet

routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("providers", ProviderViewSet),
    ("provider-models", ProviderModelViewSet),
    ("connections", ConnectionViewSet),
    ("logins", LoginViewSet),
    ("proxies", ProxyViewSet),
    ("quotas", QuotaViewSet),
]
