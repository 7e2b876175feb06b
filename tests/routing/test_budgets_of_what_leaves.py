"""Money is set aside for what goes to the provider, not for what the client wrote."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from routing.models import ApiKey, Budget, Combo, ComboStep, Policy
from tests import simulator as sim
from tests.fuzz.seeds import PIXEL
from tests.routing.conftest import Client

DOLLAR = "1000"  # per million tokens: a thousand tokens cost a dollar
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}
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


def budget(client: Client, usd: int) -> Budget:
    row = Budget.objects.create(scope="key", api_key=ApiKey.objects.get(), period="total", limit_usd=Decimal(usd))
    client.gateway.settle()
    return row


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


def test_a_small_picture_is_reserved_as_the_largest(client: Client, upstream: Any) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    asked = {"messages": [{"role": "user", "content": [picture]}], "max_tokens": 10}
    row = budget(client, 40)
    assert refused(client, **asked)
    assert upstream.count == 0
    row.limit_usd = 60
    row.save()
    client.gateway.settle()
    upstream.plays(sim.chat("A dot.", usage=sim.Tokens(48_169, 3)))
    assert not refused(client, **asked)
    [record] = client.gateway.records(2)[1:]
    assert record.cost_usd == Decimal("48.172")


SEARCHES = [
    ("openai_chat", "/chat/completions", {"web_search_options": {}}, "web_search_options"),
    ("anthropic", "/messages", {"tools": [SEARCH]}, "web_search_20250305"),
]


@pytest.mark.parametrize(("format", "path", "fields", "name"), SEARCHES)
def test_a_tool_that_the_vendor_runs_is_refused_by_name_under_a_hard_budget_only(
    client: Client, make_provider: Any, format: str, path: str, fields: dict[str, Any], name: str
) -> None:
    asked = {"model": "seek/large", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10, **fields}
    with sim.SimulatorThread(format=format) as vendor:
        make_provider("seek", vendor.url, format=format, input_price=DOLLAR, output_price=DOLLAR)
        row = budget(client, 1000)
        reply = client.http.post(path, json=asked)
        assert reply.status_code == 403, reply.text
        told = f"'seek/large' has no price that bounds the tool '{name}', which the provider runs and bills by the call"
        assert told in reply.json()["error"]["message"]
        assert vendor.count == 0
        row.hard = False
        row.save()
        client.gateway.settle()
        answered = client.http.post(path, json=asked)
        assert answered.status_code == 200, answered.text


LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
LEFT_OUT = [
    (
        "openai_responses",
        "/responses",
        {"model": "seek/large", "input": "Hi", "max_output_tokens": 16},
        [{"type": "function", **LOOK}],
        {"type": "web_search"},
        {"type": "web_search"},
    ),
    (
        "anthropic",
        "/messages",
        {"model": "seek/large", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10},
        [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        SEARCH,
        {"type": "tool", "name": "web_search"},
    ),
    (
        "gemini",
        "/models/seek%2Flarge:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 10}},
        [{"functionDeclarations": [LOOK]}],
        {"googleSearch": {}},
        None,
    ),
]


@pytest.mark.parametrize(
    ("format", "path", "asked", "own", "search", "choice"), LEFT_OUT, ids=[row[0] for row in LEFT_OUT]
)
def test_a_vendors_tool_beside_those_of_the_client_is_left_out(
    client: Client, make_provider: Any, format: str, path: str, asked: Any, own: Any, search: Any, choice: Any
) -> None:
    """Coding tools send one with every request."""
    with sim.SimulatorThread(format=format) as vendor:
        make_provider("seek", vendor.url, format=format, input_price=DOLLAR, output_price=DOLLAR)
        row = budget(client, 1000)
        reply = client.http.post(path, json={**asked, "tools": [*own, search]})
        assert reply.status_code == 200, reply.text
        name = search.get("type") or next(iter(search))
        assert reply.headers["x-omniroute-dropped"] == f"tools.{name}"
        assert vendor.requests[0].json["tools"] == own
        if choice is not None:
            refused = client.http.post(path, json={**asked, "tools": [*own, search], "tool_choice": choice})
            assert refused.status_code == 403 and vendor.count == 1, refused.text
        row.hard = False
        row.save()
        client.gateway.settle()
        whole = client.http.post(path, json={**asked, "tools": [*own, search]})
        assert "x-omniroute-dropped" not in whole.headers
        assert vendor.requests[-1].json["tools"] == [*own, search]


def test_a_tool_is_left_out_only_where_the_budget_counts(client: Client, make_provider: Any) -> None:
    tools = [{"type": "function", **LOOK}, {"type": "web_search"}]
    with sim.SimulatorThread(format="openai_responses") as paid, sim.SimulatorThread(format="openai_responses") as flat:
        paid.plays(sim.status(500))
        make_provider("seek", paid.url, format="openai_responses", input_price=DOLLAR, output_price=DOLLAR)
        make_provider("plan", flat.url, format="openai_responses", tier="subscription")
        combo = Combo.objects.create(name="both")
        for number, model in enumerate(("seek/large", "plan/large")):
            ComboStep.objects.create(combo=combo, position=number, model=model)
        budget(client, 1000)
        asked = {"model": "both", "input": "Hi", "tools": tools, "max_output_tokens": 16}
        reply = client.http.post("/responses", json=asked)
        assert (reply.status_code, reply.headers["x-omniroute-provider"]) == (200, "plan"), reply.text
        assert "x-omniroute-dropped" not in reply.headers
        assert [len(one.requests[0].json["tools"]) for one in (paid, flat)] == [1, 2]


def test_a_tool_that_does_not_leave_is_no_reason_to_refuse(client: Client, upstream: Any) -> None:
    budget(client, 1000)
    asked = {"model": "acme/large", "input": "Hi", "tools": [{"type": "web_search"}], "max_output_tokens": 10}
    reply = client.http.post("/responses", json=asked)
    assert (reply.status_code, reply.headers["x-omniroute-dropped"]) == (200, "tools.web_search")
    assert "tools" not in upstream.requests[0].json


def test_a_combo_goes_on_to_whom_the_tool_is_not_sent(client: Client, make_provider: Any) -> None:
    with sim.SimulatorThread(format="openai_responses") as vendor:
        make_provider("seek", vendor.url, format="openai_responses", input_price=DOLLAR, output_price=DOLLAR)
        combo = Combo.objects.create(name="both")
        for number, model in enumerate(("seek/large", "acme/large")):
            ComboStep.objects.create(combo=combo, position=number, model=model)
        budget(client, 1000)
        asked = {"model": "both", "input": "Hi", "tools": [{"type": "web_search"}], "max_output_tokens": 10}
        reply = client.http.post("/responses", json=asked)
        assert (reply.status_code, reply.headers["x-omniroute-provider"]) == (200, "acme"), reply.text
        assert vendor.count == 0
