"""The scripted upstream itself: if it errs, every test of the gateway errs with it."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from tests import simulator as sim
from tests.simulator import Act, Simulator, SimulatorThread, ToolCall

HELLO = [{"role": "user", "content": "Hello there"}]
CHAT = {"model": "sim-large", "messages": HELLO}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def client_of(upstream: Simulator | SimulatorThread, key: str = "sk-a") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=upstream.url, api_key=key, max_retries=0, timeout=60)


def request_bytes(body: object, path: str = "/v1/chat/completions", *extra: str, close: bool = True) -> bytes:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra = (*extra, "connection: close") if close else extra
    lines = [f"POST {path} HTTP/1.1", "host: test", "content-type: application/json", *extra]
    return "\r\n".join([*lines, f"content-length: {len(payload)}", "", ""]).encode() + payload


async def exchange(upstream: Simulator, data: bytes, *, last: bytes | None = None) -> bytes:
    """What the simulator answers on a connection of its own until that is closed. ``last``: what comes last, once the
    request is there, before a silence of 0.3 s at least."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(data)
    if last is not None:
        await upstream.next_request()
    answer = b""
    try:
        while True:
            spoken = last is not None and answer.endswith(last)
            if not (piece := await asyncio.wait_for(reader.read(65536), 0.3 if spoken else 30)):
                break
            answer += piece
    except TimeoutError:
        answer += b"<silence>"
    except ConnectionResetError:
        answer += b"<reset>"
    writer.close()
    return answer


def unchunked(answer: bytes) -> list[bytes]:
    """The HTTP chunks of a reply."""
    body, chunks = answer.split(b"\r\n\r\n", 1)[1], []
    while body and not body.startswith(b"<"):
        size, _, body = body.partition(b"\r\n")
        chunks.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return chunks


# --- with the official SDK


async def test_sdk_reads_a_plain_chat(upstream: Simulator) -> None:
    upstream.plays(sim.chat("Hi!", usage={"prompt_tokens": 7, "completion_tokens": 2}, reasoning="Hm."))
    reply = await client_of(upstream).chat.completions.create(**CHAT)
    assert reply.choices[0].message.content == "Hi!"
    assert reply.choices[0].message.reasoning_content == "Hm."
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens, reply.model) == (7, 9, "sim-large")


async def test_sdk_reads_the_default_answer_as_an_echo(upstream: Simulator) -> None:
    reply = await client_of(upstream).chat.completions.create(**CHAT)
    assert reply.choices[0].message.content == "You said: Hello there"


@pytest.mark.parametrize(
    ("options", "act", "sent"),
    [
        ({}, sim.chat("Hi"), False),
        ({"stream_options": {"include_usage": True}}, sim.chat("Hi"), True),
        ({"stream_options": {"include_usage": False}}, sim.chat("Hi"), False),
        ({}, sim.chat("Hi", usage="always"), True),
        ({"stream_options": {"include_usage": True}}, sim.chat("Hi", usage="never"), False),
    ],
)
async def test_usage_is_streamed_only_when_asked(
    upstream: Simulator, options: dict[str, Any], act: Act, sent: bool
) -> None:
    upstream.plays(act)
    stream = await client_of(upstream).chat.completions.create(**CHAT, stream=True, **options)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hi"
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [sent]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_sdk_assembles_streamed_tool_calls(upstream: Simulator) -> None:
    calls = [ToolCall("get_weather", {"city": "Oslo"}), ToolCall("get_time", '{"zone": "CET"}', "call_x")]
    upstream.plays(sim.chat(tool_calls=calls))
    client = client_of(upstream)
    async with client.chat.completions.stream(**CHAT) as stream:
        message = (await stream.get_final_completion()).choices[0]
    assert message.finish_reason == "tool_calls"
    said = [(call.function.name, json.loads(call.function.arguments)) for call in message.message.tool_calls]
    assert said == [("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "CET"})]


async def test_sdk_reads_completions_embeddings_and_models() -> None:
    async with Simulator(models={"m1", "m2"}) as upstream:
        client = client_of(upstream)
        upstream.plays(sim.completion("Once upon"))
        assert (await client.completions.create(model="m1", prompt="Tell")).choices[0].text == "Once upon"
        stream = await client.completions.create(model="m1", prompt="Tell me", stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == "You said: Tell me"
        vectors = await client.embeddings.create(model="m2", input=["a", "b"], dimensions=3)
        assert [len(row.embedding) for row in vectors.data] == [3, 3]
        assert [model.id async for model in client.models.list()] == ["m1", "m2"]
        assert (await client.models.retrieve("m2")).id == "m2"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("m3")
        with pytest.raises(openai.NotFoundError) as refused:
            await client.chat.completions.create(**CHAT)
        assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (sim.status(429, retry_after=20), openai.RateLimitError),
        (sim.status(401), openai.AuthenticationError),
        (sim.status(503, {"detail": "busy"}), openai.InternalServerError),
        (sim.status(400, error_message="Too long."), openai.BadRequestError),
        (sim.html(502), openai.InternalServerError),
        (sim.garbage(), openai.APIConnectionError),
        (sim.hang_up(), openai.APIConnectionError),
        (sim.cut(after=2), openai.APIConnectionError),
    ],
)
async def test_sdk_raises_what_the_script_says(upstream: Simulator, act: Act, error: type[openai.APIError]) -> None:
    upstream.plays(act)
    with pytest.raises(error) as raised:
        await client_of(upstream).chat.completions.create(**CHAT)
    if isinstance(raised.value, openai.RateLimitError):
        assert raised.value.response.headers["retry-after"] == "20"
    assert (await client_of(upstream).chat.completions.create(**CHAT)).choices, "the script has one act only"


async def test_sdk_sees_an_error_in_the_middle_of_a_stream(upstream: Simulator) -> None:
    upstream.plays(sim.sse("one", "two").error_midstream(after=2, message="It broke."))
    stream = await client_of(upstream).chat.completions.create(**CHAT, stream=True)
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == ["", "one"]
    with pytest.raises(openai.APIError, match="It broke"):
        await anext(stream)


@pytest.mark.parametrize(
    "act",
    [
        sim.chat("Grüße, 世界 ok").byte_by_byte(),
        sim.chat("Grüße, 世界 ok").split(7, 300, 1),
        sim.chat("Grüße, 世界 ok").crlf().comments(),
        sim.chat("Grüße, 世界 ok").slow(0.005).split(11),
        sim.chat("Grüße, 世界 ok").until_close(),
        sim.chat("Grüße, 世界 ok").then_close(),
        sim.chat("Grüße, 世界 ok").clean_end_without_done(),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_odd_deliveries_say_the_same(upstream: Simulator, act: Act, streamed: bool) -> None:
    upstream.plays(act)
    client = client_of(upstream)
    if streamed:
        chunks = await client.chat.completions.create(**CHAT, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
    else:
        text = (await client.chat.completions.create(**CHAT)).choices[0].message.content or ""
    assert text == "Grüße, 世界 ok"


def test_sync_sdk_against_the_thread() -> None:
    with SimulatorThread(keys={"sk-a"}) as upstream:
        client = openai.OpenAI(base_url=upstream.url, api_key="sk-a", max_retries=0, timeout=60)
        upstream.plays(sim.chat("One two"))
        chunks = client.chat.completions.create(**CHAT, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "One two"
        assert upstream.next_request().json["stream"] is True
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-b").chat.completions.create(**CHAT)
        upstream.idle()
        client.close()
        upstream.no_connections()
        assert (upstream.count, upstream.open_connections, upstream.left) == (2, 0, 0)


def test_thread_tells_when_the_client_left() -> None:
    with SimulatorThread() as upstream:
        upstream.plays(sim.silence())
        with socket.create_connection(("127.0.0.1", upstream.port)) as client:
            client.sendall(request_bytes(CHAT))
            received = upstream.next_request()
            assert not received.client_gone
        left = time.monotonic()
        assert received.client_gone.wait_sync() - left < 10
        assert not received.answered


# --- on raw sockets


async def test_cut_stream_has_no_terminator(upstream: Simulator) -> None:
    upstream.plays(sim.sse("one", "two").cut(after=2))
    answer = await exchange(upstream, request_bytes({**CHAT, "stream": True}))
    assert len(unchunked(answer)) == 2
    assert b"one" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"<" not in answer


async def test_reset_is_a_reset(upstream: Simulator) -> None:
    held = sim.cut(after=0, reset=True).hold(after=0)
    upstream.plays(held)
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(request_bytes({**CHAT, "stream": True}))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    held.release()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_clean_end_without_done(upstream: Simulator) -> None:
    upstream.plays(sim.sse("one", "two").clean_end_without_done(after=3))
    answer = await exchange(upstream, request_bytes({**CHAT, "stream": True}, close=False), last=b"0\r\n\r\n")
    assert b"two" in answer
    assert b"[DONE]" not in answer
    assert answer.endswith(b"0\r\n\r\n<silence>"), "the connection stays open for the next request"


@pytest.mark.parametrize(
    ("act", "sent", "last"), [(sim.silence(), b"", b""), (sim.stall(after=0), b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n")]
)
async def test_silence_before_and_after_the_head(upstream: Simulator, act: Act, sent: bytes, last: bytes) -> None:
    upstream.plays(act)
    answer = await exchange(upstream, request_bytes({**CHAT, "stream": True}), last=last)
    assert answer.startswith(sent)
    assert answer.endswith(b"<silence>")
    assert b"data:" not in answer
    assert await upstream.requests[0].client_gone.wait() > upstream.requests[0].started


async def test_held_act_waits_for_its_release(upstream: Simulator) -> None:
    held = sim.sse("one", "two").hold(after=2)
    upstream.plays(held)
    stream = await client_of(upstream).chat.completions.create(**CHAT, stream=True)
    texts = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    received = await upstream.next_request()
    assert (texts, received.chunks, received.answered.is_set()) == (["", "one"], 2, False)
    held.release()
    texts += [chunk.choices[0].delta.content async for chunk in stream]
    assert texts == ["", "one", "two", None]
    await received.answered.wait()


async def test_frames_are_cut_across_their_ends(upstream: Simulator) -> None:
    upstream.plays(sim.frames({"a": 1}, "[DONE]").split(10))
    answer = await exchange(upstream, request_bytes({**CHAT, "stream": True}))
    assert unchunked(answer) == [b'data: {"a"', b": 1}\n\ndata", b": [DONE]\n\n", b""]


@pytest.mark.parametrize(
    ("act", "streamed", "found"),
    [
        (sim.empty(), False, b"content-length: 0\r\n\r\n"),
        (sim.empty(), True, b"event-stream\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        (sim.broken_json(), False, b'"mess'),
        (sim.broken_json(), True, b'data: {"id"'),
        (sim.error_inside_200("No."), False, b'{"error": {"message": "No."'),
        (sim.error_inside_200("No."), True, b'data: {"error": {"message": "No."'),
        (sim.json_reply([1], 200), False, b"\r\n\r\n[1]"),
        (sim.status(418, b"teapot"), False, b"HTTP/1.1 418 "),
        (sim.html(503), True, b"content-type: text/html"),
        (sim.raw(b"HTTP/1.1 200 OK\r\n"), False, b"200 OK\r\n"),
        (sim.error_midstream(code=503), False, b"HTTP/1.1 503 "),
        (sim.chat().headers(x_request_id="r1"), False, b"x-request-id: r1"),
        (sim.sse("forced"), False, b'"content":"forced"'),
    ],
)
async def test_odd_answers(upstream: Simulator, act: Act, streamed: bool, found: bytes) -> None:
    upstream.plays(act)
    assert found in await exchange(upstream, request_bytes({**CHAT, "stream": streamed}))


async def test_connection_is_kept_alive_and_pipelined(upstream: Simulator) -> None:
    upstream.plays(sim.chat("first"), sim.chat("second"))
    answer = await exchange(upstream, request_bytes(CHAT, close=False) + request_bytes(CHAT))
    assert answer.index(b"first") < answer.index(b"second")
    assert not answer.endswith(b"<silence>")


async def test_chunked_request_body_is_read(upstream: Simulator) -> None:
    body = json.dumps(CHAT).encode()
    fields = "host: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close"
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{fields}\r\n\r\n"
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(it), it) for it in (body[:9], body[9:])) + b"0\r\n\r\n"
    assert b"HTTP/1.1 200 OK" in await exchange(upstream, head.encode() + pieces)
    assert upstream.requests[0].json == CHAT


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        b"POST /v1/x HTTP/1.1\r\nhost: t\r\nbad header: 1\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_bad_http_is_refused(upstream: Simulator, head: bytes) -> None:
    assert (await exchange(upstream, head)).startswith(b"HTTP/1.1 400 Bad Request")
    assert upstream.count == 0


# --- scripts, keys, strictness


async def test_scripts_of_keys_and_paths_go_first(upstream: Simulator) -> None:
    upstream.plays(sim.chat("common"))
    upstream.for_key("sk-b").plays(sim.status(402))
    upstream.for_path("/v1/models").plays(sim.status(500))
    with pytest.raises(openai.APIStatusError, match="402"):
        await client_of(upstream, "sk-b").chat.completions.create(**CHAT)
    with pytest.raises(openai.InternalServerError):
        await client_of(upstream).models.list()
    assert (await client_of(upstream).chat.completions.create(**CHAT)).choices[0].message.content == "common"
    assert [received.key for received in upstream.requests] == ["sk-b", "sk-a", "sk-a"]


async def test_default_can_choose_by_request() -> None:
    async with Simulator(default=lambda ask: sim.chat(ask.model.upper())) as upstream:
        reply = await client_of(upstream).chat.completions.create(**CHAT)
        assert reply.choices[0].message.content == "SIM-LARGE"


def changed(**fields: object) -> dict[str, object]:
    return {**CHAT, **fields}


CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
TOOL_TURN = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{nope", None),
        ([1], None),
        ({"messages": HELLO}, "model"),
        ({"model": "m"}, "messages"),
        (changed(model=None), "model"),
        (changed(messages=[]), "messages"),
        (changed(messages=[{"role": "king", "content": "x"}]), "messages[0].role"),
        (changed(messages=[{"role": "user", "content": None}]), "messages[0].content"),
        (changed(messages=[{"role": "user", "content": [{"type": "video"}]}]), "messages[0].content[0].type"),
        (changed(messages=TOOL_TURN), "messages"),
        (changed(messages=[*TOOL_TURN, *HELLO]), "messages[2].role"),
        (
            changed(messages=[{"role": "tool", "tool_call_id": "c9", "content": "x"}]),
            "messages[0].tool_call_id",
        ),
        (changed(stream="yes"), "stream"),
        (changed(stream_options={"include_usage": True}), "stream_options"),
        (changed(stream=True, stream_options={"usage": True}), "stream_options"),
        (changed(max_tokens="9"), "max_tokens"),
        (changed(max_tokens=True), "max_tokens"),
        (changed(temperature=2.5), "temperature"),
        (changed(stop=["a"] * 5), "stop"),
        (changed(tools=[{"type": "function"}]), "tools[0].function"),
        (changed(reasoning_effort="huge"), "reasoning_effort"),
        (changed(top_k=5), "top_k"),
    ],
)
async def test_nonsense_is_refused_in_the_vendors_words(upstream: Simulator, body: object, param: str | None) -> None:
    upstream.plays(sim.chat("unused"))
    answer = await exchange(upstream, request_bytes(body))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1].removesuffix(b"<silence>"))["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert upstream.left == 1, "a refused request uses up no act"


async def test_strictness_can_be_widened_or_given_up() -> None:
    body = request_bytes(changed(top_k=5))
    async with Simulator(extras=sim.DIALECT_EXTRAS) as upstream:
        assert b"200 OK" in await exchange(upstream, body)
        assert b"400 Bad" in await exchange(upstream, request_bytes(changed(top_j=5)))
    async with Simulator(strict=False) as upstream:
        assert b"200 OK" in await exchange(upstream, request_bytes(changed(top_j=5)))


async def test_answered_tool_calls_and_nulls_are_accepted(upstream: Simulator) -> None:
    messages = [*TOOL_TURN, {"role": "tool", "tool_call_id": "c1", "content": "Rain"}]
    answer = await exchange(upstream, request_bytes(changed(messages=messages, temperature=None)))
    assert b"200 OK" in answer


async def test_unknown_paths_and_missing_keys_are_refused() -> None:
    async with Simulator(keys={"sk-a"}) as upstream:
        assert (await exchange(upstream, request_bytes(CHAT))).startswith(b"HTTP/1.1 401 ")
        bearer = "authorization: Bearer sk-a"
        assert (await exchange(upstream, request_bytes(CHAT, "/v1/chat", bearer))).startswith(b"HTTP/1.1 404 ")
        assert b"200 OK" in await exchange(upstream, request_bytes(CHAT, "/v1/chat/completions", bearer))


# --- what tests wait for


async def test_idle_and_open_connections(upstream: Simulator) -> None:
    held = sim.hold()
    upstream.plays(held)
    client = client_of(upstream)
    asking = asyncio.create_task(client.chat.completions.create(**CHAT))
    await upstream.next_request()
    with pytest.raises(TimeoutError):
        await upstream.idle(timeout=0.05)
    held.release()
    await upstream.idle()
    await asking
    assert upstream.open_connections == 1
    await client.close()
    await upstream.no_connections()


async def test_requests_are_handed_out_in_order(upstream: Simulator) -> None:
    for model in ("one", "two"):
        await client_of(upstream).chat.completions.create(**{**CHAT, "model": model})
    assert [(await upstream.next_request()).json["model"] for _ in range(2)] == ["one", "two"]
    with pytest.raises(TimeoutError):
        await upstream.next_request(timeout=0.02)


async def test_slow_reader_is_felt(upstream: Simulator) -> None:
    """No more is written than the kernel and one buffer take: back-pressure can be tested against it."""
    upstream.plays(sim.chat(["x" * 100_000] * 400))
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port, limit=1000)
    writer.write(request_bytes({**CHAT, "stream": True}))
    received = await upstream.next_request()
    with pytest.raises(TimeoutError):
        await received.answered.wait(0.5)
    assert 1 <= received.chunks < 300
    assert await reader.read(10)
    writer.transport.abort()
    await received.client_gone.wait()


async def test_bug_in_an_act_is_raised_at_the_end() -> None:
    def broken(_: object) -> Any:
        raise LookupError("no such reply")

    upstream = Simulator()
    await upstream.__aenter__()
    upstream.plays(Act(broken))
    assert await exchange(upstream, request_bytes(CHAT)) == b""
    with pytest.raises(LookupError):
        await upstream.__aexit__(None, None, None)


async def test_closed_port_refuses() -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", sim.closed_port())


async def test_shell_answers_by_model_name() -> None:
    options = (sys.executable, "-m", "tests.simulator", "--port", "0", "--key", "sk-a")
    process = await asyncio.create_subprocess_exec(*options, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()[0]
        client = openai.AsyncOpenAI(base_url=url, api_key="sk-a", max_retries=0, timeout=60)
        ask: Callable[[str], Any] = lambda model: client.chat.completions.create(model=model, messages=HELLO)  # noqa: E731
        assert (await ask("echo")).choices[0].message.content == "You said: Hello there"
        assert (await ask("tools")).choices[0].finish_reason == "tool_calls"
        with pytest.raises(openai.RateLimitError):
            await ask("fail-429")
        assert "fail-500" in [model.id async for model in client.models.list()]
    finally:
        process.terminate()
        await process.wait()


async def test_shell_serves_every_format_at_once() -> None:
    options = (sys.executable, "-m", "tests.simulator", "--port", "0", "--format", "all")
    process = await asyncio.create_subprocess_exec(*options, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()[0]
        client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="sk-a", max_retries=0, timeout=60)
        assert (await client.chat.completions.create(**CHAT)).choices[0].message.content == "You said: Hello there"
        assert (await client.responses.create(model="echo", input="Hello")).output_text == "You said: Hello"
        refusing = await client.responses.create(model="refusal", input="Hello")
        assert refusing.output[0].content[0].type == "refusal"
    finally:
        process.terminate()
        await process.wait()
