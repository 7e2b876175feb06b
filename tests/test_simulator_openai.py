"""The simulator as OpenAI Chat Completions and its neighbours: rules of models, streams, and the other operations."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests import simulator as sim
from tests.simulator import Citation, Simulator, Tokens, ToolCall

ASKED = {"role": "user", "content": "Hello there"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
CUSTOM_TOOL = {"type": "custom", "custom": {"name": "run"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CUSTOM_CALL = {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls"}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "Rain"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "sim-large", "messages": list(messages) or [ASKED], **fields}


def called(*calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def strictly(schema: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    return body(response_format=form)


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(upstream: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0, timeout=60) as sdk:
        yield sdk


async def post(upstream: Simulator, data: Any, path: str = "/chat/completions") -> httpx.Response:
    async with httpx.AsyncClient(verify=False, headers={"authorization": "Bearer k"}) as plain:
        return await plain.post(upstream.url + path, json=data)


REFUSED: dict[str, tuple[Any, str]] = {  # body, param
    "name of a tool": (body(tools=[{"type": "function", "function": {"name": "a.b"}}]), "tools[0].function.name"),
    "flat tool": (body(tools=[{"type": "function", "name": "x", "parameters": {}}]), "tools[0].function"),
    "tool of another vendor": (body(tools=[{"name": "x", "input_schema": SCHEMA}]), "tools[0].type"),
    "strict, but open": (
        body(tools=[{"type": "function", "function": {"name": "x", "parameters": SCHEMA, "strict": True}}]),
        "tools",
    ),
    "choice without tools": (body(tool_choice="auto"), "tool_choice"),
    "parallel without tools": (body(parallel_tool_calls=False), "parallel_tool_calls"),
    "flat choice": (body(tools=[TOOL], tool_choice={"type": "function", "name": "weather"}), "tool_choice.function"),
    "choice of another": (
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "x"}}),
        "tool_choice",
    ),
    "arguments as object": (
        body(ASKED, called({**CALL, "function": {"name": "x", "arguments": {}}}), RESULT),
        "messages[1].tool_calls[0].function.arguments",
    ),
    "no id": (body(ASKED, called({**CALL, "id": ""}), RESULT), "messages[1].tool_calls[0].id"),
    "index in a call": (body(ASKED, called({**CALL, "index": 0}), RESULT), "messages[1].tool_calls[0].index"),
    "equal ids": (body(ASKED, called(CALL, CALL), RESULT), "messages[1].tool_calls"),
    "no calls": (body(ASKED, called()), "messages[1].tool_calls"),
    "silent assistant": (body(ASKED, {"role": "assistant", "content": None}), "messages[1].content"),
    "empty parts": (body(user()), "messages[0].content"),
    "image as text": (body(user({"type": "image_url", "image_url": "data:x"})), "messages[0].content[0].image_url"),
    "image that is none": (
        body(user({"type": "image_url", "image_url": {"url": "aGk="}})),
        "messages[0].content[0].image_url.url",
    ),
    "image in a result": (body(ASKED, called(CALL), {**RESULT, "content": [IMAGE]}), "messages[2].content[0].type"),
    "part of another vendor": (body(user({"type": "input_text", "text": "x"})), "messages[0].content[0].type"),
    "reasoning": (
        body(ASKED, {"role": "assistant", "content": "x", "reasoning_content": "y"}),
        "messages[1].reasoning_content",
    ),
    "cache mark": (
        body(user({"type": "text", "text": "x", "cache_control": {}})),
        "messages[0].content[0].cache_control",
    ),
    "flat schema": (
        body(response_format={"type": "json_schema", "name": "x", "schema": CLOSED}),
        "response_format.json_schema",
    ),
    "open schema": (strictly(SCHEMA), "response_format"),
    "optional property": (strictly({**CLOSED, "required": []}), "response_format"),
    "json without the word": (body(response_format={"type": "json_object"}), "messages"),
    "top_logprobs alone": (body(top_logprobs=2), "top_logprobs"),
    "many": (body(n=129), "n"),
    "two limits": (body(max_tokens=9, max_completion_tokens=9), "max_tokens"),
    "modern max_tokens": (body(model="sim-modern", max_tokens=9), "max_tokens"),
    "modern temperature": (body(model="sim-modern", temperature=0.5), "temperature"),
    "modern stop": (body(model="sim-modern", stop="x"), "stop"),
    "old developer": (body({"role": "developer", "content": "x"}, ASKED, model="sim-old"), "messages"),
    "old limit": (body(model="sim-old", max_completion_tokens=9), "max_completion_tokens"),
    "blind": (body(user(IMAGE), model="sim-blind"), "messages"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_in_the_vendors_words(upstream: Simulator, case: str) -> None:
    data, param = REFUSED[case]
    answer = await post(upstream, data)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


ACCEPTED: dict[str, Any] = {
    "modern": body(model="sim-modern", temperature=1, max_completion_tokens=9, reasoning_effort="low"),
    "old": body({"role": "system", "content": "x"}, ASKED, model="sim-old", max_tokens=9, temperature=0.5),
    "image": body(user({"type": "text", "text": "x"}, IMAGE)),
    "parallel": body(ASKED, called(CALL, {**CALL, "id": "c2"}), {**RESULT, "tool_call_id": "c2"}, RESULT, tools=[TOOL]),
    "custom": body(ASKED, called(CUSTOM_CALL), RESULT, tools=[CUSTOM_TOOL, TOOL], tool_choice="auto"),
    "result of parts": body(ASKED, called(CALL), {**RESULT, "content": [{"type": "text", "text": "x"}]}),
    "schema": strictly(CLOSED),
    "json": body({"role": "user", "content": "as json"}, response_format={"type": "json_object"}),
    "allowed": body(
        tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}}
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_the_vendor_takes_is_taken(upstream: Simulator, case: str) -> None:
    answer = await post(upstream, ACCEPTED[case])
    assert answer.status_code == 200, answer.text
    ChatCompletion.model_validate(answer.json())


async def test_relatives_take_reasoning_back() -> None:
    earlier = {"role": "assistant", "content": "x", "reasoning_content": "y"}
    async with Simulator(extras={"reasoning_content"}) as upstream:
        assert (await post(upstream, body(ASKED, earlier, ASKED))).status_code == 200


# --- streams


async def chunks_of(upstream: Simulator, data: Any) -> list[dict[str, Any]]:
    lines = (await post(upstream, {**data, "stream": True})).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    return chunks


@pytest.mark.parametrize(("interleaved", "order"), [(False, [0, 0, 0, 1, 1, 1]), (True, [0, 1, 0, 1, 0, 1])])
async def test_parallel_calls_come_in_turns(upstream: Simulator, interleaved: bool, order: list[int]) -> None:
    calls = [ToolCall("weather", {"city": "Oslo"}, "c1"), ToolCall("time", '{"zone": "CET"}', "c2")]
    upstream.plays(sim.chat(tool_calls=calls, interleaved=interleaved))
    deltas = [chunk["choices"][0]["delta"].get("tool_calls", [None])[0] for chunk in await chunks_of(upstream, body())]
    told = [delta for delta in deltas if delta]
    assert [delta["index"] for delta in told] == order
    assert [delta["id"] for delta in told if "id" in delta] == ["c1", "c2"]
    for index, said in enumerate(({"city": "Oslo"}, {"zone": "CET"})):
        arguments = "".join(delta["function"]["arguments"] for delta in told if delta["index"] == index)
        assert json.loads(arguments) == said


async def test_custom_calls_are_free_text(upstream: Simulator) -> None:
    """In streams too, though the SDK has no type for it there."""
    upstream.plays(*[sim.chat(tool_calls=[ToolCall("run", "ls -l", "c1", custom=True)])] * 2)
    whole = (await post(upstream, body(tools=[CUSTOM_TOOL]))).json()["choices"][0]["message"]["tool_calls"]
    assert whole == [{"id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls -l"}}]
    text = (await post(upstream, body(tools=[CUSTOM_TOOL], stream=True))).text
    chunks = [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n")[:-2]]
    told = [it for chunk in chunks for it in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert [it["custom"].get("input") for it in told] == ["", "ls", " -l"]


async def test_several_choices_with_logprobs(upstream: Simulator) -> None:
    data = body(n=2, logprobs=True, top_logprobs=1)
    upstream.plays(sim.chat("one two"), sim.chat("one two"))
    whole = ChatCompletion.model_validate((await post(upstream, data)).json())
    assert [choice.message.content for choice in whole.choices] == ["one two"] * 2
    assert [it.token for it in whole.choices[1].logprobs.content] == ["one ", "two"]
    chunks = await chunks_of(upstream, data)
    second = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == 1]
    assert [choice["delta"].get("content") for choice in second] == ["", "one ", "two", None]
    assert second[1]["logprobs"]["content"][0]["top_logprobs"][0]["token"] == "one "
    assert second[-1]["finish_reason"] == "stop"


async def test_refusals_citations_and_figures(upstream: Simulator) -> None:
    cited = [Citation("https://a.invalid", "A")]
    upstream.plays(sim.chat(refusal="No."), sim.chat("Hi", citations=cited, usage=Tokens(100, 30, 60, 5, 10)))
    refused = (await post(upstream, body())).json()["choices"][0]["message"]
    assert (refused["content"], refused["refusal"]) == (None, "No.")
    reply = (await post(upstream, body())).json()
    assert reply["choices"][0]["message"]["annotations"][0]["url_citation"]["url"] == "https://a.invalid"
    assert reply["usage"]["prompt_tokens_details"] == {"cached_tokens": 60, "audio_tokens": 0, "cache_write_tokens": 5}
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 10
    assert reply["usage"]["total_tokens"] == 130


async def test_sdk_parses(client: openai.AsyncOpenAI) -> None:
    class City(BaseModel):
        city: str
        sizes: list[int]

    reply = await client.chat.completions.parse(model="m", messages=[ASKED], response_format=City)
    assert reply.choices[0].message.parsed == City(city="text", sizes=[1])


# --- the other operations


@pytest.mark.parametrize("given", ["one", ["one", "two"], [1, 2, 3], [[1, 2], [3]]])
async def test_embeddings(client: openai.AsyncOpenAI, given: Any) -> None:
    floats = await client.embeddings.create(model="m", input=given, dimensions=3, encoding_format="float")
    packed = await client.embeddings.create(model="m", input=given, dimensions=3)
    count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    assert [len(row.embedding) for row in floats.data] == [3] * count
    assert [row.embedding for row in packed.data] == [pytest.approx(row.embedding) for row in floats.data]
    assert floats.usage.total_tokens > 0


async def test_images(client: openai.AsyncOpenAI) -> None:
    images = await client.images.generate(model="m", prompt="A cat", n=2)
    assert [bool(image.b64_json) for image in images.data] == [True, True]
    linked = await client.images.generate(model="m", prompt="A cat", response_format="url")
    assert linked.data[0].url.startswith("https://")
    events = [it async for it in await client.images.generate(model="m", prompt="A cat", stream=True)]
    assert [event.type for event in events] == ["image_generation.completed"]
    with pytest.raises(openai.BadRequestError):
        await client.images.generate(model="sim-modern", prompt="A cat", response_format="url")


@pytest.mark.parametrize(
    ("form", "start"),
    [("json", "{"), ("verbose_json", "{"), ("text", "Heard"), ("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT\n\n00:")],
)
async def test_transcriptions(client: openai.AsyncOpenAI, form: Any, start: str) -> None:
    sound = ("a.wav", io.BytesIO(b"\r\n--RIFF\0\xff"), "audio/wav")
    raw = await client.audio.transcriptions.with_raw_response.create(
        model="m", file=sound, response_format=form, language="en", temperature=0.5
    )
    assert raw.text.startswith(start)
    assert "Heard 10 bytes of a.wav." in raw.text


async def test_streamed_transcription(client: openai.AsyncOpenAI, upstream: Simulator) -> None:
    upstream.plays(sim.chat("Once upon"))
    stream = await client.audio.transcriptions.create(model="sim-large", file=("a.wav", b"x"), stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert events[-1].text == "Once upon"


async def test_timestamps_of_words(client: openai.AsyncOpenAI) -> None:
    create = client.audio.transcriptions.create
    told = await create(
        model="m", file=("a.wav", b"x"), response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert told.words[0].word == "Heard"
    with pytest.raises(openai.BadRequestError):
        await create(model="m", file=("a.wav", b"x"), timestamp_granularities=["word"])


async def test_forms_are_read_strictly(upstream: Simulator) -> None:
    url = upstream.url + "/audio/transcriptions"
    file = {"file": ("a.wav", b"x")}
    async with httpx.AsyncClient(verify=False) as plain:
        told = [
            await plain.post(url, data={"model": "m"}, files=file),
            await plain.post(url, files=file),
            await plain.post(url, data={"model": "m", "file": "x"}, files={"x": b""}),
            await plain.post(url, data={"model": "m", "speed": "2"}, files=file),
            await plain.post(url, json={"model": "m"}),
            await plain.post(url, content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}),
        ]
    assert [answer.status_code for answer in told] == [200, 400, 400, 400, 415, 415]


async def test_speech_streams_bytes(client: openai.AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="m", input="one two three", voice="alloy", response_format="wav"
    ) as answer:
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["transfer-encoding"] == "chunked"
        sound = b"".join([piece async for piece in answer.iter_bytes()])
    assert (sound[:4], len(sound)) == (b"RIFF", 4 + 3 * 1024)
    with pytest.raises(openai.BadRequestError):
        await client.audio.speech.create(model="m", input="", voice="alloy")


async def test_moderations(client: openai.AsyncOpenAI) -> None:
    told = await client.moderations.create(input=["Hello", "I hurt you"])
    assert [result.flagged for result in told.results] == [False, True]
    assert told.results[1].categories.violence


@pytest.mark.parametrize("version", ["1", "2"])
async def test_rerank(upstream: Simulator, version: str) -> None:
    data = {"model": "m", "query": "blue sky", "documents": ["red", "blue sky", "blue"], "top_n": 2}
    path = f"{upstream.root}/v{version}/rerank"
    async with httpx.AsyncClient(verify=False) as plain:
        told = (await plain.post(path, json=data)).json()
        documents = await plain.post(path, json={**data, "return_documents": True})
        objects = await plain.post(path, json={**data, "documents": [{"text": "blue"}]})
        nothing = await plain.post(path, json={**data, "documents": []})
    assert [row["index"] for row in told["results"]] == [1, 2]
    assert told["results"][0]["relevance_score"] == 1.0
    assert told["meta"]["api_version"]["version"] == version
    assert documents.status_code == objects.status_code == (200 if version == "1" else 400)
    assert nothing.status_code == 400


async def test_cohere_embeddings(upstream: Simulator) -> None:
    data = {"model": "m", "texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float", "base64"]}
    async with httpx.AsyncClient(verify=False) as plain:
        told = (await plain.post(upstream.root + "/v2/embed", json=data)).json()
        untyped = await plain.post(upstream.root + "/v2/embed", json={"model": "m", "texts": ["a"]})
    assert [len(row) for row in told["embeddings"]["float"]] == [8, 8]
    assert isinstance(told["embeddings"]["base64"][0], str)
    assert untyped.status_code == 400
