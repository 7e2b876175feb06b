"""Quotas and proxies as people see them, in both directions, dark and narrow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from providers import catalogue, proxies, quotas
from providers.models import Connection, Provider, Proxy, QuotaState, QuotaWindow
from providers.quota import logins
from tests.providers.proxying import ProxyServer
from tests.providers.quota import samples
from tests.providers.quota.vendor import UsageVendor

PLACE = "/api/oauth/usage"


@pytest.fixture(autouse=True)
def catalogue_rows(transactional_db: None) -> None:
    catalogue.sync()


def account(make_provider: Any, vendor: UsageVendor) -> Connection:
    Provider.objects.get(pk="claude").delete()  # the vendor's own entry makes room for one that asks the stand-in
    row: Connection = make_provider("claude", vendor.origin).connections.get()
    quotas._keep_asked(row, quotas.Asked(logins.claude(samples.CLAUDE, 0)))
    QuotaState.objects.update(plan="max")
    now = timezone.now()
    QuotaWindow.objects.filter(resets_at__isnull=False).update(resets_at=now + timedelta(days=4))
    QuotaWindow.objects.filter(window="5h").update(resets_at=now + timedelta(hours=2, minutes=10))
    QuotaWindow.objects.filter(family="opus").update(resets_at=now + timedelta(days=3))
    return row


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1400, False), ("ar", 390, True)])
def test_what_is_left_is_shown_and_asked_for_again(
    language: str, width: int, dark: bool, admin_user: Any, sign_in: Any, make_provider: Any
) -> None:
    with UsageVendor({PLACE: samples.CLAUDE}) as vendor:
        row = account(make_provider, vendor)
        page = sign_in(admin_user.email, language, width=width, dark=dark)
        page.goto("/dashboard/quotas/")
        card = page.locator(f"#account-{row.pk}")
        assert card.locator("progress").count() == 4
        assert {bar.get_attribute("value") for bar in card.locator("progress").all()} == {
            "57.50",
            "88.00",
            "0.00",
            "90.00",
        }
        assert "max" in card.inner_text()
        assert page.locator("[data-until]").first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        vendor.answers[PLACE] = {"five_hour": {"utilization": 99}}
        card.locator("form[action$='/refresh/'] button").click()
        page.locator("progress[value='1.00']").wait_for()
        assert page.locator("progress").count() == 1
        page.goto("/dashboard/providers/claude/")
        assert page.locator("progress[value='1.00']").count() == 1


def test_a_proxy_from_the_form_to_the_badge(admin_user: Any, upstream: Any, sign_in: Any, make_provider: Any) -> None:
    make_provider("acme", upstream.url)
    with ProxyServer(upstream.port, "socks5") as server:
        page = sign_in(admin_user.email)
        page.goto("/dashboard/proxies/new/")
        page.locator("input[name=name]").fill("europe")
        page.locator("input[name=url]").fill(server.url)
        page.locator("form.o-form .o-button-main").click()
        page.wait_for_url("**/dashboard/proxies/")
        assert server.address in page.locator(".o-table").inner_text() and "pa%40ss" not in page.content()
        page.goto("/dashboard/providers/acme/change/")
        page.locator("select[name=proxy]").select_option("europe")
        page.locator("form.o-form .o-button-main").click()
        page.wait_for_url("**/dashboard/providers/acme/")
        assert page.locator(".o-pill-warn", has_text=server.address).count() == 2
        page.goto("/dashboard/proxies/")
        page.locator("form[action$='/test/'] button").click()
        page.locator("text=Acme answers through it").first.wait_for()
        assert Proxy.objects.get().test_ok and proxies.way_of(Connection.objects.get()).label
