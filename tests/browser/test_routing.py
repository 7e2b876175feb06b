"""The pages of routing in a browser: a combo built step by step, tried, its health, a name looked up; in a
left-to-right and a right-to-left language."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from providers.models import Connection
from routing import combos
from routing.board import News
from routing.health import store
from routing.models import Alias, Combo, HealthState
from tests import simulator as sim
from tests.browser.test_dashboard import follow, submit

LANGUAGES = ("en", "ar")


@pytest.fixture
def two(gateway: Any, upstream: Any, make_provider: Any) -> Any:
    make_provider("acme", upstream.url, models=("large", "small"), keys=("sk-acme",))
    make_provider("beta", upstream.url, tier="free", keys=("sk-beta",))
    gateway.settle()
    return upstream


def models(page: Any) -> list[str]:
    return [field.input_value() for field in page.locator("input[name=step_model]").all()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_combo_is_built_and_tried(language: str, two: Any, admin_user: Any, sign_in: Any) -> None:
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/combos/")
    page.locator(".o-head a.o-button-main").click()
    page.locator("input[name=name]").fill("fast")
    fields = page.locator("input[name=step_model]")
    fields.nth(0).fill("beta/large")
    fields.nth(1).fill("acme/large")
    page.locator("[data-move=add]").click()
    page.locator("input[name=step_model]").nth(2).fill("acme/small")
    page.locator("[data-move=up]").nth(1).click()
    assert models(page) == ["acme/large", "beta/large", "acme/small"]
    page.locator("[data-move=remove]").nth(2).click()
    assert models(page) == ["acme/large", "beta/large"] and "/new/" in page.url
    submit(page)
    page.wait_for_url("**/dashboard/combos/")
    row = Combo.objects.get()
    assert [str(step) for step in combos.steps_of(row)] == ["acme/large", "beta/large"]
    two.for_key("sk-acme").plays(sim.status(402))
    page.locator(f"#combo-{row.pk} form[action$='/test/'] button").click()
    page.wait_for_url("**/test/")
    assert "beta/large" in page.locator(".o-note").first.inner_text()
    assert page.locator(".o-table .o-pill-good").count() == 1 and page.locator(".o-table .o-pill-bad").count() == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_held_counts_down_and_is_lifted(language: str, two: Any, admin_user: Any, sign_in: Any) -> None:
    now = timezone.now().timestamp()
    for connection in Connection.objects.all():
        store([News(f"#{connection.pk}", "", "rest", "rate_limited", 1, now + 300, "slow down", now)])
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/health/")
    clock = page.locator(".o-table [data-until]").first
    before = clock.inner_text()
    page.wait_for_function("([e, was]) => e.textContent !== was", arg=[clock.element_handle(), before])
    with page.expect_navigation():  # to the same address
        page.locator(".o-table form button").first.click()
    assert page.locator(".o-table tbody tr").count() == 1
    page.locator("button[name=all]").click()
    page.locator(".o-empty").wait_for()
    assert not HealthState.objects.filter(until__isnull=False).exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_is_tried_before_it_is_asked(language: str, two: Any, admin_user: Any, sign_in: Any) -> None:
    combos.store(Combo(name="fast"), [combos.Step("acme/large"), combos.Step("beta/large")])
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/aliases/")
    page.locator("input[name=pattern]").fill("gpt-*")
    page.locator("input[name=target]").fill("fast")
    page.locator("form[method=post].o-form .o-button-main").click()
    page.locator(".o-table bdi").first.wait_for()
    assert Alias.objects.get().target == "fast"
    follow(page, "/dashboard/try/")
    page.locator("input[name=model]").fill("gpt-5")
    submit(page)
    page.locator(".o-table").wait_for()
    assert [row.inner_text() for row in page.locator(".o-table td:nth-child(3)").all()] == ["large", "large"]
    assert two.count == 0


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1440, False), ("ar", 390, True)])
def test_no_page_of_routing_scrolls_sideways(
    language: str, width: int, dark: bool, two: Any, admin_user: Any, team: Any, sign_in: Any
) -> None:
    row = Combo(name="a-combo-with-a-rather-long-name-that-goes-on")
    combos.store(row, [combos.Step("acme/large"), combos.Step("gone/a-model-with-a-long-name-that-nobody-has")])
    Alias.objects.create(pattern="claude-3-*", target="acme/large")
    now = timezone.now().timestamp()
    store([News(f"#{Connection.objects.first().pk}", "large", "rest", "auth", 3, now + 9000, "no " * 90, now)])
    page = sign_in(admin_user.email, language, width=width, dark=dark)
    for place in (
        "/dashboard/combos/",
        "/dashboard/combos/new/?template=always-on",
        f"/dashboard/combos/{row.pk}/figures/",
        "/dashboard/aliases/?name=claude-3-opus",
        "/dashboard/health/",
        f"/dashboard/try/?model={row.name}&key=",
        "/dashboard/keys/new/",
        f"/dashboard/people/teams/{team.pk}/permissions/",
    ):
        assert page.goto(place, wait_until="load").status == 200, place
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, place
