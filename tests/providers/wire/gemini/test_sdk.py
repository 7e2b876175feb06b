"""Google's own SDK as a client of what is written here: a raw server on loopback, requests parsed, events written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from providers.wire.errors import Refusal
from providers.wire.gemini.counting import count_reply, count_request
from providers.wire.gemini.errors import error_body
from providers.wire.gemini.replies import dump_reply
from providers.wire.gemini.requests import dump, parse
from providers.wire.gemini.stream import Writer
from providers.wire.traits import Traits
from providers.wire.translation import Asked
from providers.wire.types import (
    Choice,
    Event,
    Finish,
    Proof,
    ReasoningDelta,
    Reply,
    Request,
    Text,
    TextDelta,
    Thinking,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolResult,
    ToolStart,
    Usage,
)

SIGNATURE = Proof(family="gemini", kind="thought", value="EuUBc2lnbmF0dXJl")
USAGE = Usage(input=10, cached=3, output=8, reasoning=5)
EVENTS: list[Event] = [
    ReasoningDelta(text="hm"),
    TextDelta(text="Zürich\u2028", block=1),
    TextDelta(text="!", block=1),
    ToolStart(index=0, id="c1", name="weather"),
    ToolDelta(index=0, arguments='{"city":"Zürich"}'),
    ToolEnd(index=0, proof=SIGNATURE),
    Finish(reason="tool_calls"),
]


class Gateway(ThreadingHTTPServer):
    """Answers with what ``say`` returns; keeps the requests it parsed."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.events: list[Event] = EVENTS
        self.reply = Reply(choices=(Choice(parts=(Text(text="Hi"),)),), usage=USAGE)
        self.refusal: Refusal | None = None
        self.replies: list[Reply] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model, _, action = self.path.partition("?")[0].rpartition("/")[2].partition(":")
        if self.server.refusal is not None:
            return self._say(error_body(self.server.refusal, "req-1"), self.server.refusal.status)
        if action == "countTokens":
            self.server.asked.append(count_request(body, model))
            return self._say(count_reply(42))
        request = parse(body, model=model, stream=action == "streamGenerateContent")
        self.server.asked.append(request)
        asked = Asked(request=request, model=model, id="abc", created=1)
        if not request.stream:
            return self._say(
                dump_reply(self.server.replies.pop(0) if self.server.replies else self.server.reply, asked)
            )
        writer = Writer(asked)
        return self._say(b"".join(map(writer.write, self.server.events)) + writer.end(USAGE), kind="text/event-stream")

    def _say(self, data: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def client(gateway: Gateway) -> genai.Client:
    return genai.Client(api_key="k", http_options={"base_url": f"http://127.0.0.1:{gateway.server_port}"})


def test_a_whole_answer(client: genai.Client) -> None:
    reply = client.models.generate_content(model="fast", contents="hello")
    assert reply.text == "Hi" and reply.model_version == "fast" and reply.response_id == "abc"
    usage = reply.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (10, 3)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (3, 5, 18)


def test_a_stream(client: genai.Client) -> None:
    chunks = list(client.models.generate_content_stream(model="fast", contents="hello"))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]  # type: ignore[index,union-attr]
    assert "".join(part.text for part in parts if part.text and not part.thought) == "Zürich\u2028!"
    assert [part.text for part in parts if part.thought] == ["hm"]
    (call,) = [part for part in parts if part.function_call]
    assert call.function_call.args == {"city": "Zürich"} and call.thought_signature == b"\x12\xe5\x01signature"  # type: ignore[union-attr]
    assert [chunk.candidates[0].finish_reason for chunk in chunks][-2:] == [None, types.FinishReason.STOP]  # type: ignore[index]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_stream_for_the_async_client(client: genai.Client) -> None:
    chunks = [chunk async for chunk in await client.aio.models.generate_content_stream(model="fast", contents="hello")]
    said = [part.text for chunk in chunks for part in chunk.candidates[0].content.parts]  # type: ignore[index,union-attr]
    assert "Zürich\u2028" in said


def test_everything_its_config_says_arrives(client: genai.Client, gateway: Gateway) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be short.",
        temperature=0.5,
        top_k=4,
        stop_sequences=["END"],
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=100),
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name="f", parameters_json_schema={"type": "object", "properties": {}}),
                ]
            ),
            types.Tool(google_search=types.GoogleSearch()),
        ],
    )
    image = types.Part.from_bytes(data=b"\xff\xfe\x00>>>", mime_type="image/png")
    client.models.generate_content(model="fast", contents=[image, "What?"], config=config)
    (request,) = gateway.asked
    assert [text.text for text in request.system] == ["Be short."]
    assert (request.temperature, request.top_k, request.stop) == (0.5, 4, ("END",))
    assert request.thinking == Thinking(budget=100, show=True)
    assert request.output is not None and request.output.schema["properties"]["a"]["type"] == "string"
    assert request.messages[0].parts[0].media.data == "//4APj4+"  # type: ignore[union-attr]
    assert request.extra == {}
    types.GenerateContentResponse.model_validate({})
    for content in dump(request, Traits()).body["contents"]:
        types.Content.model_validate(content)


def test_its_chat_runs_tools_and_keeps_signatures(client: genai.Client, gateway: Gateway) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    call = ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}', proof=SIGNATURE)
    gateway.replies = [Reply(choices=(Choice(parts=(call,), finish="tool_calls"),)), gateway.reply]
    chat = client.chats.create(model="fast", config=types.GenerateContentConfig(tools=[weather]))
    assert chat.send_message("Oslo?").text == "Hi"
    second = gateway.asked[1]
    assert second.messages[1].parts == (call,)
    (result,) = second.messages[2].parts
    assert isinstance(result, ToolResult)
    assert (result.id, result.name, result.parts) == ("c1", "weather", (Text(text="sunny in Oslo"),))


def test_its_chat_keeps_a_streamed_turn(client: genai.Client, gateway: Gateway) -> None:
    gateway.events = [TextDelta(text="one"), TextDelta(text=" two"), Finish(reason="stop")]
    chat = client.chats.create(model="fast")
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("a")) == "one two"
    list(chat.send_message_stream("b"))
    assert [message.role for message in gateway.asked[1].messages] == ["user", "assistant", "user"]
    assert gateway.asked[1].messages[1].parts == (Text(text="one two"),)


def test_counting(client: genai.Client) -> None:
    assert client.models.count_tokens(model="fast", contents="hello").total_tokens == 42


@pytest.mark.parametrize("stream", [False, True])
def test_errors(client: genai.Client, gateway: Gateway, stream: bool) -> None:
    gateway.refusal = Refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after=2)
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    with pytest.raises(errors.ClientError) as caught:
        list(ask(model="fast", contents="hello"))  # type: ignore[operator]
    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "Slow down.")


def test_an_error_in_mid_stream_reaches_the_client(client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "end", lambda self, _: self.fail(Refusal(502, "The provider broke off.")))
    with pytest.raises(errors.ServerError, match="broke off"):
        list(client.models.generate_content_stream(model="fast", contents="hello"))
