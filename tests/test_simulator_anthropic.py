"""The simulator as Anthropic: what it refuses, its signatures, the grammar of its streams."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests import simulator as sim
from tests.simulator import Citation, Simulator, Tokens, ToolCall

HEADERS = {"x-api-key": "sk-a", "anthropic-version": "2023-06-01"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = {"name": "weather", "input_schema": SCHEMA}
ASKED = {"role": "user", "content": "Weather?"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain"}
CALLED = {"role": "assistant", "content": [USE]}
ANSWERED = {"role": "user", "content": [RESULT]}
BUDGET = {"type": "enabled", "budget_tokens": 1024}
TEXT = {"type": "text", "text": "x"}
MARKED = {**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "sim-large", "max_tokens": 2000, "messages": list(messages) or [ASKED], **fields}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in body().items() if key != name}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator(format="anthropic") as simulator:
        yield simulator


async def post(upstream: Simulator, data: Any, path: str = "/messages", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        return await client.post(upstream.url + path, json=data, headers={**HEADERS, **headers})


REFUSED: dict[str, tuple[Any, str]] = {
    "no max_tokens": (without("max_tokens"), "max_tokens: Field required"),
    "no model": (without("model"), "model: Field required"),
    "no messages": (body(messages=[]), "messages: List should have"),
    "unknown field": (body(frequency_penalty=1), "frequency_penalty: Extra inputs are not permitted"),
    "openai's stop": (body(stop=["x"]), "stop: Extra inputs"),
    "zero max_tokens": (body(max_tokens=0), "max_tokens: Input should be"),
    "temperature": (body(temperature=1.5), "temperature: Input should be between 0 and 1"),
    "null": (body(temperature=None), "temperature: Input should be"),
    "role": (body({"role": "tool", "content": "x"}), "messages.0.role"),
    "system role": (body({"role": "user", "content": "a"}, {"role": "system", "content": "x"}), 'role "system"'),
    "assistant first": (body({"role": "assistant", "content": "x"}, ASKED), "first message must use the user role"),
    "empty text": (body(user({"type": "text", "text": ""})), "messages.0.content.0.text"),
    "blank text": (body(user({"type": "text", "text": " \n"})), "non-whitespace"),
    "empty content": (body({"role": "user", "content": ""}), "non-empty content"),
    "no content": (body({"role": "user"}), "messages.0.content: Field required"),
    "unknown block": (body(user({"type": "image_url", "image_url": {}})), "messages.0.content.0.type"),
    "unknown field of a block": (body(user({**TEXT, "name": "x"})), "messages.0.content.0.name: Extra inputs"),
    "tool use of a user": (body(user(USE)), "messages.0.content.0.type"),
    "image type": (
        body(user({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "aGk="}})),
        "media_type",
    ),
    "data URI for base64": (
        body(user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "data:x,y"}})),
        "valid base64",
    ),
    "blind": (body(user(PNG), model="sim-blind"), "does not support image"),
    "blind, in a result": (
        body(ASKED, CALLED, user({**RESULT, "content": [PNG]}), model="sim-blind"),
        "does not support image",
    ),
    "tool id": (body(ASKED, said({**USE, "id": "call|1"}), ANSWERED), "content.0.id"),
    "tool name": (body(ASKED, said({**USE, "name": "a.b"}), ANSWERED), "content.0.name"),
    "tool input as text": (body(ASKED, said({**USE, "input": "{}"}), ANSWERED), "content.0.input"),
    "no result": (body(ASKED, CALLED), "without `tool_result` blocks"),
    "other next": (body(ASKED, CALLED, ASKED), "without `tool_result` blocks"),
    "results not first": (body(ASKED, CALLED, user(TEXT, RESULT)), "without `tool_result` blocks"),
    "half answered": (body(ASKED, said(USE, {**USE, "id": "toolu_2"}), ANSWERED), "toolu_2"),
    "orphan result": (body(user(RESULT)), "unexpected `tool_use_id`"),
    "late result": (body(ASKED, CALLED, ANSWERED, said(TEXT), ANSWERED), "unexpected `tool_use_id`"),
    "two results": (body(ASKED, CALLED, user(RESULT, RESULT)), "single result"),
    "equal ids": (body(ASKED, said(USE, USE), ANSWERED), "must be unique"),
    "ids used again": (body(ASKED, CALLED, ANSWERED, CALLED, ANSWERED), "must be unique"),
    "function tool": (body(tools=[{"type": "function", "function": {"name": "x"}}]), "tools.0"),
    "tool without schema": (body(tools=[{"name": "x"}]), "tools.0.input_schema: Field required"),
    "schema of no object": (body(tools=[{"name": "x", "input_schema": {"type": "string"}}]), "input_schema.type"),
    "union at the top": (
        body(tools=[{"name": "x", "input_schema": {"type": "object", "anyOf": [SCHEMA]}}]),
        "does not support oneOf",
    ),
    "name of a tool": (body(tools=[{**TOOL, "name": "a b"}]), "tools.0.name"),
    "equal tools": (body(tools=[TOOL, TOOL]), "Tool names must be unique"),
    "strict, but open": (body(tools=[{**TOOL, "strict": True}]), "additionalProperties"),
    "choice without tools": (body(tool_choice={"type": "auto"}), "while providing tools"),
    "openai's choice": (body(tools=[TOOL], tool_choice="required"), "tool_choice"),
    "choice of another": (body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}), "not found in provided tools"),
    "small budget": (
        body(thinking={"type": "enabled", "budget_tokens": 100}),
        "budget_tokens: Input should be >= 1024",
    ),
    "big budget": (body(max_tokens=1024, thinking=BUDGET), "must be greater than `thinking.budget_tokens`"),
    "no budget": (body(thinking={"type": "enabled"}), "budget_tokens: Field required"),
    "forced while thinking": (body(tools=[TOOL], tool_choice={"type": "any"}, thinking=BUDGET), "forces tool use"),
    "forced while adaptive": (
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "weather"}, thinking={"type": "adaptive"}),
        "forces tool use",
    ),
    "temperature while thinking": (body(temperature=0.5, thinking=BUDGET), "only be set to 1"),
    "top_k while thinking": (body(top_k=5, thinking=BUDGET), "`top_k` must be unset"),
    "top_p while thinking": (body(top_p=0.5, thinking=BUDGET), "`top_p` must be"),
    "modern temperature": (body(model="sim-modern", temperature=1), "`temperature` is deprecated"),
    "modern top_k": (body(model="sim-modern", top_k=5), "`top_k` is deprecated"),
    "modern budget": (body(model="sim-modern", thinking=BUDGET), "adaptive"),
    "modern prefill": (body(ASKED, said(TEXT), model="sim-modern"), "prefill"),
    "prefill while thinking": (body(ASKED, said(TEXT), thinking=BUDGET), "prefill"),
    "prefill with a space": (body(ASKED, {"role": "assistant", "content": "x "}), "trailing whitespace"),
    "budget only": (body(model="sim-budget", thinking={"type": "adaptive"}), "not supported on this model"),
    "no effort": (body(model="sim-budget", output_config={"effort": "low"}), "effort"),
    "effort": (body(output_config={"effort": "none"}), "output_config.effort"),
    "openai's format": (body(response_format={"type": "json_object"}), "response_format: Extra inputs"),
    "open answer schema": (
        body(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
        "additionalProperties",
    ),
    "five marks": (body(user(*[MARKED] * 5)), "maximum of 4 blocks"),
    "bad mark": (body(user({**TEXT, "cache_control": {"type": "ephemeral", "ttl": "2h"}})), "ttl"),
    "mark on thinking": (
        body(
            ASKED, said({"type": "thinking", "thinking": "x", "signature": "y", "cache_control": {"type": "ephemeral"}})
        ),
        "cache_control: Extra inputs",
    ),
    "foreign signature": (
        body(ASKED, said({"type": "thinking", "thinking": "x", "signature": "RWFzdA=="}, TEXT), ASKED),
        "Invalid `signature` in `thinking` block",
    ),
    "no signature": (
        body(ASKED, said({"type": "thinking", "thinking": "x"}, TEXT), ASKED),
        "signature: Field required",
    ),
    "foreign redaction": (
        body(ASKED, said({"type": "redacted_thinking", "data": "RWFzdA=="}, TEXT), ASKED),
        "Invalid `data` in `redacted_thinking` block",
    ),
    "thinking on, not begun with it": (
        body(ASKED, CALLED, ANSWERED, thinking=BUDGET, tools=[TOOL]),
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "metadata": (body(metadata={"user": "x"}), "metadata.user: Extra inputs"),
    "beta without its header": (body(context_management={"edits": []}), "context_management: Extra inputs"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_in_the_vendors_words(upstream: Simulator, case: str) -> None:
    data, words = REFUSED[case]
    answer = await post(upstream, data)
    assert answer.status_code == 400
    error = answer.json()
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert words in error["error"]["message"]
    assert answer.headers["request-id"]


ACCEPTED: dict[str, Any] = {
    "everything plain": body(
        temperature=1, top_p=0.5, top_k=40, stop_sequences=["x"], metadata={"user_id": "u"}, service_tier="auto"
    ),
    "blocks": body(user(TEXT, PNG, PDF, MARKED), system=[MARKED]),
    "merged turns": body(ASKED, ASKED, CALLED, ANSWERED, user(TEXT), tools=[TOOL]),
    "result and text": body(ASKED, CALLED, user(RESULT, TEXT), tools=[TOOL]),
    "result of blocks": body(ASKED, CALLED, user({**RESULT, "content": [TEXT, PNG], "is_error": True}), tools=[TOOL]),
    "result of nothing": body(ASKED, CALLED, user({"type": "tool_result", "tool_use_id": "toolu_1"}), tools=[TOOL]),
    "prefill": body(ASKED, said(TEXT)),
    "earlier turn without thinking": body(ASKED, CALLED, ANSWERED, said(TEXT), ASKED, tools=[TOOL], thinking=BUDGET),
    "adaptive, not begun with it": body(ASKED, CALLED, ANSWERED, tools=[TOOL], thinking={"type": "adaptive"}),
    "server tool": body(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, TOOL]),
    "choice": body(tools=[TOOL], tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
    "late system": body(ASKED, said(TEXT), {"role": "system", "content": "x"}, ASKED, model="sim-modern"),
    "modern thinking": body(model="sim-modern", thinking={"type": "adaptive"}, output_config={"effort": "max"}),
    "budget thinking": body(model="sim-budget", thinking=BUDGET),
    "schema": body(output_config={"format": {"type": "json_schema", "schema": CLOSED}}),
    "input named like a mark": body(ASKED, said({**USE, "input": {"cache_control": 1}}), ANSWERED, tools=[TOOL]),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_the_vendor_takes_is_taken(upstream: Simulator, case: str) -> None:
    answer = await post(upstream, ACCEPTED[case])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("version", "field", "status"), [("2023-06-01", 200, 200), ("2026-10-21", 200, 400)])
async def test_newest_version_knows_no_sampling(upstream: Simulator, version: str, field: int, status: int) -> None:
    assert (await post(upstream, body(temperature=1), **{"anthropic-version": version})).status_code == status
    assert (await post(upstream, body(), **{"anthropic-version": version})).status_code == field


async def test_version_and_content_type_are_required(upstream: Simulator) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        unversioned = await client.post(upstream.url + "/messages", json=body(), headers={"x-api-key": "k"})
        untyped = await client.post(upstream.url + "/messages", content=json.dumps(body()), headers=HEADERS)
    assert "anthropic-version: header is required" in unversioned.text
    assert untyped.status_code == 400
    assert (await post(upstream, body(), **{"anthropic-version": "1.0"})).status_code == 400


async def test_betas_open_fields(upstream: Simulator) -> None:
    edits = body(context_management={"edits": []})
    assert (await post(upstream, edits, **{"anthropic-beta": "context-management-2025-06-27"})).status_code == 200


# --- proofs


def changed_signature(block: dict[str, Any]) -> dict[str, Any]:
    last = block["signature"][-3]
    return {**block, "signature": block["signature"][:-3] + ("A" if last != "A" else "B") + block["signature"][-2:]}


@pytest.mark.parametrize(
    ("bend", "status"),
    [
        (lambda block: block, 200),
        (lambda block: {**block, "thinking": block["thinking"] + " "}, 400),
        (changed_signature, 400),
        (lambda block: {**block, "signature": block["signature"].rstrip("=")}, 400),
    ],
)
async def test_thinking_comes_back_to_the_byte(
    upstream: Simulator, bend: Callable[[dict[str, Any]], dict[str, Any]], status: int
) -> None:
    upstream.plays(sim.chat(tool_calls=[ToolCall("weather", {"city": "Oslo"}, "toolu_1")], reasoning="Grüße, hm."))
    first = (await post(upstream, body(tools=[TOOL], thinking=BUDGET))).json()["content"]
    assert [block["type"] for block in first] == ["thinking", "tool_use"]
    again = body(ASKED, said(bend(first[0]), first[1]), ANSWERED, tools=[TOOL], thinking=BUDGET)
    assert (await post(upstream, again)).status_code == status


async def test_redacted_and_omitted_thinking(upstream: Simulator) -> None:
    upstream.plays(sim.chat("Yes", reasoning="Secret", redacted=True), sim.chat("Yes", reasoning="Secret"))
    hidden = (await post(upstream, body(thinking=BUDGET))).json()["content"]
    omitted = (await post(upstream, body(thinking={**BUDGET, "display": "omitted"}))).json()["content"]
    assert "Secret" not in json.dumps([hidden, omitted])
    assert (hidden[0]["type"], omitted[0]["thinking"]) == ("redacted_thinking", "")
    for content in (hidden, omitted):
        answer = await post(upstream, body(ASKED, said(*content), ASKED, thinking=BUDGET))
        assert answer.status_code == 200
        assert answer.json()["content"][0]["type"] == "thinking"


# --- replies


async def test_streams_keep_the_grammar_and_the_types(upstream: Simulator) -> None:
    calls = [ToolCall("a", {}), ToolCall("b", {"x": "y"})]
    upstream.plays(
        sim.chat("Well then", reasoning="Hm hm", tool_calls=calls, citations=[Citation("https://a.invalid", "A")]),
        sim.chat("Well", reasoning="Hm", redacted=True),
        sim.chat(refusal="No."),
    )
    stops = []
    for _ in range(3):
        answer = await post(upstream, body(stream=True))
        found = [dict(line.split(": ", 1) for line in it.split("\n")) for it in answer.text.strip().split("\n\n")]
        events = [json.loads(it["data"]) for it in found]
        assert [it["event"] for it in found] == [event["type"] for event in events]
        for event in events:
            if event["type"] != "ping":
                TypeAdapter(RawMessageStreamEvent).validate_python(event)
        kinds = [event["type"] for event in events if event["type"] != "ping"]
        assert "ping" in [event["type"] for event in events]
        assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
        open_block = None
        for event in events:
            if event["type"] == "content_block_start":
                assert open_block is None
                open_block = event["index"]
            elif event["type"] in ("content_block_delta", "content_block_stop"):
                assert event["index"] == open_block
            if event["type"] == "content_block_stop":
                open_block = None
        stops.append(events[-2]["delta"]["stop_reason"])
    assert stops == ["tool_use", "end_turn", "refusal"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("pause_turn", "pause_turn")],
)
async def test_reasons_of_the_end(upstream: Simulator, said: str, reason: str) -> None:
    upstream.plays(sim.chat("Hi", finish_reason=said))
    answer = (await post(upstream, body())).json()
    assert answer["stop_reason"] == reason
    Message.model_validate(answer)


async def test_usage_by_class(upstream: Simulator) -> None:
    upstream.plays(sim.chat("Hi", usage=Tokens(100, 30, cached=60, cache_write=15, reasoning=10)))
    usage = (await post(upstream, body())).json()["usage"]
    figures = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    assert [usage[name] for name in figures] == [25, 60, 15, 30]
    assert usage["output_tokens_details"] == {"thinking_tokens": 10}


async def test_sdk_counts_lists_and_parses() -> None:
    async with Simulator(format="anthropic", models={"sim-large", "sim-modern"}) as upstream:
        client = anthropic.AsyncAnthropic(base_url=upstream.root, api_key="sk-a", max_retries=0, timeout=60)
        assert (await client.messages.count_tokens(model="sim-large", messages=[ASKED])).input_tokens > 0
        assert [model.id async for model in client.models.list()] == ["sim-large", "sim-modern"]
        assert (await client.models.retrieve("sim-modern")).max_tokens == 64_000
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(model="sim-9", max_tokens=9, messages=[ASKED])
        form = {"format": {"type": "json_schema", "schema": CLOSED}}
        reply = await client.messages.create(**body(output_config=form))
        assert json.loads(reply.content[0].text) == {"city": "text"}
        assert upstream.requests[0].header("authorization") == "Bearer sk-a" or upstream.requests[0].header("x-api-key")
        assert {request.key for request in upstream.requests} == {"sk-a"}
