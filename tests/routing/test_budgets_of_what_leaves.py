"""Money is set aside for what goes to the provider, not for what the client wrote."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from routing.models import ApiKey, Budget, Policy
from tests import simulator as sim
from tests.routing.conftest import Client

DOLLAR = "1000"  # per million tokens: a thousand tokens cost a dollar
LONG = "word " * 4000  # 20 KB: some ten thousand tokens at most, ten dollars


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Any:
    make_provider("acme", upstream.url, alias="ac", input_price=DOLLAR, output_price=DOLLAR)
    thinker = {"models": ("claude-sonnet-4-5",), "format": "anthropic"}
    make_provider("anna", upstream.url, input_price=DOLLAR, output_price=DOLLAR, **thinker)
    client = Client(gateway, make_key())
    gateway.settle()
    yield client
    client.http.close()


def budget(client: Client, usd: int) -> None:
    Budget.objects.create(scope="key", api_key=ApiKey.objects.get(), period="total", limit_usd=Decimal(usd))
    client.gateway.settle()


def policy(client: Client, kind: str, **settings: Any) -> None:
    Policy.objects.create(kind=kind, settings=settings)
    client.gateway.settle()


def refused(client: Client, **fields: Any) -> bool:
    reply = client.chat(**fields)
    if reply.status_code == 200:
        return False
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "budget_exceeded"), reply.text
    return True


def test_a_forced_length_is_reserved(client: Client, upstream: Any) -> None:
    budget(client, 5)
    assert not refused(client, max_tokens=100)
    policy(client, "max_tokens", mode="force", tokens=9000)
    assert refused(client, max_tokens=100)
    assert upstream.count == 1


def test_a_capped_length_is_not_reserved_beyond_the_cap(client: Client) -> None:
    budget(client, 2)
    assert refused(client, max_tokens=9000)
    policy(client, "max_tokens", mode="cap", tokens=50)
    assert not refused(client, max_tokens=9000)


def test_an_added_system_prompt_is_reserved(client: Client, upstream: Any) -> None:
    budget(client, 5)
    policy(client, "system_prompt", before=LONG)
    assert refused(client, max_tokens=10)
    assert upstream.count == 0


def test_thinking_that_the_translation_adds_to_the_length_is_reserved(client: Client, upstream: Any) -> None:
    budget(client, 6)  # enough for a length that nobody states
    assert refused(client, model="anna/claude-sonnet-4-5", reasoning_effort="high")
    assert upstream.count == 0


def test_a_conversation_that_the_gateway_puts_back_is_reserved(client: Client, upstream: Any) -> None:
    upstream.plays(sim.chat("ok"), sim.chat("ok"))
    first = client.http.post("/responses", json={"model": "acme/large", "input": LONG, "max_output_tokens": 10})
    assert first.status_code == 200, first.text
    budget(client, 5)
    turn = {"model": "acme/large", "input": "And?", "max_output_tokens": 10}
    assert client.http.post("/responses", json={**turn, "previous_response_id": first.json()["id"]}).status_code == 429
    assert client.http.post("/responses", json=turn).status_code == 200
