"""Every way a provider can fail, on real sockets: what the client sees, what is recorded, who is tried next."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from providers.transport.base import Timeouts
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client


def text_of(reply: httpx.Response) -> str:
    if reply.headers["content-type"] == "application/json":
        return str(reply.json()["choices"][0]["message"]["content"])
    return "".join(
        choice["delta"].get("content") or "" for event in events(reply) for choice in event.get("choices", [])
    )


def events(reply: httpx.Response) -> list[Any]:
    lines = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def ended_well(reply: httpx.Response) -> bool:
    return reply.text.rstrip().endswith("data: [DONE]")


MOVES_ON = {
    "401": sim.status(401),
    "402": sim.status(402),
    "403": sim.status(403),
    "404": sim.status(404),
    "408": sim.status(408),
    "429": sim.status(429, retry_after=20),
    "500": sim.status(500),
    "502 page": sim.html(502),
    "503": sim.status(503),
    "504": sim.status(504),
    "529": sim.status(529),
    "page with 200": sim.html(200),
    "empty": sim.empty(200),
    "broken JSON": sim.broken_json(),
    "error inside 200": sim.error_inside_200(),
    "garbage": sim.garbage(),
    "hang up": sim.hang_up(),
    "cut at once": sim.cut(),
    "redirect": sim.raw(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("act", MOVES_ON.values(), ids=MOVES_ON.keys())
def test_the_second_connection_answers_when_the_first_fails(two: Client, upstream: Any, act: Any, stream: bool) -> None:
    upstream.for_key("sk-first").plays(act)
    upstream.for_key("sk-second").plays(sim.chat("Hello"))
    reply = two.chat(stream=stream)
    assert reply.status_code == 200
    assert text_of(reply) == "Hello"
    assert "error" not in reply.text
    assert reply.headers["x-omniroute-attempts"] == "2"
    [row] = two.gateway.records(1)
    assert row.result == "ok"
    assert [a["connection"] for a in row.attempts] == ["c1", "c2"]
    assert row.attempts[0]["kind"] != "ok"
    assert row.attempts[1]["kind"] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("act", MOVES_ON.values(), ids=MOVES_ON.keys())
def test_a_failure_of_the_only_connection_is_an_honest_error(
    client: Client, upstream: Any, act: Any, stream: bool
) -> None:
    upstream.plays(act)
    reply = client.chat(stream=stream)
    assert 400 <= reply.status_code < 600
    assert reply.status_code != 500
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"]
    assert "sk-only" not in reply.text
    assert "127.0.0.1" not in reply.text
    [row] = client.gateway.records(1)
    assert (row.result, row.status, row.cost_usd) == ("failed", reply.status_code, None)
    assert (row.input_tokens, row.output_tokens) == (0, 0)
    assert upstream.count == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_error_says_whose_it_is(two: Client, upstream: Any, stream: bool) -> None:
    upstream.for_key("sk-first").plays(sim.status(429, retry_after=20))
    upstream.for_key("sk-second").plays(sim.status(401))
    told = two.chat(stream=stream).headers
    assert (told["x-omniroute-provider"], told["x-omniroute-model"]) == ("acme", "large")
    assert (told["x-omniroute-attempts"], told["x-omniroute-cache"], told["retry-after"]) == ("2", "bypass", "20")


def test_an_error_without_an_answer_is_nobodys(client: Client, upstream: Any) -> None:
    upstream.plays(sim.hang_up())
    assert "x-omniroute-provider" not in client.chat().headers


def test_a_malformed_request_is_sent_once_and_keeps_the_providers_words(two: Client, upstream: Any) -> None:
    upstream.plays(sim.status(400, error_message="messages[0].content is too odd"))
    reply = two.chat()
    assert reply.status_code == 400
    assert "messages[0].content is too odd" in reply.json()["error"]["message"]
    assert upstream.count == 1


def test_retry_after_reaches_the_client(client: Client, upstream: Any) -> None:
    upstream.plays(sim.status(429, retry_after=20))
    reply = client.chat()
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "20"


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1m30s"},
        {"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "90s"},
    ],
)
def test_a_429_that_tells_its_reset_only_by_its_limits_rests_until_then(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any, headers: dict[str, str]
) -> None:
    make_provider("acme", upstream.url)
    client = Client(gateway, make_key())
    gateway.settle()
    upstream.plays(sim.status(429).headers(**headers))
    assert client.chat().headers["retry-after"] == "90"
    assert 1 < int(client.chat().headers["retry-after"]) <= 90 and upstream.count == 1
    client.http.close()


def test_a_window_of_a_plan_that_is_used_up_rests_until_it_begins_again(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any
) -> None:
    make_provider("acme", upstream.url)
    client = Client(gateway, make_key())
    gateway.settle()
    said = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_in_seconds": 5000}
    upstream.plays(sim.status(429, {"error": said}))
    assert client.chat().headers["retry-after"] == "5000"
    assert 120 < int(client.chat().headers["retry-after"]) <= 3600, "the longest rest"
    client.http.close()


SPENT = {"type": "usage_limit_reached", "message": "The usage limit has been reached"}
IN_A_GOOD_REPLY = {  # format → an error where a stream begins, but for when to come back
    "openai_chat": lambda told: {"error": SPENT | told},
    "openai_responses": lambda told: {
        "type": "response.failed",
        "sequence_number": 1,
        "response": {"id": "r", "object": "response", "status": "failed", "output": [], "error": SPENT | told},
    },
    "anthropic": lambda told: {"type": "error", "error": SPENT | told},
}


@pytest.mark.parametrize(
    "told",
    [
        lambda: {"resets_in_seconds": 5000},
        lambda: {"resets_at": int(time.time()) + 5000},
        lambda: {"message": "The usage limit has been reached, try again in 1h23m20s."},
    ],
    ids=["seconds", "moment", "words"],
)
@pytest.mark.parametrize("format", IN_A_GOOD_REPLY)
def test_a_window_that_a_stream_says_is_used_up_rests_until_it_begins_again(
    gateway: Any, make_provider: Any, make_key: Any, format: str, told: Any
) -> None:
    with sim.SimulatorThread(format=format) as vendor:
        make_provider("acme", vendor.url, format=format)
        client = Client(gateway, make_key())
        gateway.settle()
        vendor.plays(sim.frames(IN_A_GOOD_REPLY[format](told())))
        assert 4950 < int(client.chat(stream=True).headers["retry-after"]) <= 5000
        assert 120 < int(client.chat().headers["retry-after"]) <= 3600, "the longest rest"
        assert vendor.count == 1
        client.http.close()


def test_a_whole_reply_that_is_an_error_says_when_to_come_back(accounts: Client, upstream: Any) -> None:
    upstream.for_key("sk-first").plays(sim.json_reply({"error": SPENT | {"resets_in_seconds": 5000}}))
    upstream.for_key("sk-second").plays(sim.json_reply({"error": SPENT | {"resets_in_seconds": 4000}}))
    assert accounts.chat().headers["retry-after"] == "4000"


def test_a_limit_whose_headers_stand_in_the_body_rests_until_its_reset(accounts: Client, upstream: Any) -> None:
    """As OpenRouter says it."""
    limit = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0"}
    limit |= {"X-RateLimit-Reset": str(round((time.time() + 90) * 1000))}
    said = {"message": "Rate limit exceeded: requests", "code": 429, "metadata": {"headers": limit}}
    refusal = sim.status(429, {"error": said, "user_id": "u"})
    upstream.plays(refusal, refusal)
    assert 80 < int(accounts.chat().headers["retry-after"]) <= 90
    assert accounts.chat().status_code == 429 and upstream.count == 2


@pytest.fixture
def accounts(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> Iterator[Client]:
    """Two accounts of ``acme``, with the models large and small; what fails rests."""
    make_provider("acme", upstream.url, keys=("sk-first", "sk-second"), models=("large", "small"))
    client = Client(gateway, make_key())
    gateway.settle()
    yield client
    client.http.close()


def asked(upstream: Any) -> list[tuple[str, str]]:
    """(account, model) of each request the provider saw."""
    return [(str(seen.key).removeprefix("sk-"), str(seen.json["model"])) for seen in upstream.requests]


def test_a_limit_of_free_models_leaves_the_others_of_the_account(accounts: Client, upstream: Any) -> None:
    limit = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(round((time.time() + 9000) * 1000))}
    said = {"message": "Rate limit exceeded: free-models-per-day", "code": 429, "metadata": {"headers": limit}}
    upstream.for_key("sk-first").plays(sim.status(429, {"error": said}), sim.chat("small"))
    assert accounts.chat().status_code == accounts.chat().status_code == 200
    assert text_of(accounts.chat(model="acme/small")) == "small"
    assert asked(upstream) == [("first", "large"), ("second", "large"), ("second", "large"), ("first", "small")]


def test_what_one_account_may_not_do_another_is_asked_and_nothing_rests(
    accounts: Client, gateway: Any, upstream: Any
) -> None:
    words = "Your organization must be verified to stream this model."
    said = {"message": words, "type": "invalid_request_error", "param": "stream", "code": "unsupported_value"}
    upstream.for_key("sk-first").plays(sim.status(400, {"error": said}), sim.chat("whole"))
    assert accounts.chat(stream=True).headers["x-omniroute-attempts"] == "2"
    assert text_of(accounts.chat()) == "whole", "what the account may do it is asked for"
    assert asked(upstream) == [("first", "large"), ("second", "large"), ("first", "large")]
    first, second = gateway.records(2)
    assert [attempt["kind"] for attempt in first.attempts] == ["not_entitled", "ok"] and second.skips == []


def test_what_no_account_may_do_is_told_in_the_vendors_words(accounts: Client, upstream: Any) -> None:
    words = "Your organization must be verified to stream this model."
    said = {"message": words, "type": "invalid_request_error", "param": "stream", "code": "unsupported_value"}
    upstream.plays(sim.status(400, {"error": said}), sim.status(400, {"error": said}))
    reply = accounts.chat(stream=True)
    assert reply.status_code == 400
    assert reply.json()["error"] == said | {"message": f"{words} (after 2 attempts)"}


@pytest.mark.parametrize(
    "words",
    [
        "You do not have access to model large.",
        "Project `proj_1` does not have access to model `large`",
        "This key is not entitled to use model large.",
        "You don't have access to the model with the specified model ID.",
    ],
)
def test_a_403_about_one_model_rests_that_model_alone(
    accounts: Client, gateway: Any, upstream: Any, words: str
) -> None:
    refusal = sim.status(403, {"error": {"message": words, "type": "permission_error"}})
    upstream.for_key("sk-first").plays(refusal, sim.chat("small"))
    for _ in range(2):
        assert accounts.chat().status_code == 200
    assert text_of(accounts.chat(model="acme/small")) == "small"
    assert asked(upstream) == [("first", "large"), ("second", "large"), ("second", "large"), ("first", "small")]
    assert gateway.records(3)[0].attempts[0]["kind"] == "model_unavailable"


@pytest.mark.parametrize(
    "refusal",
    [
        sim.status(403, error_message="You do not have access to model sim-large."),
        sim.status(400, error_message="Token counting beta is not available for your organization."),
    ],
    ids=["model", "ability"],
)
def test_another_account_counts_what_one_may_not(gateway: Any, make_provider: Any, make_key: Any, refusal: Any) -> None:
    with sim.SimulatorThread(format="anthropic") as vendor:
        make_provider("acme", vendor.url, format="anthropic", models=("sim-large",), keys=("sk-first", "sk-second"))
        client = Client(gateway, make_key())
        gateway.settle()
        vendor.for_key("sk-first").plays(refusal)
        reply = client.http.post("/messages/count_tokens", json={"model": "acme/sim-large", "messages": HELLO})
        assert reply.status_code == 200 and "x-omniroute-estimated" not in reply.headers
        assert [seen.key for seen in vendor.requests] == ["sk-first", "sk-second"]
        client.http.close()


def test_a_403_about_the_account_rests_all_of_it(accounts: Client, upstream: Any) -> None:
    said = {"message": "OAuth authentication is currently not allowed for this organization."}
    upstream.for_key("sk-first").plays(sim.status(403, {"error": said}))
    assert accounts.chat().status_code == accounts.chat(model="acme/small").status_code == 200
    assert asked(upstream) == [("first", "large"), ("second", "large"), ("second", "small")]


def test_a_refused_port_moves_on(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> None:
    from routing.models import Combo, ComboStep

    make_provider("dead", f"http://127.0.0.1:{sim.closed_port()}/v1")
    make_provider("alive", upstream.url)
    combo = Combo.objects.create(name="always-on")
    for position, name in enumerate(["dead/large", "alive/large"]):
        ComboStep.objects.create(combo=combo, position=position, model=name)
    client = Client(gateway, make_key())
    gateway.settle()
    reply = client.http.post("/chat/completions", json={"model": "always-on", "messages": HELLO})
    assert reply.status_code == 200
    assert reply.headers["x-omniroute-provider"] == "alive"
    [row] = gateway.records(1)
    assert row.attempts[0]["kind"] == "network"
    assert (row.requested_model, row.provider, row.model) == ("always-on", "alive", "large")


# -- providers that cannot be reached ---------------------------------------------------------------------------------
@contextmanager
def refused(_: pytest.MonkeyPatch, __: Any) -> Iterator[str]:
    yield f"http://127.0.0.1:{sim.closed_port()}/v1"


@contextmanager
def black_hole(_: pytest.MonkeyPatch, __: Any) -> Iterator[str]:
    """Nobody accepts, and the queue of those who wait is full: the next one's first packet is not answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, ExitStack() as waiting:
        for _ in range(3):
            first = waiting.enter_context(socket.socket())
            first.setblocking(False)
            first.connect_ex(hole.getsockname())
        yield f"http://127.0.0.1:{hole.getsockname()[1]}/v1"


@contextmanager
def without_tls(_: pytest.MonkeyPatch, __: Any) -> Iterator[str]:
    with sim.SimulatorThread() as plain:
        yield plain.url.replace("http://", "https://")


@contextmanager
def silent_handshake(_: pytest.MonkeyPatch, __: Any) -> Iterator[str]:
    """The connection stands, and nothing is ever said on it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        yield f"https://127.0.0.1:{mute.getsockname()[1]}/v1"


@contextmanager
def unknown_name(monkeypatch: pytest.MonkeyPatch, gateway: Any) -> Iterator[str]:
    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> Any:
        if host[0].isdigit():  # uvloop asks for literal addresses too
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(type(gateway.runtime._loop), "getaddrinfo", getaddrinfo, raising=False)
    yield "https://nowhere.example/v1"


UNREACHABLE = {
    "refused": (refused, "network"),
    "black hole": (black_hole, "network"),
    "without TLS": (without_tls, "network"),
    "silent handshake": (silent_handshake, "network"),
    "unknown name": (unknown_name, "network"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("how", "kind"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_who_cannot_be_reached_is_gone_around_or_told_of(
    gateway: Any,
    upstream: Any,
    make_provider: Any,
    make_key: Any,
    patient: None,
    limits: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: Any,
    kind: str,
    stream: bool,
) -> None:
    from routing import combos
    from routing.models import Combo

    brief = Timeouts(connect=2.5, write=5, first_byte=10, idle=10)  # who is alive must not seem gone for a pause
    limits(stream=brief, whole=brief)
    make_provider("alive", upstream.url)
    gateway.settle()
    with how(monkeypatch, gateway) as url:
        make_provider("dead", url)
        combos.store(Combo(name="pair", strategy="priority"), [combos.Step("dead/large"), combos.Step("alive/large")])
        client = Client(gateway, make_key())
        gateway.settle()
        with ThreadPoolExecutor(2) as pool:
            alone, pair = pool.map(lambda model: client.chat(model=model, stream=stream), ("dead/large", "pair"))
    assert alone.status_code in (502, 503, 504) and alone.json()["error"]["message"]
    assert "127.0.0.1" not in alone.text and "nowhere" not in alone.text
    assert (pair.status_code, pair.headers["x-omniroute-provider"]) == (200, "alive")
    first, second = sorted(gateway.records(2), key=lambda row: row.requested_model)
    assert first.error_kind == kind and [note["kind"] for note in second.attempts] == [kind, "ok"]
    client.http.close()


def test_a_stream_that_falls_silent_in_the_middle_ends_with_an_error(
    client: Client, upstream: Any, limits: Any
) -> None:
    limits(stream=Timeouts(connect=5, write=5, first_byte=10, idle=2.5))
    upstream.plays(sim.chat("Hello wide world").stall(after=3))
    reply = client.chat(stream=True)
    assert events(reply)[-1]["error"]["message"] and not ended_well(reply)
    [row] = client.gateway.records(1)
    assert (row.result, row.error_kind, row.estimated) == ("failed", "timeout", True)


MID_STREAM = {
    "cut": sim.chat("Hello wide world").cut(after=3),
    "reset": sim.chat("Hello wide world").cut(after=3, reset=True),
    "error event": sim.error_midstream(after=3),
    "clean end, no finish": sim.clean_end_without_done(after=3),
}


@pytest.mark.parametrize("act", MID_STREAM.values(), ids=MID_STREAM.keys())
def test_after_the_first_words_a_failure_ends_the_stream_with_an_error(two: Client, upstream: Any, act: Any) -> None:
    upstream.plays(act)
    reply = two.chat(stream=True)
    assert reply.status_code == 200
    assert events(reply)[-1]["error"]["message"]
    assert not ended_well(reply)
    assert upstream.count == 1, "nothing is tried again once words were seen"
    [row] = two.gateway.records(1)
    assert (row.result, row.estimated) == ("failed", True)
    assert row.output_tokens > 0


def test_a_vendor_that_forgets_done_still_ends_well(client: Client, upstream: Any) -> None:
    upstream.plays(sim.chat("Hello").clean_end_without_done())
    reply = client.chat(stream=True)
    assert text_of(reply) == "Hello"
    assert ended_well(reply)


@pytest.mark.parametrize(
    "act",
    [
        sim.chat("Grüße, 世界").split(1, 2, 3, 5, 7),
        sim.chat("Grüße, 世界").byte_by_byte(),
        sim.chat("Grüße, 世界").crlf(),
        sim.chat("Grüße, 世界").comments(),
        sim.chat("Grüße, 世界").until_close(),
    ],
    ids=["split", "byte by byte", "CRLF", "comments", "until close"],
)
def test_the_network_may_cut_a_stream_anywhere(client: Client, upstream: Any, act: Any) -> None:
    upstream.plays(act)
    reply = client.chat(stream=True)
    assert text_of(reply) == "Grüße, 世界"
    assert ended_well(reply)


def test_usage_is_counted_when_the_provider_reports_none(client: Client, upstream: Any) -> None:
    upstream.plays(sim.chat("one two three four five", usage="never"), sim.chat("one two three", usage="never"))
    client.chat(stream=True)
    client.chat()
    for row in client.gateway.records(2):
        assert row.estimated
        assert row.input_tokens > 0
        assert row.output_tokens >= 3


def test_the_usage_chunk_goes_to_those_who_asked(client: Client, upstream: Any) -> None:
    asked = client.chat(stream=True, stream_options={"include_usage": True})
    assert events(asked)[-1]["usage"]["total_tokens"] > 0
    silent = client.chat(stream=True)
    assert all(event["choices"] for event in events(silent))
    assert len(client.gateway.records(2)) == 2


def test_fields_newer_than_the_gateway_reach_the_provider(gateway: Any, make_provider: Any, make_key: Any) -> None:
    with sim.SimulatorThread(strict=False) as upstream:
        make_provider("acme", upstream.url)
        client = Client(gateway, make_key())
        gateway.settle()
        client.chat(brand_new={"deep": [1.0, 1e5]}, seed=9007199254740993)
        sent = upstream.requests[0]
        assert sent.json["brand_new"] == {"deep": [1.0, 1e5]}
        assert sent.json["model"] == "large"
        assert b"9007199254740993" in sent.body


def test_what_goes_upstream_is_ours_alone(client: Client, upstream: Any) -> None:
    client.http.post(
        "/chat/completions",
        json={"model": "acme/large", "messages": HELLO},
        headers={"cookie": "a=b", "x-secret-header": "1", "user-agent": "curl/8"},
    )
    sent = upstream.requests[0]
    assert sent.header("authorization") == "Bearer sk-only"
    assert sent.header("user-agent").startswith("OmniRoute/")
    assert sent.header("cookie") is None
    assert sent.header("x-secret-header") is None


def test_no_cookie_of_a_provider_is_kept(client: Client, upstream: Any) -> None:
    upstream.plays(sim.chat("a").headers(**{"set-cookie": "tenant=1; Path=/"}), sim.chat("b"))
    first = client.chat()
    client.chat()
    assert "set-cookie" not in first.headers
    assert upstream.requests[1].header("cookie") is None


def test_a_candidate_that_was_put_last_is_in_the_trail_with_its_reason(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any
) -> None:
    """What rests after a passing failure comes last; when another one answers, the trail says why it was not asked."""
    make_provider("acme", upstream.url, keys=("sk-first", "sk-second"))
    client = Client(gateway, make_key())
    gateway.settle()
    upstream.for_key("sk-first").plays(sim.status(500))
    assert [client.chat().status_code, client.chat().status_code] == [200, 200]
    client.http.close()
    first, second = gateway.records(2)
    assert first.skips == [] and [attempt["connection"] for attempt in second.attempts] == ["c2"]
    [skip] = second.skips
    assert (skip["connection"], skip["why"]) == ("c1", "server_error") and 0 < skip["seconds"] <= 60


def test_a_resting_connection_is_left_alone_until_its_time(
    gateway: Any, upstream: Any, make_provider: Any, make_key: Any
) -> None:
    make_provider("acme", upstream.url, keys=("sk-only",))
    client = Client(gateway, make_key())
    gateway.settle()
    upstream.plays(sim.status(429, retry_after=30))
    assert client.chat().status_code == 429
    again = client.chat()
    assert again.status_code == 429
    assert 1 <= int(again.headers["retry-after"]) <= 30
    assert upstream.count == 1


def test_the_breaker_opens_after_five_failures(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> None:
    from routing.models import GatewaySettings

    GatewaySettings(connection_cooldown=False).save()
    make_provider("acme", upstream.url, keys=("sk-only",))
    client = Client(gateway, make_key())
    gateway.settle()
    upstream.plays(*[sim.status(500)] * 5)
    assert [client.chat().status_code for _ in range(6)] == [502] * 5 + [503]
    assert upstream.count == 5


# -- streams of Messages, whose usage comes in two parts ---------------------------------------------------------------
WORDS = " ".join(f"word{number}" for number in range(60))


@pytest.fixture
def claude(gateway: Any, make_provider: Any, make_key: Any, patient: None) -> Any:
    with sim.SimulatorThread(format="anthropic") as upstream:
        prices = {"input_price": "0", "output_price": "1000"}
        make_provider("claude", upstream.url, format="anthropic", models=("large",), **prices)
        key = make_key()
        gateway.settle()
        yield upstream, {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/chat/completions", "/messages"])
@pytest.mark.parametrize("left", [True, False], ids=["client leaves", "provider cuts"])
def test_a_messages_stream_without_its_end_counts_what_was_said(
    gateway: Any, claude: Any, path: str, left: bool
) -> None:
    """`message_start` tells the input and one token of output: that is not all that was made."""
    upstream, headers = claude
    act = sim.chat(WORDS, usage=sim.Tokens(1000, 300))
    upstream.plays(act.stall(after=55) if left else act.cut(after=55))
    body = {"model": "claude/large", "messages": HELLO, "stream": True, "max_tokens": 500}
    with httpx.stream("POST", f"{gateway.url}{path}", json=body, headers=headers, timeout=60) as reply:
        heard = b""
        for piece in reply.iter_raw():
            heard += piece
            if left and b"word45" in heard:
                break
    [record] = gateway.records(1)
    assert (record.input_tokens, record.estimated) == (1000, True)
    assert record.output_tokens > 45 and record.cost_usd == record.output_tokens * Decimal("0.001")


@pytest.mark.parametrize("path", ["/chat/completions", "/messages"])
def test_a_messages_stream_that_ends_without_its_last_event_has_an_end(gateway: Any, claude: Any, path: str) -> None:
    upstream, headers = claude
    upstream.plays(sim.chat("hello there", usage=sim.Tokens(10, 5)).clean_end_without_terminal())
    body = {"model": "claude/large", "messages": HELLO, "stream": True, "max_tokens": 50}
    reply = httpx.post(f"{gateway.url}{path}", json=body, headers=headers, timeout=60)
    last = reply.text.strip().rsplit("\n", 1)[-1]
    assert last == ("data: [DONE]" if "chat" in path else 'data: {"type":"message_stop"}')
    [record] = gateway.records(1)
    assert (record.input_tokens, record.output_tokens, record.estimated) == (10, 5, False)
