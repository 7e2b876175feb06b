"""Asking vendors, keeping what was said, offering it: against a vendor on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from providers import connections, proxies, quotas, tasks
from providers.models import Connection, Provider, QuotaState, QuotaWindow
from providers.quota import table
from providers.quota.ear import Heard
from routing import publish
from tests.omniroute.programs import until
from tests.providers.proxying import ProxyServer
from tests.providers.quota import samples
from tests.providers.quota.vendor import UsageVendor
from tests.simulator import raw

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "account-token-1234"
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "large",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}


@pytest.fixture
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vendors' whole addresses become paths of the provider's own, so that they can be played on loopback."""
    near = {
        name: tuple(
            replace(call, url="/" + call.url.split("/", 3)[3]) if call.url.startswith("https") else call
            for call in calls
        )
        for name, calls in table.USAGE.items()
    }
    monkeypatch.setattr(quotas, "USAGE", near)


def account(make_provider: Any, provider: str, vendor: UsageVendor, path: str = "/v1") -> Connection:
    return make_provider(provider, vendor.origin + path, keys=(KEY,)).connections.select_related("provider").get()


VENDORS = [
    ("claude", "/v1", "/api/oauth/usage", samples.CLAUDE, 4),
    ("codex", "/backend-api/codex", "/backend-api/wham/usage", samples.CODEX, 4),
    ("gemini-cli", "/v1internal", "/v1internal:retrieveUserQuota", samples.GEMINI_CLI, 2),
    ("antigravity", "", "/v1internal:fetchAvailableModels", samples.ANTIGRAVITY, 2),
    ("github", "", "/copilot_internal/user", samples.GITHUB_PAID, 2),
    ("github", "", "/copilot_internal/user", samples.GITHUB_FREE, 2),
    ("kiro", "", "/getUsageLimits", samples.KIRO, 2),
    ("kimi-coding", "/coding/v1", "/coding/v1/usages", samples.KIMI_CODING, 2),
    ("glm", "/api/anthropic/v1", "/api/monitor/usage/quota/limit", samples.GLM, 3),
    ("minimax", "", "/v1/api/openplatform/coding_plan/remains", samples.MINIMAX, 1),
    ("deepseek", "/v1", "/user/balance", samples.DEEPSEEK, 1),
    ("kimi", "/v1", "/v1/users/me/balance", samples.MOONSHOT, 1),
]


@pytest.mark.parametrize(("provider", "path", "place", "document", "count"), VENDORS)
def test_every_vendor_is_asked_and_understood(
    make_provider: Any, nearby: None, provider: str, path: str, place: str, document: Any, count: int
) -> None:
    with UsageVendor({place: document}) as vendor:
        row = account(make_provider, provider, vendor, path)
        assert quotas.refresh(row).message == ""
    form = table.USAGE[provider][0].forms[0]
    assert [question.headers["authorization"] for question in vendor.asked] == [form.format(KEY)]
    assert vendor.asked[0].headers["user-agent"].startswith("OmniRoute/")
    assert QuotaWindow.objects.filter(connection=row, source="usage").count() == count
    state = QuotaState.objects.get(connection=row)
    assert state.failures == 0 and state.next_at and state.next_at > timezone.now()


def test_a_workspace_is_named_and_a_project(make_provider: Any, nearby: None, monkeypatch: pytest.MonkeyPatch) -> None:
    known = connections.Bearer(KEY, {"account_id": "workspace-7", "project": "cloud-9"})
    monkeypatch.setattr(connections, "bearer_of", lambda _row: known)
    answers = {"/backend-api/wham/usage": samples.CODEX, "/v1internal:retrieveUserQuota": samples.GEMINI_CLI}
    with UsageVendor(answers) as vendor:
        for name, path in (("codex", "/backend-api/codex"), ("gemini-cli", "/v1internal")):
            assert quotas.refresh(account(make_provider, name, vendor, path)).reading
    codex, gemini = vendor.asked
    assert codex.headers["chatgpt-account-id"] == "workspace-7" and gemini.body == {"project": "cloud-9"}
    assert QuotaState.objects.get(connection__provider="codex").plan == "team"


def test_two_calls_make_one_reading(make_provider: Any) -> None:
    answers = {"/v1/credits": (403, {}), "/v1/key": samples.OPENROUTER_KEY}
    with UsageVendor(answers) as vendor:
        row = account(make_provider, "openrouter", vendor)
        assert quotas.refresh(row).reading
        assert [window.window for window in row.quota_windows.all()] == ["key"]
        vendor.answers["/v1/credits"] = samples.OPENROUTER_CREDITS
        assert quotas.refresh(row).reading
    assert {window.window for window in row.quota_windows.all()} == {"key", "balance"}


def test_another_spelling_of_the_credential_is_tried(make_provider: Any) -> None:
    with UsageVendor({"/api/monitor/usage/quota/limit": samples.GLM}) as vendor:
        vendor.refuses.add(KEY)
        assert quotas.refresh(account(make_provider, "glm", vendor)).reading
    assert [question.headers["authorization"] for question in vendor.asked] == [KEY, f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {"error": f"bad token {KEY}"}), "HTTP 401"),
        ((500, {}), "HTTP 500"),
        ((302, {}), "HTTP 302"),
        ("text", "no quota that this version"),
        ({}, "no quota that this version"),
    ],
)
def test_a_vendor_that_does_not_tell(make_provider: Any, answer: Any, told: str) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor:
        row = account(make_provider, "claude", vendor)
        quotas.refresh(row)
        vendor.answers["/api/oauth/usage"] = answer
        for _ in range(3):
            asked = quotas.refresh(row)
        assert asked.reading is None and told in asked.message and KEY not in asked.message
    state = QuotaState.objects.get()
    assert state.failures == 3 and state.next_at and state.next_at - timezone.now() > timedelta(minutes=70)
    assert row.quota_windows.count() == 4  # the last reading stays


def test_a_credential_is_not_sent_to_the_vendor_from_an_operators_address(make_provider: Any) -> None:
    with UsageVendor({}) as vendor:
        asked = quotas.refresh(account(make_provider, "github", vendor))
    assert "another address" in asked.message and not vendor.asked


def test_a_changed_address_a_missing_key_and_a_stranger(make_provider: Any) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor:
        row = account(make_provider, "claude", vendor)
        Provider.objects.update(base_url=vendor.origin.replace("127.0.0.1", "localhost"))
        row = Connection.objects.get()
        assert "address changed" in quotas.refresh(row).message and not vendor.asked
    other = make_provider("acme", "http://127.0.0.1:9/v1").connections.get()
    assert "nothing of quotas" in quotas.refresh(other).message


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_the_question_goes_through_the_proxy_or_not_at_all(make_provider: Any, kind: str) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor, ProxyServer(vendor.port, kind) as proxy:
        row = account(make_provider, "claude", vendor)
        proxies.choose(row.provider, proxy.url)
        row.provider.save()
        row = Connection.objects.get()
        assert quotas.refresh(row).reading and len(proxy.asked) == 1
        proxies.choose(row, f"{kind}://user:hush@127.0.0.1:1")
        row.save()
        asked = quotas.refresh(row)
    assert asked.reading is None and "hush" not in asked.message and len(vendor.asked) == 1


# -- keeping ----------------------------------------------------------------------------------------------------------
def heard(row: Connection, used: str, at: float, after: float = 3600, **more: str) -> Heard:
    said = {
        "x-codex-primary-used-percent": used,
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-after-seconds": f"{after}",
    }
    return Heard(connection_id=row.pk, provider="codex", model="m", at=at, headers=said | more)


def test_headers_are_written_when_they_say_something_new(make_provider: Any) -> None:
    row = make_provider("codex", "http://127.0.0.1:9/v1").connections.get()
    start = timezone.now().timestamp() - 600  # a reading of the future would be a clock's that has gone back

    def keep(used: str, seconds: float) -> tuple[float | None, bool]:
        before = publish.version()
        quotas.keep_heard([heard(row, used, start + seconds, after=3600 - seconds)])
        return QuotaWindow.objects.get().used_percent, publish.version() != before

    assert keep("10", 0) == (10, True)
    assert keep("10.4", 1) == (10, False)  # not much
    assert keep("12", 2) == (12, True)
    assert keep("50", 1) == (12, False)  # overtaken
    assert keep("12.2", 400) == (12.2, False)  # the reading is fresh again, routing need not know
    assert keep("99.9", 401) == (99.9, True)
    assert keep("100", 402) == (100, True)
    assert QuotaWindow.objects.get().source == "headers"


def test_of_several_the_newest_counts_and_the_plan_is_kept(make_provider: Any) -> None:
    row = make_provider("codex", "http://127.0.0.1:9/v1").connections.get()
    now = timezone.now().timestamp()
    gone = Heard(connection_id=row.pk + 99, provider="codex", model="m", at=now, headers={})
    quotas.keep_heard([heard(row, "30", now, **{"x-codex-plan-type": "pro"}), heard(row, "20", now - 5), gone])
    assert QuotaWindow.objects.get().used_percent == 30 and QuotaState.objects.get().plan == "pro"


def test_a_usage_call_is_the_whole_truth_of_what_such_calls_said(make_provider: Any) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor:
        row = account(make_provider, "claude", vendor)
        quotas.refresh(row)
        vendor.answers["/api/oauth/usage"] = {"five_hour": {"utilization": 1}}
        quotas.refresh(row)
    assert [(window.window, window.used_percent) for window in row.quota_windows.all()] == [("5h", 1)]


def test_the_snapshot_carries_what_is_left(make_provider: Any) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor:
        row = account(make_provider, "claude", vendor)
        quotas.refresh(row)
    left = {(each.window, each.family): each.share for each in publish.build().quotas[row.pk]}
    assert left == {("5h", ""): 0.575, ("7d", ""): 0.88, ("7d", "opus"): 0.0, ("month", "extra"): 0.9}


def test_windows_of_a_minute_do_not_change_the_configuration(make_provider: Any) -> None:
    row = make_provider("openai", "http://127.0.0.1:9/v1").connections.get()
    before = publish.version()
    said = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "1"}
    quotas.keep_heard([Heard(connection_id=row.pk, provider="openai", model="m", at=1_800_000_000, headers=said)])
    assert QuotaWindow.objects.get().used_percent == 99 and publish.version() == before and not quotas.standings()


# -- by the clock -----------------------------------------------------------------------------------------------------
def test_the_clock_asks_whose_time_has_come(make_provider: Any) -> None:
    with UsageVendor({"/api/oauth/usage": samples.CLAUDE}) as vendor:
        provider = make_provider("claude", vendor.origin, keys=(KEY, KEY + "2", KEY + "3"))
        make_provider("acme", vendor.origin)
        provider.connections.filter(name="c3").update(enabled=False)
        assert tasks.refresh_quotas() == 2 and len(vendor.asked) == 2
        assert tasks.refresh_quotas() == 0 and len(vendor.asked) == 2
        QuotaState.objects.filter(connection__name="c1").update(next_at=timezone.now())
        assert tasks.refresh_quotas() == 1 and len(vendor.asked) == 3
        provider.enabled = False
        provider.save()
        QuotaState.objects.update(next_at=None)
        assert tasks.refresh_quotas() == 0


def test_a_reply_through_the_gateway_is_heard(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> None:
    body = json.dumps(ANSWER).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-limit-requests: 1000\r\n"
        f"x-ratelimit-remaining-requests: 400\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    upstream.plays(raw(head.encode() + body))
    row = make_provider("groq", upstream.url).connections.get()
    key = make_key()
    gateway.settle()
    asked = {"model": "groq/large", "messages": [{"role": "user", "content": "Hello"}]}
    reply = httpx.post(f"{gateway.url}/chat/completions", json=asked, headers={"Authorization": f"Bearer {key}"})
    assert reply.status_code == 200
    gateway.records(1)
    until(QuotaWindow.objects.filter(connection=row).exists)  # kept when the record is committed already
    window = QuotaWindow.objects.get(connection=row)
    assert (window.window, window.family, window.used_percent, window.source) == ("day", "large", 60, "headers")
