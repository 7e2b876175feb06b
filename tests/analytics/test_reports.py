"""Figures are exact and never sum the request log, rolled up or not, for everybody what they may see."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, Role, Team, User
from analytics import reports, tasks
from analytics.models import HourlyUsage, RollupMark, UsageRecord
from analytics.record import store
from analytics.reports import overview, visible_to
from providers.wire.types import Usage
from routing.gateway.outcome import Outcome
from tests.analytics.outcomes import outcome as outcome_now

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 10, 25, 30, tzinfo=UTC)


def outcome(**fields: Any) -> Outcome:
    """One of the frozen present: the real clock must not matter."""
    return outcome_now(**{"started_at": NOW.timestamp(), **fields})


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin@example.com")


def requests(count: int, **changes: Any) -> None:
    """Requests of the last ten days, some failed, of three people and two teams."""
    die = random.Random(7)
    for at in range(0, count, 400):
        store(
            [
                outcome(
                    request_id=f"{changes}-{at + n}",
                    **{
                        "started_at": NOW.timestamp() - die.random() * 10 * 86400,
                        "result": die.choice(["ok", "ok", "failed", "refused", "client_gone"]),
                        "user_id": die.choice([None, 1, 2, 3]),
                        "team_id": die.choice([None, 1, 2]),
                        "key_id": die.choice([None, 1, 2, 3, 4]),
                        "usage": Usage(input=die.randrange(1000), output=die.randrange(100)),
                        "cost_usd": die.choice([None, Decimal(die.randrange(10**9)).scaleb(-10)]),
                        "latency_ms": die.randrange(5000),
                        "flat_rate": n % 3 == 0,
                        **changes,
                    },
                )
                for n in range(min(400, count - at))
            ]
        )


def by_hand(rows: Iterator[UsageRecord], since: datetime) -> dict[str, Any]:
    seen = [row for row in rows if row.started_at >= since]
    return {
        "requests": len(seen),
        "failures": sum(row.result in ("failed", "refused") for row in seen),
        "input_tokens": sum(row.input_tokens for row in seen),
        "output_tokens": sum(row.output_tokens for row in seen),
        "cost_usd": sum((row.cost_usd or Decimal(0) for row in seen if not row.flat_rate), Decimal(0)),
        "notional_usd": sum((row.cost_usd or Decimal(0) for row in seen if row.flat_rate), Decimal(0)),
        "average_latency_ms": round(sum(row.latency_ms for row in seen) / len(seen)),
    }


def totals(user: Any, hours: int) -> dict[str, Any]:
    found = overview(user, hours)
    return {name: getattr(found, name) for name in reports.Overview.__dataclass_fields__ if name != "series"}


@pytest.mark.parametrize(
    ("hours", "since"),
    [
        (1, datetime(2026, 11, 22, 10, tzinfo=UTC)),
        (24, datetime(2026, 11, 21, 11, tzinfo=UTC)),
        (48, datetime(2026, 11, 20, 11, tzinfo=UTC)),
        (168, datetime(2026, 11, 16, tzinfo=UTC)),
    ],
)
def test_totals_and_series_are_exact_before_between_and_after_roll_ups(
    admin: User, hours: int, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE", 70)
    requests(600)
    expected = by_hand(UsageRecord.objects.iterator(), since)
    assert totals(admin, hours) == expected
    tasks.roll_up()
    assert totals(admin, hours) == expected
    requests(150, user_id=9)
    expected = by_hand(UsageRecord.objects.iterator(), since)
    assert totals(admin, hours) == expected
    series = overview(admin, hours).series
    assert sum(point.requests for point in series) == expected["requests"]
    assert sum(point.failures for point in series) == expected["failures"]
    assert sum(point.tokens for point in series) == expected["input_tokens"] + expected["output_tokens"]
    assert sum(point.cost for point in series) == expected["cost_usd"]


def test_a_series_has_no_gaps(admin: User) -> None:
    store([outcome(started_at=NOW.timestamp() - 5 * 3600)])
    hourly = overview(admin, 24).series
    assert [point.start for point in hourly] == [
        datetime(2026, 11, 21, 11, tzinfo=UTC) + timedelta(hours=n) for n in range(24)
    ]
    assert [point.requests for point in hourly] == [0] * 18 + [1] + [0] * 5
    daily = overview(admin, 24 * 30).series
    assert [point.start for point in daily] == [
        datetime(2026, 10, 24, tzinfo=UTC) + timedelta(days=n) for n in range(30)
    ]
    assert [point.requests for point in daily] == [0] * 29 + [1]


def test_nothing_happened(admin: User) -> None:
    found = overview(admin)
    assert (found.requests, found.cost_usd, found.average_latency_ms) == (0, Decimal(0), None)
    assert len(found.series) == 24


def test_everybody_sees_what_they_may(admin: User) -> None:
    member, owner, stranger = (User.objects.create_user(f"{name}@example.com") for name in ("m", "o", "s"))
    team = Team.objects.create(name="team")
    Membership.objects.create(team=team, user=member, role=Role.MEMBER)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    store([outcome(user_id=member.pk, team_id=team.pk) for _ in range(2)])
    store([outcome(team_id=team.pk), outcome(user_id=stranger.pk), outcome()])
    store([outcome(user_id=owner.pk, team_id=team.pk)])
    for _ in range(2):
        seen = {user: (visible_to(user).count(), overview(user).requests) for user in (admin, member, owner, stranger)}
        assert seen == {admin: (6, 6), member: (2, 2), owner: (4, 4), stranger: (1, 1)}
        tasks.roll_up()
    assert (visible_to(AnonymousUser()).count(), overview(AnonymousUser()).requests) == (0, 0)


def test_a_roll_up_in_the_middle_of_reading_neither_hides_nor_doubles(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests(100)
    true_read, interruptions = reports._rolled_up, iter(range(10))

    def interrupted(*given: Any) -> list[Any]:
        parts = list(true_read(*given))
        store([outcome(started_at=NOW.timestamp())])
        if next(interruptions) < 2:
            tasks.roll_up()
        return parts

    monkeypatch.setattr(reports, "_rolled_up", interrupted)
    assert overview(admin, 24 * 12).requests == UsageRecord.objects.count() == 103


def test_a_roll_up_that_never_rests_is_held_back(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    requests(20)
    RollupMark.objects.create(pk=1)
    moving = iter(range(1, 100))
    true_mark = reports._mark
    monkeypatch.setattr(reports, "_mark", lambda: true_mark() + next(moving))
    assert overview(admin, 24 * 12).requests == 20


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's query plans")
def test_the_log_is_only_read_behind_the_mark(admin: User) -> None:
    member = User.objects.create_user("m@example.com")
    Membership.objects.create(team=Team.objects.create(name="team"), user=member, role=Role.OWNER)
    requests(300)
    tasks.roll_up()
    mark = UsageRecord.objects.order_by("id").last().pk
    for user in (admin, member):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            overview(user, 24)
        log_queries = [query["sql"] for query in captured if 'FROM "analytics_usagerecord"' in query["sql"]]
        assert len(log_queries) == 1
        assert f'"analytics_usagerecord"."id" > {mark}' in log_queries[0]
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + log_queries[0].replace("%", "%%"))
            plan = [step[3] for step in cursor.fetchall()]
        assert not [step for step in plan if step.startswith("SCAN analytics_usagerecord")], plan
        assert [step for step in plan if "rowid>?" in step or "user_id=?" in step], plan
    assert len(captured) <= 8


def test_the_roll_up_sums_by_hour_key_provider_and_model() -> None:
    noon = datetime(2026, 11, 20, 12, 59, 59, 999_000, tzinfo=UTC).timestamp()
    same = {"started_at": noon, "key_id": 1, "user_id": 2, "team_id": 3}
    store([outcome(**same), outcome(**same, result="failed", cost_usd=None), outcome(**same, model="other")])
    tasks.roll_up()
    store([outcome(**same), outcome(**{**same, "started_at": noon + 1})])
    tasks.roll_up()
    tasks.roll_up()
    rows = HourlyUsage.objects.order_by("hour", "model").values_list(
        "hour", "model", "requests", "failures", "cost_usd"
    )
    one = Decimal("0.0012345678")
    assert list(rows) == [
        (datetime(2026, 11, 20, 12, tzinfo=UTC), "gpt-5.2", 3, 1, 2 * one),
        (datetime(2026, 11, 20, 12, tzinfo=UTC), "other", 1, 0, one),
        (datetime(2026, 11, 20, 13, tzinfo=UTC), "gpt-5.2", 1, 0, one),
    ]
    first = HourlyUsage.objects.order_by("hour", "model")[0]
    assert (first.key_id, first.user_id, first.team_id, first.provider) == (1, 2, 3, "openai")
    assert (first.input_tokens, first.cached_tokens, first.cache_write_tokens) == (3600, 3000, 0)
    assert (first.output_tokens, first.reasoning_tokens, first.latency_ms) == (240, 60, 2700)
    assert RollupMark.objects.get().last_id == UsageRecord.objects.order_by("id").last().pk


def test_pruning_removes_old_requests_that_are_summed_and_keeps_their_sums(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PRUNED_AT_ONCE", 3)
    old, edge = NOW - timedelta(days=91), NOW - timedelta(days=89)
    store([outcome(started_at=old.timestamp()) for _ in range(7)])
    store([outcome(started_at=edge.timestamp()), outcome(started_at=NOW.timestamp())])
    tasks.prune()
    assert UsageRecord.objects.count() == 9, "what is not summed yet stays"
    tasks.roll_up()
    tasks.prune()
    assert UsageRecord.objects.count() == 2
    assert overview(admin, 24 * 100).requests == 9
    HourlyUsage.objects.filter(hour__lte=old).update(hour=NOW - timedelta(days=732))
    tasks.prune()
    assert HourlyUsage.objects.count() == 2
