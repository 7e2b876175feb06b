"""The official OpenAI SDK against the running gateway, and the gateway against a scripted provider."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from asgiref.sync import sync_to_async


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> openai.OpenAI:
    make_provider("acme", upstream.url, alias="ac", input_price="1", output_price="2")
    key = make_key()
    gateway.settle()
    return openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0)


HELLO = [{"role": "user", "content": "Say hello"}]


def test_a_whole_answer_comes_with_its_usage_and_cost(client: openai.OpenAI, gateway: Any, upstream: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(model="acme/large", messages=HELLO)
    reply = raw.parse()
    assert reply.choices[0].message.content
    assert reply.usage is not None
    row = gateway.records()[0]
    assert (row.input_tokens, row.output_tokens) == (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    assert row.result == "ok"
    assert raw.headers["x-omniroute-provider"] == "acme"
    assert raw.headers["x-request-id"] == row.request_id
    assert float(raw.headers["x-omniroute-cost-usd"]) == float(row.cost_usd) > 0


def test_a_stream_ends_without_the_usage_nobody_asked_for(client: openai.OpenAI, gateway: Any, upstream: Any) -> None:
    chunks = list(client.chat.completions.create(model="ac/large", messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    row = gateway.records()[0]
    assert row.output_tokens > 0
    assert not row.estimated


async def test_the_asynchronous_client_gets_the_same(client: openai.OpenAI, gateway: Any) -> None:
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key=client.api_key, max_retries=0) as sdk:
        reply = await sdk.chat.completions.create(model="acme/large", messages=HELLO)
        stream = await sdk.chat.completions.create(model="acme/large", messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(words) == reply.choices[0].message.content
        assert [model.id async for model in sdk.models.list()] == ["ac/large"]
        assert (await sdk.models.retrieve("acme/large")).owned_by == "acme"
    assert await sync_to_async(lambda: [row.stream for row in gateway.records(2)])() == [False, True]
