"""The gateway's own edge: clients that leave, bodies that are wrong or long, silence, keys, lists of models."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from providers.transport.base import Timeouts
from providers.wire.openai_chat.passing import KEEP_ALIVE
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client

PAUSES = 3.5  # seconds that a busy machine may let everything stand still meanwhile
GONE_WITHIN = 0.5 + PAUSES  # until the provider's connection is closed after the client left


def request_bytes(client: Client, **fields: Any) -> bytes:
    return posted(client, "/v1/chat/completions", {"model": "acme/large", "messages": HELLO, **fields})


def posted(client: Client, path: str, fields: dict[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def dial(client: Client) -> socket.socket:
    return socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10)


# -- clients that leave ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("act", "stream", "words"),
    [
        (sim.silence(), False, False),
        (sim.silence(), True, False),
        (sim.chat("a b c d e f").stall(after=0), True, False),
        (sim.chat("a b c d e f").stall(after=3), True, True),
        (sim.chat("a " * 5000).slow(0.01), True, True),
    ],
    ids=["plain call", "silent stream", "head only", "stalled stream", "flowing stream"],
)
def test_the_provider_is_left_when_the_client_leaves(
    client: Client, upstream: Any, act: Any, stream: bool, words: bool
) -> None:
    upstream.plays(act)
    with dial(client) as wire:
        wire.sendall(request_bytes(client, stream=stream))
        received = upstream.next_request()
        if words:
            while b'"content"' not in wire.recv(65536):
                continue
    left = time.monotonic()
    received.client_gone.wait_sync()
    assert received.client_gone.at - left < GONE_WITHIN
    [row] = client.gateway.records(1)
    assert row.result == "client_gone"
    assert (row.output_tokens > 0) == words
    assert row.estimated == words


GEMINI = "/v1beta/models/acme/large"
TRANSLATED: dict[str, tuple[str, dict[str, Any], sim.Act]] = {
    "messages": ("/v1/messages", {"model": "acme/large", "max_tokens": 9, "messages": HELLO}, sim.silence()),
    "messages, stalled": (
        "/v1/messages",
        {"model": "acme/large", "max_tokens": 9, "messages": HELLO, "stream": True},
        sim.chat("a b c d e f").stall(after=3),
    ),
    "responses": ("/v1/responses", {"model": "acme/large", "input": "x"}, sim.silence()),
    "responses, stalled": (
        "/v1/responses",
        {"model": "acme/large", "input": "x", "stream": True},
        sim.chat("a b c d e f").stall(after=3),
    ),
    "gemini": (f"{GEMINI}:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}, sim.silence()),
    "gemini, flowing": (
        f"{GEMINI}:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
        sim.chat("a " * 5000).slow(0.01),
    ),
    "embeddings": ("/v1/embeddings", {"model": "acme/large", "input": "x"}, sim.silence()),
}


@pytest.mark.parametrize("asked", TRANSLATED.values(), ids=TRANSLATED.keys())
def test_so_it_is_whatever_the_client_speaks(client: Client, upstream: Any, asked: tuple[str, Any, sim.Act]) -> None:
    path, fields, act = asked
    upstream.plays(act)
    with dial(client) as wire:
        wire.sendall(posted(client, path, fields))
        received = upstream.next_request()
        if act.delivery.end == "stall" or act.delivery.interval:
            assert wire.recv(65536).startswith(b"HTTP/1.1 200")
    left = time.monotonic()
    received.client_gone.wait_sync()
    assert received.client_gone.at - left < GONE_WITHIN
    assert client.gateway.records(1)[0].result == "client_gone"


def test_a_client_that_leaves_in_the_middle_of_its_body_costs_nothing(client: Client, upstream: Any) -> None:
    with dial(client) as wire:
        wire.sendall(request_bytes(client)[:-10])
    [row] = client.gateway.records(1)
    assert (row.result, row.provider) == ("client_gone", "")
    assert upstream.count == 0


def test_a_slow_reader_slows_the_provider_down(client: Client, upstream: Any) -> None:
    upstream.plays(sim.sse(*["x" * 10_000] * 8_000))
    with dial(client) as wire:
        wire.sendall(request_bytes(client, stream=True))
        received = upstream.next_request()
        wire.recv(1000)
        with contextlib.suppress(TimeoutError):
            received.answered.wait_sync(1.5)
        assert not received.answered.is_set(), "80 MB were taken in for a client that reads nothing"


# -- silence ---------------------------------------------------------------------------------------------
def test_silence_is_filled_with_comments(client: Client, upstream: Any, limits: Any) -> None:
    limits(keep_alive_seconds=0.05)
    held = sim.hold()
    upstream.plays(held)
    with client.http.stream(
        "POST", "/chat/completions", json={"model": "acme/large", "messages": HELLO, "stream": True}
    ) as reply:
        pieces = reply.iter_raw()
        seen = b""
        while seen.count(KEEP_ALIVE) < 2:
            seen += next(pieces)
        assert not seen.replace(KEEP_ALIVE, b"")
        held.release()
        rest = b"".join(pieces)
    assert rest.rstrip().endswith(b"data: [DONE]")
    assert client.gateway.records(1)[0].result == "ok"


def test_after_a_comment_another_connection_may_still_answer(two: Client, upstream: Any, limits: Any) -> None:
    limits(keep_alive_seconds=0.05)
    held = sim.status(503).hold()
    upstream.for_key("sk-first").plays(held)
    payload = {"model": "acme/large", "messages": HELLO, "stream": True}
    with two.http.stream("POST", "/chat/completions", json=payload) as reply:
        pieces = reply.iter_raw()
        assert next(pieces).startswith(KEEP_ALIVE)
        held.release()
        assert b"".join(pieces).rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_provider_is_given_up(two: Client, upstream: Any, limits: Any, stream: bool) -> None:
    brief = Timeouts(connect=5, write=5, first_byte=2.5, idle=2.5)  # the second must not seem silent for a pause
    limits(stream=brief, whole=brief)
    upstream.for_key("sk-first").plays(sim.silence())
    reply = two.chat(stream=stream)
    assert reply.status_code == 200
    assert two.gateway.records(1)[0].attempts[0]["kind"] == "timeout"


def test_the_total_time_is_bounded(client: Client, upstream: Any, limits: Any) -> None:
    limits(total_seconds=0.2)
    upstream.plays(sim.silence())
    reply = client.chat()
    assert reply.status_code == 504
    assert client.gateway.records(1)[0].result == "failed"


# -- bodies ----------------------------------------------------------------------------------------------
BAD_BODIES = {
    "not JSON": (b"{", "invalid_json", None),
    "an array": (b"[]", None, None),
    "not UTF-8": (b'{"model": "acme/large", "messages": [{"role": "user", "content": "\xff"}]}', "invalid_json", None),
    "no model": (b'{"messages": []}', None, "model"),
    "model is a number": (b'{"model": 7, "messages": [{"role": "user", "content": "x"}]}', None, "model"),
    "no messages": (b'{"model": "acme/large"}', "missing_required_parameter", "messages"),
    "messages is text": (b'{"model": "acme/large", "messages": "hi"}', "invalid_type", "messages"),
    "messages is empty": (b'{"model": "acme/large", "messages": []}', "empty_array", "messages"),
    "stream is text": (
        b'{"model": "acme/large", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        "invalid_type",
        "stream",
    ),
    "max_tokens is text": (
        b'{"model": "acme/large", "messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}',
        "invalid_type",
        "max_tokens",
    ),
    "deep": (b'{"model": "acme/large", "messages": ' + b"[" * 200_000, "invalid_json", None),
    "empty": (b"", "invalid_json", None),
}


@pytest.mark.parametrize(("body", "code", "param"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_wrong_body_is_refused_by_name(
    client: Client, upstream: Any, body: bytes, code: str | None, param: str | None
) -> None:
    reply = client.http.post("/chat/completions", content=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["code"], error["param"]) == (code, param)
    [row] = client.gateway.records(1)
    assert (row.result, row.status, row.cost_usd) == ("refused", 400, None)
    assert upstream.count == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(client: Client, upstream: Any, limits: Any, chunked: bool) -> None:
    limits(max_body=100_000)
    body = json.dumps({"model": "acme/large", "messages": [{"role": "user", "content": "x" * 200_000}]}).encode()
    content: Any = (body[i : i + 10_000] for i in range(0, len(body), 10_000)) if chunked else body
    try:
        reply = client.http.post("/chat/completions", content=content)
    except (httpx.WriteError, httpx.ReadError):
        pytest.fail("the connection was cut before the refusal could be read")
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "request_too_large"
    assert upstream.count == 0


def test_a_body_that_never_comes_is_given_up(client: Client, limits: Any) -> None:
    limits(body_seconds=0.1)
    with dial(client) as wire:
        wire.sendall(request_bytes(client)[:-10])
        assert b" 408 " in wire.recv(4096).split(b"\r\n")[0]
    assert client.gateway.records(1)[0].status == 408


def test_two_framings_at_once_are_refused(client: Client, upstream: Any) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n"
    with dial(client) as wire:
        wire.sendall(f"{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".encode())
        assert b" 400 " in wire.recv(4096).split(b"\r\n")[0]
    assert upstream.count == 0


# -- paths, keys, models ---------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions"])
def test_tools_write_the_version_once_twice_or_never(client: Client, path: str) -> None:
    reply = client.http.post(client.gateway.root + path, json={"model": "acme/large", "messages": HELLO})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1", 404),
    ],
)
def test_unknown_paths_get_an_error_of_the_clients_kind(client: Client, method: str, path: str, status: int) -> None:
    reply = client.http.request(method, client.gateway.root + path)
    assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "how",
    [
        lambda key: {"headers": {"authorization": f"Bearer {key}"}},
        lambda key: {"headers": {"authorization": f"bearer {key}"}},
        lambda key: {"headers": {"x-api-key": key}},
        lambda key: {"headers": {"x-goog-api-key": key}},
        lambda key: {"headers": {"api-key": key}},
        lambda key: {"params": {"key": key}},
    ],
)
def test_a_key_is_taken_wherever_a_dialect_puts_it(client: Client, how: Any) -> None:
    sent = how(client.key)
    reply = httpx.post(
        f"{client.gateway.url}/chat/completions", json={"model": "acme/large", "messages": HELLO}, **sent
    )
    assert reply.status_code == 200


def refused_with(gateway: Any, key: str | None) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    reply = httpx.post(
        f"{gateway.url}/chat/completions", json={"model": "acme/large", "messages": HELLO}, headers=headers
    )
    return reply.status_code, reply.json()["error"]["code"]


def test_keys_that_open_nothing(client: Client, upstream: Any, make_key: Any, gateway: Any, member: Any) -> None:
    from routing.models import ApiKey

    expired = make_key("expired", expires_at=timezone.now() - timedelta(seconds=1))
    disabled = make_key("disabled")
    row = ApiKey.objects.get(name="disabled")
    row.enabled = False
    row.save()
    orphan = make_key("of an inactive person", owner=member)
    member.is_active = False
    member.save()
    gateway.settle()
    assert refused_with(gateway, None) == (401, "missing_api_key")
    assert refused_with(gateway, "sk-omni-unknown") == (401, "invalid_api_key")
    assert refused_with(gateway, expired) == (401, "api_key_expired")
    assert refused_with(gateway, disabled) == (401, "api_key_disabled")
    assert refused_with(gateway, orphan) == (401, "api_key_disabled")
    assert upstream.count == 0


def test_a_revoked_key_stops_within_two_seconds(client: Client, gateway: Any) -> None:
    from routing.models import ApiKey

    assert client.chat().status_code == 200
    ApiKey.objects.all().delete()
    deadline = time.monotonic() + 2 + PAUSES
    while client.chat().status_code != 401:
        assert time.monotonic() < deadline


def test_without_the_key_requirement_anybody_may_ask(client: Client, gateway: Any) -> None:
    from routing.models import GatewaySettings

    row = GatewaySettings.load()
    row.require_api_key = False
    row.save()
    gateway.settle()
    reply = httpx.post(f"{gateway.url}/chat/completions", json={"model": "acme/large", "messages": HELLO})
    assert reply.status_code == 200


def test_a_pattern_never_reaches_past_its_slash(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> None:
    make_provider("acme", upstream.url)
    make_provider("acme-x", upstream.url, models=("other",))
    limited = Client(gateway, make_key(patterns=["acme/*"]))
    gateway.settle()
    assert limited.chat(model="acme/large").status_code == 200
    refused = limited.chat(model="acme-x/other")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    listed = [row["id"] for row in limited.http.get("/models").json()["data"]]
    assert listed == ["acme/large"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("acme/unknown", 404, "model_not_found"),
        ("nobody/large", 404, "model_not_found"),
        ("unknown", 404, "model_not_found"),
        ("../etc/passwd", 400, "invalid_value"),
        ("large", 200, None),
        ("ac/large", 200, None),
    ],
)
def test_names_of_models(client: Client, model: str, status: int, code: str | None) -> None:
    reply = client.chat(model=model)
    assert reply.status_code == status
    assert reply.json().get("error", {}).get("code") == code


def test_one_model_can_be_asked_for(client: Client) -> None:
    known = client.http.get("/models/ac/large")
    assert known.json() == {"id": "ac/large", "object": "model", "created": known.json()["created"], "owned_by": "acme"}
    assert client.http.get("/models/ac/none").status_code == 404


@pytest.mark.parametrize(("name", "owner"), [("acme/large", "acme"), ("large", "acme"), ("quick", "omniroute")])
def test_a_model_is_found_by_every_name_that_may_be_asked_for(client: Client, name: str, owner: str) -> None:
    from routing.models import Alias

    Alias.objects.create(pattern="quick", target="acme/large")
    client.gateway.settle()
    for path in (f"/v1/models/{name}", f"/models/{name}", f"/v1/v1/models/{name}"):
        found = client.http.get(client.gateway.root + path).json()
        assert (found["id"], found["owned_by"]) == (name, owner)


def test_a_model_that_a_key_may_not_use_is_not_found(client: Client, make_key: Any) -> None:
    limited = Client(client.gateway, make_key(patterns=["other/*"]))
    client.gateway.settle()
    assert limited.http.get("/models/acme/large").status_code == 404


def test_a_provider_that_is_switched_off_is_gone(client: Client, gateway: Any) -> None:
    from providers.models import Provider

    row = Provider.objects.get(pk="acme")
    row.enabled = False
    row.save()
    gateway.settle()
    assert client.chat().status_code == 404
    assert client.http.get("/models").json()["data"] == []


def test_a_secret_never_goes_to_a_changed_address(client: Client, gateway: Any, upstream: Any) -> None:
    from providers.models import Provider

    with sim.SimulatorThread() as other:
        row = Provider.objects.get(pk="acme")
        row.base_url = other.url
        row.save()
        gateway.settle()
        reply = client.chat()
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_connection")
        assert other.count == upstream.count == 0


def test_legacy_completions(client: Client, upstream: Any) -> None:
    whole = client.http.post("/completions", json={"model": "acme/large", "prompt": "Say hello"})
    assert whole.json()["choices"][0]["text"]
    streamed = client.http.post("/completions", json={"model": "acme/large", "prompt": "Say hello", "stream": True})
    assert streamed.text.rstrip().endswith("data: [DONE]")
    assert [row.operation for row in client.gateway.records(2)] == ["completions", "completions"]


def test_a_model_that_is_only_forwarded_still_has_its_price(gateway: Any, make_key: Any, patient: None) -> None:
    """The catalogue does not list it; genai-prices does, and the price is looked up off the hot path."""
    from providers.connections import add
    from providers.models import Provider

    with sim.SimulatorThread(strict=False, models=None) as upstream:
        row = Provider.objects.create(id="openrouter", custom=False, base_url=upstream.url, allow_private_network=True)
        add(row, "main", "sk-or-test")
        client = Client(gateway, make_key())
        gateway.settle()
        reply = client.chat(model="openrouter/openai/gpt-4o-mini")
        assert reply.status_code == 200
        [stored] = gateway.records(1)
        assert stored.model == "openai/gpt-4o-mini"


def test_what_is_not_carried_is_named_in_header_and_record(
    gateway: Any, make_provider: Any, make_key: Any, patient: None
) -> None:
    """A client's own words in the names cannot break out of the header."""
    with sim.SimulatorThread(format="anthropic") as upstream:
        make_provider("claude", upstream.url, format="anthropic", models=("sim-large",))
        client = Client(gateway, make_key())
        gateway.settle()
        odd = {"type": "evil\r\nset-cookie: a=b"}
        reply = client.chat(model="claude/sim-large", seed=7, tools=[odd])
        assert reply.status_code == 200, reply.text
        assert "seed" in reply.headers["x-omniroute-dropped"].split(",")
        assert "set-cookie" not in reply.headers
        [row] = gateway.records(1)
        assert "seed" in row.dropped.split(",")
