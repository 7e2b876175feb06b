"""Logging in at vendors with a real browser: the vendor's page, a device code, the pasted address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.models import Grant


@pytest.fixture
def vendors(gateway: Any, login_vendors: Any) -> Any:
    return login_vendors


@pytest.fixture
def page(vendors: Any, admin_user: Any, sign_in: Any) -> Any:
    return sign_in(admin_user.email)


def begin(page: Any, provider: str, method: str = "") -> None:
    page.goto(f"/dashboard/providers/{provider}/")
    page.locator(f"a[href='/dashboard/providers/{provider}/login/']").click()
    if method:
        page.locator("select[name=method]").select_option(method)
    page.locator("input[name=accept]").check()
    page.locator("form.o-form .o-button-main").click()
    page.locator("#vendor").wait_for()


@pytest.mark.parametrize("provider", ["claude", "codex"])
def test_in_the_browser_with_proof(page: Any, provider: str) -> None:
    """Claude: back to our own port; Codex: back to its fixed port, which is open for as long as that takes."""
    begin(page, provider, "browser")
    page.locator("#vendor").click()
    page.locator("#yes").click()
    page.wait_for_url(f"**/dashboard/providers/{provider}/")
    assert "ada@example.com" in page.locator(".o-table").first.inner_text()
    assert Grant.objects.get().email == "ada@example.com"


def test_with_a_code_at_the_vendors_page(page: Any) -> None:
    begin(page, "github")
    code = page.locator("#user-code").inner_text()
    with page.context.expect_page() as opened:
        page.locator("#vendor").click()
    vendor = opened.value
    vendor.locator("input[name=user_code]").fill(code)
    vendor.locator("button").click()
    vendor.locator("#done").wait_for()
    page.wait_for_url("**/dashboard/providers/github/")
    assert "ada" in page.locator(".o-table").first.inner_text()


def test_pasting_the_address(page: Any) -> None:
    begin(page, "kiro", "google")
    with page.context.expect_page() as opened:
        page.locator("#vendor").click()
    address = opened.value.locator("#yes").get_attribute("href")
    assert address.startswith("kiro://")
    page.locator("textarea[name=pasted]").fill(address)
    page.locator("form.o-form .o-button-main").click()
    page.wait_for_url("**/dashboard/providers/kiro/")
    assert "KIRO PRO" in page.locator(".o-table").first.inner_text()


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1400, False), ("ar", 390, True)])
def test_no_page_scrolls_sideways(
    language: str, width: int, dark: bool, vendors: Any, admin_user: Any, sign_in: Any, logged_in: Any
) -> None:
    grant = logged_in("claude")
    logged_in("github", method="device")
    page = sign_in(admin_user.email, language, width=width, dark=dark)
    places = [
        "/dashboard/providers/claude/",
        "/dashboard/providers/claude/login/",
        "/dashboard/providers/kiro/login/",
        f"/dashboard/providers/connections/{grant.connection_id}/login/",
        f"/dashboard/providers/connections/{grant.connection_id}/opening/",
        "/admin/admin/logentry/",
    ]
    for place in places:
        assert page.goto(place).status == 200, place
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, place
    for provider, method in (("codex", "browser"), ("codex", "import"), ("github", ""), ("kiro", "import")):
        page.goto(f"/dashboard/providers/{provider}/login/")
        if method:
            page.locator("select[name=method]").select_option(method)
        page.locator("input[name=accept]").check()
        page.locator("form.o-form .o-button-main").click()
        page.wait_for_url("**/logins/**")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, provider
    half = {"refreshToken": "a-refresh-token", "authMethod": "IdC", "clientIdHash": "5f" * 20}
    page.locator("textarea[name=pasted]").fill(json.dumps(half))
    page.locator("form.o-form .o-button-main").click()
    page.locator(".o-errors", has_text=half["clientIdHash"]).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
