"""The official SDK against bytes made here, over a small server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anthropic
import pytest

from providers.wire.anthropic.counting import count_reply, count_request
from providers.wire.anthropic.errors import error_body
from providers.wire.anthropic.replies import dump_reply
from providers.wire.anthropic.requests import parse
from providers.wire.anthropic.stream import KEEP_ALIVE, Writer
from providers.wire.errors import Refusal
from providers.wire.translation import Asked
from providers.wire.types import (
    Choice,
    Citation,
    CitationAdded,
    Event,
    Finish,
    Proof,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    Reply,
    Request,
    Start,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolResult,
    ToolStart,
    Usage,
    UsageSeen,
)

SIGNATURE = Proof(family="anthropic", kind="signature", value="c2ln")
CALL = (
    Start(usage=Usage(input=9)),
    ReasoningDelta(text="hm"),
    ReasoningProof(proof=SIGNATURE),
    TextDelta(text="I add.", block=1),
    CitationAdded(citation=Citation(url="https://e.com", title="E", cited="c")),
    ToolStart(index=0, id="call_1", name="add"),
    ToolDelta(index=0, arguments='{"a": 1, '),
    ToolDelta(index=0, arguments='"b": 2}'),
    ToolEnd(index=0),
    ToolStart(index=1, id="call_2", name="add"),
    ToolDelta(index=1, arguments='{"a": 3, "b": 4}'),
    ToolEnd(index=1),
    Finish(reason="tool_calls"),
    UsageSeen(usage=Usage(input=20, cached=5, output=12, reasoning=3)),
)
CALL_REPLY = Reply(
    choices=(
        Choice(
            parts=(
                Reasoning(text="hm", proof=SIGNATURE),
                Text(text="I add."),
                ToolCall(id="call_1", name="add", arguments='{"a": 1, "b": 2}'),
            ),
            finish="tool_calls",
        ),
    ),
    usage=Usage(input=20, cached=5, output=12),
)
DONE = Reply(choices=(Choice(parts=(Text(text="3"),)),), usage=Usage(input=30, output=1))


class Handler(BaseHTTPRequestHandler):
    """Answers like a gateway: calls first, words after a result; the word "fail" breaks a stream in the middle."""

    protocol_version = "HTTP/1.1"
    seen: list[Request]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            if "count_tokens" in self.path:
                count_request(body)
                return self._send(200, count_reply(42))
            request = parse(body)
        except Refusal as refusal:
            return self._send(refusal.status, error_body(refusal, "req_1"))
        self.seen.append(request)
        asked = Asked(request=request, model=request.model, id=f"n{len(self.seen)}", created=1)
        answered = any(isinstance(part, ToolResult) for part in request.messages[-1].parts)
        if request.stream:
            return self._send(200, stream(asked, CALL, "fail" in str(body["messages"])), "text/event-stream")
        self._send(200, dump_reply(DONE if answered else CALL_REPLY, asked))

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def stream(asked: Asked, said: tuple[Event, ...], fails: bool) -> bytes:
    writer = Writer(asked)
    if fails:
        data = b"".join(writer.write(event) for event in said[:4])
        return data + writer.fail(Refusal(529, "Overloaded"))
    return KEEP_ALIVE + b"".join(writer.write(event) for event in said) + writer.end(None)


@pytest.fixture
def seen() -> list[Request]:
    return []


@pytest.fixture
def client(seen: list[Request]) -> Iterator[anthropic.Anthropic]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"seen": seen}))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with anthropic.Anthropic(base_url=address, api_key="test", max_retries=0) as client:
        yield client
    server.shutdown()
    server.server_close()


def ask(text: str = "1 + 2?", **options: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **options}


def test_the_streaming_helper_builds_the_message(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ask()) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    thinking, text, first, second = message.content
    assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", "hm", "c2ln")
    assert text.type == "text" and text.text == "I add." and text.citations[0].url == "https://e.com"
    assert (first.id, first.name, first.input) == ("call_1", "add", {"a": 1, "b": 2})
    assert second.input == {"a": 3, "b": 4}
    assert message.stop_reason == "tool_use" and message.model == "claude-sonnet-5"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (15, 5, 12)
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert {"text", "thinking", "signature", "citation", "input_json"} <= set(kinds)


def test_a_plain_reply(client: anthropic.Anthropic, seen: list[Request]) -> None:
    message = client.messages.create(**ask(system="Be brief.", stop_sequences=["END"]))
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert seen[0].system == (Text(text="Be brief."),) and seen[0].stop == ("END",)


def test_errors_are_the_sdks_own(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(**ask() | {"messages": []})
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        client.messages.stream(**ask("fail")) as stream,
    ):
        stream.get_final_message()


def test_counting(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert counted.input_tokens == 42


def test_the_tool_runner_goes_on_without_a_thread(client: anthropic.Anthropic, seen: list[Request]) -> None:
    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    runner = client.beta.messages.tool_runner(**ask(tools=[add]))
    assert runner.until_done().content[0].text == "3"
    call, result = seen[-1].messages[1].parts[-1], seen[-1].messages[2].parts[0]
    assert isinstance(call, ToolCall) and call.arguments == '{"a":1,"b":2}'
    assert result == ToolResult(id="call_1", name="add", parts=(Text(text="3"),))
    thought = seen[-1].messages[1].parts[0]
    assert thought == Reasoning(text="hm", proof=SIGNATURE)
