"""Requests through proxies: they leave through the one in force, or fail and the next attempt is made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import proxies
from providers.models import Proxy
from tests.providers.proxying import ProxyServer

ASKED = {"model": "acme/large", "messages": [{"role": "user", "content": "Hello"}]}


def ask(gateway: Any, key: str) -> httpx.Response:
    gateway.settle()
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/chat/completions", json=ASKED, headers=headers, trust_env=False)


def through(row: Any, url: str) -> None:
    proxies.choose(row, url)
    row.save()


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("level", ["connection", "provider", "global"])
def test_a_request_leaves_through_the_proxy_in_force(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any, kind: str, level: str
) -> None:
    provider = make_provider("acme", upstream.url)
    with ProxyServer(upstream.port, kind) as proxy:
        if level == "global":
            proxies.save(Proxy(name="all", is_global=True), proxy.url)
        else:
            through(provider if level == "provider" else provider.connections.get(), proxy.url)
        assert ask(gateway, make_key()).status_code == 200
        assert len(proxy.asked) == 1
    assert gateway.records(1)[0].attempts[0]["proxy"] == f"{level} {proxy.address}"


@pytest.mark.parametrize("trouble", ["dead", "credentials", "off"])
def test_a_dead_proxy_is_an_error_and_the_next_attempt(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, upstream.root)  # what the environment says counts for nothing
    provider = make_provider("acme", upstream.url, keys=("key-one-1234", "key-two-1234"))
    first, second = provider.connections.order_by("priority")
    with ProxyServer(upstream.port) as proxy:
        through(first, "socks5://127.0.0.1:1" if trouble == "dead" else proxy.url.replace("pa%40ss", "wrong"))
        through(second, proxies.DIRECT)
        if trouble == "off":
            Proxy.objects.update(enabled=False)
            proxies.save(Proxy.objects.get())
        assert ask(gateway, make_key()).status_code == 200
    assert upstream.count == 1 and upstream.requests[0].header("authorization") == "Bearer key-two-1234"
    notes = gateway.records(1)[0].attempts
    if trouble == "off":
        assert [note["connection"] for note in notes] == ["c2"]
        return
    told = [(note["kind"], note["proxy"].partition(" ")[0]) for note in notes]
    assert told == [("network", "connection"), ("ok", "")]
    assert "hush" not in str(notes) and "wrong" not in str(notes)


def test_without_another_connection_the_client_gets_the_error(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any
) -> None:
    provider = make_provider("acme", upstream.url)
    through(provider, "http://user:hush@127.0.0.1:1")
    reply = ask(gateway, make_key())
    assert reply.status_code in (502, 503) and "proxy" in reply.json()["error"]["message"].lower()
    assert "hush" not in reply.text and upstream.count == 0
