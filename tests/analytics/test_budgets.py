"""Budgets as people see them: standing, notices, pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import User
from analytics import budgets, ledger
from analytics.models import BudgetNotice, LedgerLine
from providers.wire.types import Units, Usage
from routing import keys
from routing.gateway.outcome import Charge, spends
from routing.models import Budget
from tests.analytics.outcomes import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_day")]


@pytest.fixture
def budget(team: Any, member: Any) -> Budget:
    team.memberships.update(role="owner")
    return Budget.objects.create(scope="team", team=team, period="monthly", limit_usd=Decimal(10))


def test_told_once_per_period_when_the_share_is_reached(budget: Budget, admin_user: Any) -> None:
    ledger.adjust(budget.pk, Decimal("7.99"), "", timezone.now())
    assert budgets.notify() == 0
    ledger.adjust(budget.pk, Decimal("0.01"), "", timezone.now())
    assert (budgets.notify(), budgets.notify()) == (1, 0)
    assert BudgetNotice.objects.get().spent == 8
    [message] = mail.outbox
    assert message.to == ["member@example.com"]
    assert "80 % spent" in message.subject
    assert "8.00 of 10.00 USD" in message.body


def test_last_month_is_not_this_month_s(budget: Budget) -> None:
    begin = budgets.standing(budget).begin
    ledger.adjust(budget.pk, Decimal(5), "", begin - timezone.timedelta(seconds=1))
    ledger.adjust(budget.pk, Decimal(3), "", begin)
    assert budgets.standing(budget).spent == 3


def test_the_pages(client: Any, budget: Budget, member: Any, admin_user: Any) -> None:
    other = Budget.objects.create(scope="key", api_key=keys.create(name="x")[0], limit_usd=1)
    for number in range(60):
        ledger.adjust(budget.pk, Decimal("0.1"), f"line {number}", timezone.now())
    client.force_login(member)
    page = client.get("/dashboard/budgets/").content.decode()
    assert "Research" in page and f"/dashboard/budgets/{budget.pk}/" in page
    assert f"/dashboard/budgets/{other.pk}/" not in page
    assert client.get(f"/dashboard/budgets/{other.pk}/").status_code == 404
    first = client.get(f"/dashboard/budgets/{budget.pk}/").content.decode()
    assert "line 59" in first and "line 9<" not in first
    oldest = LedgerLine.objects.order_by("-id")[49].pk
    assert "line 9<" in client.get(f"/dashboard/budgets/{budget.pk}/?before={oldest}").content.decode()
    client.force_login(admin_user)
    assert f"/dashboard/budgets/{other.pk}/" in client.get("/dashboard/budgets/").content.decode()


def test_the_api(client: Any, admin_user: Any, team: Any) -> None:
    client.force_login(admin_user)

    def post(path: str, **body: Any) -> Any:
        return client.post(f"/api/v1/{path}/", body, content_type="application/json")

    made = post("budgets", scope="team", team=team.pk, limit_usd="5", period="weekly")
    assert made.status_code == 201, made.content
    assert post("budgets", scope="team", limit_usd="5").status_code == 400
    assert post("budgets", scope="global", limit_usd="5", time_zone="Mars").status_code == 400
    path = f"/api/v1/budgets/{made.json()['id']}/"
    assert client.patch(path, {"limit_usd": "6"}, content_type="application/json").json()["limit_usd"] == "6.000000"
    assert post("limits", team=team.pk, parallel=3).status_code == 201
    assert post("limits", parallel=3).status_code == 400
    assert post("ip-rules", network="10.0.0.9/8").json()["network"] == "10.0.0.0/8"
    assert post("ip-rules", network="x").status_code == 400


def test_the_overview_tells_the_same_people_as_the_mail(admin_user: Any, member: Any, team: Any) -> None:
    """Of every kind of budget, each at its share."""
    owner = User.objects.create_user("owner@example.com")
    team.memberships.create(user=owner, role="owner")
    owners = [(member, team), (member, None), (None, team), (None, None)]
    made = [keys.create(name=f"key {at}", owner=user, team=of)[0] for at, (user, of) in enumerate(owners)]
    fields: list[tuple[str, dict[str, Any]]] = [("key", {"api_key": key}) for key in made]
    fields += [("user", {"user": member}), ("team", {"team": team}), ("global", {}), ("tier", {"tier": "cheap"})]
    for at, (scope, whose) in enumerate(fields):
        row = Budget.objects.create(scope=scope, limit_usd=10, notify_at=50, **whose)
        ledger.adjust(row.pk, Decimal(5 + at), "", timezone.now())
    assert budgets.notify() == len(fields)
    mailed = {(address, message.subject) for message in mail.outbox for address in message.to}
    seen = {
        (user.email, f"Budget {now.budget}: {now.share} % spent")
        for user in (admin_user, member, owner)
        for now in budgets.reached(user)
    }
    assert seen == mailed and len(seen) == len(fields)


def test_the_banner_and_when_there_is_none(client: Any, budget: Budget, member: Any, admin_user: Any) -> None:
    client.force_login(member)
    ledger.adjust(budget.pk, Decimal("7.99"), "", timezone.now())
    assert not budgets.reached(member)
    ledger.adjust(budget.pk, Decimal("0.51"), "", timezone.now())
    page = client.get("/dashboard/").content.decode()
    assert "$8.50 of $10.00 spent" in page and f"/dashboard/budgets/{budget.pk}/" in page and "soon used up" in page
    client.force_login(admin_user)
    assert "$8.50 of $10.00 spent" not in client.get("/dashboard/").content.decode()
    client.force_login(member)
    for quiet in ({"notify_at": None}, {"notify_at": 80, "enabled": False}, {"enabled": True, "limit_usd": 100}):
        Budget.objects.filter(pk=budget.pk).update(**quiet)
        assert "of $10.00 spent" not in client.get("/dashboard/").content.decode()


def test_the_live_counter_is_told_what_the_ledger_writes() -> None:
    charge = Charge(budget=1, purse="b:1", reserved=77)
    plain = outcome(cost_usd=Decimal("0.0000000012"), charges=(charge,))
    untold = outcome(cost_usd=None, usage=Usage(units=Units(seconds=3)), charges=(charge,))
    unpriced = outcome(cost_usd=None, usage=Usage(input=5), charges=(charge,))
    assert [spends(each) for each in (plain, untold, unpriced)] == [[(charge, 12)], [(charge, 77)], [(charge, 0)]]
