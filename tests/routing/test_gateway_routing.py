"""Routing as clients meet it: real requests, two scripted providers, what each was asked."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from routing.board import Board
from routing.combos import Step, store
from routing.models import Alias, Combo, GatewaySettings, TeamAccess
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client

PARTS = {"contents": [{"parts": [{"text": "Hello"}]}]}
# What asks for a model: (method, path, the rest of the body).
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/chat/completions", {"messages": HELLO}),
    ("POST", "/v1/completions", {"prompt": "Hello"}),
    ("POST", "/v1/responses", {"input": "Hello"}),
    ("POST", "/v1/responses/input_tokens", {"input": "Hello"}),
    ("POST", "/v1/messages", {"messages": HELLO, "max_tokens": 9}),
    ("POST", "/v1/messages/count_tokens", {"messages": HELLO}),
    ("POST", "/v1/embeddings", {"input": "Hello"}),
    ("POST", "/v1/images/generations", {"prompt": "a cat"}),
    ("POST", "/v1/audio/speech", {"input": "Hello", "voice": "alloy"}),
    ("POST", "/v1/moderations", {"input": "Hello"}),
    ("POST", "/v1/rerank", {"query": "Hello", "documents": ["a"]}),
    ("POST", "/v1beta/models/{name}:generateContent", PARTS),
    ("POST", "/v1beta/models/{name}:streamGenerateContent", PARTS),
    ("POST", "/v1beta/models/{name}:countTokens", PARTS),
    ("POST", "/v1beta/models/{name}:embedContent", {"content": {"parts": [{"text": "Hello"}]}}),
    ("GET", "/v1/models/{name}", {}),
    ("GET", "/v1beta/models/{name}", {}),
]
TALK = [*HELLO, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Once more"}]


@pytest.fixture
def second() -> Iterator[Any]:
    with sim.SimulatorThread() as simulator:
        yield simulator


@pytest.fixture
def pair(gateway: Any, upstream: Any, second: Any, make_provider: Any, make_key: Any) -> Iterator[Client]:
    """Providers ``acme`` (a subscription) and ``beta`` (free) with one model each, and a combo of every kind."""
    from routing import combos

    make_provider("acme", upstream.url, tier="subscription", keys=("sk-acme",))
    make_provider("beta", second.url, tier="free", keys=("sk-beta",))
    for name, strategy, steps in (("pair", "priority", ("acme/large", "beta/large")), ("auto", "tiers", ())):
        combos.store(Combo(name=name, strategy=strategy), [combos.Step(step) for step in steps])
    client = Client(gateway, make_key())
    gateway.settle()
    yield client
    client.http.close()


class TestOrder:
    def test_tiers_over_everything_connected(self, pair: Client, upstream: Any, second: Any) -> None:
        upstream.plays(sim.status(429, retry_after=60))
        reply = pair.chat(model="auto")
        assert reply.status_code == 200 and reply.headers["x-omniroute-provider"] == "beta"
        assert reply.headers["x-omniroute-attempts"] == "2" and (upstream.count, second.count) == (1, 1)
        assert pair.chat(model="auto").headers["x-omniroute-attempts"] == "1", "the first rests"

    def test_an_account_without_credit_is_not_asked_again(self, pair: Client, upstream: Any, gateway: Any) -> None:
        upstream.plays(sim.status(402))
        assert [pair.chat(model="pair").headers["x-omniroute-provider"] for _ in range(3)] == ["beta"] * 3
        assert upstream.count == 1
        records = gateway.records(3)
        assert records[0].attempts[0]["kind"] == "out_of_credit" and records[0].skips == []
        assert [(skip["provider"], skip["why"]) for skip in records[2].skips] == [("acme", "out_of_credit")]
        assert 3500 < records[2].skips[0]["seconds"] <= 3600

    def test_a_step_that_is_gone_is_in_the_trail(self, pair: Client, gateway: Any) -> None:
        from routing import combos

        combos.store(Combo(name="holes"), [combos.Step("gone/x"), combos.Step("beta/large")])
        gateway.settle()
        assert pair.chat(model="holes").status_code == 200
        (record,) = gateway.records()
        assert [(skip["model"], skip["why"]) for skip in record.skips] == [
            ("gone/x", "The model 'gone/x' does not exist.")
        ]


class TestWhatOneModelCannotDo:
    WORDS = (
        "registry.ollama.ai/library/llama2:latest does not support tools",
        "`tool calling` is not supported with this model",
        "max_tokens is too large: 100000. This model supports at most 4096 completion tokens.",
        "Invalid content type. image_url is only supported by certain models.",
    )

    @pytest.mark.parametrize("words", WORDS)
    def test_is_asked_of_the_next(self, pair: Client, upstream: Any, gateway: Any, words: str) -> None:
        upstream.plays(sim.status(400, {"error": {"message": words, "type": "invalid_request_error"}}))
        assert pair.chat(model="pair").headers["x-omniroute-provider"] == "beta"
        assert pair.chat(model="pair").headers["x-omniroute-provider"] == "acme", "nothing rests"
        first, second = gateway.records(2)
        assert [attempt["kind"] for attempt in first.attempts] == ["model_unable", "ok"] and second.skips == []

    def test_is_told_in_the_vendors_words_where_nobody_can(self, pair: Client, upstream: Any, second: Any) -> None:
        said = {
            "message": "Unsupported value: 'temperature' does not support 0.2 with this model.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "unsupported_value",
        }
        upstream.plays(sim.status(400, {"error": said}))
        reply = pair.chat(model="acme/large")
        assert (reply.status_code, reply.json()["error"]) == (400, said)
        upstream.plays(sim.status(400, {"error": said}))
        second.plays(sim.status(403, {"error": {"message": "This account may not.", "type": "permission_error"}}))
        reply = pair.chat(model="pair")
        assert reply.status_code == 400
        assert reply.json()["error"] == said | {"message": f"{said['message']} (after 2 attempts)"}

    def test_is_told_after_what_passes_by_itself(self, pair: Client, upstream: Any, second: Any) -> None:
        """The second one can, and will: a client that is told 400 would not ask again."""
        upstream.plays(sim.status(400, {"error": {"message": self.WORDS[0], "type": "invalid_request_error"}}))
        second.plays(sim.status(429))
        assert pair.chat(model="pair").status_code == 429

    def test_a_malformed_request_stops(self, pair: Client, upstream: Any, second: Any) -> None:
        words = "Invalid type for 'tools': expected an array of objects, but got a string instead."
        upstream.plays(sim.status(400, {"error": {"message": words, "param": "tools", "code": "invalid_type"}}))
        assert pair.chat(model="pair").status_code == 400 and second.count == 0


class TestConversations:
    @pytest.fixture
    def spread(self, pair: Client, gateway: Any) -> Client:
        Combo.objects.filter(name="pair").update(strategy="round-robin")
        GatewaySettings(session_affinity=True).save()
        gateway.settle()
        return pair

    def test_a_conversation_stays_where_it_was_answered(self, spread: Client) -> None:
        first = spread.chat(model="pair").headers["x-omniroute-provider"]
        later = [spread.chat(model="pair", messages=TALK).headers["x-omniroute-provider"] for _ in range(4)]
        assert later == [first] * 4

    def test_first_turns_are_spread(self, spread: Client) -> None:
        asked = [spread.chat(model="pair").headers["x-omniroute-provider"] for _ in range(4)]
        assert sorted(asked) == ["acme", "acme", "beta", "beta"]

    def test_it_moves_when_it_must(self, spread: Client, upstream: Any, second: Any) -> None:
        first = spread.chat(model="pair").headers["x-omniroute-provider"]
        (upstream if first == "acme" else second).plays(sim.status(503))
        moved = spread.chat(model="pair", messages=TALK).headers["x-omniroute-provider"]
        assert moved != first
        assert spread.chat(model="pair", messages=TALK).headers["x-omniroute-provider"] == moved, "its new home"


class TestPermissions:
    def test_endpoints(self, pair: Client, gateway: Any, make_key: Any) -> None:
        from routing.models import ApiKey

        key = make_key("narrow")
        ApiKey.objects.get(name="narrow").__class__.objects.filter(name="narrow").update(endpoints=["embeddings"])
        from routing import publish

        publish.bump()
        gateway.settle()
        refused = Client(gateway, key).chat()
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "endpoint_not_allowed"
        assert Client(gateway, key).http.get("/models").status_code == 200

    def test_a_teams_permissions_hold_for_its_keys(self, pair: Client, gateway: Any, make_key: Any, team: Any) -> None:
        TeamAccess.objects.create(team=team, model_patterns=["beta/*"])
        mine = Client(gateway, make_key("ours", team=team))
        gateway.settle()
        assert mine.chat(model="acme/large").json()["error"]["code"] == "model_not_allowed"
        assert mine.chat(model="beta/large").status_code == 200
        names = [row["id"] for row in mine.http.get("/models").json()["data"]]
        assert names == ["beta/large"]

    @pytest.mark.parametrize("ask", ASKED, ids=[path.rpartition("/")[2] for _, path, _ in ASKED])
    def test_no_client_format_tells_what_there_is(
        self, pair: Client, gateway: Any, make_key: Any, make_provider: Any, ask: Any
    ) -> None:
        """What exists, cannot be used now, or leads nowhere is for a key without permission as what never was."""
        make_provider("dead", "http://127.0.0.1:9/v1", keys=())
        for pattern, target in (("fast", "beta/large"), ("lost", "dead/gone"), ("late", "dead/large")):
            Alias.objects.create(pattern=pattern, target=target)
        store(Combo(name="broken", strategy="priority"), [Step("dead/large")])
        mine = Client(gateway, make_key("narrow", patterns=["acme/*"]))
        gateway.settle()
        method, path, body = ask

        def told(name: str) -> tuple[int, str]:
            fields = {"model": name, **body} if method == "POST" and "{name}" not in path else body
            url = f"{gateway.root}{path.replace('{name}', name)}"
            reply = mine.http.request(method, url, json=fields if method == "POST" else None)
            return reply.status_code, reply.text.replace(name, "NAME").replace(reply.headers["x-request-id"], "ID")

        nothing = told("beta/none")
        assert nothing[0] == (404 if method == "GET" else 403) and "NAME" in nothing[1]
        names = ("none", "beta/large", "pair", "fast", "lost", "late", "broken", "dead/large", "gone/large")
        assert {name: told(name) for name in names} == dict.fromkeys(names, nothing)


class TestStorms:
    def test_patience(self, pair: Client, upstream: Any, gateway: Any) -> None:
        """Everything rests for a second: the request waits for it, where the operator wants that."""
        stopped, goes_on = time.monotonic(), None  # the second does not pass before all was asked

        def clock() -> float:
            return stopped + (time.monotonic() - goes_on if goes_on is not None else 0.0)

        gateway.runtime.gateway.board = Board(clock)
        gateway.runtime.gateway.board.configure(gateway.runtime.gateway.snapshot.switches)
        assert pair.chat(model="acme/large").status_code == 200
        upstream.plays(sim.status(429))
        assert pair.chat(model="acme/large").status_code == 429
        refused = pair.chat(model="acme/large")
        assert refused.json()["error"]["code"] == "all_connections_resting" and refused.headers["retry-after"] == "1"
        GatewaySettings(patience_seconds=5).save()
        gateway.settle()
        goes_on = time.monotonic()
        assert pair.chat(model="acme/large").status_code == 200

    async def test_many_clients_on_a_dead_provider(
        self, pair: Client, upstream: Any, second: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All are answered by the healthy one, and the dead one is not asked by all of them."""
        monkeypatch.setattr("routing.gateway.attempts.CROWD_SECONDS", 60)  # however long the first need
        # the breaker alone keeps the second wave away: a rest may keep the first from failing often enough to open it
        GatewaySettings(breaker_seconds=600, connection_cooldown=False).save()
        await asyncio.to_thread(pair.gateway.settle)
        upstream.plays(*[sim.status(500)] * 1000)
        headers = {"authorization": f"Bearer {pair.key}"}
        limits = httpx.Limits(max_connections=200)
        body = {"model": "pair", "messages": HELLO}
        async with httpx.AsyncClient(base_url=pair.gateway.url, headers=headers, timeout=60, limits=limits) as http:
            first = await asyncio.gather(*(http.post("/chat/completions", json=body) for _ in range(200)))
            more = await asyncio.gather(*(http.post("/chat/completions", json=body) for _ in range(200)))
        assert {reply.status_code for reply in (*first, *more)} == {200}
        assert {reply.headers["x-omniroute-attempts"] for reply in more} == {"1"}, "the breaker is open"
        assert second.count == 400 and upstream.count <= 80, "a fifth more requests than clients made"
        assert len(pair.gateway.records(400)) == 400

    async def test_many_clients_on_a_flapping_provider(self, pair: Client, upstream: Any, second: Any) -> None:
        """Every second request fails, all are answered, and the providers see no more than a fifth on top."""
        turns = itertools.cycle((sim.status(500), sim.chat("Hello")))
        upstream.default = lambda _: next(turns)
        headers = {"authorization": f"Bearer {pair.key}"}
        limits = httpx.Limits(max_connections=20)
        body = {"model": "pair", "messages": HELLO}
        async with httpx.AsyncClient(base_url=pair.gateway.url, headers=headers, timeout=60, limits=limits) as http:
            replies = await asyncio.gather(*(http.post("/chat/completions", json=body) for _ in range(200)))
        assert {reply.status_code for reply in replies} == {200}
        assert upstream.count + second.count <= 240

    def test_second_connections_of_a_failing_provider_are_a_share(
        self, gateway: Any, upstream: Any, make_provider: Any, make_key: Any
    ) -> None:
        make_provider("acme", upstream.url, keys=tuple(f"sk-{number}" for number in range(8)))
        GatewaySettings(breaker_failures=1000, connection_cooldown=False).save()
        client = Client(gateway, make_key())
        gateway.settle()
        upstream.plays(*[sim.status(500)] * 1000)
        assert {client.chat().status_code for _ in range(20)} == {502}
        assert upstream.count <= 20 + 10 + 4, "what was asked first, a reserve of ten, and a fifth"
        trail = gateway.records(20)[-1].skips
        assert trail and {skip["why"] for skip in trail} == {"retry_budget"}


class TestPace:
    def test_one_at_a_time(self, gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> None:
        """Two parallel requests on a connection that takes one: the second waits for its turn."""
        row = make_provider("acme", upstream.url)
        row.connections.update(max_concurrent=1)
        client = Client(gateway, make_key())
        gateway.settle()
        held = sim.hold()
        upstream.plays(held)
        answers: list[int] = []
        import threading

        threads = [threading.Thread(target=lambda: answers.append(client.chat().status_code)) for _ in range(2)]
        for thread in threads:
            thread.start()
        upstream.next_request()
        while not any(gate.waiting for gate in gateway.runtime.gateway.board.paces.gates.values()):
            assert upstream.count == 1
        held.release()
        for thread in threads:
            thread.join(20)
        assert answers == [200, 200] and upstream.count == 2


class TestLearnedLimits:
    def test_who_says_that_nothing_is_left_is_asked_last(self, pair: Client, upstream: Any, second: Any) -> None:
        told = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "50s"}
        upstream.plays(sim.chat("a").headers(**told), sim.chat("a"))
        assert pair.chat(model="pair").headers["x-omniroute-provider"] == "acme"
        assert pair.chat(model="pair").headers["x-omniroute-provider"] == "beta"
        second.plays(sim.status(500))
        assert pair.chat(model="pair").headers["x-omniroute-provider"] == "acme", "better than none"
