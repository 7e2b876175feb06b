"""The simulator as OpenAI Responses: what it refuses, what it keeps, its seals, the grammar of its streams."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests import simulator as sim
from tests.simulator import Citation, Simulator, Tokens, ToolCall

ASKED = {"role": "user", "content": "Weather?"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "Rain"}
CUSTOM = {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "ls"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}
SEALED = ["reasoning.encrypted_content"]


def body(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "sim-large", "input": list(items) or [ASKED], **fields}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def answering(**format: Any) -> dict[str, Any]:
    return body(text={"format": format})


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator(format="openai_responses") as simulator:
        yield simulator


async def post(upstream: Simulator, data: Any) -> httpx.Response:
    async with httpx.AsyncClient(verify=False, headers={"authorization": "Bearer k"}) as client:
        return await client.post(upstream.url + "/responses", json=data)


REFUSED: dict[str, tuple[Any, str | None, str | None]] = {  # body, param, code
    "no model": ({"input": "x"}, "model", "missing_required_parameter"),
    "no input": ({"model": "m"}, "input", "missing_required_parameter"),
    "messages": (body(messages=[]), "messages", "unknown_parameter"),
    "max_tokens": (body(max_tokens=50), "max_tokens", "unknown_parameter"),
    "stop": (body(stop=["x"]), "stop", "unknown_parameter"),
    "response_format": (body(response_format={}), "response_format", "unknown_parameter"),
    "few tokens": (body(max_output_tokens=5), "max_output_tokens", "invalid_value"),
    "temperature": (body(temperature=3), "temperature", "invalid_value"),
    "effort": (body(reasoning={"effort": "huge"}), "reasoning.effort", "invalid_value"),
    "include": (body(include=["everything"]), "include[0]", "invalid_value"),
    "role": (body({"role": "tool", "content": "x"}), "input[0].role", "invalid_value"),
    "part": (body(user({"type": "text", "text": "x"})), "input[0].content[0].type", "invalid_value"),
    "output part of a user": (
        body(user({"type": "output_text", "text": "x"})),
        "input[0].content[0].type",
        "invalid_value",
    ),
    "input part of the assistant": (
        body(ASKED, {"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}),
        "input[1].content[0].type",
        "invalid_value",
    ),
    "nested image": (
        body(user({"type": "input_image", "image_url": {"url": "x"}})),
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    "unknown item": (body({"type": "tool_result"}), "input[0].type", "invalid_value"),
    "field of an item": (body({**ASKED, "tool_calls": []}), "input[0].tool_calls", "unknown_parameter"),
    "id of a call": (body(ASKED, {**CALL, "id": "call_1"}, OUTPUT), "input[1].id", "invalid_value"),
    "id of a message": (body({**ASKED, "id": "x"}), "input[0].id", "invalid_value"),
    "long call_id": (body(ASKED, {**CALL, "call_id": "x" * 65}, OUTPUT), "input[1].call_id", "invalid_value"),
    "name of a call": (body(ASKED, {**CALL, "name": "a.b"}, OUTPUT), "input[1].name", "invalid_value"),
    "arguments as object": (body(ASKED, {**CALL, "arguments": {}}, OUTPUT), "input[1].arguments", "invalid_value"),
    "output as object": (body(ASKED, CALL, {**OUTPUT, "output": {}}), "input[2].output", "invalid_value"),
    "no output": (body(ASKED, CALL), "input", None),
    "orphan output": (body(ASKED, OUTPUT), "input", None),
    "output before its call": (body(ASKED, OUTPUT, CALL), "input", None),
    "output of another kind": (body(ASKED, CUSTOM, OUTPUT), "input", None),
    "equal call ids": (body(ASKED, CALL, CALL, OUTPUT), "input", None),
    "nested tool": (
        body(tools=[{"type": "function", "function": {"name": "x"}}]),
        "tools[0].name",
        "missing_required_parameter",
    ),
    "unknown tool": (body(tools=[{"type": "retrieval"}]), "tools[0].type", "invalid_value"),
    "name of a tool": (body(tools=[{**TOOL, "name": "a b"}]), "tools[0].name", "invalid_value"),
    "strict, but open": (body(tools=[{**TOOL, "strict": True}]), "tools[0].parameters", "invalid_json_schema"),
    "nested choice": (
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "x"}}),
        "tool_choice.name",
        "missing_required_parameter",
    ),
    "choice of another": (body(tools=[TOOL], tool_choice={"type": "function", "name": "x"}), "tool_choice", None),
    "required without tools": (body(tool_choice="required"), "tool_choice", None),
    "nested schema": (
        answering(type="json_schema", json_schema={"name": "x", "schema": CLOSED}),
        "text.format.name",
        "missing_required_parameter",
    ),
    "open schema": (
        answering(type="json_schema", name="x", schema=SCHEMA, strict=True),
        "text.format.schema",
        "invalid_json_schema",
    ),
    "optional property": (
        answering(type="json_schema", name="x", schema={**CLOSED, "required": []}, strict=True),
        "text.format.schema",
        "invalid_json_schema",
    ),
    "json without the word": (answering(type="json_object"), "input", None),
    "stream options alone": (body(stream_options={"include_obfuscation": False}), "stream_options", None),
    "usage in stream options": (
        body(stream=True, stream_options={"include_usage": True}),
        "stream_options.include_usage",
        "unknown_parameter",
    ),
    "unknown previous": (body(previous_response_id="resp_x"), "previous_response_id", "previous_response_not_found"),
    "previous and conversation": (body(previous_response_id="resp_x", conversation="c"), "previous_response_id", None),
    "background unstored": (body(background=True, store=False), "store", None),
    "modern temperature": (body(model="sim-modern", temperature=0.5), "temperature", "unsupported_parameter"),
    "blind": (body(user(IMAGE), model="sim-blind"), "input", "invalid_value"),
    "foreign seal": (
        body(ASKED, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "RWFzdA=="}, CALL, OUTPUT),
        None,
        "invalid_encrypted_content",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_in_the_vendors_words(upstream: Simulator, case: str) -> None:
    data, param, code = REFUSED[case]
    answer = await post(upstream, data)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert code is None or error["code"] == code


ACCEPTED: dict[str, Any] = {
    "text": {"model": "m", "input": "Hello"},
    "nulls": body(temperature=None, tools=None, reasoning=None, previous_response_id=None),
    "roles": body({"role": "developer", "content": "x"}, {"role": "system", "content": "y"}, ASKED),
    "parts": body(user({"type": "input_text", "text": "x"}, IMAGE, {"type": "input_file", "file_data": "x"})),
    "said before": body(ASKED, {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]}, ASKED),
    "call and output": body(ASKED, {**CALL, "id": "fc_1"}, OUTPUT, tools=[TOOL]),
    "output of parts": body(ASKED, CALL, {**OUTPUT, "output": [{"type": "input_text", "text": "x"}, IMAGE]}),
    "custom": body(
        ASKED, CUSTOM, {**OUTPUT, "type": "custom_tool_call_output"}, tools=[{"type": "custom", "name": "run"}]
    ),
    "parallel": body(ASKED, CALL, {**CALL, "call_id": "c2"}, OUTPUT, {**OUTPUT, "call_id": "c2"}),
    "hosted": body(tools=[{"type": "web_search", "search_context_size": "low"}, TOOL]),
    "namespace": body(tools=[{"type": "namespace", "name": "fs", "description": "x", "tools": [TOOL]}]),
    "command-line tool": body(client_metadata={"x": "y"}, store=False, include=SEALED, prompt_cache_key="k"),
    "schema": answering(type="json_schema", name="x", schema=CLOSED, strict=True),
    "json": body({"role": "user", "content": "As JSON"}, text={"format": {"type": "json_object"}, "verbosity": "low"}),
    "allowed": body(
        tools=[TOOL],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]},
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_the_vendor_takes_is_taken(upstream: Simulator, case: str) -> None:
    answer = await post(upstream, ACCEPTED[case])
    assert answer.status_code == 200, answer.text
    Response.model_validate(answer.json())


# --- what is kept, and seals


def dropped_last(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "encrypted_content": item["encrypted_content"][:-8] + "AAAAAAA="}


@pytest.mark.parametrize(
    ("bend", "status"),
    [
        (lambda item: item, 200),
        (lambda item: {**item, "id": "rs_other"}, 200),
        (dropped_last, 400),
        (lambda item: {name: it for name, it in item.items() if name != "encrypted_content"}, 404),
    ],
)
async def test_sealed_reasoning_comes_back_to_the_byte(
    upstream: Simulator, bend: Callable[[dict[str, Any]], dict[str, Any]], status: int
) -> None:
    upstream.plays(sim.chat(tool_calls=[ToolCall("weather", "{}", "call_1")], reasoning="Hm."))
    options = {"store": False, "include": SEALED, "tools": [TOOL]}
    thought, call = (await post(upstream, body(**options))).json()["output"]
    answer = await post(upstream, body(ASKED, bend(thought), call, OUTPUT, **options))
    assert answer.status_code == status


async def test_reasoning_keeps_its_company(upstream: Simulator) -> None:
    upstream.plays(sim.chat(tool_calls=[ToolCall("weather", "{}", "call_1")], reasoning="Hm."))
    thought, call = (await post(upstream, body())).json()["output"]
    assert "encrypted_content" not in thought
    alone = await post(upstream, body(ASKED, thought, ASKED))
    missed = await post(upstream, body(ASKED, call, OUTPUT))
    assert "without its required following item" in alone.json()["error"]["message"]
    assert f"without its required 'reasoning' item: '{thought['id']}'" in missed.json()["error"]["message"]
    assert (await post(upstream, body(ASKED, {**call, "id": "fc_own"}, OUTPUT))).status_code == 200
    assert (await post(upstream, body(ASKED, thought, call, OUTPUT))).status_code == 200


async def test_sdk_goes_on_from_what_is_stored(upstream: Simulator) -> None:
    client = openai.AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0, timeout=60)
    tools: Any = [{**TOOL, "strict": False}]
    first = await client.responses.create(model="m", input="Use the tool", tools=tools)
    output: Any = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "Rain"}
    second = await client.responses.create(model="m", input=[output], tools=tools, previous_response_id=first.id)
    assert second.output_text == "The tool says: Rain"
    assert (await client.responses.retrieve(second.id)).output_text == second.output_text
    assert [it.type async for it in client.responses.input_items.list(second.id)] == ["function_call_output"]
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)
    unstored = await client.responses.create(model="m", input="Hi", store=False)
    with pytest.raises(openai.BadRequestError, match="not found"):
        await client.responses.create(model="m", input="Hi", previous_response_id=unstored.id)
    assert [model.id async for model in client.models.list()] == ["sim-large", "sim-small"]


async def test_sdk_parses(upstream: Simulator) -> None:
    class City(BaseModel):
        city: str
        days: int

    client = openai.AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0, timeout=60)
    reply = await client.responses.parse(model="m", input="Where?", text_format=City)
    assert reply.output_parsed == City(city="text", days=1)


# --- replies


def events(text: str) -> list[dict[str, Any]]:
    found = [dict(line.split(": ", 1) for line in it.split("\n")) for it in text.strip().split("\n\n")]
    told = [json.loads(it["data"]) for it in found]
    assert [it["event"] for it in found] == [event["type"] for event in told]
    return told


async def test_streams_keep_the_grammar_and_the_types(upstream: Simulator) -> None:
    calls = [ToolCall("a", {"x": "y"}), ToolCall("run", "ls -l", custom=True), ToolCall("b", {})]
    upstream.plays(
        sim.chat("Well then", reasoning="Hm hm", tool_calls=calls, citations=[Citation("https://a.invalid", "A")]),
        sim.chat(refusal="No way."),
        sim.chat("Well", finish_reason="length"),
    )
    logprobs = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    lasts = []
    for _ in range(3):
        told = events((await post(upstream, body(stream=True, **logprobs))).text)
        for event in told:
            TypeAdapter(ResponseStreamEvent).validate_python(event)
        assert [event["sequence_number"] for event in told] == list(range(len(told)))
        assert [event["type"] for event in told[:2]] == ["response.created", "response.in_progress"]
        assert len({event["response"]["id"] for event in told if "response" in event}) == 1
        done = [event["item"] for event in told if event["type"] == "response.output_item.done"]
        added = [event["item"]["id"] for event in told if event["type"] == "response.output_item.added"]
        assert told[-1]["response"]["output"] == done
        assert added == [item["id"] for item in done]
        assert {event["item_id"] for event in told if "item_id" in event} <= set(added)
        lasts.append(told[-1])
    assert [it["type"] for it in lasts] == ["response.completed", "response.completed", "response.incomplete"]
    assert lasts[2]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    kinds = [item["type"] for item in lasts[0]["response"]["output"]]
    assert kinds == ["reasoning", "message", "function_call", "custom_tool_call", "function_call"]


async def test_usage_by_class(upstream: Simulator) -> None:
    upstream.plays(sim.chat("Hi", usage=Tokens(100, 30, cached=60, cache_write=5, reasoning=10)))
    assert (await post(upstream, body())).json()["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 130,
    }
