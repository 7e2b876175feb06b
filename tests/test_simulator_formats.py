"""The simulator in its four formats: one script, played through each vendor's own SDK."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai

from tests import simulator as sim
from tests.simulator import Act, Simulator, Tokens, ToolCall

FORMATS = ("openai_chat", "openai_responses", "anthropic", "gemini")
KEYS = {
    "openai_chat": "authorization",
    "openai_responses": "authorization",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
}


@dataclass
class Heard:
    """What an SDK made of an answer."""

    text: str
    thought: str
    calls: list[tuple[str, Any]]
    input: int | None = None
    output: int | None = None


async def hear_chat(upstream: Simulator, streamed: bool) -> Heard:
    client = openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-a", max_retries=0, timeout=60)
    asked: dict[str, Any] = {"model": "sim-large", "messages": [{"role": "user", "content": "Hello there"}]}
    if streamed:
        options = {"include_usage": True}
        async with client.chat.completions.stream(**asked, stream_options=options) as stream:
            reply = await stream.get_final_completion()
        thought = reply.choices[0].message.model_extra.get("reasoning_content") or ""
    else:
        reply = await client.chat.completions.create(**asked)
        thought = getattr(reply.choices[0].message, "reasoning_content", "")
    message = reply.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    return Heard(message.content or "", thought, calls, reply.usage.prompt_tokens, reply.usage.completion_tokens)


async def hear_responses(upstream: Simulator, streamed: bool) -> Heard:
    client = openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-a", max_retries=0, timeout=60)
    asked: dict[str, Any] = {"model": "sim-large", "input": "Hello there"}
    if streamed:
        async with client.responses.stream(**asked) as stream:
            reply = await stream.get_final_response()
    else:
        reply = await client.responses.create(**asked)
    calls = [(it.name, json.loads(it.arguments)) for it in reply.output if it.type == "function_call"]
    thoughts = [part.text for it in reply.output if it.type == "reasoning" for part in it.summary]
    return Heard(reply.output_text, "".join(thoughts), calls, reply.usage.input_tokens, reply.usage.output_tokens)


async def hear_anthropic(upstream: Simulator, streamed: bool) -> Heard:
    client = anthropic.AsyncAnthropic(base_url=upstream.root, api_key="sk-a", max_retries=0, timeout=60)
    messages = [{"role": "user", "content": "Hello there"}]
    asked: dict[str, Any] = {"model": "sim-large", "max_tokens": 100, "messages": messages}
    if streamed:
        async with client.messages.stream(**asked) as stream:
            reply = await stream.get_final_message()
    else:
        reply = await client.messages.create(**asked)
    text = "".join(it.text for it in reply.content if it.type == "text")
    thought = "".join(it.thinking for it in reply.content if it.type == "thinking")
    calls = [(it.name, it.input) for it in reply.content if it.type == "tool_use"]
    usage = reply.usage
    asked_for = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    return Heard(text, thought, calls, asked_for, usage.output_tokens)


async def hear_gemini(upstream: Simulator, streamed: bool) -> Heard:
    client = genai.Client(api_key="sk-a", http_options={"base_url": upstream.root, "api_version": "v1beta"})
    asked: dict[str, Any] = {"model": "sim-large", "contents": "Hello there"}
    if streamed:
        chunks = [it async for it in await client.aio.models.generate_content_stream(**asked)]
    else:
        chunks = [await client.aio.models.generate_content(**asked)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    usage = chunks[-1].usage_metadata
    return Heard(
        "".join(part.text or "" for part in parts if not part.thought),
        "".join(part.text or "" for part in parts if part.thought),
        [(part.function_call.name, part.function_call.args) for part in parts if part.function_call],
        usage.prompt_token_count,
        usage.candidates_token_count + (usage.thoughts_token_count or 0),
    )


HEAR: dict[str, Callable[[Simulator, bool], Awaitable[Heard]]] = {
    "openai_chat": hear_chat,
    "openai_responses": hear_responses,
    "anthropic": hear_anthropic,
    "gemini": hear_gemini,
}
SCRIPTS: dict[str, tuple[Act, Heard]] = {
    "text": (sim.chat("Grüße, 世界 ok"), Heard("Grüße, 世界 ok", "", [])),
    "reasoning": (sim.chat("Yes.", reasoning="It is so."), Heard("Yes.", "It is so.", [])),
    "one call": (
        sim.chat(tool_calls=[ToolCall("get_weather", {"city": "Oslo"})]),
        Heard("", "", [("get_weather", {"city": "Oslo"})]),
    ),
    "parallel calls": (
        sim.chat("Look:", tool_calls=[ToolCall("a", {}), ToolCall("b", {"x": [1, {"y": None}]})], reasoning="Two."),
        Heard("Look:", "Two.", [("a", {}), ("b", {"x": [1, {"y": None}]})]),
    ),
    "usage": (
        sim.chat("Hi", usage=Tokens(input=90, output=30, cached=40, cache_write=10, reasoning=20)),
        Heard("Hi", "", [], 90, 30),
    ),
    "default": (sim.chat(), Heard("You said: Hello there", "", [])),
    "pieces": (sim.chat("one two three").split(7, 1, 40), Heard("one two three", "", [])),
    "crlf": (sim.chat("one two three").crlf(), Heard("one two three", "", [])),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("format", FORMATS)
async def test_one_script_says_the_same_in_every_format(format: str, script: str, streamed: bool) -> None:
    act, said = SCRIPTS[script]
    async with Simulator(format=format) as upstream:
        upstream.plays(act)
        heard = await HEAR[format](upstream, streamed)
    assert (heard.text, heard.thought, heard.calls) == (said.text, said.thought, said.calls)
    if said.input is not None:
        assert (heard.input, heard.output) == (said.input, said.output)


RAISED: dict[str, Any] = {
    "openai_chat": openai.APIStatusError,
    "openai_responses": openai.APIStatusError,
    "anthropic": anthropic.APIStatusError,
    "gemini": genai.errors.APIError,
}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500, 503, 529])
@pytest.mark.parametrize("format", FORMATS)
async def test_errors_come_in_the_vendors_envelope(format: str, code: int) -> None:
    async with Simulator(format=format) as upstream:
        upstream.plays(*[sim.status(code, retry_after=20, error_message="So it is.")] * 6)
        with pytest.raises(RAISED[format], match=r"So it is\.") as raised:
            await HEAR[format](upstream, False)
        assert getattr(raised.value, "status_code", None) or raised.value.code == code
        upstream.forget()


async def test_retry_after_is_where_the_vendor_puts_it() -> None:
    for format in FORMATS:
        async with Simulator(format=format) as upstream, httpx.AsyncClient(verify=False) as client:
            upstream.plays(sim.status(429, retry_after=20))
            answer = await client.post(**plain(upstream, format))
        if format == "gemini":
            assert "retry-after" not in answer.headers
            assert answer.json()["error"]["details"][0]["retryDelay"] == "20s"
        else:
            assert answer.headers["retry-after"] == "20"


# --- by hand: what crosses the wire


def plain(upstream: Simulator, format: str, *, streamed: bool = False, **body: Any) -> dict[str, Any]:
    """A small valid request, as arguments of httpx."""
    said = [{"role": "user", "content": "Hello there"}]
    stream = {"stream": True} if streamed else {}
    path, fields = {
        "openai_chat": ("/chat/completions", {"model": "m", "messages": said, **stream}),
        "openai_responses": ("/responses", {"model": "m", "input": "Hello there", **stream}),
        "anthropic": ("/messages", {"model": "m", "max_tokens": 9, "messages": said, **stream}),
        "gemini": (
            "/models/m:" + ("streamGenerateContent?alt=sse" if streamed else "generateContent"),
            {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]},
        ),
    }[format]
    versions = {"anthropic-version": "2023-06-01"} if format == "anthropic" else {}
    key = "Bearer sk-a" if KEYS[format] == "authorization" else "sk-a"
    base = upstream.root + {"gemini": "/v1beta"}.get(format, "/v1")
    return {"url": base + path, "json": {**fields, **body}, "headers": {KEYS[format]: key, **versions}}


def events(text: str) -> list[tuple[str | None, str]]:
    """(name, data) of every event."""
    found = []
    for block in filter(None, text.replace("\r\n", "\n").split("\n\n")):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines.get("event"), lines["data"]))
    return found


TERMINALS = {
    "openai_chat": "[DONE]",
    "openai_responses": '"type":"response.completed"',
    "anthropic": '"type":"message_stop"',
    "gemini": '"finishReason":"STOP"',
}


@pytest.mark.parametrize("format", FORMATS)
async def test_streams_end_as_scripted(format: str) -> None:
    async with Simulator(format=format) as upstream, httpx.AsyncClient(verify=False) as client:
        upstream.plays(
            sim.chat("one two"),
            sim.chat("one two").clean_end_without_terminal(),
            sim.chat("one two").error_midstream(after=2, message="It broke."),
            sim.error_inside_200("Too busy."),
            sim.broken_json(),
        )
        told = [(await client.post(**plain(upstream, format, streamed=True))).text for _ in range(5)]
        whole, unended, broken, refused, garbled = (events(text) for text in told)
    assert TERMINALS[format] in whole[-1][1]
    assert [name for name, _ in unended] == [name for name, _ in whole[:-1]]
    assert not any(TERMINALS[format] in data for _, data in unended)
    assert len(broken) == 3
    assert "It broke." in broken[-1][1]
    assert "Too busy." in refused[0][1]
    with pytest.raises(ValueError):
        json.loads(garbled[0][1])
    named = format in ("anthropic", "openai_responses")
    for name, data in [*whole, *broken, *refused]:
        assert name == (json.loads(data)["type"] if named else None)


@pytest.mark.parametrize("format", FORMATS)
async def test_cut_and_stalled_streams(format: str) -> None:
    async with Simulator(format=format) as upstream, httpx.AsyncClient(verify=False, timeout=60) as client:
        upstream.plays(sim.chat("one two").cut(after=2), sim.stall(after=1))
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(**plain(upstream, format, streamed=True))
        with pytest.raises(httpx.ReadTimeout):
            await client.post(**plain(upstream, format, streamed=True), timeout=httpx.Timeout(60, read=0.5))


@pytest.mark.parametrize("format", FORMATS)
async def test_keys_and_paths_of_every_format(format: str) -> None:
    async with Simulator(format=format, keys={"sk-a"}) as upstream, httpx.AsyncClient(verify=False) as client:
        request = plain(upstream, format)
        assert (await client.post(**request)).status_code == 200
        wrong = await client.post(**{**request, "headers": {**request["headers"], KEYS[format]: "Bearer sk-b"}})
        assert wrong.status_code == (400 if format == "gemini" else 401)
        assert (await client.post(upstream.root + "/nowhere", headers=request["headers"])).status_code == 404
        bearer = {**request["headers"], "authorization": "Bearer sk-a"}
        bearer.pop("x-api-key", None), bearer.pop("x-goog-api-key", None)
        assert (await client.post(**{**request, "headers": bearer})).status_code == 200
    assert upstream.url.startswith(upstream.root + "/v1")


@pytest.fixture
async def everything() -> AsyncIterator[Simulator]:
    async with Simulator(format="all") as simulator:
        yield simulator


@pytest.mark.parametrize("format", FORMATS)
async def test_all_formats_at_one_address(everything: Simulator, format: str) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.post(**plain(everything, format))
    assert answer.status_code == 200
    assert "You said: Hello there" in answer.text
    assert everything.url == everything.root
    assert everything.requests[0].key == "sk-a"


async def test_model_lists_at_one_address(everything: Simulator) -> None:
    async with httpx.AsyncClient(verify=False, base_url=everything.root) as client:
        plain_list = (await client.get("/v1/models")).json()
        messages = (await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
        gemini = (await client.get("/v1beta/models", headers={"x-goog-api-key": "k"})).json()
    assert plain_list["data"][0]["object"] == "model"
    assert messages["data"][0]["type"] == "model"
    assert gemini["models"][0]["name"].startswith("models/")


# --- the default answer, over a whole conversation with a tool

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 2},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "note": {"type": "string"},
    },
    "required": ["city", "days", "unit"],
}
VALID = {"city": "text", "days": 2, "unit": "C"}


async def test_default_uses_tools_in_chat() -> None:
    async with Simulator() as upstream:
        client = openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-a", max_retries=0, timeout=60)
        tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
        messages: list[Any] = [{"role": "user", "content": "Use the tool"}]
        options: Any = {"model": "sim-large", "tools": tools, "reasoning_effort": "low"}
        first = (await client.chat.completions.create(messages=messages, **options)).choices[0].message
        assert json.loads(first.tool_calls[0].function.arguments) == VALID
        assert first.reasoning_content
        call = first.tool_calls[0].model_dump()
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "Rain"},
        ]
        second = await client.chat.completions.create(messages=messages, **options)
    assert second.choices[0].message.content == "The tool says: Rain"


async def test_default_uses_tools_in_responses() -> None:
    async with Simulator(format="openai_responses") as upstream:
        client = openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-a", max_retries=0, timeout=60)
        options: Any = {
            "model": "sim-large",
            "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}],
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }
        items: list[Any] = [{"role": "user", "content": "Use the tool"}]
        first = await client.responses.create(input=items, **options)
        thought, call = first.output
        assert thought.type == "reasoning"
        assert thought.encrypted_content
        assert json.loads(call.arguments) == VALID
        items += [it.model_dump(exclude_none=True) for it in first.output]
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "Rain"})
        second = await client.responses.create(input=items, **options)
    assert second.output_text == "The tool says: Rain"


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}])
async def test_default_uses_tools_in_messages(thinking: Any) -> None:
    async with Simulator(format="anthropic") as upstream:
        client = anthropic.AsyncAnthropic(base_url=upstream.root, api_key="sk-a", max_retries=0, timeout=60)
        options: Any = {
            "model": "sim-large",
            "max_tokens": 2000,
            "thinking": thinking,
            "tools": [{"name": "weather", "input_schema": SCHEMA}],
        }
        messages: list[Any] = [{"role": "user", "content": "Use the tool"}]
        async with client.messages.stream(messages=messages, **options) as stream:
            first = await stream.get_final_message()
        assert [it.type for it in first.content] == ["thinking", "tool_use"]
        assert first.content[1].input == VALID
        messages.append({"role": "assistant", "content": [it.model_dump(exclude_none=True) for it in first.content]})
        result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "Rain"}
        messages.append({"role": "user", "content": [result]})
        second = await client.messages.create(messages=messages, **options)
    assert second.content[-1].text == "The tool says: Rain"


@pytest.mark.parametrize("model", ["sim-large", "sim-3"])
async def test_default_uses_tools_in_gemini(model: str) -> None:
    def weather(city: str, days: int) -> dict[str, str]:
        """The weather of a city."""
        return {"sky": f"Rain in {city} for {days} days"}

    async with Simulator(format="gemini") as upstream:
        client = genai.Client(api_key="k", http_options={"base_url": upstream.root, "api_version": "v1beta"})
        config: Any = {"tools": [weather], "thinking_config": {"include_thoughts": True}}
        chat = client.aio.chats.create(model=model, config=config)
        reply = await chat.send_message("Use the tool")
        again = await chat.send_message("And now?")
        assert upstream.count == 3
    assert "Rain in text for 1 days" in reply.text
    assert again.text == "You said: And now?"
