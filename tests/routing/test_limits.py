"""Limits of callers and addresses, through the real gateway."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from providers.models import Connection
from routing.models import AddressMode, ApiKey, GatewaySettings, IpRule, Limit
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client


def limited(client: Client, **figures: int) -> None:
    Limit.objects.create(api_key=ApiKey.objects.get(), **figures)
    client.gateway.settle()


def settings(**fields: Any) -> None:
    GatewaySettings(connection_cooldown=False, circuit_breaker=False, **fields).save()


def test_requests_per_minute_to_the_last_one_and_no_further(client: Client, upstream: Any) -> None:
    limited(client, requests_per_minute=10)
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: client.chat(), range(60)))
    assert sorted({reply.status_code for reply in replies}) == [200, 429]
    assert sum(reply.status_code == 200 for reply in replies) == 10 == upstream.count
    refused = next(reply for reply in replies if reply.status_code == 429)
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert error["message"] == "The limit of key 'test' is reached: 10 requests per minute."
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-ratelimit-limit-requests"] == "10"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


def test_headers_of_what_is_answered(client: Client, upstream: Any) -> None:
    limited(client, requests_per_minute=10, tokens_per_minute=100_000)
    for number, stream in enumerate((False, True), start=1):
        headers = client.chat(stream=stream).headers
        assert headers["x-ratelimit-limit-requests"] == "10"
        assert headers["x-ratelimit-remaining-requests"] == str(10 - number)
        assert headers["x-ratelimit-reset-requests"].endswith("s")
        assert int(headers["x-ratelimit-remaining-tokens"]) < 100_000
    messages = {"model": "acme/large", "max_tokens": 9, "messages": HELLO}
    headers = client.http.post("/messages", json=messages).headers
    assert headers["anthropic-ratelimit-requests-remaining"] == "7"
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_dialects_of_a_refusal(client: Client, upstream: Any) -> None:
    limited(client, requests_per_minute=1)
    assert client.chat().status_code == 200
    reply = client.http.post("/messages", json={"model": "acme/large", "max_tokens": 9, "messages": HELLO})
    assert (reply.status_code, reply.json()["error"]["type"]) == (429, "rate_limit_error")
    assert "retry-after" in reply.headers
    path = f"{client.gateway.root}/v1beta/models/acme/large:generateContent"
    reply = client.http.post(path, json={"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    assert (reply.status_code, reply.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


def test_tokens_are_reserved_by_estimate_and_corrected(client: Client, upstream: Any) -> None:
    limited(client, tokens_per_minute=5000)
    upstream.plays(sim.chat("short", usage=sim.Tokens(10, 20)), sim.chat("long", usage=sim.Tokens(4000, 990)))
    first = client.chat(max_tokens=4000)
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 1000
    second = client.chat()
    assert int(second.headers["x-ratelimit-remaining-tokens"]) > 4900
    client.gateway.records(2)
    assert client.chat().status_code == 429


def test_a_failure_gives_its_tokens_back(client: Client, upstream: Any) -> None:
    limited(client, tokens_per_minute=5000)
    upstream.plays(sim.status(500), sim.chat("ok"))
    assert client.chat(max_tokens=4000).status_code == 502
    assert client.chat(max_tokens=4000).status_code == 200


def test_the_strictest_counts_and_a_refusal_takes_nothing_from_the_others(
    client: Client, upstream: Any, member: Any, team: Any, make_key: Any
) -> None:
    one, two = make_key("one", owner=member, team=team), make_key("two", owner=member, team=team)
    Limit.objects.create(team=team, requests_per_minute=3)
    Limit.objects.create(user=member, requests_per_minute=100)
    Limit.objects.create(api_key=ApiKey.objects.get(name="one"), requests_per_minute=2)
    client.gateway.settle()

    def ask(key: str) -> httpx.Response:
        client.http.headers["authorization"] = f"Bearer {key}"
        return client.chat()

    assert [ask(one).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert ask(one).json()["error"]["message"] == "The limit of key 'one' is reached: 2 requests per minute."
    last = ask(two)
    assert (last.status_code, last.headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert ask(two).json()["error"]["message"] == "The limit of team 'Research' is reached: 3 requests per minute."


@pytest.mark.parametrize("end", ["answered", "failed", "client gone", "stream"])
def test_slots_are_freed_however_it_ends(client: Client, upstream: Any, end: str) -> None:
    limited(client, parallel=1)
    act = {"failed": sim.status(400)}.get(end, sim.chat("hello there")).hold()
    upstream.plays(act, sim.chat("next"))
    done: list[Any] = []

    def first() -> None:
        try:
            done.append(client.chat(stream=end == "stream"))
        except httpx.HTTPError:
            done.append(None)

    if end == "client gone":
        from tests.routing.test_gateway_edge import dial, request_bytes

        wire = dial(client)
        wire.sendall(request_bytes(client))
        received = upstream.next_request()
        assert client.chat().json()["error"]["code"] == "concurrency_limit_exceeded"
        wire.close()
        received.client_gone.wait_sync(5)
        client.gateway.records(2)
    else:
        asking = threading.Thread(target=first)
        asking.start()
        upstream.next_request()
        refused = client.chat()
        assert refused.status_code == 429
        assert refused.json()["error"]["message"].endswith("1 requests at the same time.")
        act.release()
        asking.join(10)
        client.gateway.records(2)
    assert client.chat().status_code == 200


def test_a_request_that_nobody_can_answer_counts(client: Client, upstream: Any) -> None:
    settings(requests_per_address=None)
    limited(client, requests_per_minute=1)
    GatewaySettings(connection_cooldown=True, circuit_breaker=False).save()
    client.gateway.settle()
    upstream.plays(sim.status(401))
    assert client.chat().status_code == 401
    assert client.chat().status_code == 429


def test_a_request_that_is_refused_before_counts_and_is_told_of_limits(client: Client, upstream: Any) -> None:
    limited(client, requests_per_minute=3, tokens_per_minute=1000, parallel=1)
    unknown, malformed = client.chat(model="acme/nothing"), client.http.post("/chat/completions", content=b"{")
    assert (unknown.status_code, malformed.status_code) == (404, 400)
    told = [reply.headers["x-ratelimit-remaining-requests"] for reply in (unknown, malformed)]
    assert told == ["2", "1"]
    answered = client.chat()
    assert (answered.status_code, answered.headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert client.chat(model="acme/nothing").status_code == 429
    assert upstream.count == 1


def test_so_does_one_that_no_provider_has_a_service_for(client: Client, make_provider: Any, upstream: Any) -> None:
    make_provider("claude", upstream.url, format="anthropic")
    limited(client, requests_per_minute=1)
    body = {"model": "claude/large", "input": "Hello"}
    refused = client.http.post("/embeddings", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_operation")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert client.http.post("/embeddings", json=body).status_code == 429


# -- addresses --------------------------------------------------------------------------------------------------------
def test_an_address_has_a_limit_before_its_key_is_looked_at(client: Client, upstream: Any) -> None:
    settings(requests_per_address=3)
    client.gateway.settle()
    client.http.headers["authorization"] = "Bearer nonsense"
    assert [client.chat().status_code for _ in range(4)] == [401, 401, 401, 429]
    client.http.headers["authorization"] = f"Bearer {client.key}"
    refused = client.http.get("/models")
    assert refused.status_code == 429
    assert "this address" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-limit-requests"] == "3"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    anthropic = client.http.post("/messages", json={})
    assert anthropic.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert anthropic.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_blocks_bans_and_allowed_addresses(client: Client, upstream: Any) -> None:
    def rules(mode: str, *rows: IpRule) -> httpx.Response:
        IpRule.objects.all().delete()
        settings(address_mode=mode)
        for row in rows:
            row.save()
        client.gateway.settle()
        return client.chat()

    block, allow = IpRule(network="127.0.0.0/8", reason="tests"), IpRule(network="127.0.0.1", allow=True)
    refused = rules(AddressMode.BLOCK, block)
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "Requests from this address are not taken: tests."
    assert refused.json()["error"]["code"] == "address_not_allowed" and "retry-after" not in refused.headers
    assert client.http.post("/messages", json={}).json()["error"]["type"] == "permission_error"
    assert rules(AddressMode.OFF, IpRule(network="127.0.0.0/8")).status_code == 200
    assert rules(AddressMode.ALLOW, IpRule(network="192.0.2.0/24", allow=True)).status_code == 403
    assert rules(AddressMode.ALLOW, allow).status_code == 200
    assert rules(AddressMode.ALLOW_FIRST, IpRule(network="127.0.0.0/8"), allow).status_code == 200
    ban = IpRule(network="127.0.0.1", until=timezone.now() + timedelta(hours=1))
    banned = rules(AddressMode.ALLOW_FIRST, ban, IpRule(network="127.0.0.1", allow=True))
    assert banned.status_code == 403 and 3500 < int(banned.headers["retry-after"]) <= 3600
    over = IpRule(network="127.0.0.1", until=timezone.now() - timedelta(seconds=1))
    assert rules(AddressMode.BLOCK, over).status_code == 200


# -- the pace of connections ------------------------------------------------------------------------------------------
def test_a_turn_that_does_not_come_is_told_as_that(client: Client, upstream: Any) -> None:
    """Nothing failed: the words say so, and when a request may start is known."""
    Connection.objects.update(requests_per_minute=1)
    settings(queue_seconds=0)
    client.gateway.settle()
    began = time.monotonic()
    assert client.chat().status_code == 200
    refused = client.chat()
    soonest = 59 - (time.monotonic() - began)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (429, "all_connections_busy")
    assert error["message"] == "Every connection that could answer is asked as often as it may be. Try again later."
    assert soonest <= int(refused.headers["retry-after"]) <= 60
    [skip] = [skip for record in client.gateway.records(2) for skip in record.skips]
    assert skip["why"] == "queue_too_long" and soonest < skip["seconds"] <= 60
