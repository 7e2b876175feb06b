"""Policies and caches set by clicks, and what the gateway makes of them, in a left-to-right and a right-to-left
language."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from analytics import ledger
from routing import keys
from routing.models import Budget, CacheFlush, CacheSettings, Limit, Policy
from tests.browser.test_dashboard import ask, follow, submit

LANGUAGES = ("en", "ar")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_policy_is_made_changed_switched_off_and_deleted(
    language: str, gateway: Any, upstream: Any, admin_user: Any, sign_in: Any, make_provider: Any, make_key: Any
) -> None:
    make_provider("acme", upstream.url)
    key = make_key()
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/policies/")
    page.locator("a[href$='/policies/new/system_prompt/']").click()
    page.locator("textarea[name=before]").fill("Answer in one word.")
    submit(page)
    page.wait_for_url("**/dashboard/policies/")
    assert Policy.objects.get().settings["before"] == "Answer in one word."
    gateway.settle()
    assert ask(gateway, key, "acme/large") == 200
    assert b"Answer in one word." in upstream.requests[-1].body

    page.locator(".o-table .o-actions a").first.click()
    assert page.locator("textarea[name=before]").input_value() == "Answer in one word."
    page.locator("textarea[name=before]").fill("Be brief.")
    submit(page)
    page.wait_for_url("**/dashboard/policies/")
    page.locator(".o-table form[action$='/switch/'] button").click()
    page.locator(".o-table .o-pill:not(.o-pill-good)").wait_for()
    row = Policy.objects.get()
    assert (row.enabled, row.settings["before"]) == (False, "Be brief.")
    page.locator(".o-table a.o-button-danger").click()
    page.locator("form.o-form .o-button-danger-main").click()
    page.locator(".o-empty").wait_for()
    assert not Policy.objects.exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_wrong_with_a_pattern_is_told_beside_it(
    language: str, admin_user: Any, gateway: Any, sign_in: Any
) -> None:
    page = sign_in(admin_user.email, language)
    page.goto("/dashboard/policies/new/guard/")
    page.locator("textarea[name=patterns]").fill("bad (?<=a)b")
    submit(page)
    assert page.locator("[role=alert]").first.inner_text()
    assert page.locator("textarea[name=patterns]").input_value() == "bad (?<=a)b" and not Policy.objects.exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_are_kept_counted_and_forgotten(
    language: str, gateway: Any, upstream: Any, admin_user: Any, sign_in: Any, make_provider: Any, make_key: Any
) -> None:
    make_provider("acme", upstream.url)
    key = make_key()
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/cache/")
    page.locator("input[name=exact]").check()
    page.locator("input[name=any_temperature]").check()
    with page.expect_navigation():
        submit(page)
    assert CacheSettings.objects.get().exact
    gateway.settle()
    assert [ask(gateway, key, "acme/large") for _ in range(3)] == [200] * 3 and upstream.count == 1
    gateway.records(3)
    page.reload()
    assert [value.inner_text() for value in page.locator(".o-facts dd").all()[:4]] == ["2", "0", "0", "1"]
    with page.expect_navigation():
        page.locator("form[action$='/flush/'] button").click()
    assert CacheFlush.objects.exists()
    gateway.settle()
    assert ask(gateway, key, "acme/large") == 200 and upstream.count == 2


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1440, False), ("ar", 390, True)])
def test_no_page_of_shaping_and_spending_scrolls_sideways(
    language: str, width: int, dark: bool, gateway: Any, admin_user: Any, team: Any, sign_in: Any
) -> None:
    key, _ = keys.create(name="a-key-with-a-rather-long-name-that-goes-on", owner=admin_user, team=team)
    limit = Limit.objects.create(api_key=key, requests_per_minute=60, tokens_per_minute=2_000_000, parallel=4)
    budget = Budget.objects.create(scope="key", api_key=key, limit_usd=10)
    ledger.adjust(budget.pk, Decimal("9.123456"), "a reason that is told at some length " * 4, timezone.now())
    row = Policy.objects.create(kind="guard", api_key=key, settings={"mode": "block", "block_from": "medium"})
    page = sign_in(admin_user.email, language, width=width, dark=dark)
    for place in (
        "/dashboard/policies/",
        f"/dashboard/policies/{row.pk}/",
        *(f"/dashboard/policies/new/{kind}/" for kind in Policy.Kind.values),
        "/dashboard/cache/",
        "/dashboard/limits/",
        "/dashboard/limits/new/",
        f"/dashboard/limits/{limit.pk}/",
        f"/dashboard/budgets/{budget.pk}/",
        f"/dashboard/budgets/{budget.pk}/adjust/",
    ):
        assert page.goto(place, wait_until="load").status == 200, place
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, place
