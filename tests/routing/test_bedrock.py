"""Amazon Bedrock behind the gateway: signed requests, InvokeModel for Claude, Converse for everybody, event streams."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import anthropic
import openai
import pytest

from providers import importing, lists
from providers.failures import classify
from providers.models import Connection, Provider
from providers.probe import NoList
from providers.wire.errors import Kind
from providers.wire.eventstream import encoded, failure_of
from tests.routing.envelopes import CHAT_TOOL, HELLO, MESSAGES_TOOL
from tests.simulator.vendor import Pieces, Seen, Vendor

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
ACCESS_KEY = "AKIDEXAMPLEEXAMPLE:the-secret-half"
STREAM = "application/vnd.amazon.eventstream"


def cut(data: bytes, size: int = 37) -> Pieces:
    return Pieces(STREAM, tuple(data[at : at + size] for at in range(0, len(data), size)))


def event(name: str, said: Any) -> bytes:
    return encoded({":message-type": "event", ":event-type": name}, json.dumps(said).encode())


def exception(name: str, message: str) -> bytes:
    return encoded({":message-type": "exception", ":exception-type": name}, json.dumps({"message": message}).encode())


# -- InvokeModel ------------------------------------------------------------------------------------------------------
MESSAGE = {
    "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}],
    "usage": {"input_tokens": 9, "output_tokens": 2},
}  # fmt: skip
MESSAGE_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
]


def invoke(seen: Seen) -> Any:
    if not seen.target.endswith("-stream"):
        return 200, MESSAGE
    chunks = [event("chunk", {"bytes": base64.b64encode(json.dumps(it).encode()).decode()}) for it in MESSAGE_EVENTS]
    return 200, cut(b"".join(chunks))


def test_claude_is_invoked_with_a_signed_request(vendors: Any, gateway: Any) -> None:
    with Vendor(invoke) as vendor:
        clients = vendors.connect(
            "bedrock", vendor.url, model=CLAUDE, secret=ACCESS_KEY, parameters={"region": "eu-west-1"}
        )
        reply = clients.messages.messages.create(
            model=f"bedrock/{CLAUDE}", max_tokens=50, messages=HELLO, extra_headers={"anthropic-beta": "one,two"}
        )
    assert reply.content[0].text == "Hello" and reply.usage.input_tokens == 9
    seen = vendor.seen[0]
    assert seen.target == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    assert seen.json == {
        "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["one", "two"],
        "max_tokens": 50, "messages": HELLO,
    }  # fmt: skip
    assert (
        "/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date, " in seen.headers["authorization"]
    )
    assert not {"anthropic-version", "anthropic-beta", "x-api-key"} & seen.headers.keys()
    assert seen.headers["user-agent"].startswith("OmniRoute") and "the-secret-half" not in str(seen)
    assert gateway.records()[0].result == "ok"


def test_claude_streams_in_messages_to_clients_of_two_formats(vendors: Any, gateway: Any) -> None:
    with Vendor(invoke) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=CLAUDE, secret="ABSKkey")
        with clients.messages.messages.stream(model=f"bedrock/{CLAUDE}", max_tokens=50, messages=HELLO) as stream:
            assert stream.get_final_message().content[0].text == "Hello"
        chunks = clients.chat.chat.completions.create(model=f"bedrock/{CLAUDE}", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    for seen in vendor.seen:
        assert seen.target.endswith("/invoke-with-response-stream") and seen.headers["accept"] == STREAM
        assert seen.headers["authorization"] == "Bearer ABSKkey"
        assert not {"model", "stream"} & seen.json.keys()
    assert [row.output_tokens for row in gateway.records(2)] == [2, 2]


def test_an_error_is_told_by_its_name(vendors: Any, gateway: Any) -> None:
    told = {"x-amzn-errortype": "ServiceQuotaExceededException:http://internal.amazon.com/"}
    with Vendor(lambda _: (400, {"message": "Too many tokens per day"}, told)) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=CLAUDE, secret="ABSKkey")
        with pytest.raises(openai.APIStatusError, match="Too many tokens per day"):
            clients.chat.chat.completions.create(model=f"bedrock/{CLAUDE}", messages=HELLO)
    assert gateway.records()[0].error_kind == "ServiceQuotaExceededException"
    failure = failure_of("ServiceQuotaExceededException", b"{}", 400)
    assert classify(failure).kind is Kind.QUOTA  # the next connection is asked, although it is a 400


def test_an_exception_before_the_first_word_is_an_error_status(vendors: Any) -> None:
    with Vendor(lambda _: (200, cut(exception("throttlingException", "Slow down")))) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=CLAUDE, secret="ABSKkey")
        with pytest.raises(openai.RateLimitError, match="Slow down"):
            list(clients.chat.chat.completions.create(model=f"bedrock/{CLAUDE}", messages=HELLO, stream=True))


@pytest.mark.parametrize("at_once", [False, True], ids=["in pieces", "at once"])
@pytest.mark.parametrize("broken", ["bent", "cut"])
def test_a_stream_that_breaks_ends_with_an_error(vendors: Any, gateway: Any, broken: str, at_once: bool) -> None:
    whole = b"".join(
        event("chunk", {"bytes": base64.b64encode(json.dumps(it).encode()).decode()}) for it in MESSAGE_EVENTS
    )
    data = whole[:-3] if broken == "cut" else whole[:-30] + b"\0" + whole[-29:]
    with Vendor(lambda _: (200, cut(data, len(data) if at_once else 37))) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=CLAUDE, secret="ABSKkey")
        chunks = clients.chat.chat.completions.create(model=f"bedrock/{CLAUDE}", messages=HELLO, stream=True)
        said: list[str] = []
        with pytest.raises(openai.APIError):
            said.extend(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "".join(said) == "Hello" and gateway.records()[0].result != "ok"


def test_tokens_are_estimated_where_nobody_counts(vendors: Any) -> None:
    with Vendor(invoke) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=CLAUDE, secret="ABSKkey")
        assert clients.messages.messages.count_tokens(model=f"bedrock/{CLAUDE}", messages=HELLO).input_tokens > 0
    assert vendor.seen == []


# -- Converse ---------------------------------------------------------------------------------------------------------
CALL = {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Oslo"}}}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Let me see."}, CALL]}},
    "stopReason": "tool_use",
    "usage": {"inputTokens": 20, "outputTokens": 8, "totalTokens": 28, "cacheReadInputTokens": 5},
    "metrics": {"latencyMs": 3},
}
CONVERSE_EVENTS = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hmm."}}}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}),
    event("contentBlockStop", {"contentBlockIndex": 0}),
    event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Let me "}}),
    event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "see."}}),
    event("contentBlockStop", {"contentBlockIndex": 1}),
    event(
        "contentBlockStart",
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "call_1", "name": "get_weather"}}},
    ),
    event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":'}}}),
    event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"Oslo"}'}}}),
    event("contentBlockStop", {"contentBlockIndex": 2}),
    event("messageStop", {"stopReason": "tool_use"}),
    event("metadata", {"usage": {"inputTokens": 20, "outputTokens": 8, "totalTokens": 28}, "metrics": {}}),
]
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [
        {"type": "text", "text": "And this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]},
    {"role": "assistant", "tool_calls": [
        {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
    ]},
    {"role": "tool", "tool_call_id": "call_0", "content": "Sunny"},
]  # fmt: skip


def converse(seen: Seen) -> Any:
    return (200, cut(b"".join(CONVERSE_EVENTS))) if seen.target.endswith("-stream") else (200, CONVERSED)


def test_a_chat_with_tools_is_conversed(vendors: Any, gateway: Any) -> None:
    with Vendor(converse) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=NOVA, secret=ACCESS_KEY)
        reply = clients.chat.chat.completions.create(
            model=f"bedrock/{NOVA}", messages=TALK, tools=[CHAT_TOOL], tool_choice="required", temperature=0.5,
            max_completion_tokens=99, stop=["END"],
        )  # fmt: skip
    message = reply.choices[0].message
    assert message.content == "Let me see." and reply.choices[0].finish_reason == "tool_calls"
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Oslo"}
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (25, 8)
    seen = vendor.seen[0]
    assert (
        seen.target == "/model/amazon.nova-pro-v1%3A0/converse" and "AWS4-HMAC-SHA256" in seen.headers["authorization"]
    )
    body = seen.json
    assert body["system"] == [{"text": "Be kind."}]
    assert body["inferenceConfig"] == {"maxTokens": 99, "temperature": 0.5, "stopSequences": ["END"]}
    assert body["messages"] == [
        {"role": "user", "content": [
            {"text": "And this?"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}
        ]},
        {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "call_0", "name": "get_weather", "input": {"city": "Rome"}}}
        ]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "call_0", "content": [{"text": "Sunny"}]}}]},
    ]  # fmt: skip
    spec = {
        "name": "get_weather",
        "description": "Tells it.",
        "inputSchema": {"json": CHAT_TOOL["function"]["parameters"]},
    }
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
    assert set(body) == {"system", "messages", "inferenceConfig", "toolConfig"}


def test_a_conversation_streams_to_clients_of_two_formats(vendors: Any, gateway: Any) -> None:
    with Vendor(converse) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=NOVA, secret="ABSKkey")
        asked = {"model": f"bedrock/{NOVA}", "max_tokens": 50, "messages": HELLO, "tools": [MESSAGES_TOOL]}
        with clients.messages.messages.stream(**asked) as stream:
            final = stream.get_final_message()
        chunks = list(
            clients.chat.chat.completions.create(
                model=f"bedrock/{NOVA}",
                messages=HELLO,
                tools=[CHAT_TOOL],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    thinking, text, call = final.content
    assert (thinking.thinking, thinking.signature, text.text) == ("Hmm.", "c2ln", "Let me see.")
    assert (call.id, call.input, final.stop_reason) == ("call_1", {"city": "Oslo"}, "tool_use")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (20, 8)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Let me see."
    assert chunks[-1].usage.prompt_tokens == 20
    assert vendor.seen[0].headers["accept"] == STREAM and vendor.seen[0].target.endswith("/converse-stream")


def test_what_converse_cannot_be_told_is_said_at_once(vendors: Any) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}
    with Vendor(converse) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=NOVA, secret="ABSKkey")
        with pytest.raises(anthropic.BadRequestError, match="images by address"):
            clients.messages.messages.create(
                model=f"bedrock/{NOVA}", max_tokens=9, messages=[{"role": "user", "content": [image]}]
            )
    assert vendor.seen == []


def test_a_conversation_without_an_end_is_a_broken_one(vendors: Any) -> None:
    with Vendor(lambda _: (200, cut(b"".join(CONVERSE_EVENTS[:6])))) as vendor:
        clients = vendors.connect("bedrock", vendor.url, model=NOVA, secret="ABSKkey")
        with pytest.raises(openai.APIError):
            list(clients.chat.chat.completions.create(model=f"bedrock/{NOVA}", messages=HELLO, stream=True))


# -- the list of models -----------------------------------------------------------------------------------------------
def test_the_list_is_asked_for_signed_at_its_own_place(
    vendors: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"modelId": "amazon.nova-9-v1:0", "modelName": "Nova 9"}, {"modelName": "nameless"}]
    with Vendor(lambda seen: (200, {"modelSummaries": rows})) as vendor:
        vendors.connect("bedrock", vendor.url, secret=ACCESS_KEY, parameters={"region": "eu-west-1"})
        place = replace(lists.LISTS["bedrock"], url=vendor.url + "/{region}/foundation-models")
        monkeypatch.setitem(lists.LISTS, "bedrock", place)  # type: ignore[arg-type]
        (found,) = importing.live(Connection.objects.get())
        assert (found.id, found.name) == ("amazon.nova-9-v1:0", "Nova 9")
        elsewhere = vendor.url.replace("127.0.0.1", "localhost")
        Provider.objects.filter(pk="bedrock").update(base_url=elsewhere)
        Connection.objects.update(origin=elsewhere)
        with pytest.raises(NoList, match="another address"):
            importing.live(Connection.objects.get())
    (seen,) = vendor.seen
    assert (seen.method, seen.target) == ("GET", "/eu-west-1/foundation-models")
    assert "/eu-west-1/bedrock/aws4_request" in seen.headers["authorization"]
