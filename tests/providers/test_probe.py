"""Tests of connections and lists of models in every format, against vendors that are as strict as the real ones."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from providers.entry import FORMATS, USUAL_AUTH, Entry, Model
from providers.listing import Listed, next_page, read
from providers.probe import NoList, fetch_models, probe
from tests.simulator import Simulator, html, json_reply, status

KEY = "a-secret-of-a-vendor-01"


def entry(url: str, format: str, **said: Any) -> Entry:
    base = {"id": "acme", "name": "Acme", "alias": "acme", "allow_private_network": True}
    auth = USUAL_AUTH.get(format, "bearer")
    models = {name: Model(id=name) for name in said.pop("models", ("sim-large",))}
    return Entry(**{**base, "format": format, "base_url": url, "auth": auth, "models": models, **said})


@pytest.mark.parametrize("format", FORMATS)
class TestEveryFormat:
    async def test_the_list_of_models_passes(self, format: str) -> None:
        async with Simulator(format=format, keys={KEY}) as upstream:
            found = await probe(entry(upstream.url, format), KEY)
            listed = await fetch_models(entry(upstream.url, format), KEY)
        assert found.ok and found.models and "sim-large" in found.models, found.message
        assert [model.id for model in listed] == list(found.models)

    async def test_without_a_list_one_token_of_chat_in_its_own_format_decides(self, format: str) -> None:
        """The simulator refuses what the vendor would: a body of another format does not pass."""
        async with Simulator(format=format, keys={KEY}) as upstream:
            upstream.plays(status(404))
            found = await probe(entry(upstream.url, format), KEY)
            await upstream.next_request()
            asked = await upstream.next_request()
        assert found.ok and found.message == "It answers." and found.latency_ms is not None, found.message
        assert asked.method == "POST" and len(asked.body) < 500

    async def test_a_wrong_key_is_told_in_the_vendors_words(self, format: str) -> None:
        async with Simulator(format=format, keys={KEY}) as upstream:
            found = await probe(entry(upstream.url, format), "another-key-01")
            with pytest.raises(NoList, match=r"^HTTP 40\d: "):
                await fetch_models(entry(upstream.url, format), "another-key-01")
        assert not found.ok and found.message.startswith("HTTP 40") and "another-key" not in found.message

    async def test_an_answer_of_another_kind_does_not_pass(self, format: str) -> None:
        async with Simulator(format=format) as upstream:
            upstream.plays(status(404), json_reply({"hello": "world"}))
            assert not (await probe(entry(upstream.url, format), KEY)).ok

    async def test_what_is_no_list_is_told(self, format: str) -> None:
        async with Simulator(format=format) as upstream:
            upstream.plays(json_reply({"hello": "world"}), html(200))
            for sentence in ("no list of models", "not JSON"):
                with pytest.raises(NoList, match=sentence):
                    await fetch_models(entry(upstream.url, format), KEY)


async def test_every_page_is_read() -> None:
    pages = [
        {"data": [{"id": "a"}], "has_more": True, "last_id": "a/1"},
        {"data": [{"id": "b"}], "has_more": False, "last_id": "b"},
    ]
    async with Simulator(format="anthropic") as upstream:
        upstream.plays(*map(json_reply, pages))
        found = await fetch_models(entry(upstream.url, "anthropic"), KEY)
        await upstream.next_request()
        second = await upstream.next_request()
    assert [model.id for model in found] == ["a", "b"] and second.path.endswith("/models")
    assert second.query == "limit=1000&after_id=a%2F1" and second.header("anthropic-version")


async def test_a_list_without_end_ends() -> None:
    async with Simulator() as upstream:
        upstream.plays(*(json_reply({"data": [{"id": f"m{n}"}], "has_more": True, "last_id": "x"}) for n in range(30)))
        assert len(await fetch_models(entry(upstream.url, "openai_chat"), KEY)) == 20


def test_shapes_of_vendors() -> None:
    openrouter = {
        "id": "org/model",
        "name": "Org: Model",
        "context_length": 200000,
        "top_provider": {"max_completion_tokens": 32000},
        "pricing": {"prompt": "0.00000125", "completion": "0.00001", "input_cache_read": "0", "image": "x"},
        "supported_parameters": ["tools", "reasoning", "temperature"],
        "architecture": {"input_modalities": ["text", "image", "file"]},
    }
    assert read({"data": [openrouter]}) == (
        Listed(
            id="org/model",
            name="Org: Model",
            context=200000,
            max_output=32000,
            input_price=Decimal("1.25"),
            output_price=Decimal("10"),
            cache_read_price=Decimal("0"),
            capabilities=("pdf", "reasoning", "tools", "vision"),
        ),
    )
    gemini = {
        "name": "models/gemini-x",
        "displayName": "Gemini X",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
    }
    assert read({"models": [gemini]}) == (Listed(id="gemini-x", name="Gemini X", context=1048576, max_output=65536),)
    anthropic = {
        "type": "model",
        "id": "claude-x",
        "display_name": "Claude X",
        "max_input_tokens": 200000,
        "max_tokens": 64000,
    }
    assert read({"data": [anthropic]}) == (Listed(id="claude-x", name="Claude X", context=200000, max_output=64000),)
    others = [
        {"id": "a", "context_window": 8192},
        {"id": "b", "max_model_len": 4096},
        {"id": "c", "max_context_length": 1},
    ]
    assert [model.context for model in read({"data": others}) or ()] == [8192, 4096, 1]


@pytest.mark.parametrize(
    "row",
    [
        {}, "text", None, {"id": 7}, {"id": ""}, {"id": "x" * 201}, {"id": "a\nb"}, {"id": " a"}, {"name": None},
        {"id": ["a"]},
    ],
)  # fmt: skip
def test_rows_that_make_no_sense_are_left_out(row: Any) -> None:
    assert read({"data": [row, {"id": "fine"}, {"id": "fine"}]}) == (Listed(id="fine"),)


@pytest.mark.parametrize("value", [True, -1, "many", 10**12, None, 1.5, {}])
def test_figures_that_make_no_sense_are_not_taken(value: Any) -> None:
    row = {
        "id": "a",
        "context_length": value,
        "pricing": {"prompt": value},
        "top_provider": value,
        "architecture": value,
    }
    found = (read({"data": [row]}) or ())[0]
    assert found.context is None
    if value not in (1.5,):
        assert found.input_price is None


@pytest.mark.parametrize("document", [None, [], "x", {}, {"data": {}}, {"models": "x"}])
def test_what_is_no_list(document: Any) -> None:
    assert read(document) is None


def test_the_last_page_has_no_next() -> None:
    assert (
        next_page("/models", {"has_more": False, "last_id": "x"}) is None is next_page("/models", {"nextPageToken": ""})
    )
    assert next_page("/models", {"nextPageToken": "a b"}) == "/models?pageSize=1000&pageToken=a%20b"


async def test_a_bare_list_is_a_list() -> None:
    async with Simulator() as upstream:
        upstream.plays(*[json_reply([{"id": "meta-llama/Llama-4", "context_length": 1000}])] * 2)
        found = await probe(entry(upstream.url, "openai_chat"), KEY)
        listed = await fetch_models(entry(upstream.url, "openai_chat"), KEY)
    assert found.ok and found.models == ("meta-llama/Llama-4",), found.message
    assert listed == (Listed(id="meta-llama/Llama-4", context=1000),)


async def test_who_only_embeds_is_asked_to_embed() -> None:
    models = {"embed-1": Model(id="embed-1", operation="embeddings")}
    async with Simulator(keys={KEY}) as upstream:
        only = entry(upstream.url, "openai_chat", only=frozenset({"embeddings"}))
        only = dataclasses.replace(only, models=models)
        good = await probe(only, KEY)
        assert (await upstream.next_request()).json == {"model": "embed-1", "input": ["hi"]}
        bad = await probe(only, "another-key-01")
    assert (good.ok, good.message) == (True, "It answers.")
    assert not bad.ok and bad.message.startswith("HTTP 401")
