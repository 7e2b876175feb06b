"""Services billed by the picture, character, minute or query: in the record and on hard budgets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from analytics import ledger
from analytics.models import UsageRecord
from providers.models import ProviderModel
from providers.overrides import UNIT_PRICES
from routing.models import ApiKey, Budget
from routing.money import BEGINNING
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client

D = Decimal
SOUND = b"RIFF" + bytes(7496)  # ten seconds at the least
PICTURES = {"created": 1, "data": [{"b64_json": "iVBORw=="}, {"b64_json": "iVBORw=="}]}
RANKED = {"results": [{"index": 0, "relevance_score": 0.9}]}


@dataclass(frozen=True)
class Case:
    """A request of one endpoint; ``costs`` what each costs, ``most`` what is reserved for it; USD."""

    provider: str
    model: str
    path: str
    body: dict[str, Any]
    reply: Any
    unit: str
    units: str
    costs: Decimal
    most: Decimal

    def ask(self, client: Client) -> httpx.Response:
        named = {"model": f"{self.provider}/{self.model}", **self.body}
        if self.path == "/audio/transcriptions":
            return client.http.post(self.path, data=named, files={"file": ("a.wav", SOUND, "audio/wav")})
        return client.http.post(self.path, json=named)


CASES = {
    "images": Case(
        "xai", "grok-imagine-image", "/images/generations", {"prompt": "a cat", "n": 2},
        PICTURES, "image", "2", D("0.04"), D("0.04"),
    ),
    "speech": Case(
        "groq", "canopylabs/orpheus-v1-english", "/audio/speech", {"input": "x" * 1000, "voice": "alloy"},
        None, "characters", "0.001", D("0.022"), D("0.022"),
    ),
    "transcription": Case(
        "groq", "whisper-large-v3", "/audio/transcriptions", {},
        {"text": "Hello", "usage": {"type": "duration", "seconds": 6}}, "audio_minute", "0.1", D("0.000185"),
        D("0.00185") / 6,
    ),
    "transcription verbose": Case(
        "groq", "whisper-large-v3", "/audio/transcriptions", {"response_format": "verbose_json"},
        {"text": "Hello", "duration": 6.0, "segments": []}, "audio_minute", "0.1", D("0.000185"), D("0.00185") / 6,
    ),
    "rerank": Case(
        "cohere", "rerank-v3.5", "/rerank", {"query": "q", "documents": ["a"]},
        {**RANKED, "meta": {"billed_units": {"search_units": 1}}}, "query", "1", D("0.002"), D("0.002"),
    ),
    "rerank untold": Case(
        "cohere", "rerank-v3.5", "/rerank", {"query": "q", "documents": ["a"]},
        RANKED, "query", "1", D("0.002"), D("0.002"),
    ),
}  # fmt: skip


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Iterator[Client]:
    for name in ("xai", "groq", "cohere"):
        url = upstream.url.removesuffix("/v1") if name == "cohere" else upstream.url
        make_provider(name, url, models=(), custom=False)
    made = Client(gateway, make_key())
    gateway.settle()
    yield made
    made.http.close()


def budget(client: Client, limit: Decimal) -> Budget:
    row = Budget(scope="key", limit_usd=limit, period="total", api_key=ApiKey.objects.get())
    row.full_clean()
    row.save()
    client.gateway.settle()
    return row


@pytest.mark.parametrize("name", CASES)
def test_the_record_has_the_cost_and_how_it_came_about(client: Client, upstream: Any, name: str) -> None:
    case = CASES[name]
    if case.reply is not None:
        upstream.plays(sim.json_reply(case.reply))
    reply = case.ask(client)
    assert reply.status_code == 200, reply.text
    [row] = client.gateway.records(1)
    assert (row.result, row.cost_usd, row.price_source) == ("ok", case.costs, "catalog")
    assert D(row.price[f"{case.unit}_units"]) == D(case.units)
    assert D(row.price[case.unit]) * D(case.units) == case.costs
    if case.path != "/audio/speech":  # a stream, whose end is not known when its headers leave
        assert D(reply.headers["x-omniroute-cost-usd"]) == case.costs


@pytest.mark.parametrize("name", CASES)
def test_an_operators_own_price_holds_and_is_kept_on_the_record(client: Client, upstream: Any, name: str) -> None:
    case = CASES[name]
    row = ProviderModel(provider_id=case.provider, model_id=case.model)
    setattr(row, UNIT_PRICES[case.unit], D("3"))
    row.save()
    client.gateway.settle()
    if case.reply is not None:
        upstream.plays(sim.json_reply(case.reply))
    assert case.ask(client).status_code == 200
    [record] = client.gateway.records(1)
    assert (record.cost_usd, record.price_source) == (3 * D(case.units), "override")
    assert D(record.price[case.unit]) == 3
    row.delete()  # the record says what held then
    record.refresh_from_db()
    assert D(record.price[case.unit]) == 3


@pytest.mark.parametrize("name", CASES)
def test_a_hard_budget_is_spent_by_the_unit_and_then_refuses(client: Client, upstream: Any, name: str) -> None:
    case = CASES[name]
    row = budget(client, (case.costs + case.most).quantize(D("1e-6"), "ROUND_UP"))
    if case.reply is not None:
        upstream.plays(*[sim.json_reply(case.reply)] * 9)
    served = 0
    while (reply := case.ask(client)).status_code == 200:
        served += 1
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "budget_exceeded"), reply.text
    assert served == upstream.count == 2
    client.gateway.records(served + 1)
    assert ledger.spent(row.pk, BEGINNING, None) == case.costs * served
    assert sum(record.cost_usd or 0 for record in UsageRecord.objects.all()) == case.costs * served


def test_more_than_the_budget_has_is_not_sent(client: Client, upstream: Any) -> None:
    budget(client, D("0.05"))
    body = {"model": "xai/grok-imagine-image", "prompt": "a cat", "n": 3}
    refused = client.http.post("/images/generations", json=body)
    assert refused.status_code == 429
    assert "this request may cost 0.06" in refused.json()["error"]["message"]
    assert upstream.count == 0


def test_a_length_that_nobody_tells_spends_what_was_reserved(client: Client, upstream: Any) -> None:
    row = budget(client, D("0.0007"))
    upstream.plays(*[sim.json_reply({"text": "Hello"})] * 9)
    replies = [CASES["transcription"].ask(client).status_code for _ in range(4)]
    assert (replies, upstream.count) == ([200, 200, 429, 429], 2)
    records = client.gateway.records(4)
    assert {record.cost_usd for record in records} == {None}
    assert D("0.0006") < ledger.spent(row.pk, BEGINNING, None) < D("0.0007")
    counters = client.gateway.runtime.gateway.purses.state._purses.values()
    while any(purse.open for purse in counters):
        threading.Event().wait(0.01)
    assert CASES["transcription"].ask(client).status_code == 429, "also once the ledger has it"
    client.gateway.records(5)


def test_a_failure_spends_nothing(client: Client, upstream: Any) -> None:
    row = budget(client, D("0.00035"))
    upstream.plays(sim.status(500), sim.json_reply({"text": "Hello"}))
    replies = [CASES["transcription"].ask(client).status_code for _ in range(3)]
    assert replies == [502, 200, 429]
    client.gateway.records(3)
    assert ledger.spent(row.pk, BEGINNING, None) > 0


def test_a_recording_elsewhere_is_bounded_by_nothing(client: Client, upstream: Any) -> None:
    budget(client, D(1))
    form = {"model": "groq/whisper-large-v3", "url": "https://example.com/a.wav"}
    refused = client.http.post("/audio/transcriptions", files={name: (None, text) for name, text in form.items()})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_without_price")
    assert "no price that bounds this request" in refused.json()["error"]["message"]
    assert upstream.count == 0


def test_queries_are_billed_and_tokens_are_counted_all_the_same(client: Client, upstream: Any) -> None:
    upstream.plays(sim.json_reply(CASES["rerank"].reply))
    assert CASES["rerank"].ask(client).status_code == 200
    [row] = client.gateway.records(1)
    assert (row.estimated, row.input_tokens > 0, row.cost_usd) == (True, True, D("0.002"))


# 1000 in, 300 of them heard; 100 out, 60 of them spoken.
SOUNDS: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "prompt_tokens": 1000, "completion_tokens": 100,
        "prompt_tokens_details": {"audio_tokens": 300}, "completion_tokens_details": {"audio_tokens": 60},
    },
    "openai_responses": {
        "input_tokens": 1000, "output_tokens": 100,
        "input_tokens_details": {"audio_tokens": 300}, "output_tokens_details": {"audio_tokens": 60},
    },
    "gemini": {
        "promptTokenCount": 1000, "candidatesTokenCount": 100,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 700}, {"modality": "AUDIO", "tokenCount": 300}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
    },
}  # fmt: skip
CHATS = {
    "/chat/completions": {"messages": HELLO},
    "/messages": {"messages": HELLO, "max_tokens": 500},
    "/responses": {"input": "Hello"},
    "/v1beta": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("format", SOUNDS)
@pytest.mark.parametrize("stream", [False, True])
def test_sound_in_a_chat_costs_what_sound_costs(
    gateway: Any, make_provider: Any, make_key: Any, format: str, path: str, stream: bool
) -> None:
    with sim.SimulatorThread(format=format) as upstream:
        make_provider("vendor", upstream.url, format=format, models=("large",))
        ProviderModel.objects.update(
            input_price=D(10), output_price=D(100), audio_input_price=D(1000), audio_output_price=D(5000)
        )
        client = Client(gateway, make_key())
        gateway.settle()
        upstream.plays(sim.chat("hi", usage=SOUNDS[format], usage_when="always"))
        body = CHATS[path] | {"model": "vendor/large", "stream": stream}
        if path == "/v1beta":
            body = CHATS[path]
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            path = f"{gateway.url.removesuffix('/v1')}/v1beta/models/vendor/large:{verb}"
        assert client.http.post(path, json=body).status_code == 200
        client.http.close()
        [record] = gateway.records(1)
    assert record.cost_usd == D("0.611")
