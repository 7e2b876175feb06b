"""Requests over connections that have a login: renewed once for all, once after a 401, then the next connection."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from providers import catalogue
from providers.auth.copilot import Copilot
from providers.auth.oauth import OAuth
from providers.fields import reveal
from providers.models import Connection, Grant
from routing import publish
from tests.vendors import Vendors

ASK = {"model": "kimi-coding/large", "messages": [{"role": "user", "content": "Hello"}]}
CLAUDE = {"model": "claude/large", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def vendors(gateway: Any, login_vendors: Vendors) -> Vendors:
    return login_vendors


def ask(gateway: Any, key: str, body: Any = ASK, path: str = "/chat/completions", **headers: str) -> httpx.Response:
    return httpx.post(gateway.url + path, json=body, headers={"authorization": f"Bearer {key}", **headers}, timeout=30)


async def many(gateway: Any, key: str, count: int) -> list[int]:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60, limits=limits) as http:
        replies = await asyncio.gather(*(http.post(f"{gateway.url}/chat/completions", json=ASK) for _ in range(count)))
    return [reply.status_code for reply in replies]


async def test_fifty_requests_with_an_expired_token_cause_one_refresh(
    gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any
) -> None:
    logged_in("kimi-coding", lasts=-1, method="device")
    key = make_key()
    await asyncio.to_thread(gateway.settle)
    assert set(await many(gateway, key, 50)) == {200}
    assert vendors.accounts.asked == 1 and vendors.accounts.refreshes == [0]


def test_a_refused_token_is_renewed_and_the_request_sent_once_more(
    gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any
) -> None:
    logged_in("kimi-coding", method="device")
    vendors.accounts.families[0].access = "the-vendor-knows-another-one"
    key = make_key()
    gateway.settle()
    assert ask(gateway, key).status_code == 200
    assert vendors.accounts.asked == 1
    sent = [headers["authorization"] for _, path, headers, _ in vendors.calls if path.endswith("/chat/completions")]
    assert len(sent) == 2 and sent[0] != sent[1]
    (record,) = gateway.records(1)
    assert record.result == "ok"


def test_a_dead_login_goes_on_with_the_next_connection_and_is_shown(
    gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any
) -> None:
    first = logged_in("kimi-coding", email="first@example.com", lasts=-1, method="device")
    logged_in("kimi-coding", email="second@example.com", method="device")
    vendors.accounts.families[0].revoked = True
    key = make_key()
    gateway.settle()
    assert ask(gateway, key).status_code == 200
    first.refresh_from_db()
    assert first.state == "ended"
    gateway.settle()
    provider = gateway.runtime.gateway.snapshot.providers["kimi-coding"]
    assert "log in again" in provider.unusable["first@example.com"] and len(provider.links) == 1
    asked = vendors.accounts.asked
    assert ask(gateway, key).status_code == 200 and vendors.accounts.asked == asked


def test_a_connection_whose_login_ended_is_never_used(
    gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any
) -> None:
    grant = logged_in("kimi-coding", method="device")
    grant.state = Grant.State.ENDED
    grant.save()
    key = make_key()
    gateway.settle()
    assert ask(gateway, key).status_code in (404, 503)
    assert not [path for _, path, _, _ in vendors.calls if "upstream" in path]


def test_a_token_that_is_exchanged_for_another_is_the_secret_of_that_scheme(vendors: Vendors, logged_in: Any) -> None:
    logged_in("claude")
    grant = logged_in("github")
    data = catalogue.FOLDER / "github.toml"
    data.write_text(data.read_text().replace('auth = "oauth"', 'auth = "copilot"'))
    catalogue.entries.cache_clear()
    found = publish.build().providers
    (claude,), (github,) = found["claude"].links, found["github"].links
    assert isinstance(claude.credential, OAuth) and isinstance(github.credential, Copilot)
    assert reveal(grant, "access_token") in github.secrets


def test_an_address_that_changed_gets_no_token(gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any) -> None:
    logged_in("kimi-coding", method="device")
    Connection.objects.update(origin="https://elsewhere.example:443")
    key = make_key()
    gateway.settle()
    assert ask(gateway, key).status_code in (404, 503)
    assert not [path for _, path, _, _ in vendors.calls if "upstream" in path]


def test_protocol_headers_and_who_we_are(gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any) -> None:
    logged_in("claude")
    logged_in("codex")
    key = make_key()
    gateway.settle()
    assert ask(gateway, key, CLAUDE, "/messages", **{"anthropic-beta": "context-1m"}).status_code == 200
    assert ask(gateway, key, {**ASK, "model": "codex/large", "prompt_cache_key": "talk"}).status_code == 200
    assert ask(gateway, key, {**ASK, "model": "codex/large", "prompt_cache_key": "talk"}).status_code == 200
    claude, codex, again = [headers for _, path, headers, _ in vendors.calls if "upstream" in path]
    assert claude["anthropic-beta"] == "context-1m,oauth-2025-04-20" and claude["user-agent"].startswith("OmniRoute/")
    assert "x-api-key" not in claude
    assert codex["chatgpt-account-id"] == "id-ada@example.com" and codex["session_id"] == again["session_id"]


# -- the opening text -----------------------------------------------------------------------------------------------
OPENING = "This request comes from a client of the vendor's."


def sent(vendors: Vendors) -> Any:
    return next(body for _, path, _, body in reversed(vendors.calls) if "upstream" in path).get("system")


def test_the_opening_text_is_off_by_default(gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any) -> None:
    Connection.objects.filter(pk=logged_in("claude").connection_id).update(preamble=OPENING)
    key = make_key()
    gateway.settle()
    own = {**CLAUDE, "system": [{"type": "text", "text": OPENING}, {"type": "text", "text": "Be brief."}]}
    for body in (CLAUDE, {**CLAUDE, "system": "Be brief."}, own):
        assert ask(gateway, key, body, "/messages").status_code == 200
        assert sent(vendors) == body.get("system")


def test_the_opening_text_is_added_where_it_is_missing(
    gateway: Any, vendors: Vendors, logged_in: Any, make_key: Any
) -> None:
    Connection.objects.filter(pk=logged_in("claude").connection_id).update(preamble=OPENING, adds_preamble=True)
    key = make_key()
    gateway.settle()
    opening, brief = {"type": "text", "text": OPENING}, {"type": "text", "text": "Be brief."}
    chat = {"model": "claude/large", "messages": [{"role": "system", "content": "Be brief."}, *ASK["messages"]]}
    for body, path, system in (
        (CLAUDE, "/messages", [opening]),
        ({**CLAUDE, "system": "Be brief."}, "/messages", [opening, brief]),
        ({**CLAUDE, "system": [opening, brief]}, "/messages", [opening, brief]),
        (chat, "/chat/completions", [opening, brief]),
    ):
        assert ask(gateway, key, body, path).status_code == 200
        assert sent(vendors) == system
