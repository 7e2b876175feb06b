"""Tokens stay fresh: one renewal for all, stored before it is used, and nothing declared dead too early."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection as database
from django.utils import timezone

from providers import grants, notices, tasks
from providers.fields import reveal
from providers.logins.engine import Tokens
from providers.models import Connection, Grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendors(transactional_db: None, vendors: Any) -> Any:
    return vendors


def in_thread(work: Any) -> Any:
    def run() -> Any:
        try:
            return work()
        finally:
            database.close()

    return run


def due(grant: Grant, **ago: float) -> None:
    Grant.objects.filter(pk=grant.pk).update(renew_at=timezone.now() - timedelta(**ago))


def test_a_rotated_token_is_stored_before_it_is_used(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    token = grants.refresh(grant.pk)
    row = Grant.objects.get()
    assert (token.text, token.generation) == (reveal(row, "access_token"), 2)
    assert vendors.accounts.opens(token.text) and vendors.accounts.families[0].refresh == reveal(row, "refresh_token")
    assert row.state == "good" and row.renew_at and row.expires_at and row.leased_until is None


def test_many_at_once_ask_the_vendor_once(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    vendors.accounts.held.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(in_thread(lambda: grants.refresh(grant.pk, seen=1))) for _ in range(8)]
        vendors.accounts.wait_for(1)
        vendors.accounts.held.set()
        texts = {done.result(20).text for done in waiting}
    assert len(texts) == 1 and vendors.accounts.asked == 1 and vendors.accounts.reused == 0


def test_who_comes_late_takes_what_is_there(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    grants.refresh(grant.pk, seen=1)
    assert grants.refresh(grant.pk, seen=1).generation == 2
    assert vendors.accounts.asked == 1


def test_after_invalid_grant_the_row_is_read_again(vendors: Any, logged_in: Any) -> None:
    """Somebody else renewed while the vendor refused us: their token counts, nothing is dead."""
    grant = logged_in("claude", lasts=-1)
    vendors.accounts.held.clear()
    vendors.accounts.fails.append((400, {"error": "invalid_grant"}))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(in_thread(lambda: grants.refresh(grant.pk, seen=1)))
        vendors.accounts.wait_for(1)
        grants.store(grant, Tokens(access="newer-token", refresh="newer-refresh", lasts=60), None, follows=1)
        vendors.accounts.held.set()
        assert slow.result(20).text == "newer-token"
    assert Grant.objects.get().state == "good"


def test_an_overtaken_renewal_does_not_overwrite_a_newer_token(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    grants.store(grant, Tokens(access="second-token", lasts=60), None, follows=1)
    kept = grants.store(grant, Tokens(access="late-token", lasts=60), None, follows=1)
    assert reveal(kept, "access_token") == "second-token" == reveal(Grant.objects.get(), "access_token")


def test_a_stuck_renewal_loses_its_turn(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    Grant.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert grants.refresh(grant.pk).generation == 2


def test_a_lease_of_a_clock_that_has_gone_back_holds_nobody_up(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    Grant.objects.update(leased_until=timezone.now() + timedelta(hours=1))
    assert grants.refresh(grant.pk).generation == 2


def test_after_the_clock_has_gone_back_a_refused_token_is_renewed(vendors: Any, logged_in: Any) -> None:
    """It seems to have been obtained in the future, so its age says nothing."""
    grant = logged_in("claude", lasts=7200)
    Grant.objects.update(obtained_at=timezone.now() + timedelta(hours=1))
    assert grants.refused(grant.pk, seen=1).generation == 2


def test_a_pause_set_by_a_clock_that_has_gone_back_is_over(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    Grant.objects.update(state="failing", failures=1, renew_at=timezone.now() + timedelta(days=1))
    assert grants.refresh(grant.pk).generation == 2


def test_a_reused_token_ends_the_login(
    vendors: Any, logged_in: Any, admin_user: Any, settings: Any, monkeypatch: Any
) -> None:
    settings.MAIL_ENABLED, settings.EMAIL_BACKEND = True, "django.core.mail.backends.locmem.EmailBackend"
    told: list[int] = []
    grant = logged_in("claude", lasts=-1)
    vendors.accounts.renew(reveal(grant, "refresh_token") or "")  # another program used our token
    monkeypatch.setattr(notices, "login_ended", told.append)
    with pytest.raises(grants.NotRenewed) as wrong:
        grants.refresh(grant.pk)
    assert wrong.value.ended and vendors.accounts.reused == 1
    row = Grant.objects.get()
    assert row.state == "ended" and "used before" in row.message and row.renew_at is None
    assert told == [grant.pk] and grants.ended() == 1
    with pytest.raises(grants.NotRenewed):
        grants.refresh(grant.pk)
    assert vendors.accounts.asked == 2  # nobody asks again
    assert notices.mail_login_ended(grant.pk) == 1
    assert "ada@example.com" in mail.outbox[0].body and mail.outbox[0].to == ["admin@example.com"]


def test_a_failure_that_passes_is_tried_again_later(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    vendors.accounts.fails.append((503, {"error": {"message": "overloaded"}}))
    with pytest.raises(grants.NotRenewed, match="overloaded"):
        grants.refresh(grant.pk)
    row = Grant.objects.get()
    assert row.state == "failing" and row.failures == 1 and row.renew_at is not None
    with pytest.raises(grants.NotRenewed):
        grants.refresh(grant.pk)
    assert vendors.accounts.asked == 1  # too early
    due(grant, seconds=1)
    assert grants.refresh(grant.pk).generation == 2
    assert Grant.objects.get().failures == 0


def test_a_refusal_of_our_own_client_ends_no_login(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude", lasts=-1)
    vendors.accounts.fails.append((401, {"error": "invalid_client"}))
    with pytest.raises(grants.NotRenewed) as wrong:
        grants.refresh(grant.pk)
    assert not wrong.value.ended and Grant.objects.get().state == "failing"


def test_a_refused_token_without_renewal_ends_the_login(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("kilocode", method="device")
    with pytest.raises(grants.NotRenewed) as wrong:
        grants.refused(grant.pk, seen=1)
    assert wrong.value.ended and Grant.objects.get().state == "ended"


def test_a_new_token_that_is_refused_is_not_renewed_again(vendors: Any, logged_in: Any) -> None:
    grant = logged_in("claude")
    assert grants.refused(grant.pk, seen=1).generation == 2
    with pytest.raises(grants.NotRenewed, match="new"):
        grants.refused(grant.pk, seen=2)
    assert vendors.accounts.asked == 1


def test_calls_beside_requests_get_a_valid_token(vendors: Any, logged_in: Any) -> None:
    logged_in("claude", lasts=-1)
    assert vendors.accounts.opens(grants.access_token(Connection.objects.get()))


# -- by the clock -------------------------------------------------------------------------------------------------
def test_two_hundred_accounts_that_end_in_one_minute(vendors: Any, logged_in: Any, monkeypatch: Any) -> None:
    """Their renewals are spread over minutes; those that are due together go five at a time, each once."""
    monkeypatch.setattr(tasks, "RENEWING", 600.0)  # the next run goes on with what a slow machine leaves
    rows = [logged_in("claude", email=f"a{number}@example.com", lasts=28800) for number in range(200)]
    at = sorted(row.renew_at for row in Grant.objects.all())
    assert (at[-1] - at[0]) > timedelta(minutes=60)  # a lead of four hours leaves two to spread them over
    minutes = Counter(int((moment - at[0]).total_seconds() // 60) for moment in at)
    assert max(minutes.values()) <= 12  # of 200
    Grant.objects.update(renew_at=timezone.now())
    vendors.accounts.held.clear()
    threading.Thread(target=vendors.accounts.let_go_at, args=(5,), daemon=True).start()
    assert tasks.refresh_expiring() == 200
    assert vendors.accounts.most_at_once == 5
    assert sorted(vendors.accounts.refreshes) == list(range(200)) and vendors.accounts.reused == 0
    assert len(rows) == Grant.objects.filter(generation=2, state="good").count()


def test_one_run_at_a_time(vendors: Any, logged_in: Any) -> None:
    from django.core.cache import cache

    due(logged_in("claude"), seconds=1)
    cache.add(tasks.RENEWAL_TURN, True, 10)
    assert tasks.refresh_expiring() == 0
    cache.delete(tasks.RENEWAL_TURN)
    assert tasks.refresh_expiring() == 1


def test_what_is_off_or_ended_is_left_alone(vendors: Any, logged_in: Any) -> None:
    off, ended = logged_in("claude", email="off@example.com"), logged_in("claude", email="ended@example.com")
    Grant.objects.update(renew_at=timezone.now())
    Connection.objects.filter(pk=off.connection_id).update(enabled=False)
    Grant.objects.filter(pk=ended.pk).update(state="ended")
    assert tasks.refresh_expiring() == 0 and vendors.accounts.asked == 0


def test_no_secret_is_a_tasks_argument() -> None:
    import inspect

    assert not inspect.signature(tasks.refresh_expiring.run).parameters
    assert list(inspect.signature(tasks.tell_login_ended.run).parameters) == ["pk"]
