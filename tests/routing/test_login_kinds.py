"""Every kind of login from the vendor's page to an answer: the catalogue's own entries, each vendor in its envelope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from providers import connections, grants, importing, notices, quotas, registry, tasks
from providers.fields import reveal
from providers.logins import attempts
from providers.logins.attempts import Who
from providers.models import Connection, Grant, LoginAttempt, Provider, QuotaWindow
from providers.probe import NoList
from routing import publish
from tests.omniroute.programs import until
from tests.vendors import Vendors

ADA = Who("1", "ada@example.com", "session-of-ada")
HERE = "http://127.0.0.1:20128"


@dataclass(frozen=True)
class Kind:
    """``method``: how somebody logs in; ``renews``: whether there are new tokens; ``windows``: of the usage call."""

    name: str
    method: str
    model: str
    renews: bool = True
    windows: int = 0

    def __str__(self) -> str:
        return f"{self.name}-{self.method}"


KINDS = (
    Kind("claude", "browser", "claude-opus-4-6", windows=4),
    Kind("codex", "browser", "gpt-5.2", windows=4),
    Kind("codex", "device", "gpt-5.2", windows=4),
    Kind("gemini-cli", "browser", "gemini-2.5-pro", windows=2),
    Kind("antigravity", "browser", "gemini-3-flash", windows=2),
    Kind("github", "device", "gpt-4o", renews=False, windows=2),
    Kind("kiro", "builder_id", "claude-haiku-4.5", windows=2),
    Kind("kiro", "google", "claude-haiku-4.5", windows=2),
    Kind("kiro", "import", "claude-haiku-4.5", windows=2),
    Kind("kimi-coding", "device", "kimi-k2.6", windows=2),
    Kind("kilocode", "device", "openai/gpt-4.1", renews=False),
    Kind("cline", "browser", "openai/gpt-4.1"),
    Kind("qwen", "device", "coder-model"),
)
RENEWING = [kind for kind in KINDS if kind.renews]


@pytest.fixture
def vendors(gateway: Any, whole_vendors: Vendors) -> Vendors:
    return whole_vendors


def log_in(vendors: Vendors, name: str, method: str, **options: Any) -> Connection:
    """As a person would, at the vendor's page, by a code or by pasting."""
    entry = registry.effective_of(Provider.objects.get(pk=name))
    attempt = attempts.begin(entry, method, ADA, origin=HERE, **options)
    if attempt.ask_at is not None:
        vendors.agree(attempt.shown["code"])
        LoginAttempt.objects.filter(pk=attempt.pk).update(ask_at=timezone.now())
        done = attempts.poll(attempts.own(attempt.uid, ADA), ADA)
        assert done.connection is not None, done.message
        return done.connection
    if "url" not in attempt.shown:
        return attempts.pasted(vendors.accounts.log_in().refresh, attempt, ADA)
    back = httpx.get(attempt.shown["url"]).text.split('id="yes" href="')[1].split('"')[0].replace("&amp;", "&")
    return attempts.answered(parse_qs(urlsplit(back).query), ADA)


@pytest.fixture
def ask(gateway: Any, make_key: Callable[..., str]) -> Callable[[str], httpx.Response]:
    key = make_key()

    def send(model: str) -> httpx.Response:
        gateway.settle()
        body = {"model": model, "messages": [{"role": "user", "content": "Say hello"}]}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{gateway.url}/chat/completions", json=body, headers=headers, timeout=30)

    return send


@pytest.fixture
def browser(admin_user: Any) -> Client:
    found = Client()
    found.force_login(admin_user)
    return found


def said(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    text: str = reply.json()["choices"][0]["message"]["content"]
    return text


def change(connection: Connection, **columns: Any) -> None:
    Grant.objects.filter(connection=connection).update(**columns)
    publish.bump()


LONG_AGO = timedelta(hours=1)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_login_answers(vendors: Vendors, gateway: Any, ask: Any, kind: Kind) -> None:
    log_in(vendors, kind.name, kind.method)
    assert said(ask(f"{kind.name}/{kind.model}")) == "Hello"
    (record,) = gateway.records(1)
    assert (record.result, record.input_tokens, record.output_tokens) == ("ok", 3, 1)


@pytest.mark.parametrize("kind", RENEWING, ids=str)
def test_an_expired_token_is_renewed_before_it_is_sent(vendors: Vendors, ask: Any, kind: Kind) -> None:
    connection = log_in(vendors, kind.name, kind.method)
    asked, old = vendors.accounts.asked, reveal(connection.grant, "access_token")
    change(connection, expires_at=timezone.now() - timedelta(seconds=5), obtained_at=timezone.now() - LONG_AGO)
    assert said(ask(f"{kind.name}/{kind.model}")) == "Hello"
    grant = Grant.objects.get()
    assert vendors.accounts.asked == asked + 1 and vendors.accounts.reused == 0
    assert grant.state == "good" and grant.generation == 2 and reveal(grant, "access_token") != old


@pytest.mark.parametrize("kind", RENEWING, ids=str)
def test_a_refused_token_is_renewed_and_sent_once_more(vendors: Vendors, gateway: Any, ask: Any, kind: Kind) -> None:
    connection = log_in(vendors, kind.name, kind.method)
    change(connection, obtained_at=timezone.now() - LONG_AGO)
    asked, vendors.accounts.families[-1].access = vendors.accounts.asked, "the-vendor-knows-another-one"
    before = len(vendors.calls)
    assert said(ask(f"{kind.name}/{kind.model}")) == "Hello"
    assert vendors.accounts.asked == asked + 1 and len(vendors.calls) == before + 3  # refused, renewed, answered
    assert gateway.records(1)[0].result == "ok"


@pytest.mark.parametrize("kind", [kind for kind in RENEWING if kind.windows], ids=str)
def test_a_usage_call_and_a_test_renew_a_refused_token(vendors: Vendors, kind: Kind) -> None:
    connection = log_in(vendors, kind.name, kind.method)
    for ask in (quotas.refresh, connections.test):
        change(connection, obtained_at=timezone.now() - LONG_AGO)
        asked, vendors.accounts.families[-1].access = vendors.accounts.asked, "the-vendor-knows-another-one"
        answer: Any = ask(Connection.objects.get())
        assert answer.message in ("", "It answers.") or answer.ok, answer.message
        assert vendors.accounts.asked == asked + 1 and vendors.accounts.reused == 0
    assert Grant.objects.get().state == "good"


@pytest.mark.parametrize("ask", [quotas.refresh, connections.test], ids=["usage call", "test"])
@pytest.mark.parametrize("name", ["claude", "gemini-cli", "github"])
def test_they_end_a_login_that_cannot_be_renewed(vendors: Vendors, mailed: list[str], ask: Any, name: str) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    connection = log_in(vendors, name, kind.method)
    change(connection, obtained_at=timezone.now() - LONG_AGO)
    vendors.accounts.families[0].revoked = True
    answer = ask(Connection.objects.get())
    assert answer.message and Grant.objects.get().state == "ended"
    assert len(mailed) == 1 and "needs a new login" in mailed[0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.windows], ids=str)
def test_the_usage_call_shows_windows(vendors: Vendors, browser: Client, kind: Kind) -> None:
    connection = log_in(vendors, kind.name, kind.method)
    asked = quotas.refresh(connection)
    assert asked.reading is not None, asked.message
    assert QuotaWindow.objects.filter(connection=connection).count() == kind.windows
    page = browser.get("/dashboard/quotas/").content.decode()
    assert connection.name in page and page.count('class="o-quota-row"') == kind.windows


def test_another_plan_is_noticed_by_a_renewal_and_by_the_usage_call(vendors: Vendors) -> None:
    connection = log_in(vendors, "codex", "browser")
    assert connection.grant.plan == "max"
    vendors.accounts.families[0].account["plan"] = "plus"
    grants.refresh(connection.grant.pk)
    assert Grant.objects.get().plan == "plus"
    vendors.accounts.families[0].account["plan"] = "team"
    assert quotas.refresh(Connection.objects.get()).reading
    assert Grant.objects.get().plan == "team"


def test_a_login_for_a_team_answers_that_team_only(
    vendors: Vendors, gateway: Any, make_key: Any, team: Any, member: Any
) -> None:
    connection = log_in(vendors, "claude", "browser", team=team, tags=["lab"])
    assert (connection.team_id, connection.tags) == (team.pk, ["lab"])
    body = {"model": "claude/claude-opus-4-6", "messages": [{"role": "user", "content": "Say hello"}]}
    inside, outside = make_key("inside", team=team, owner=member), make_key("outside")
    gateway.settle()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        answers = [
            http.post("/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
            for key in (inside, outside)
        ]
    assert said(answers[0]) == "Hello" and answers[1].status_code == 403
    assert answers[1].json()["error"]["code"] == "no_connection_for_key"
    again = log_in(vendors, "claude", "browser")  # without a word of the team: it stays the team's
    assert again.pk == connection.pk and again.team_id == team.pk and Connection.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "method", "models"),
    [
        ("github", "device", [("gpt-9", "new"), ("gpt-4o", "known")]),
        ("antigravity", "browser", [("free", "new"), ("gemini-3-pro", "new"), ("claude-sonnet-4-6", "known")]),
    ],
)
def test_the_live_list_is_asked_for_as_requests_are(vendors: Vendors, name: str, method: str, models: Any) -> None:
    connection = log_in(vendors, name, method)
    found = importing.compare(registry.effective_of(connection.provider), importing.live(connection))
    assert [(each.id, each.state) for each in found if each.state != "gone"] == models


@pytest.mark.parametrize("name", ["codex", "gemini-cli"])
def test_where_the_vendor_gives_no_list_the_page_says_so(vendors: Vendors, browser: Client, name: str) -> None:
    connection, before = log_in(vendors, name, "browser"), len(vendors.calls)
    assert "gives no list of models" in browser.get(f"/dashboard/providers/{name}/models/import/").content.decode()
    with pytest.raises(NoList, match="gives no list"):
        importing.live(connection)
    assert len(vendors.calls) == before


def test_cursors_token_is_kept_and_the_pages_say_that_it_is_not_used(vendors: Vendors, browser: Client) -> None:
    assert "no public description" in browser.get("/dashboard/providers/cursor/login/").content.decode()
    entry = registry.effective_of(Provider.objects.get(pk="cursor"))
    pasted = '{"accessToken": "%s", "machineId": "m1", "cachedEmail": "c@example.com"}'
    attempt = attempts.begin(entry, "import", ADA, origin=HERE)
    attempts.pasted(pasted % vendors.accounts.log_in().access, attempt, ADA)
    assert "no public description" in browser.get("/dashboard/providers/cursor/").content.decode()
    provider = publish.build().providers["cursor"]
    assert provider.links == () and "no public description" in provider.unusable["c@example.com"]


# -- Antigravity: two addresses ---------------------------------------------------------------------------------------
DAILY, SECOND = (f"{host}/v1internal:generateContent" for host in
                 ("daily-cloudcode-pa.googleapis.com", "cloudcode-pa.googleapis.com"))  # fmt: skip


def asked_at(vendors: Vendors) -> list[str]:
    return [path.lstrip("/") for _, path, _, _ in vendors.calls if path.endswith(":generateContent")]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_address_is_followed_by_the_vendors_other_one(vendors: Vendors, ask: Any, status: int) -> None:
    log_in(vendors, "antigravity", "browser")
    vendors.busy = {DAILY: status}
    assert said(ask("antigravity/gemini-3-flash")) == "Hello" and asked_at(vendors) == [DAILY, SECOND]


def test_when_both_are_busy_the_client_hears_it(vendors: Vendors, ask: Any) -> None:
    log_in(vendors, "antigravity", "browser")
    vendors.busy = {DAILY: 503, SECOND: 429}
    assert ask("antigravity/gemini-3-flash").status_code == 429 and asked_at(vendors) == [DAILY, SECOND]


def test_the_vendors_other_address_gets_nothing_meant_for_an_operators(vendors: Vendors) -> None:
    log_in(vendors, "antigravity", "browser")
    (link,) = publish.build().providers["antigravity"].links
    assert len(link.others) == 1
    Provider.objects.filter(pk="antigravity").update(base_url=f"{vendors.url}/another")
    (link,) = publish.build().providers["antigravity"].links
    assert link.others == ()


# -- Copilot: the login's token is exchanged for another -------------------------------------------------------------
COPILOT = "github/gpt-4o"


@pytest.fixture
def mailed(settings: Any, admin_user: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What administrators are told, by mail that goes at once."""
    settings.MAIL_ENABLED, settings.EMAIL_BACKEND = True, "django.core.mail.backends.locmem.EmailBackend"
    told: list[str] = []

    def send(arguments: tuple[int], **options: Any) -> None:
        notices.mail_login_ended(*arguments)
        told.extend(letter.subject for letter in mail.outbox)

    monkeypatch.setattr(tasks.tell_login_ended, "apply_async", send)
    return told


def exchanges(vendors: Vendors) -> int:
    return sum(path.endswith("/copilot_internal/v2/token") for _, path, _, _ in vendors.calls)


def test_a_copilot_token_that_is_refused_is_exchanged_anew(vendors: Vendors, ask: Any) -> None:
    connection = log_in(vendors, "github", "device")
    assert connection.grant.plan == "individual_pro"
    assert said(ask(COPILOT)) == "Hello" and said(ask(COPILOT)) == "Hello" and exchanges(vendors) == 1
    vendors.copilot.pop("tid=0")
    vendors.copilot["another"] = vendors.accounts.families[0]
    assert said(ask(COPILOT)) == "Hello" and exchanges(vendors) == 2
    assert Grant.objects.get().state == "good"


def test_a_dead_github_token_ends_the_login_and_tells(vendors: Vendors, gateway: Any, ask: Any, mailed: Any) -> None:
    log_in(vendors, "github", "device")
    vendors.accounts.account = {"email": "bob@example.com", "id": "acc-2", "plan": "pro"}
    vendors.accounts.families[0].revoked = True
    reply = ask(COPILOT)
    assert reply.status_code in (401, 502, 503) and vendors.accounts.families[0].access not in reply.text
    grant = Grant.objects.get()
    assert grant.state == "ended" and "refuses" in grant.message
    assert mailed == ["OmniRoute: github · ada needs a new login"]
    gateway.settle()
    assert "log in again" in gateway.runtime.gateway.snapshot.providers["github"].unusable["ada"]
    asked = exchanges(vendors)
    assert ask(COPILOT).status_code >= 400 and exchanges(vendors) == asked  # it is not tried any more
    assert log_in(vendors, "github", "device").pk == grant.connection_id
    rests = gateway.runtime.gateway.board.rests.found
    until(lambda: not rests)  # nothing is held against the new login, as soon as this process has heard of it
    assert said(ask(COPILOT)) == "Hello"


def test_an_account_without_copilot_keeps_its_login(vendors: Vendors, ask: Any, mailed: Any) -> None:
    log_in(vendors, "github", "device")
    vendors.no_copilot = True
    assert ask(COPILOT).status_code >= 400
    assert Grant.objects.get().state == "good" and mailed == []


def test_a_github_token_that_runs_out_is_renewed_before_the_exchange(vendors: Vendors, ask: Any) -> None:
    vendors.github_expires = True
    connection = log_in(vendors, "github", "device")
    change(connection, expires_at=timezone.now() - timedelta(seconds=5), obtained_at=timezone.now() - LONG_AGO)
    assert said(ask(COPILOT)) == "Hello"
    assert vendors.accounts.asked == 1 and exchanges(vendors) == 1 and Grant.objects.get().generation == 2


def test_a_github_token_that_is_refused_is_renewed_once(vendors: Vendors, ask: Any) -> None:
    vendors.github_expires = True
    connection = log_in(vendors, "github", "device")
    change(connection, obtained_at=timezone.now() - LONG_AGO)
    vendors.accounts.families[0].access = "the-vendor-knows-another-one"
    assert said(ask(COPILOT)) == "Hello"
    assert vendors.accounts.asked == 1 and exchanges(vendors) == 2 and Grant.objects.get().generation == 2


def test_a_token_without_renewal_ends_its_login_when_it_is_refused(vendors: Vendors, ask: Any, mailed: Any) -> None:
    log_in(vendors, "kilocode", "device")
    vendors.accounts.families[0].revoked = True
    assert ask("kilocode/openai/gpt-4.1").status_code >= 400
    assert Grant.objects.get().state == "ended" and len(mailed) == 1
