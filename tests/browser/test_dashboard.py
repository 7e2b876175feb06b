"""An administrator's way through the dashboard, in a left-to-right and in a right-to-left language."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import catalogue
from providers.models import Connection
from routing.models import ApiKey

LANGUAGES = ("en", "ar")


@pytest.fixture(autouse=True)
def catalogue_rows(transactional_db: None) -> None:
    catalogue.sync()


def submit(page: Any) -> None:
    page.locator("form.o-form .o-button-main").click()


def follow(page: Any, path: str) -> None:
    """Click the menu's entry of that address."""
    page.locator(f"#nav-sidebar a[href='{path}']").click()
    page.wait_for_url(f"**{path}")


def ask(gateway: Any, key: str, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(
        f"{gateway.url}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60
    ).status_code


@pytest.mark.parametrize("language", LANGUAGES)
def test_from_sign_in_to_the_first_request(
    language: str, gateway: Any, upstream: Any, admin_user: Any, sign_in: Any, make_provider: Any
) -> None:
    make_provider("acme", upstream.url, keys=())
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/providers/")
    page.locator("[data-filters=providers]").press_sequentially("acme")
    assert page.locator("[data-words]:visible").count() == 1
    page.locator("a[href='/dashboard/providers/acme/']").click()
    page.locator("a[href$='/connections/new/']").click()
    page.locator("input[name=name]").fill("main")
    page.locator("input[name=secret]").fill("not-a-real-secret")
    submit(page)
    page.wait_for_url("**/dashboard/providers/acme/")
    assert "main" in page.locator(".o-table").first.inner_text()
    assert "not-a-real-secret" not in page.content()
    assert Connection.objects.get().secret is not None

    follow(page, "/dashboard/keys/")
    page.locator("a[href='/dashboard/keys/new/']").click()
    page.locator("input[name=name]").fill("laptop")
    submit(page)
    key = page.locator("#new-key").inner_text()
    assert key.startswith("sk-omni-") and ApiKey.objects.get().last4 == key[-4:]

    follow(page, "/dashboard/requests/")
    page.locator("[data-live-on]:visible").wait_for()
    assert page.locator("[data-live-news]").is_hidden()
    gateway.settle()
    assert ask(gateway, key, "acme/large") == 200
    record = gateway.records(1)[0]
    page.locator("[data-live-news]:visible").click()
    page.locator(f"a[href='/dashboard/requests/{record.request_id}/']").click()
    page.wait_for_url(f"**/{record.request_id}/")
    assert "acme · main" in page.locator("main, #content").first.inner_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_reads_in_the_languages_direction(language: str, admin_user: Any, sign_in: Any) -> None:
    page = sign_in(admin_user.email, language)
    follow(page, "/dashboard/requests/")
    rtl = language == "ar"
    assert page.locator("html").get_attribute("dir") == ("rtl" if rtl else "ltr")
    side = page.locator("#nav-sidebar").bounding_box()
    assert side["x"] == (1400 - side["width"] if rtl else 0)
    icon = page.locator("#nav-sidebar li .material-symbols-outlined").first.bounding_box()
    label = page.locator("#nav-sidebar li a > span:not(.material-symbols-outlined)").first.bounding_box()
    gap = icon["x"] - (label["x"] + label["width"]) if rtl else label["x"] - (icon["x"] + icon["width"])
    assert gap > 8
    page.goto("/admin/providers/provider/")
    sides = page.locator("#result_list :is(td, th)").evaluate_all("all => all.map(e => getComputedStyle(e).textAlign)")
    assert sides and set(sides) <= ({"start", "right"} if rtl else {"start", "left"})
    page.set_viewport_size({"width": 390, "height": 900})  # rows become cards: label, then far off its value
    value = page.locator("#result_list tr.data-row a").first.bounding_box()
    assert (value["x"] < 100) is rtl


def test_the_language_is_switched_on_the_page(admin_user: Any, sign_in: Any) -> None:
    page = sign_in(admin_user.email)
    page.locator("details.o-menu summary").click()
    page.locator("details.o-menu button[value=ar]").click()
    page.wait_for_function("document.documentElement.dir == 'rtl'")
    assert page.url.endswith("/dashboard/")


PLACES = (
    "/dashboard/",
    "/dashboard/endpoint/",
    "/dashboard/providers/",
    "/dashboard/providers/openai/",
    "/dashboard/providers/gemini-cli/",  # the longest words of a limit
    "/dashboard/providers/openai/change/",
    "/dashboard/providers/custom/new/",
    "/dashboard/providers/openai/connections/new/",
    "/dashboard/providers/openai/connections/several/",
    "/dashboard/providers/openai/models/import/",
    "/dashboard/keys/",
    "/dashboard/keys/new/",
    "/dashboard/requests/",
    "/dashboard/people/",
    "/dashboard/account/keys/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/admin/",
    "/admin/providers/connection/",
    "/admin/providers/connection/add/",
    "/admin/providers/provider/",
    "/admin/providers/providermodel/add/",
    "/admin/routing/apikey/",
    "/admin/routing/combo/add/",
    "/admin/routing/gatewaysettings/1/change/",
    "/admin/analytics/usagerecord/",
    "/admin/accounts/user/",
    "/api/docs/",
)


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1400, False), ("ar", 390, True)])
def test_no_page_scrolls_sideways_or_breaks_the_policy(
    language: str, width: int, dark: bool, admin_user: Any, sign_in: Any
) -> None:
    """The console is watched by the fixture: blocked scripts, failed files and errors all show there."""
    from routing.models import GatewaySettings

    GatewaySettings().save()
    page = sign_in(admin_user.email, language, width=width, dark=dark)
    for place in PLACES:
        reply = page.goto(place, wait_until="load")
        assert reply.status == 200, place
        if not place.startswith("/api/"):
            assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, place
    assert page.evaluate("document.documentElement.classList.contains('dark')") is dark or place == "/api/docs/"


def test_a_member_has_no_way_into_the_gateway(member: Any, sign_in: Any) -> None:
    page = sign_in(member.email)
    links = page.locator("#nav-sidebar a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "/dashboard/keys/" in links and not [
        link for link in links if "provider" in link or link.startswith("/admin/")
    ]
    page.locator("#nav-sidebar .truncate", has_text=member.email).click()
    page.locator("#logout-form button").click()
    page.wait_for_url("**/accounts/login/**")


def test_models_are_imported_and_chosen_connections_tested(
    gateway: Any, upstream: Any, admin_user: Any, sign_in: Any, make_provider: Any
) -> None:
    make_provider("acme", upstream.url, models=("large",), keys=("sk-one", "sk-two"))
    page = sign_in(admin_user.email)
    page.goto("/dashboard/providers/acme/")
    button = page.locator("#tests button")
    assert button.inner_text() == "Test all"
    page.locator("#connections input[name=pk]").last.check()
    assert button.inner_text() == "Test those chosen"
    button.click()
    page.locator("#connections", has_text="It answers and lists").wait_for()
    assert [row.test_ok for row in Connection.objects.order_by("pk")] == [None, True]

    page.locator("a[href$='/models/import/']").click()
    page.locator("form.o-filters .o-button-main").click()
    page.locator("[data-checks=add]").wait_for()
    page.locator("[data-filters=found]").fill("sim-")
    page.locator("[data-checks=add]").check()
    shown = page.locator("input[name=add]:visible").count()
    assert shown and page.locator("input[name=add]:checked").count() == shown
    page.locator("button[form=found]").click()
    page.wait_for_url("**/dashboard/providers/acme/#models")
    assert Connection.objects.first().provider.models.filter(model_id__startswith="sim-").count() == shown
