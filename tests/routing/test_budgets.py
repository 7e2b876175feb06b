"""Money through the real gateway: reserved before, settled after, never above a hard limit, the ledger the truth."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.utils import timezone

from analytics import budgets, ledger
from analytics.models import LedgerLine, UsageRecord
from routing.combos import Step, store
from routing.models import ApiKey, Budget, Combo, GatewaySettings, Limit
from routing.money import BEGINNING
from tests import simulator as sim
from tests.routing.conftest import HELLO, Client, same_day

ONE_USD = "1000"  # per million output tokens: a thousand tokens cost a dollar


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Any:
    make_provider("acme", upstream.url, alias="ac", input_price="0", output_price=ONE_USD)
    client = Client(gateway, make_key())
    yield client
    client.http.close()


def budget(client: Client, limit: str, **fields: Any) -> Budget:
    scope = fields.pop("scope", "key")
    if scope == "key":
        fields.setdefault("api_key", ApiKey.objects.get())
    row = Budget(scope=scope, limit_usd=Decimal(limit), **{"period": "total", **fields})
    row.full_clean()
    row.save()
    client.gateway.settle()
    return row


def spent(row: Budget) -> Decimal:
    return ledger.spent(row.pk, BEGINNING, None)


def test_forty_at_once_on_a_budget_for_five(client: Client, upstream: Any) -> None:
    row = budget(client, "5")
    upstream.plays(*[sim.chat("x", usage=sim.Tokens(10, 1000))] * 60)
    with ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda _: client.chat(max_tokens=1000), range(40)))
    answered = sum(reply.status_code == 200 for reply in replies)
    assert answered == upstream.count <= 5
    while client.chat(max_tokens=1000).status_code == 200:
        answered += 1
    assert answered == upstream.count == 5
    refused = client.chat(max_tokens=1000)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (429, "budget_exceeded")
    assert error["message"] == "The total budget of key 'test' is used up: 5.00 of 5.00 USD spent."
    client.gateway.records(42 + 5 - sum(reply.status_code == 200 for reply in replies))
    assert spent(row) == Decimal(5) == sum(r.cost_usd or 0 for r in UsageRecord.objects.all())
    assert LedgerLine.objects.filter(kind="settle").count() == 5


@pytest.mark.usefixtures("one_day")
def test_the_refusal_says_what_when_and_how_much(client: Client, upstream: Any) -> None:
    budget(client, "1.5", period="monthly", time_zone="Asia/Tokyo")
    upstream.plays(sim.chat("x", usage=sim.Tokens(10, 1000)))
    assert client.chat(max_tokens=1000).status_code == 200
    refused = client.chat(max_tokens=1000)
    message = refused.json()["error"]["message"]
    assert message.startswith("The monthly budget of key 'test' is used up: 1.00 of 1.50 USD spent")
    assert "this request may cost 1.00. It begins again at " in message
    assert message.endswith("-01T00:00:00+09:00.")
    assert 0 < int(refused.headers["retry-after"]) <= 31 * 86400
    assert client.chat(max_tokens=400).status_code == 200
    anthropic = client.http.post("/messages", json={"model": "acme/large", "max_tokens": 999, "messages": HELLO})
    assert (anthropic.status_code, anthropic.json()["error"]["type"]) == (429, "rate_limit_error")


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat/completions", {"messages": HELLO, "max_tokens": 100}),
    "chat streamed": ("/chat/completions", {"messages": HELLO, "max_tokens": 100, "stream": True}),
    "completions": ("/completions", {"prompt": "x", "max_tokens": 100}),
    "responses": ("/responses", {"input": "x", "max_output_tokens": 100}),
    "messages": ("/messages", {"messages": HELLO, "max_tokens": 100}),
    "messages streamed": ("/messages", {"messages": HELLO, "max_tokens": 100, "stream": True}),
    "gemini": ("/models/acme/large:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
    "count": ("/messages/count_tokens", {"messages": HELLO}),
    "embeddings": ("/embeddings", {"input": "x " * 50}),
    "images": ("/images/generations", {"prompt": "x"}),
    "speech": ("/audio/speech", {"input": "x", "voice": "alloy"}),
    "moderations": ("/moderations", {"input": "x"}),
    "rerank": ("/rerank", {"query": "x", "documents": ["y"]}),
}


@pytest.mark.parametrize("endpoint", [*sorted(ASKED.keys() - {"count"}), "transcriptions"])
def test_every_endpoint_goes_through_the_gate(client: Client, upstream: Any, endpoint: str) -> None:
    row = budget(client, "0.5")

    def ask() -> httpx.Response:
        if endpoint == "transcriptions":
            files = {"file": ("a.wav", b"RIFF" + bytes(40), "audio/wav")}
            return client.http.post("/audio/transcriptions", data={"model": "acme/large"}, files=files)
        path, body = ASKED[endpoint]
        return client.http.post(path, json=body if "contents" in body else {"model": "acme/large", **body})

    ledger.adjust(row.pk, Decimal("0.5"), "used up", row_time())
    refused = ask()
    assert refused.status_code == 429, refused.text
    assert "The total budget of key 'test' is used up: 0.50 of 0.50 USD spent" in refused.text
    assert upstream.count == 0


def test_counting_tokens_costs_nothing(client: Client, upstream: Any) -> None:
    """It goes on when a budget is used up, and for models without a price; limits count it as any request."""
    ledger.adjust(budget(client, "0.5").pk, Decimal("0.5"), "used up", row_time())
    Limit.objects.create(api_key=ApiKey.objects.get(), requests_per_minute=1)
    client.gateway.settle()
    path, body = ASKED["count"]
    counted, refused = (client.http.post(path, json={"model": "acme/large", **body}) for _ in range(2))
    assert counted.status_code == 200 and counted.json()["input_tokens"] > 0
    assert counted.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert refused.status_code == 429 and "1 requests per minute" in refused.text
    assert spent(Budget.objects.get()) == Decimal("0.5")


def row_time() -> Any:
    from django.utils import timezone

    return timezone.now()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["chat", "messages", "embeddings"])
def test_what_is_spent_is_counted_and_then_refused(client: Client, upstream: Any, path: str, stream: bool) -> None:
    if path == "embeddings" and stream:
        pytest.skip("embeddings are not streamed")
    from providers.models import ProviderModel

    ProviderModel.objects.update(input_price=Decimal(1000))
    row = budget(client, "1")
    where, body = ASKED[path]
    served = 0
    for _ in range(200):
        reply = client.http.post(where, json={"model": "acme/large", **body, **({"stream": True} if stream else {})})
        if reply.status_code == 429:
            break
        assert reply.status_code == 200, reply.text
        served += 1
    assert served > 0 and reply.status_code == 429
    client.gateway.records(served + 1)
    assert 0 < spent(row) <= 1
    assert spent(row) == sum(record.cost_usd or 0 for record in UsageRecord.objects.all())


def test_a_failure_is_released_and_visible(client: Client, upstream: Any) -> None:
    row = budget(client, "1")
    upstream.plays(sim.status(500), sim.chat("x", usage=sim.Tokens(1, 1000)))
    assert client.chat(max_tokens=1000).status_code == 502
    assert client.chat(max_tokens=1000).status_code == 200
    client.gateway.records(2)
    lines = list(LedgerLine.objects.order_by("id"))
    assert [(line.kind, line.amount, line.reserved) for line in lines] == [("release", 0, 1), ("settle", 1, 1)]
    assert spent(row) == 1


@pytest.mark.parametrize("charge", [False, True])
def test_an_end_without_output_is_free_unless_wanted_otherwise(client: Client, upstream: Any, charge: bool) -> None:
    from providers.models import ProviderModel
    from tests.routing.test_gateway_edge import dial, request_bytes

    GatewaySettings(connection_cooldown=False, circuit_breaker=False, charge_without_output=charge).save()
    ProviderModel.objects.update(input_price=Decimal(1000))
    row = budget(client, "100")
    upstream.plays(sim.silence())
    with dial(client) as wire:
        wire.sendall(request_bytes(client))
        upstream.next_request()
    [record] = client.gateway.records(1)
    assert (record.result, record.output_tokens) == ("client_gone", 0)
    assert bool(record.cost_usd) is charge
    [line] = LedgerLine.objects.all()
    assert line.kind == ("settle" if charge else "release")
    assert spent(row) == (record.cost_usd or 0)


def test_an_unpriced_model_is_refused_by_name_under_a_hard_budget_only(client: Client, upstream: Any) -> None:
    from providers.models import ProviderModel

    ProviderModel.objects.update(input_price=None, output_price=None)
    row = budget(client, "1")
    refused = client.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_without_price")
    assert "'acme/large' has no price" in refused.json()["error"]["message"]
    row.hard = False
    row.save()
    client.gateway.settle()
    assert client.chat().status_code == 200


def test_the_trail_names_an_end_only_of_what_ends(client: Client, make_provider: Any, upstream: Any) -> None:
    """A price comes by somebody's doing, a budget in all never begins again, one of a day does."""
    make_provider("beta", upstream.url)  # unpriced
    make_provider("flat", upstream.url, tier="free")
    store(Combo(name="all", strategy="priority"), [Step("beta/large"), Step("acme/large"), Step("flat/large")])
    same_day()
    total = budget(client, "0.5")
    assert client.chat(model="all", max_tokens=1000).headers["x-omniroute-provider"] == "flat"
    total.delete()
    daily = budget(client, "0.5", period="daily")
    ledger.adjust(daily.pk, Decimal("0.5"), "used up", timezone.now())
    assert client.chat(model="all", max_tokens=1000).headers["x-omniroute-provider"] == "flat"
    first, second = [
        [(skip["provider"], skip["why"], skip["seconds"]) for skip in row.skips] for row in client.gateway.records(2)
    ]
    unpriced, over = ("beta", "model_without_price", None), ("acme", "budget_exceeded")
    assert first == [unpriced, (*over, None)]
    assert second[0] == unpriced and second[1][:2] == over and 0 < second[1][2] <= 86400


def test_a_provider_out_of_budget_is_skipped_and_the_trail_says_so(
    client: Client, upstream: Any, make_provider: Any
) -> None:
    from routing.models import ComboStep

    make_provider("beta", upstream.url, input_price="0", output_price="1")
    combo = Combo.objects.create(name="both")
    for number, model in enumerate(("acme/large", "beta/large")):
        ComboStep.objects.create(combo=combo, position=number, model=model)
    budget(client, "0.5", scope="provider", provider_id="acme")
    reply = client.chat(model="both", max_tokens=1000)
    assert (reply.status_code, reply.headers["x-omniroute-provider"]) == (200, "beta")
    assert reply.headers["x-omniroute-attempts"] == "1"
    [record] = client.gateway.records(1)
    assert [note["kind"] for note in record.attempts] == ["ok"]
    refused = client.chat(max_tokens=1000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exceeded")
    assert "budget of provider 'acme'" in refused.json()["error"]["message"]


def test_flat_rate_connections_cost_no_budget_anything(client: Client, upstream: Any, make_provider: Any) -> None:
    make_provider("plan", upstream.url, input_price="0", output_price=ONE_USD, tier="subscription")
    row = budget(client, "0")
    assert client.chat(model="acme/large").status_code == 429
    upstream.plays(sim.chat("x", usage=sim.Tokens(1, 1000)))
    answered = client.chat(model="plan/large")
    assert answered.status_code == 200
    assert [float(answered.headers[f"x-omniroute-{name}-usd"]) for name in ("cost", "notional")] == [0, 1]
    records = client.gateway.records(2)
    assert records[1].flat_rate
    assert records[1].cost_usd == 1
    assert spent(row) == 0


def test_every_budget_that_applies_is_charged(client: Client, upstream: Any, member: Any, team: Any) -> None:
    ApiKey.objects.update(owner=member, team=team)
    rows = [
        budget(client, "10"),
        budget(client, "10", scope="user", user=member),
        budget(client, "10", scope="team", team=team),
        budget(client, "10", scope="provider", provider_id="acme"),
        budget(client, "10", scope="tier", tier="api_key"),
        budget(client, "10", scope="global", hard=False),
        budget(client, "10", period="daily"),
    ]
    upstream.plays(sim.chat("x", usage=sim.Tokens(1, 1000)))
    assert client.chat(max_tokens=1000).status_code == 200
    [record] = client.gateway.records(1)
    assert [spent(row) for row in rows] == [1] * 7
    assert record.price == {"input": "0.000000", "output": "1000.000000", "source": record.price_source}


def test_reservations_hold_while_requests_run(client: Client, upstream: Any) -> None:
    budget(client, "1.5")
    held = sim.chat("x", usage=sim.Tokens(1, 10)).hold()
    upstream.plays(held)
    first = threading.Thread(target=client.chat, kwargs={"max_tokens": 1000})
    first.start()
    upstream.next_request()
    refused = client.chat(max_tokens=1000)
    assert "is in use: 0.00 of 1.50 USD spent, 1.00 reserved by running requests" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    held.release()
    first.join(10)
    assert client.chat(max_tokens=1000).status_code == 200


def test_counters_are_built_from_the_ledger_after_a_restart(client: Client, upstream: Any) -> None:
    from routing.gateway.purses import Purses
    from routing.state import Memory

    budget(client, "1")
    upstream.plays(sim.chat("x", usage=sim.Tokens(1, 1000)))
    assert client.chat(max_tokens=1000).status_code == 200
    client.gateway.records(1)
    client.gateway.runtime.gateway.purses = Purses(Memory(), ledger.standing)
    assert client.chat(max_tokens=1).status_code == 429


def test_every_process_that_uses_a_budget_reads_its_ledger_again(client: Client, upstream: Any) -> None:
    """Not only the one that read it first, which may have been killed since."""
    from routing.gateway.purses import Purses
    from routing.state import Memory

    row, shared, gateway = budget(client, "5"), Memory(), client.gateway.runtime.gateway
    upstream.plays(*[sim.chat("x", usage=sim.Tokens(1, 1000))] * 2)
    for _ in range(2):
        gateway.purses = Purses(shared, ledger.standing)
        assert client.chat(max_tokens=1000).status_code == 200
    client.gateway.records(2)
    ledger.adjust(row.pk, Decimal(3), "a line that the counters never heard of", row_time())
    assert gateway._loop is not None
    asyncio.run_coroutine_threadsafe(gateway.purses.read_again(), gateway._loop).result(10)
    assert client.chat(max_tokens=1000).json()["error"]["code"] == "budget_exceeded"


def test_a_database_that_hangs_closes_what_has_a_budget_and_nothing_else(
    client: Client, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from routing.gateway import purses
    from routing.state import Memory

    hanging = threading.Event()
    monkeypatch.setattr(purses, "PATIENCE", 0.1)
    row = budget(client, "1")
    client.gateway.runtime.gateway.purses = purses.Purses(Memory(), lambda *_: hanging.wait(30) or (0, []))
    try:
        codes = {client.chat().json()["error"]["code"] for _ in range(8)}
        assert codes == {"budget_unavailable"} and upstream.count == 0
        row.delete()
        client.gateway.settle()
        assert client.chat().status_code == 200
    finally:
        hanging.set()


def test_a_ledger_that_cannot_be_read_closes_what_has_a_budget(client: Client, upstream: Any) -> None:
    from routing.gateway.purses import Purses
    from routing.state import Memory

    def away(*_: Any) -> Any:
        raise OSError("the database is away")

    budget(client, "1")
    client.gateway.runtime.gateway.purses = Purses(Memory(), away)
    refused = client.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "budget_unavailable")
    assert refused.headers["retry-after"] == "1"
    assert upstream.count == 0


def test_what_a_running_request_holds_is_seen_on_pages(client: Client, upstream: Any) -> None:
    row = budget(client, "5")
    held = sim.chat("x", usage=sim.Tokens(10, 1000)).hold()
    upstream.plays(held)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: client.chat(max_tokens=2000))
        upstream.next_request()
        [now] = budgets.standings([row])
        assert (now.spent, now.reserved, now.left) == (0, 2, 3)
        held.release()
        assert asked.result().status_code == 200
    client.gateway.records(1)
    [now] = budgets.standings([row])
    assert (now.spent, now.reserved, now.left) == (1, 0, 4)
