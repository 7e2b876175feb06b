"""Budgets, limits and rules for addresses set by clicks, in a left-to-right and a right-to-left language."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from analytics import ledger
from analytics.models import UsageRecord
from routing import keys
from routing.models import Budget, IpRule, Limit
from tests.browser.test_dashboard import follow, submit

LANGUAGES = ("en", "ar")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_budget_is_set_fills_up_and_is_told(language: str, gateway: Any, admin_user: Any, sign_in: Any) -> None:
    key, _ = keys.create(name="ci", owner=admin_user)
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/keys/")
    page.locator(f".o-table a[href='/dashboard/keys/{key.pk}/']").click()
    page.locator("input[name=requests_per_minute]").fill("60")
    submit(page)
    page.wait_for_url("**/dashboard/keys/")
    assert Limit.objects.get().requests_per_minute == 60
    page.locator(f".o-table a[href='/dashboard/keys/{key.pk}/']").click()
    page.locator(f"a[href$='?for=key:{key.pk}']").click()
    assert page.locator("select[name=whose]").input_value() == f"key:{key.pk}"
    page.locator("input[name=time_zone]").fill("Nowhere")
    page.locator("input[name=limit_usd]").fill("10")
    submit(page)
    page.locator(".o-errors").wait_for()
    assert "Nowhere" in page.locator(".o-errors").inner_text()
    page.locator("input[name=time_zone]").fill("Asia/Dubai")
    submit(page)
    page.wait_for_url("**/dashboard/budgets/")
    row = Budget.objects.get()
    assert (row.api_key, row.limit_usd, row.time_zone) == (key, 10, "Asia/Dubai")
    ledger.adjust(row.pk, Decimal("8.5"), "", timezone.now())
    page.goto("/dashboard/")
    assert "ci" in page.locator(f".o-note a[href='/dashboard/budgets/{row.pk}/']").inner_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_address_is_blocked_and_let_in_again(language: str, gateway: Any, admin_user: Any, sign_in: Any) -> None:
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/addresses/")
    page.locator("input[name=network]").fill("203.0.113.7")
    page.locator("input[name=reason]").fill("scans")
    submit(page)
    page.locator(".o-table").wait_for()
    assert (IpRule.objects.get().network, IpRule.objects.get().allow) == ("203.0.113.7/32", False)
    page.locator(".o-table form button").click()
    page.locator(".o-empty").wait_for()
    assert not IpRule.objects.exists()


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1440, False), ("ar", 390, True)])
def test_no_page_of_spending_scrolls_sideways(
    language: str, width: int, dark: bool, gateway: Any, admin_user: Any, member: Any, team: Any, sign_in: Any
) -> None:
    key, _ = keys.create(name="a-key-with-a-rather-long-name-that-goes-on", owner=admin_user, team=team)
    for scope, whose in (("key", {"api_key": key}), ("user", {"user": admin_user}), ("team", {"team": team})):
        row = Budget.objects.create(scope=scope, limit_usd=1000, **whose)
        Limit.objects.create(tokens_per_minute=2_000_000, **whose)
    row = Budget.objects.create(scope="global", limit_usd=1000, hard=False)
    ledger.adjust(row.pk, Decimal("985.123456"), "", timezone.now())
    IpRule.objects.create(network="2001:db8:1234:5678:9abc:def0:1234:5678/128", reason="scans " * 20)
    IpRule.objects.create(network="198.51.100.0/24", until=timezone.now() + timedelta(days=1), reason="tried keys")
    IpRule.objects.create(network="10.0.0.0/8", allow=True)
    for flat in (True, False):
        UsageRecord.objects.create(
            request_id=str(flat), started_at=timezone.now(), operation="chat", client_format="openai_chat", status=200,
            result="ok", latency_ms=1, cost_usd=12, flat_rate=flat,
        )  # fmt: skip
    page = sign_in(admin_user.email, language, width=width, dark=dark)
    for place in (
        "/dashboard/",
        "/dashboard/budgets/",
        "/dashboard/budgets/new/",
        f"/dashboard/budgets/{row.pk}/change/",
        f"/dashboard/keys/{key.pk}/",
        "/dashboard/addresses/",
        f"/dashboard/people/teams/{team.pk}/limits/",
    ):
        assert page.goto(place, wait_until="load").status == 200, place
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, place
