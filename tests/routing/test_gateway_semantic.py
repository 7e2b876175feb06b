"""Questions compared by an embeddings model that the gateway asks itself: over real sockets, whatever that one does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from routing import publish
from routing.models import ApiKey, Budget, CacheSettings, GatewaySettings, Limit
from tests import simulator as sim
from tests.routing.asked import FORMATS, ask
from tests.routing.conftest import Client
from tests.routing.test_gateway_cache import how
from tests.routing.test_gateway_edge import dial, posted

EMBEDDINGS = "/v1/embeddings"
FRANCE, SAME, SPAIN = "What is the capital of France?", "Which city governs the French?", "And who rules Madrid?"
VECTORS = {FRANCE: [1.0, 0.0, 0.2], SAME: [2.0, 0.1, 0.4], SPAIN: [0.0, 1.0, 0.0]}


def vector(numbers: Any, tokens: int = 5) -> sim.Act:
    data = [{"object": "embedding", "index": 0, "embedding": numbers}]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return sim.json_reply({"object": "list", "data": data, "model": "vectors", "usage": usage})


def vendor(asked: Any) -> sim.Act:
    """Chats as always, and knows what the questions above mean."""
    embeds = asked.received.path == EMBEDDINGS
    return vector(VECTORS[asked.received.json["input"]]) if embeds else sim.chat()


class Vendor:
    """``acme``, with a model that chats (large) and one that embeds (vectors)."""

    def __init__(self, gateway: Any, upstream: Any, key: str) -> None:
        self.gateway, self.upstream, self.client = gateway, upstream, Client(gateway, key)

    def ask(self, text: str, **said: Any) -> str:
        return how(ask(self.client.http, said.pop("format", "openai_chat"), text, **said))

    @property
    def asked(self) -> tuple[int, int]:
        """How many chats and embeddings went upstream."""
        embeddings = sum(request.path == EMBEDDINGS for request in self.upstream.requests)
        return self.upstream.count - embeddings, embeddings

    def set(self, **changes: Any) -> None:
        usual = {"exact": True, "semantic": True, "semantic_model": "acme/vectors", "semantic_percent": 90}
        row = CacheSettings(**{**usual, **changes})
        row.full_clean(exclude=["id"])
        row.save()
        self.gateway.settle()


@pytest.fixture
def acme(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Any:
    from routing.gateway.aside import Aside
    from routing.gateway.replay import Replays

    make_provider(
        "acme", upstream.url, models=("large", "vectors"), keys=("sk-only",), input_price="2", output_price="4"
    )
    upstream.default = vendor
    running = gateway.runtime.gateway
    running.replays = Replays()
    running._aside = Aside(running._sink, running._ids, running._complain)
    found = Vendor(gateway, upstream, make_key())
    found.set()
    yield found
    found.client.http.close()


@pytest.mark.parametrize("format", FORMATS)
def test_other_words_for_the_same_are_answered_without_asking(acme: Vendor, format: str) -> None:
    assert [acme.ask(text, format=format) for text in (FRANCE, SAME, SPAIN)] == ["miss", "hit", "miss"]
    assert acme.asked == (2, 3)
    assert acme.ask(FRANCE, format=format) == "hit" and acme.asked == (2, 3)  # the same words need no vector


def test_every_vector_has_a_record_of_the_caller(acme: Vendor) -> None:
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "hit"]
    rows = acme.gateway.records(4)
    vectors = [row for row in rows if row.operation == "embeddings"]
    chats = [row for row in rows if row.operation == "chat"]
    assert [row.cache for row in chats] == ["miss", "semantic"] and {row.cache for row in vectors} == {""}
    for row in vectors:
        assert (row.key_name, row.requested_model, row.provider, row.model) == (
            "test",
            "acme/vectors",
            "acme",
            "vectors",
        )
        assert (row.result, row.status, row.input_tokens, row.cost_usd) == ("ok", 200, 5, Decimal("0.00001"))
        assert row.user_agent == "OmniRoute semantic cache" and row.client_address == "127.0.0.1"
    assert chats[1].cost_usd == 0 and chats[1].saved_usd == chats[0].cost_usd > 0


def test_each_caller_has_its_own(acme: Vendor, make_key: Any) -> None:
    other = Client(acme.gateway, make_key("other"))
    acme.gateway.settle()
    assert acme.ask(FRANCE) == "miss"
    assert how(ask(other.http, "openai_chat", SAME)) == "miss"
    assert acme.ask(SAME) == "hit"
    other.http.close()


def test_without_it_nothing_is_asked(acme: Vendor) -> None:
    acme.set(semantic=False)
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "miss"]
    acme.set()
    assert acme.ask(FRANCE, temperature=0.5) == "bypass"
    assert acme.ask(FRANCE, headers={"x-omniroute-no-cache": "true"}) == "bypass"
    assert acme.asked == (4, 0)


def test_vectors_of_two_models_are_not_compared(acme: Vendor, make_provider: Any) -> None:
    make_provider("other", acme.upstream.url, models=("vectors",), keys=("sk-other",))
    assert acme.ask(FRANCE) == "miss"
    acme.set(semantic_model="other/vectors")
    assert [acme.ask(text) for text in (SAME, FRANCE)] == ["miss", "hit"]
    acme.set()
    assert acme.ask(SAME) == "hit"


def test_flushing_all_a_key_or_a_model(acme: Vendor) -> None:
    from routing import caching

    for flush in ({}, {"key": ApiKey.objects.get().pk}, {"model": "acme/large"}):
        caching.flush(**flush)
        acme.gateway.settle()
        assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "hit"]


# -- what may go wrong -------------------------------------------------------------------------------------------------
BROKEN = [
    sim.status(500), sim.status(401), sim.status(403), sim.status(429), sim.hang_up(), sim.broken_json(), sim.html(),
    vector([]), vector([0.0, 0.0]), vector("AAAA"), vector([None]), vector(["a"]),
]  # fmt: skip


@pytest.mark.parametrize("act", BROKEN)
def test_a_model_that_fails_costs_a_miss_and_is_left_alone_for_a_while(acme: Vendor, act: sim.Act) -> None:
    GatewaySettings().save()  # whatever failed rests, and breakers open
    acme.gateway.settle()
    acme.upstream.for_path(EMBEDDINGS).plays(act)
    assert [acme.ask(text) for text in (FRANCE, SPAIN)] == ["miss", "miss"]
    assert acme.asked == (2, 1)
    embedder = acme.gateway.runtime.gateway.replays.meanings.embedder
    embedder._pauses.clear()  # ten seconds go by
    acme.gateway.runtime.gateway._aside.board = type(acme.gateway.runtime.gateway.board)()
    assert [acme.ask(text) for text in (SAME, FRANCE)] == ["miss", "hit"]
    assert acme.asked == (3, 2)


def test_a_text_that_the_model_does_not_take_pauses_nothing(acme: Vendor) -> None:
    acme.upstream.for_path(EMBEDDINGS).plays(sim.status(400))
    assert [acme.ask(text) for text in (SPAIN, FRANCE, SAME)] == ["miss", "miss", "hit"]
    assert acme.asked == (2, 3)
    first = acme.gateway.records(6)[0]
    assert (first.operation, first.result, first.status) == ("embeddings", "failed", 400)


def test_a_model_that_is_slow_is_not_waited_for(acme: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    from routing.gateway.replay import embedder

    monkeypatch.setattr(embedder, "LONGEST_WAIT", 2.5)
    held = sim.hold()
    acme.upstream.for_path(EMBEDDINGS).plays(held)
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "miss"]
    held.release()
    assert acme.asked == (2, 1)
    row = next(row for row in acme.gateway.records(3) if row.operation == "embeddings")
    assert (row.result, row.status, row.error_kind) == ("failed", 504, "timeout")


def test_a_client_that_leaves_meanwhile_ends_both(acme: Vendor) -> None:
    held = sim.hold()
    acme.upstream.for_path(EMBEDDINGS).plays(held)
    body = {"model": "acme/large", "temperature": 0, "messages": [{"role": "user", "content": FRANCE}]}
    with dial(acme.client) as leaving:
        leaving.sendall(posted(acme.client, "/v1/chat/completions", body))
        asked = acme.upstream.next_request()
    assert asked.client_gone.wait_sync()
    held.release()
    rows = acme.gateway.records(2)
    assert {(row.operation, row.result, row.status) for row in rows} == {
        ("embeddings", "client_gone", 499),
        ("chat", "client_gone", 499),
    }
    assert acme.asked == (0, 1)


# -- whose it is -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("narrow", [{"model_patterns": ["acme/large"]}, {"endpoints": ["chat"]}])
def test_who_may_not_use_the_model_has_exact_answers_only(acme: Vendor, make_key: Any, narrow: Any) -> None:
    other = Client(acme.gateway, make_key("other"))
    ApiKey.objects.filter(name="other").update(**narrow)
    publish.bump()
    acme.gateway.settle()
    assert [how(ask(other.http, "openai_chat", text)) for text in (FRANCE, SAME, FRANCE)] == ["miss", "miss", "hit"]
    assert acme.asked == (2, 0) and len(acme.gateway.records(3)) == 3
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "hit"]  # others are not held up by it
    other.http.close()


def test_limits_hold_apart_from_those_of_the_client(acme: Vendor) -> None:
    Limit.objects.create(api_key=ApiKey.objects.get(), requests_per_minute=2, parallel=1, tokens_per_minute=100_000)
    acme.gateway.settle()
    assert [acme.ask(text) for text in (FRANCE, SPAIN)] == ["miss", "miss"]
    assert acme.asked == (2, 2)
    assert ask(acme.client.http, "openai_chat", SAME).status_code == 429
    assert acme.asked == (2, 2)
    refused = [(row.operation, row.error_kind) for row in acme.gateway.records(6) if row.result == "refused"]
    assert refused == [("embeddings", "rate_limit_exceeded"), ("chat", "rate_limit_exceeded")]


def test_tokens_of_vectors_are_not_the_clients(acme: Vendor) -> None:
    Limit.objects.create(api_key=ApiKey.objects.get(), tokens_per_minute=50_000)
    acme.gateway.settle()
    acme.upstream.for_path(EMBEDDINGS).plays(vector(VECTORS[FRANCE], tokens=70_000))
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "miss"]
    assert acme.asked == (2, 1)


def test_a_budget_that_does_not_allow_it_is_a_miss_and_spends_nothing(acme: Vendor, make_provider: Any) -> None:
    make_provider("free", acme.upstream.url, models=("vectors",), keys=("sk-free",))  # nobody knows its price
    Budget.objects.create(scope="key", api_key=ApiKey.objects.get(), period="total", limit_usd=Decimal(5), hard=True)
    acme.set(semantic_model="free/vectors")
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "miss"]
    assert acme.asked == (2, 0)
    [row] = [row for row in acme.gateway.records(3) if row.operation == "embeddings"]
    assert (row.result, row.cost_usd) == ("refused", None)
    acme.set()
    assert acme.ask(SPAIN) == "miss" and acme.asked == (3, 1)  # one with a price is paid


def test_a_model_that_was_taken_away_is_a_miss(acme: Vendor) -> None:
    from providers.models import ProviderModel

    ProviderModel.objects.filter(model_id="vectors").delete()
    acme.gateway.settle()
    assert [acme.ask(text) for text in (FRANCE, SAME)] == ["miss", "miss"]
    assert acme.asked == (2, 0)
