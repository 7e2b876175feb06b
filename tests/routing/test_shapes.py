"""Pictures and rerank of vendors with shapes of their own, through the running gateway and over real sockets."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import openai
import pytest

from tests.simulator import services
from tests.simulator.other import PIXEL
from tests.simulator.vendor import Seen, Vendor

PICTURES = {
    "gemini": ("gemini-2.5-flash-image", "/models/gemini-2.5-flash-image:generateContent"),
    "hyperbolic": ("SDXL1.0-base", "/image/generation"),
    "minimax": ("image-01", "/v1/image_generation"),
    "antigravity": ("gemini-2.5-flash-preview-image-generation", "/v1internal:generateContent"),
}
RERANKS = {
    "nvidia": ("nvidia/nv-rerankqa-mistral-4b-v3", "/ranking", [2, 1]),
    "deepinfra": ("Qwen/Qwen3-Reranker-8B", "/inference/Qwen/Qwen3-Reranker-8B", [1, 0]),
    "voyage-ai": ("rerank-2.5", "/rerank", [0, 1]),
}
DOCUMENTS = ["nothing", "a query", {"text": "else"}]


def connect(vendors: Any, vendor: Vendor, id: str, model: str = "") -> Any:
    place = {"parameters": {"project": "cloud-project"}} if id == "antigravity" else {}
    return vendors.connect(id, vendor.url, model=model, **place)


@pytest.mark.parametrize(("id", "model", "path"), [(id, *row) for id, row in PICTURES.items()])
def test_pictures(vendors: Any, gateway: Any, id: str, model: str, path: str) -> None:
    with Vendor(services.answer) as vendor:
        sdk = connect(vendors, vendor, id).chat
        reply = sdk.images.generate(model=f"{id}/{model}", prompt="a cat", size="1024x1024", n=2, user="u")
    assert len(reply.data) == 2 and reply.created > 1_700_000_000
    for one in reply.data:
        assert one.url.startswith("https://") if id == "minimax" else base64.b64decode(one.b64_json)
    assert {seen.target for seen in vendor.seen} == {path}
    [row] = gateway.records(1)
    assert (row.operation, row.result, row.provider, row.model) == ("images", "ok", id, model)
    assert row.dropped == "user"


def test_a_model_that_only_draws_is_asked_at_its_own_path(vendors: Any, gateway: Any) -> None:
    model = "imagen-4.0-generate-001"
    with Vendor(services.answer) as vendor:
        sdk = connect(vendors, vendor, "gemini", model).chat
        raw = sdk.images.with_raw_response.generate(model=f"gemini/{model}", prompt="a cat", n=3)
    assert [one.b64_json for one in raw.parse().data] == [PIXEL] * 3
    [seen] = vendor.seen
    assert seen.target == f"/models/{model}:predict" and seen.headers["x-goog-api-key"] == "a-secret"
    assert raw.headers["x-omniroute-cost-usd"] == "0.12"
    assert gateway.records(1)[0].cost_usd == Decimal("0.12")


def test_what_a_picture_of_gemini_costs(vendors: Any, gateway: Any) -> None:
    with Vendor(services.answer) as vendor:
        sdk = connect(vendors, vendor, "gemini").chat
        sdk.images.generate(model="gemini/gemini-2.5-flash-image", prompt="a cat", n=2)
    [row] = gateway.records(1)
    assert (row.input_tokens, row.output_tokens, row.estimated) == (14, 2580, False)
    assert row.cost_usd == (14 * Decimal("0.3") + 2580 * 30) / 10**6


@pytest.mark.parametrize(("id", "model", "path", "order"), [(id, *row) for id, row in RERANKS.items()])
def test_rerank(vendors: Any, gateway: Any, id: str, model: str, path: str, order: list[int]) -> None:
    with Vendor(services.answer) as vendor:
        client = connect(vendors, vendor, id).http
        asked = {"model": f"{id}/{model}", "query": "a query", "documents": DOCUMENTS, "top_n": 2}
        reply = client.post("/v1/rerank", json={**asked, "return_documents": True})
    results = reply.json()["results"]
    assert [one["index"] for one in results] == order
    assert all(0 <= one["relevance_score"] <= 1 for one in results)
    assert [one["document"]["text"] for one in results] == [["nothing", "a query", "else"][n] for n in order]
    assert [seen.target for seen in vendor.seen] == [path]
    [row] = gateway.records(1)
    assert (row.operation, row.result) == ("rerank", "ok")
    assert (row.estimated, row.input_tokens > 0) == (id != "voyage-ai", True)


# -- what goes wrong ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "imagen-4.0-generate-001"])
def test_a_refusal_for_safety_is_told_as_openai_tells_it(vendors: Any, gateway: Any, model: str) -> None:
    with Vendor(services.answer) as vendor:
        sdk = connect(vendors, vendor, "gemini", model).chat
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.images.generate(model=f"gemini/{model}", prompt=f"something {services.FORBIDDEN}")
    assert refused.value.code == "content_policy_violation"
    [row] = gateway.records(1)
    assert [one["kind"] for one in row.attempts] == ["content_filter"] and row.cost_usd is None


def test_an_error_that_minimax_tells_in_a_good_reply(vendors: Any, gateway: Any) -> None:
    said = {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}
    with Vendor(lambda seen: (200, said)) as vendor:
        sdk = connect(vendors, vendor, "minimax").chat
        with pytest.raises(openai.APIStatusError, match="login fail"):
            sdk.images.generate(model="minimax/image-01", prompt="a cat")
    assert [one["kind"] for one in gateway.records(1)[0].attempts] == ["auth"]


def test_the_next_of_several_calls_may_fail_and_the_next_connection_makes_all(vendors: Any, gateway: Any) -> None:
    from providers import connections
    from providers.models import Provider

    def once(seen: Seen) -> Any:
        if seen.headers["authorization"] == "Bearer a-secret" and len(vendor.seen) > 1:
            return 429, {"message": "Slow down."}
        return services.answer(seen)

    with Vendor(once) as vendor:
        sdk = connect(vendors, vendor, "hyperbolic").chat
        connections.add(Provider.objects.get(pk="hyperbolic"), "second", "b-secret", priority=2)
        gateway.settle()
        reply = sdk.images.generate(model="hyperbolic/SDXL1.0-base", prompt="a cat", n=2)
    assert len(reply.data) == 2
    told = [seen.headers["authorization"][7:] for seen in vendor.seen]
    assert told == ["a-secret", "a-secret", "b-secret", "b-secret"]
    assert [one["kind"] for one in gateway.records(1)[0].attempts] == ["rate_limited", "ok"]


def test_an_address_is_asked_of_the_step_that_has_one(vendors: Any, gateway: Any, make_provider: Any) -> None:
    from routing.models import Combo, ComboStep

    with Vendor(services.answer) as vendor:
        clients = connect(vendors, vendor, "hyperbolic")
        said = {"created": 1, "data": [{"url": "https://images.invalid/a.png"}]}
        with Vendor(lambda seen: (200, said)) as other:
            make_provider("acme", f"{other.url}/v1")
            combo = Combo.objects.create(name="draw", strategy="priority")
            for place, model in enumerate(("hyperbolic/SDXL1.0-base", "acme/large")):
                ComboStep.objects.create(combo=combo, position=place, model=model)
            gateway.settle()
            asked = {"model": "draw", "prompt": "a cat", "response_format": "url"}
            reply = clients.http.post("/v1/images/generations", json=asked)
    assert reply.json() == said and not vendor.seen


def test_an_address_that_nobody_has_is_refused_before_anything_is_sent(vendors: Any, gateway: Any) -> None:
    with Vendor(services.answer) as vendor:
        sdk = connect(vendors, vendor, "gemini").chat
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.images.generate(model="gemini/gemini-2.5-flash-image", prompt="a cat", response_format="url")
    assert refused.value.param == "response_format" and not vendor.seen
