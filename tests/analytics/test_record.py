"""Outcomes become rows and are counted on their keys: each once, whatever is in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import OperationalError

from analytics import live, record
from analytics.models import UsageRecord
from analytics.record import store
from providers.wire.types import Usage
from routing.gateway.outcome import AttemptNote, Outcome
from routing.models import ApiKey
from tests.analytics.conftest import Installation
from tests.analytics.outcomes import outcome

pytestmark = pytest.mark.django_db


def key(number: int) -> ApiKey:
    return ApiKey.objects.create(name=f"key {number}", key_hash=f"{number}" * 64, last4="0000")


def test_every_field_becomes_a_column() -> None:
    failed = AttemptNote(
        provider="openai",
        connection="old",
        model="gpt-5.2",
        kind="rate_limited",
        status=429,
        ms=40,
        message="slow down",
        proxy="global 10.0.0.1:3128",
    )
    one = outcome(key_id=3, user_id=4, team_id=5, started_at=1_790_000_000.25, attempts=(failed,), error_kind="")
    assert store([one]) == 1
    row = UsageRecord.objects.get()
    assert row.request_id == one.request_id
    assert row.started_at == datetime.fromtimestamp(1_790_000_000.25, UTC)
    assert (row.key_id, row.user_id, row.team_id, row.key_name) == (3, 4, 5, "ci")
    assert (row.operation, row.client_format, row.upstream_format) == ("chat", "openai_chat", "openai_chat")
    assert (row.requested_model, row.provider, row.model) == ("openai/gpt-5.2", "openai", "gpt-5.2")
    assert (row.connection, row.stream, row.status, row.result) == ("main", True, 200, "ok")
    assert row.attempts == [
        {
            "provider": "openai",
            "connection": "old",
            "model": "gpt-5.2",
            "kind": "rate_limited",
            "status": 429,
            "ms": 40,
            "message": "slow down",
            "proxy": "global 10.0.0.1:3128",
        }
    ]
    assert (row.latency_ms, row.first_byte_ms) == (900, 300)
    assert (row.input_tokens, row.cached_tokens, row.cache_write_tokens) == (1200, 1000, 0)
    assert (row.output_tokens, row.reasoning_tokens, row.estimated) == (80, 20, False)
    assert (row.cost_usd, row.price_source) == (Decimal("0.0012345678"), "catalog")
    assert (row.client_address, row.user_agent) == ("192.0.2.7", "OpenAI/Python 1.60.0")


def test_what_is_not_known_is_null() -> None:
    store([outcome(first_byte_ms=None, cost_usd=None, client_address=None)])
    row = UsageRecord.objects.get()
    assert (row.key_id, row.user_id, row.team_id) == (None, None, None)
    assert (row.first_byte_ms, row.cost_usd, row.client_address) == (None, None, None)


def test_a_request_counts_once_however_often_it_comes() -> None:
    used = key(1)
    first, second, third = (outcome(key_id=used.pk) for _ in range(3))
    assert store([first, second, first]) == 2
    assert store([second, third]) == 1
    assert store([first, second, third]) == 0
    used.refresh_from_db()
    assert UsageRecord.objects.count() == used.request_count == 3


def test_keys_learn_how_often_and_when_they_were_used() -> None:
    one, other, unused = key(1), key(2), key(3)
    store(
        [outcome(key_id=one.pk, started_at=2000.0), outcome(key_id=other.pk), outcome(key_id=one.pk, started_at=1000.0)]
    )
    store([outcome(key_id=one.pk, started_at=1500.0), outcome(key_id=987_654)])
    for row in (one, other, unused):
        row.refresh_from_db()
    assert (one.request_count, other.request_count, unused.request_count) == (3, 1, 0)
    assert one.last_used_at == datetime.fromtimestamp(2000, UTC)
    assert unused.last_used_at is None


@pytest.mark.parametrize(
    ("given", "column", "kept"),
    [
        ({"requested_model": "m" * 9999}, "requested_model", "m" * 260),
        ({"user_agent": "curl\0/8"}, "user_agent", "curl/8"),
        ({"error_message": "half \ud83d"}, "error_message", "half ?"),
        ({"status": 99_999}, "status", 32_767),
        ({"latency_ms": -5}, "latency_ms", 0),
        ({"usage": Usage(input=10**30)}, "input_tokens", 2**63 - 1),
        ({"cost_usd": Decimal("1e20")}, "cost_usd", Decimal(99_999_999)),
        ({"cost_usd": Decimal("1e-30")}, "cost_usd", Decimal(0)),
        ({"client_address": "unix:/run/x.sock"}, "client_address", None),
        ({"client_address": "fe80::1%eth0"}, "client_address", "fe80::1"),
    ],
)
def test_what_does_not_fit_a_column_is_made_to_fit(given: dict[str, object], column: str, kept: object) -> None:
    assert store([outcome(), outcome(request_id="odd", **given), outcome()]) == 3
    assert getattr(UsageRecord.objects.get(request_id="odd"), column) == kept


@pytest.mark.parametrize("given", [{"key_id": 10**30}, {"started_at": float("nan")}, {"cost_usd": Decimal("NaN")}])
def test_a_record_the_database_refuses_is_logged_and_holds_nobody_up(
    given: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    used = key(1)
    batch = [outcome(key_id=used.pk), outcome(request_id="odd", **given), outcome(key_id=used.pk)]
    assert store(batch) == 2
    assert "'odd' cannot be stored" in caplog.text
    used.refresh_from_db()
    assert UsageRecord.objects.count() == used.request_count == 2


@pytest.mark.django_db(transaction=True)
def test_live_views_are_told_of_new_rows_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def notify(outcomes: Sequence[Outcome]) -> None:
        assert UsageRecord.objects.filter(request_id=outcomes[0].request_id).exists()
        told.extend(o.request_id for o in outcomes)

    monkeypatch.setattr(live, "notify", notify)
    first, second = outcome(), outcome()
    store([first])
    store([first, second])
    store([second])
    assert told == [first.request_id, second.request_id]


def test_an_outage_is_raised_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(record, "_count_on_keys", locked)
    with pytest.raises(OperationalError, match="locked"):
        store([outcome(key_id=1)])
    assert not UsageRecord.objects.exists()


class Deadlock(Exception):
    sqlstate = "40P01"


def test_a_deadlock_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    used, true_count, tries = key(1), record._count_on_keys, []

    def first_time_deadlock(outcomes: list[Outcome]) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("deadlock detected") from Deadlock()
        true_count(outcomes)

    monkeypatch.setattr(record, "_count_on_keys", first_time_deadlock)
    assert store([outcome(key_id=used.pk)]) == 1
    used.refresh_from_db()
    assert (len(tries), used.request_count) == (2, 1)


def test_the_outbox_stores_once_a_locked_database_is_free_again(sqlite_installation: Installation) -> None:
    lock = sqlite_installation.connect()
    lock.execute("BEGIN IMMEDIATE")
    process = sqlite_installation.start("put", "0.01")
    assert process.stdout
    acknowledged = {process.stdout.readline().split()[0] for _ in range(30)}
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    assert sqlite_installation.counted() == (0, 0)
    lock.execute("ROLLBACK")
    while not acknowledged <= {name for (name,) in lock.execute("SELECT request_id FROM analytics_usagerecord")}:
        assert process.poll() is None
    process.kill()
    process.wait()
    drain.join()
    lock.close()
