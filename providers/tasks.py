"""Work of the providers in the background. No secret is ever a task's argument."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from celery import shared_task
from django.core.cache import cache
from django.db import connection as database
from django.utils import timezone

from providers import connections, grants, notices, quotas
from providers.models import Connection, Grant

log = logging.getLogger(__name__)
RENEWED_AT_ONCE = 5
RENEWING = 50.0  # seconds in which a run begins renewals; the next run goes on
# One run at a time, also when the last one took long.
RENEWAL_TURN, RENEWAL_TURN_SECONDS = "providers.refresh_expiring", 180
ASKED_AT_ONCE = 50  # accounts in one run; the next run goes on
QUOTA_TURN, QUOTA_TURN_SECONDS = "providers.refresh_quotas", 600


@shared_task(ignore_result=True)
def refresh_expiring() -> int:
    """Beat, every minute: renew what is due, at most five at once. How many were renewed."""
    if not cache.add(RENEWAL_TURN, True, RENEWAL_TURN_SECONDS):
        return 0
    try:
        due = Grant.objects.filter(renew_at__lte=timezone.now(), connection__enabled=True)
        due = due.exclude(state=Grant.State.ENDED).order_by("renew_at")
        until = time.monotonic() + RENEWING
        with ThreadPoolExecutor(RENEWED_AT_ONCE, thread_name_prefix="refresh") as pool:
            return sum(pool.map(lambda row: _refresh(row, until), due.values_list("pk", "generation")))
    finally:
        cache.delete(RENEWAL_TURN)


def _refresh(row: tuple[int, int], until: float) -> int:
    pk, generation = row
    try:
        if time.monotonic() > until:
            return 0
        grants.refresh(pk, seen=generation)
    except grants.NotRenewed as wrong:
        log.info("a token was not renewed: %s", wrong)
        return 0
    except Exception:
        log.exception("the token of login %s could not be renewed", pk)
        return 0
    else:
        return 1
    finally:
        database.close()


@shared_task(ignore_result=True)
def tell_login_ended(pk: int) -> int:
    """Mail about a login that has ended."""
    return notices.mail_login_ended(pk)


@shared_task(ignore_result=True)
def refresh_quotas() -> int:
    """Beat, every minute: ask for the quotas of the accounts whose time has come. How many answered."""
    if not cache.add(QUOTA_TURN, True, QUOTA_TURN_SECONDS):
        return 0
    try:
        results = quotas.refresh_many(quotas.due(timezone.now())[:ASKED_AT_ONCE])
    finally:
        cache.delete(QUOTA_TURN)
    return sum(result.reading is not None for result in results)


@shared_task(ignore_result=True)
def test_connections(chosen: list[int]) -> None:
    """Test these connections; those that are gone meanwhile are left out."""
    connections.test_many(Connection.objects.filter(pk__in=chosen).select_related("provider"))


test_connections.__test__ = False
