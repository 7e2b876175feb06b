"""Budgets as people see them: standing, notices, pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from analytics import budgets, ledger
from analytics.models import BudgetNotice, LedgerLine
from routing import keys
from routing.models import Budget

pytestmark = pytest.mark.django_db


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
