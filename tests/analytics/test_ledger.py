"""The ledger on its page and in the API: lines that sum to what is shown, corrections, old lines summed up."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics import budgets, closing, ledger, record
from analytics.models import LedgerLine
from analytics.tasks import close_ledger
from routing.gateway.outcome import Charge
from routing.models import Budget, GatewaySettings
from routing.money import BEGINNING
from tests.analytics.outcomes import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_day")]
OLDEST = 500  # days ago that lines of these tests begin


@pytest.fixture
def budget(team: Any, member: Any) -> Budget:
    team.memberships.update(role="owner")
    return Budget.objects.create(scope="team", team=team, period="total", limit_usd=Decimal(10))


@pytest.fixture
def admin(admin_user: Any, client: Client) -> Client:
    client.force_login(admin_user)
    return client


def place(name: str, row: Budget) -> str:
    return reverse(f"analytics_budgets:{name}", args=[row.pk])


def spread(row: Budget, count: int) -> None:
    """Lines of odd amounts at odd times, several of them at the same moment."""
    die, now = random.Random(count), timezone.now()
    LedgerLine.objects.bulk_create(
        LedgerLine(
            budget_id=row.pk,
            kind=LedgerLine.Kind.SETTLE,
            units=die.randrange(-(10**9), 10**10),
            at=now - timedelta(hours=die.randrange(OLDEST * 24)),
        )
        for _ in range(count)
    )


def by_window(row: Budget) -> dict[datetime, int]:
    """Units of each window that has lines."""
    found: defaultdict[datetime, int] = defaultdict(int)
    for line in LedgerLine.objects.filter(budget_id=row.pk):
        found[budgets.standing(row, line.at).begin] += line.units
    return dict(found)


# -- pages of lines ---------------------------------------------------------------------------------------------------
def test_every_line_says_what_all_up_to_it_come_to(budget: Budget) -> None:
    spread(budget, 120)
    seen: list[ledger.Entry] = []
    before = None
    while True:
        page = ledger.page(budget.pk, BEGINNING, None, before=before)
        assert page.newest is (before is None)
        seen += page.entries
        before = page.older
        if before is None:
            break
    assert len({entry.line.pk for entry in seen}) == 120
    sum = Decimal(0)
    for entry in reversed(seen):
        sum += entry.line.amount
        assert entry.balance == sum
    assert seen[0].balance == ledger.spent(budget.pk, BEGINNING, None) == budgets.standing(budget).spent


def test_a_page_under_a_line_that_is_gone_begins_at_the_top(budget: Budget) -> None:
    spread(budget, 3)
    assert ledger.page(budget.pk, BEGINNING, None, before=10**9).newest
    assert ledger.page(budget.pk + 1, BEGINNING, None).entries == ()


def test_the_page_leads_to_the_requests_and_through_the_periods(client: Client, budget: Budget, member: Any) -> None:
    Budget.objects.update(period="monthly")
    budget.refresh_from_db()
    charge = Charge(budget=budget.pk, purse="", reserved=10**10)
    record.store([outcome(request_id="still-there", user_id=member.pk, cost_usd=Decimal("0.25"), charges=(charge,))])
    LedgerLine.objects.create(
        budget_id=budget.pk, request_id="long-gone", kind="settle", units=5 * 10**9, at=timezone.now()
    )
    first = budgets.standing(budget).begin
    ledger.adjust(budget.pk, Decimal("3.5"), "of last month", first - timedelta(days=1))
    client.force_login(member)
    reply = client.get(place("ledger", budget))
    page = reply.content.decode()
    assert "/dashboard/requests/still-there/" in page and "long-gone" in page
    assert "/dashboard/requests/long-gone/" not in page and "of last month" not in page
    assert reply.context["row"].spent == Decimal("0.75") == reply.context["page"].entries[0].balance
    assert reply.context["later"] is None
    before = client.get(place("ledger", budget), {"at": reply.context["earlier"]})
    assert "of last month" in before.content.decode() and before.context["row"].spent == Decimal("3.5")
    assert before.context["earlier"] is None
    after = client.get(place("ledger", budget), {"at": before.context["later"]})
    assert after.context["row"].begin == first
    for odd in ("x", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "2026-02-31T00:00:00Z"):
        assert client.get(place("ledger", budget), {"at": odd}).context["row"].begin == first


# -- corrections ------------------------------------------------------------------------------------------------------
def test_a_correction_is_a_line_with_its_reason_and_is_noted(admin: Client, admin_user: Any, budget: Budget) -> None:
    ledger.adjust(budget.pk, Decimal(4), "", timezone.now())
    assert place("adjust", budget) in admin.get(place("ledger", budget)).content.decode()
    assert "$4.00 of $10.00 spent" in admin.get(place("adjust", budget)).content.decode()
    assert admin.post(place("adjust", budget), {"amount": "-1.25", "note": "a vendor's refund"}).status_code == 302
    page = admin.get(place("ledger", budget)).content.decode()
    assert "a vendor&#x27;s refund" in page and "$2.75" in page
    noted = LogEntry.objects.get()
    assert (noted.user, noted.object_id) == (admin_user, str(budget.pk))
    assert "-1.25 USD: a vendor's refund" in noted.change_message


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1e9"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "0.00000000001"}, "amount"),
        ({"amount": "1", "note": " "}, "note"),
    ],
)
def test_what_is_wrong_with_a_correction_is_told(admin: Client, budget: Budget, said: Any, field: str) -> None:
    reply = admin.post(place("adjust", budget), {"note": "why"} | said)
    assert list(reply.context["form"].errors) == [field]
    assert not LedgerLine.objects.exists() and not LogEntry.objects.exists()


def test_who_sees_a_budget_does_not_correct_it(client: Client, budget: Budget, member: Any) -> None:
    client.force_login(member)
    assert place("adjust", budget) not in client.get(place("ledger", budget)).content.decode()
    assert client.post(place("adjust", budget), {"amount": "-5", "note": "mine"}).status_code == 403
    said = {"budget": budget.pk, "amount_usd": "-5", "note": "mine"}
    assert client.post("/api/v1/ledger/", said, content_type="application/json").status_code == 403
    assert not LedgerLine.objects.exists()


def test_the_api(client: Client, admin_user: Any, member: Any, budget: Budget) -> None:
    spread(budget, 60)
    other = Budget.objects.create(scope="global", limit_usd=1)
    client.force_login(member)
    first = client.get("/api/v1/ledger/", {"budget": budget.pk}).json()
    older = client.get(first["next"]).json()
    assert (first["budget"], first["end"], older["next"]) == (budget.pk, None, None)
    rows = first["results"] + older["results"]
    assert len(rows) == 60 and sum(Decimal(row["amount_usd"]) for row in rows) == Decimal(first["spent_usd"])
    assert rows[0]["balance_usd"] == first["spent_usd"] and rows[-1]["balance_usd"] == rows[-1]["amount_usd"]
    assert client.get("/api/v1/ledger/", {"budget": other.pk}).status_code == 404
    for odd in (
        {},
        {"budget": "x"},
        {"budget": budget.pk, "at": "0001-01-01T00:00:00Z"},
        {"budget": budget.pk, "x": 1},
    ):
        assert client.get("/api/v1/ledger/", odd).status_code == 400

    client.force_login(admin_user)
    said = {"budget": other.pk, "amount_usd": "0.4", "note": "a bill from elsewhere"}
    made = client.post("/api/v1/ledger/", said, content_type="application/json")
    assert made.status_code == 201 and (made.json()["kind"], made.json()["amount_usd"]) == ("adjust", "0.4000000000")
    assert client.get("/api/v1/ledger/", {"budget": other.pk}).json()["left_usd"] == "0.6000000000"
    for wrong in ({"amount_usd": "0"}, {"note": ""}, {"budget": 999}, {"colour": "red"}):
        assert client.post("/api/v1/ledger/", said | wrong, content_type="application/json").status_code == 400
    assert client.delete(f"/api/v1/ledger/{made.json()['id']}/").status_code == 404
    assert LedgerLine.objects.filter(budget_id=other.pk).count() == LogEntry.objects.count() == 1


# -- in time ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("period", ["daily", "weekly", "monthly", "total"])
@pytest.mark.parametrize("at_once", [3, 1000])
def test_old_lines_become_one_and_no_sum_changes(period: str, at_once: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(closing, "AT_ONCE", at_once)
    GatewaySettings(ledger_days=200).save()
    row = Budget.objects.create(scope="global", period=period, time_zone="Asia/Tokyo", limit_usd=1)
    other = Budget.objects.create(scope="tier", tier="cheap", period=period, limit_usd=1)
    spread(row, 150)
    spread(other, 40)
    until = timezone.now() - timedelta(days=200)
    sums, young = by_window(row), set(LedgerLine.objects.filter(at__gte=until).values_list("pk", flat=True))
    total = ledger.spent(other.pk, BEGINNING, None)
    close_ledger()
    assert by_window(row) == sums and ledger.spent(other.pk, BEGINNING, None) == total
    assert young <= set(LedgerLine.objects.values_list("pk", flat=True))
    lines: defaultdict[datetime, list[LedgerLine]] = defaultdict(list)
    for line in LedgerLine.objects.filter(budget_id=row.pk, at__lt=until):
        lines[budgets.standing(row, line.at).begin].append(line)
    last = budgets.standing(row, until).begin
    over = [found for begin, found in lines.items() if begin < last or period == "total"]
    assert over and all(len(found) == 1 for found in over)
    assert all(found[0].kind == "opening" for found in over) and (period == "total") == (len(over) == 1)

    assert closing.close_old() == 0
    late = over[0][0]
    ledger.adjust(row.pk, Decimal(1), "late", late.at)
    after = by_window(row)
    assert closing.close_old() == 1 and by_window(row) == after


def test_lines_of_budgets_that_are_gone_go_with_time(budget: Budget) -> None:
    spread(budget, 30)
    budget.delete()
    GatewaySettings(ledger_days=100).save()
    young = LedgerLine.objects.filter(at__gte=timezone.now() - timedelta(days=100)).count()
    assert 0 < closing.close_old() == 30 - young and LedgerLine.objects.count() == young


def test_nothing_young_is_touched(budget: Budget) -> None:
    for days in (0, 30, 399):
        ledger.adjust(budget.pk, Decimal(1), f"{days}", timezone.now() - timedelta(days=days))
    assert closing.close_old() == 0
    assert set(LedgerLine.objects.values_list("note", flat=True)) == {"0", "30", "399"}
