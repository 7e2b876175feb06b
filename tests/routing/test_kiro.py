"""Kiro behind the gateway: one conversation state out, an AWS event stream back, whole or streamed."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.routing.envelopes import CHAT_TOOL, HELLO, MESSAGES_TOOL, WEATHER
from tests.routing.test_bedrock import TALK, cut, event, exception
from tests.simulator.vendor import Vendor

MODEL = "kr/claude-sonnet-4.5"
TEXT = [event("assistantResponseEvent", {"content": text}) for text in ("Let me ", "see.")]
CALL = [
    event("toolUseEvent", {"toolUseId": "call_1", "name": "get_weather"}),
    event("toolUseEvent", {"toolUseId": "call_1", "name": "get_weather", "input": '{"city":'}),
    event("toolUseEvent", {"toolUseId": "call_1", "name": "get_weather", "input": '"Oslo"}'}),
    event("toolUseEvent", {"toolUseId": "call_1", "name": "get_weather", "stop": True}),
]
METRICS = [event("metricsEvent", {"inputTokens": 30, "outputTokens": 4})]
SHARE = [event("contextUsageEvent", {"contextUsagePercentage": 0.5}), event("meteringEvent", {"unit": "credit"})]


def saying(*events: bytes) -> Any:
    return lambda seen: (200, cut(b"".join(events), 41))


def test_a_whole_answer_is_collected_for_clients_of_two_formats(vendors: Any, gateway: Any) -> None:
    with Vendor(saying(*TEXT, *CALL, *METRICS)) as vendor:
        clients = vendors.connect("kiro", vendor.url, parameters={"profile_arn": "arn:aws:x"})
        reply = clients.messages.messages.create(model=MODEL, max_tokens=50, messages=HELLO, tools=[MESSAGES_TOOL])
        chat = clients.chat.chat.completions.create(model=MODEL, messages=HELLO, tools=[CHAT_TOOL])
    text, call = reply.content
    assert (text.text, call.name, call.input, reply.stop_reason) == (
        "Let me see.",
        "get_weather",
        {"city": "Oslo"},
        "tool_use",
    )
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (30, 4)
    assert chat.choices[0].message.content == "Let me see." and chat.choices[0].finish_reason == "tool_calls"
    assert chat.choices[0].message.tool_calls[0].function.arguments == '{"city":"Oslo"}'
    seen = vendor.seen[0]
    assert seen.target == "/generateAssistantResponse" and seen.headers["authorization"] == "Bearer a-secret"
    assert seen.headers["accept"] == "application/vnd.amazon.eventstream"
    assert seen.headers["x-amz-target"] == "AmazonCodeWhispererStreamingService.GenerateAssistantResponse"
    assert len(seen.headers["amz-sdk-invocation-id"]) == 36 and seen.headers["user-agent"].startswith("OmniRoute")
    assert seen.json["profileArn"] == "arn:aws:x" and seen.json["inferenceConfig"] == {"maxTokens": 50}
    state = seen.json["conversationState"]
    assert state["chatTriggerType"] == "MANUAL" and state["history"] == []
    message = state["currentMessage"]["userInputMessage"]
    assert (message["content"], message["modelId"], message["origin"]) == (
        "Say hello",
        "claude-sonnet-4.5",
        "AI_EDITOR",
    )
    assert message["userInputMessageContext"]["tools"] == [
        {"toolSpecification": {"name": "get_weather", "description": "Tells it.", "inputSchema": {"json": WEATHER}}}
    ]


def test_a_stream_for_clients_of_two_formats(vendors: Any, gateway: Any) -> None:
    with Vendor(saying(*TEXT, *SHARE)) as vendor:
        clients = vendors.connect("kiro", vendor.url)
        with clients.messages.messages.stream(model=MODEL, max_tokens=50, messages=HELLO) as stream:
            final = stream.get_final_message()
        chunks = list(clients.chat.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert final.content[0].text == "Let me see." and final.stop_reason == "end_turn"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (998, 2)  # half a percent of the window
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Let me see."
    assert len([chunk for chunk in chunks if chunk.choices[0].delta.content]) == 2
    first, second = (seen.json["conversationState"]["conversationId"] for seen in vendor.seen)
    assert first == second


def test_a_conversation_becomes_a_history(vendors: Any, gateway: Any) -> None:
    with Vendor(saying(*TEXT, *METRICS)) as vendor:
        clients = vendors.connect("kiro", vendor.url)
        clients.chat.chat.completions.create(model=MODEL, messages=TALK, tools=[CHAT_TOOL])
    state = vendor.seen[0].json["conversationState"]
    first, answer = state["history"]
    assert first["userInputMessage"]["content"] == "Be kind.\n\nAnd this?"
    assert first["userInputMessage"]["images"] == [{"format": "png", "source": {"bytes": "iVBORw0KGgo="}}]
    assert "userInputMessageContext" not in first["userInputMessage"]  # tools stand on the current message only
    called = {"toolUseId": "call_0", "name": "get_weather", "input": {"city": "Rome"}}
    assert answer["assistantResponseMessage"] == {"content": "Continue.", "toolUses": [called]}
    context = state["currentMessage"]["userInputMessage"]["userInputMessageContext"]
    assert context["toolResults"] == [{"toolUseId": "call_0", "status": "success", "content": [{"text": "Sunny"}]}]
    assert len(context["tools"]) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_failures_of_each_kind(vendors: Any, gateway: Any, stream: bool) -> None:
    answers = iter(
        [
            (429, {"__type": "com.amazon#ThrottlingException", "message": "Slow down"}),
            (200, cut(exception("ThrottlingException", "Slow down"))),
            (200, cut(b"")),
        ]
    )
    with Vendor(lambda seen: next(answers)) as vendor:
        clients = vendors.connect("kiro", vendor.url)
        for kind in (openai.RateLimitError, openai.RateLimitError, openai.InternalServerError):
            with pytest.raises(kind):
                list(clients.chat.chat.completions.create(model=MODEL, messages=HELLO, stream=stream))
    kinds = [row.error_kind for row in gateway.records(3)]
    assert kinds == ["ThrottlingException", "ThrottlingException", "bad_reply"]


def test_cursor_says_why_nothing_goes_there(vendors: Any, gateway: Any) -> None:
    with Vendor(lambda seen: (200, {})) as vendor:
        clients = vendors.connect("cursor", vendor.url)
        with pytest.raises(openai.APIStatusError):
            clients.chat.chat.completions.create(model="cu/default", messages=HELLO)
    from providers.connections import usable_reason
    from providers.models import Connection
    from providers.registry import effective_of

    row = Connection.objects.get(provider_id="cursor")
    assert "no public description" in (usable_reason(row, effective_of(row.provider)) or "")
    assert vendor.seen == []
