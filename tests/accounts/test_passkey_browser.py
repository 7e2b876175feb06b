"""A passkey in a real browser: registered, used to sign in, and a sentence when there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.accounts.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = own if Path(own).exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if found is None and not os.environ.get("CI"):
            pytest.skip("Chromium is not installed")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def virtual_authenticator(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


def submit(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"main [name={name}]", value)
    page.click("main form.o-form button[type=submit]")


def test_a_passkey_is_registered_and_signs_in(live_server, mate, page) -> None:
    virtual_authenticator(page)
    page.goto(f"{live_server.url}/accounts/login/?next=/accounts/2fa/webauthn/add/")
    submit(page, login="mate@example.com", password=PASSWORD)
    page.wait_for_url("**/accounts/reauthenticate/**")  # the page before has such a field too
    submit(page, password=PASSWORD)
    page.check("[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/?next=/dashboard/people/")
    page.click("#passkey_login")
    page.wait_for_url("**/dashboard/people/")
    expect(page.get_by_text("mate@example.com").first).to_be_visible()


def test_without_a_passkey_the_page_says_so(live_server, mate, page) -> None:
    page.add_init_script("navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError'))")
    page.goto(f"{live_server.url}/accounts/login/")
    expect(page.locator("#passkey-error")).to_be_hidden()
    page.click("#passkey_login")
    expect(page.locator("main > #passkey-error")).to_be_visible()
