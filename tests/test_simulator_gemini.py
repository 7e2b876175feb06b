"""The simulator as Gemini: what it refuses, its thought signatures, its three kinds of streams."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types

from tests import simulator as sim
from tests.simulator import Citation, Simulator, Tokens, ToolCall

ASKED = {"role": "user", "parts": [{"text": "Weather?"}]}
SAID = {"role": "model", "parts": [{"text": "Rain."}]}
CALL = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
ANSWER = {"functionResponse": {"name": "weather", "response": {"result": "Rain"}}}
CALLED, ANSWERED = {"role": "model", "parts": [CALL]}, {"role": "user", "parts": [ANSWER]}
SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
PNG = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}


def body(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents) or [ASKED], **fields}


def config(**fields: Any) -> dict[str, Any]:
    return body(generationConfig=fields)


def tool(parameters: Any = SCHEMA, name: str = "weather", **fields: Any) -> dict[str, Any]:
    return {"functionDeclarations": [{"name": name, "parameters": parameters, **fields}]}


def taking(schema: Any) -> dict[str, Any]:
    return body(tools=[tool({"type": "OBJECT", "properties": {"x": schema}})])


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator(format="gemini") as simulator:
        yield simulator


async def post(
    upstream: Simulator, data: Any, model: str = "sim-large", method: str = "generateContent"
) -> httpx.Response:
    async with httpx.AsyncClient(verify=False, headers={"x-goog-api-key": "k"}) as client:
        return await client.post(f"{upstream.url}/models/{model}:{method}", json=data)


REFUSED: dict[str, tuple[Any, str]] = {
    "no contents": ({"contents": []}, "contents"),
    "unknown name": (body(max_tokens=5), 'Unknown name "maxTokens"'),
    "unknown name inside": (config(stop=["x"]), "Unknown name \"stop\" at 'generationConfig'"),
    "misplaced": (body(temperature=1), 'Unknown name "temperature"'),
    "openai's messages": ({"messages": []}, "contents"),
    "role": (body({"role": "assistant", "parts": [{"text": "x"}]}), "valid role"),
    "no parts": (body({"role": "user", "parts": []}), "contents.0.parts"),
    "two kinds in one part": (body(user({"text": "x", **PNG})), "required oneof field"),
    "empty part": (body(user({})), "required oneof field"),
    "empty text": (body(user({"text": ""})), "must not be empty"),
    "model first": (body(SAID, ASKED), "start with a user turn"),
    "no alternation": (body(ASKED, ASKED), "alternate"),
    "call of a user": (body(user(CALL)), "only valid in the role model"),
    "result of a model": (body(ASKED, CALLED, {"role": "model", "parts": [ANSWER]}), "not valid in the role model"),
    "no result": (body(ASKED, CALLED), "followed by a function response"),
    "other next": (body(ASKED, CALLED, ASKED), "number of function response parts"),
    "too many results": (body(ASKED, CALLED, user(ANSWER, ANSWER)), "number of function response parts"),
    "orphan": (body(user(ANSWER)), "number of function response parts"),
    "result of another": (
        body(ASKED, CALLED, user({"functionResponse": {"name": "x", "response": {}}})),
        "answers no function call",
    ),
    "result with another id": (
        body(
            ASKED,
            {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "weather"}}]},
            user({"functionResponse": {"id": "b", "name": "weather", "response": {}}}),
        ),
        "answers no function call",
    ),
    "result as text": (
        body(ASKED, CALLED, user({"functionResponse": {"name": "weather", "response": "Rain"}})),
        "Input should be an object",
    ),
    "args as text": (
        body(ASKED, {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": "{}"}}]}, ANSWERED),
        "args",
    ),
    "name of a function": (body(tools=[tool(name="1 weather")]), "name"),
    "equal functions": (body(tools=[tool(), tool()]), "Duplicate function declaration"),
    "openai's tool": (body(tools=[{"type": "function"}]), 'Unknown name "type"'),
    "both parameters": (body(tools=[tool(parametersJsonSchema={})]), "mutually exclusive"),
    "hosted and functions": (body(tools=[tool(), {"googleSearch": {}}]), "cannot be combined"),
    "mode without functions": (body(toolConfig={"functionCallingConfig": {"mode": "ANY"}}), "without function_decl"),
    "allowed with AUTO": (
        body(tools=[tool()], toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["weather"]}}),
        "only be set when",
    ),
    "allowed unknown": (
        body(tools=[tool()], toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}),
        "not declared",
    ),
    "mode": (body(tools=[tool()], toolConfig={"functionCallingConfig": {"mode": "any"}}), "mode"),
    "$schema": (taking({"type": "STRING", "$schema": "x"}), 'Unknown name "$schema"'),
    "const": (taking({"type": "STRING", "const": "x"}), 'Unknown name "const"'),
    "additionalProperties": (taking({"type": "OBJECT", "additionalProperties": False}), "additionalProperties"),
    "$ref": (taking({"$ref": "#/$defs/x"}), 'Unknown name "$ref"'),
    "oneOf": (taking({"oneOf": []}), 'Unknown name "oneOf"'),
    "exclusiveMinimum": (taking({"type": "NUMBER", "exclusiveMinimum": 1}), "exclusiveMinimum"),
    "type array": (taking({"type": ["string", "null"]}), "type"),
    "enum of numbers": (taking({"type": "INTEGER", "enum": [1]}), "enum"),
    "enum of integers as text": (taking({"type": "INTEGER", "enum": ["1"]}), "only allowed for STRING"),
    "format": (taking({"type": "STRING", "format": "uri"}), "are supported for STRING"),
    "array of what": (taking({"type": "ARRAY"}), "missing field"),
    "object of nothing": (taking({"type": "OBJECT", "properties": {}}), "should be non-empty"),
    "required unknown": (taking({**SCHEMA, "required": ["x"]}), "property is not defined"),
    "temperature": (config(temperature=2.5), "temperature"),
    "topK": (config(topK=0), "topK"),
    "stops": (config(stopSequences=["x"] * 6), "stopSequences"),
    "stop as text": (config(stopSequences="x"), "stopSequences"),
    "candidates": (config(candidateCount=9), "candidateCount"),
    "logprobs alone": (config(logprobs=3), "response_logprobs"),
    "schema without type": (config(responseSchema=SCHEMA), "response mime type"),
    "two schemas": (
        config(responseSchema=SCHEMA, responseJsonSchema={}, responseMimeType="application/json"),
        "Only one of",
    ),
    "mime type": (config(responseMimeType="text/html"), "responseMimeType"),
    "budget and level": (config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}), "only set only one"),
    "level": (config(thinkingConfig={"thinkingLevel": "low"}), "thinkingLevel"),
    "budget": (config(thinkingConfig={"thinkingBudget": 99999}), "thinkingBudget"),
    "safety": (body(safetySettings=[{"category": "HARM", "threshold": "OFF"}]), "category"),
    "bad data": (body(user({"inlineData": {"mimeType": "image/png", "data": "data:x,y"}})), "data"),
    "foreign signature": (
        body(ASKED, {"role": "model", "parts": [{**CALL, "thoughtSignature": "RWFzdA=="}]}, ANSWERED),
        "Thought signature is not valid",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_in_the_vendors_words(upstream: Simulator, case: str) -> None:
    data, words = REFUSED[case]
    answer = await post(upstream, data)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]


ACCEPTED: dict[str, tuple[str, Any]] = {
    "snake case": (
        "sim-large",
        body(generation_config={"max_output_tokens": 9}, system_instruction={"parts": [{"text": "x"}]}),
    ),
    "nulls": ("sim-large", body(tools=None, generationConfig={"temperature": None})),
    "all sampling": (
        "sim-large",
        config(temperature=2, topP=1, topK=40, candidateCount=2, seed=-1, presencePenalty=1, stopSequences=["x"]),
    ),
    "no role": ("sim-large", body({"parts": [{"text": "x"}]})),
    "prefill": ("sim-large", body(ASKED, SAID)),
    "parallel": ("sim-large", body(ASKED, {"role": "model", "parts": [CALL, CALL]}, user(ANSWER, ANSWER))),
    "result in the role function": ("sim-large", body(ASKED, CALLED, {"role": "function", "parts": [ANSWER]})),
    "result and text": ("sim-large", body(ASKED, CALLED, user(ANSWER, {"text": "And?"}))),
    "lower-case types": ("sim-large", taking({"type": "string"})),
    "every field of a schema": (
        "sim-large",
        taking({"type": "ARRAY", "items": {"type": "STRING", "enum": ["a"], "nullable": True}, "minItems": "1"}),
    ),
    "names like fields": ("sim-large", taking({"type": "OBJECT", "properties": {"max_items": {"type": "STRING"}}})),
    "JSON schema": (
        "sim-large",
        body(tools=[{"functionDeclarations": [{"name": "x", "parameters_json_schema": {"const": 1}}]}]),
    ),
    "hosted": ("sim-large", body(tools=[{"googleSearch": {}}, {"url_context": {}}])),
    "hosted and functions": ("sim-3", body(tools=[tool(), {"googleSearch": {}}])),
    "level": ("sim-3", config(thinkingConfig={"thinkingLevel": "LOW", "includeThoughts": True})),
    "budget": ("sim-2.5", config(thinkingConfig={"thinkingBudget": -1})),
    "image": ("sim-large", body(user(PNG, {"text": "What?"}))),
    "earlier turns without signatures": ("sim-3", body(ASKED, CALLED, ANSWERED, SAID, ASKED)),
    "placeholder": (
        "sim-3",
        body(
            ASKED,
            {"role": "model", "parts": [{**CALL, "thoughtSignature": "skip_thought_signature_validator"}]},
            ANSWERED,
        ),
    ),
    "placeholder in base64": (
        "sim-3",
        body(
            ASKED,
            {
                "role": "model",
                "parts": [
                    {**CALL, "thoughtSignature": base64.b64encode(b"skip_thought_signature_validator").decode()},
                    CALL,
                ],
            },
            user(ANSWER, ANSWER),
        ),
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_the_vendor_takes_is_taken(upstream: Simulator, case: str) -> None:
    model, data = ACCEPTED[case]
    answer = await post(upstream, data, model)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("sim-3", body(ASKED, CALLED, ANSWERED), "missing a thought_signature"),
        ("sim-2.5", config(thinkingConfig={"thinkingLevel": "LOW"}), "not supported for this model"),
        ("sim-blind", body(user(PNG)), "not enabled"),
    ],
)
async def test_models_have_rules(upstream: Simulator, model: str, data: Any, words: str) -> None:
    answer = await post(upstream, data, model)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert (await post(upstream, data)).status_code == 200


def other_alphabet(part: dict[str, Any]) -> dict[str, Any]:
    word = part["thoughtSignature"]
    return {**part, "thoughtSignature": word.replace("+", "-").replace("/", "_").rstrip("=")}


def other_call(part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "functionCall": {**part["functionCall"], "args": {"city": "Bergen"}}}


@pytest.mark.parametrize(
    ("bend", "status"),
    [
        (lambda part: part, 200),
        (other_alphabet, 200),
        (other_call, 400),
        (lambda part: {**part, "thoughtSignature": "A" + part["thoughtSignature"][1:]}, 400),
        (lambda part: {"functionCall": part["functionCall"]}, 400),
    ],
)
async def test_signatures_come_back_with_their_call(
    upstream: Simulator, bend: Callable[[dict[str, Any]], dict[str, Any]], status: int
) -> None:
    upstream.plays(sim.chat(tool_calls=[ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})]))
    first = (await post(upstream, body(tools=[tool()]), "sim-3")).json()["candidates"][0]["content"]["parts"]
    assert ["thoughtSignature" in part for part in first] == [True, False]
    results = [{"functionResponse": {**ANSWER["functionResponse"], "id": part["functionCall"]["id"]}} for part in first]
    again = body(ASKED, {"role": "model", "parts": [bend(first[0]), first[1]]}, user(*results), tools=[tool()])
    assert (await post(upstream, again, "sim-3")).status_code == status


# --- replies


async def test_streams_are_events_or_an_array(upstream: Simulator) -> None:
    upstream.plays(*[sim.chat("one two", reasoning="Hm hm", tool_calls=[ToolCall("a", {"x": 1})])] * 2)
    sse = await post(upstream, body(), method="streamGenerateContent?alt=sse")
    array = await post(upstream, body(), method="streamGenerateContent")
    chunks = [json.loads(line.removeprefix("data: ")) for line in sse.text.split("\n\n") if line]
    for chunk in [*chunks, *array.json()]:
        types.GenerateContentResponse.model_validate(chunk)
    parts = [chunk["candidates"][0]["content"]["parts"] for chunk in chunks]
    assert parts == [chunk["candidates"][0]["content"]["parts"] for chunk in array.json()]
    assert [part[0].get("thought", False) for part in parts] == [True, True, False, False, False, False]
    assert ["finishReason" in chunk["candidates"][0] for chunk in chunks] == [False] * 5 + [True]
    assert len({chunk["responseId"] for chunk in chunks}) == 1


@pytest.mark.parametrize(
    ("said", "reason"), [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("SPII", "SPII")]
)
async def test_reasons_of_the_end(upstream: Simulator, said: str, reason: str) -> None:
    upstream.plays(sim.chat("Hi", finish_reason=said))
    assert (await post(upstream, body())).json()["candidates"][0]["finishReason"] == reason


async def test_usage_candidates_logprobs_and_grounding(upstream: Simulator) -> None:
    tokens = Tokens(100, 30, cached=60, reasoning=10)
    upstream.plays(sim.chat("Hi", usage=tokens, citations=[Citation("https://a.invalid", "A")]))
    reply = (await post(upstream, config(candidateCount=2, responseLogprobs=True, logprobs=2))).json()
    assert reply["usageMetadata"] == {
        "promptTokenCount": 100,
        "candidatesTokenCount": 20,
        "cachedContentTokenCount": 60,
        "thoughtsTokenCount": 10,
        "totalTokenCount": 130,
    }
    assert [it["index"] for it in reply["candidates"]] == [0, 1]
    assert reply["candidates"][1]["groundingMetadata"]["groundingChunks"][0]["web"]["uri"] == "https://a.invalid"
    assert len(reply["candidates"][0]["logprobsResult"]["topCandidates"][0]["candidates"]) == 2


async def test_sdk_counts_embeds_and_lists() -> None:
    async with Simulator(format="gemini", models={"sim-large"}, keys={"k"}) as upstream:
        options: Any = {"base_url": upstream.root, "api_version": "v1beta"}
        models = genai.Client(api_key="k", http_options=options).aio.models
        assert (await models.count_tokens(model="sim-large", contents="Hello there")).total_tokens > 0
        vectors = await models.embed_content(
            model="sim-large", contents=["a", "b"], config={"output_dimensionality": 3}
        )
        assert [len(it.values) for it in vectors.embeddings] == [3, 3]
        assert [it.name async for it in await models.list()] == ["models/sim-large"]
        config: Any = {"response_mime_type": "application/json", "response_schema": SCHEMA}
        assert json.loads((await models.generate_content(model="sim-large", contents="x", config=config)).text) == {
            "city": "text"
        }
        with pytest.raises(genai.errors.ClientError, match="NOT_FOUND"):
            await models.generate_content(model="sim-9", contents="x")
        with pytest.raises(genai.errors.ClientError, match="API_KEY_INVALID"):
            await genai.Client(api_key="wrong", http_options=options).aio.models.get(model="sim-large")


async def test_keys_may_be_in_the_query(upstream: Simulator) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.post(f"{upstream.url}/models/m:generateContent?key=abc", json=body())
        one = await client.post(f"{upstream.url}/models/m:embedContent?key=abc", json={"content": user({"text": "x"})})
    assert (answer.status_code, upstream.requests[0].key) == (200, "abc")
    assert len(one.json()["embedding"]["values"]) == 8
