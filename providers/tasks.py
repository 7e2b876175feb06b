"""Work of the providers in the background. No secret is ever a task's argument."""

from __future__ import annotations

import logging

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from providers import connections, quotas
from providers.models import Connection

log = logging.getLogger(__name__)
ASKED_AT_ONCE = 50  # accounts in one run; the next run goes on
TURN = "providers.refresh_quotas"  # one run at a time, also when the last one took long
TURN_SECONDS = 600


@shared_task(ignore_result=True)
def refresh_quotas() -> int:
    """Beat, every minute: ask for the quotas of the accounts whose time has come. How many answered."""
    if not cache.add(TURN, True, TURN_SECONDS):
        return 0
    try:
        results = quotas.refresh_many(quotas.due(timezone.now())[:ASKED_AT_ONCE])
    finally:
        cache.delete(TURN)
    return sum(result.reading is not None for result in results)


@shared_task(ignore_result=True)
def test_connections(chosen: list[int]) -> None:
    """Test these connections; those that are gone meanwhile are left out."""
    connections.test_many(Connection.objects.filter(pk__in=chosen).select_related("provider"))


test_connections.__test__ = False
