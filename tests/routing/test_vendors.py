"""Azure, Copilot and Codex behind the gateway: a header, an exchange, and an upstream that only streams."""

from __future__ import annotations

import json
import uuid
from typing import Any

import openai
import pytest
from django.conf import settings

from tests.routing.envelopes import HELLO
from tests.simulator.vendor import Pieces, Seen, Vendor

COMPLETION = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}  # fmt: skip


def test_azure_is_asked_at_the_resource_with_its_own_header(vendors: Any, gateway: Any) -> None:
    with Vendor(lambda seen: (200, COMPLETION)) as vendor:
        url = vendor.url + "/{resource}/openai/v1"
        clients = vendors.connect("azure", url, secret="azure-key", parameters={"resource": "my-resource"})
        reply = clients.chat.chat.completions.create(model="azure/my-deployment", messages=HELLO)
        answer = clients.messages.messages.create(model="azure/my-deployment", max_tokens=50, messages=HELLO)
    assert reply.choices[0].message.content == answer.content[0].text == "Hello"
    for seen in vendor.seen:
        assert seen.target == "/my-resource/openai/v1/chat/completions" and seen.headers["api-key"] == "azure-key"
        assert seen.json["model"] == "my-deployment" and "authorization" not in seen.headers


def test_copilot_answers_with_an_exchanged_token(vendors: Any, gateway: Any) -> None:
    def answer(seen: Seen) -> Any:
        if seen.target == "/copilot_internal/v2/token":
            return 200, {"token": "tid=1", "expires_at": 2_000_000_000, "endpoints": {"api": vendor.url}}
        return 200, COMPLETION

    with Vendor(answer) as vendor:
        url = f"{vendor.url}/copilot_internal/v2/token"
        clients = vendors.connect("github", vendor.url, secret="gho_token", token_url=url)
        for _ in range(2):
            assert clients.chat.chat.completions.create(model="gh/gpt-4o", messages=HELLO).choices[0].message.content
    exchange, first, second = vendor.seen
    assert exchange.headers["authorization"] == "token gho_token" and exchange.headers["x-github-api-version"]
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer tid=1"
    assert first.headers["copilot-integration-id"] == "vscode-chat" and "gho_token" not in str((first, second))
    for seen in vendor.seen:
        assert seen.headers["editor-version"] == seen.headers["editor-plugin-version"] == seen.headers["user-agent"]
        assert seen.headers["user-agent"] == settings.USER_AGENT
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert "x-request-id" not in exchange.headers and "x-initiator" not in exchange.headers


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
SHOWN = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": 'The type is "image_url".'}


@pytest.mark.parametrize(
    ("model", "messages", "initiator", "vision"),
    [
        ("gpt-4o", HELLO, "user", None),
        ("gpt-4o", [*HELLO, CALLED, RESULT], "agent", None),
        ("gpt-4o", [SHOWN], "user", "true"),
        ("gpt-4o", [SHOWN, CALLED, RESULT], "agent", "true"),
        ("gpt-5.3-codex", HELLO, "user", None),
        ("gpt-5.3-codex", [*HELLO, CALLED, RESULT], "agent", None),
        ("gpt-5.3-codex", [SHOWN], "user", "true"),
    ],
)
def test_copilot_is_told_who_began_the_turn_and_whether_it_has_pictures(
    vendors: Any, model: str, messages: list[dict[str, Any]], initiator: str, vision: str | None
) -> None:
    def answer(seen: Seen) -> Any:
        if seen.target == "/token":
            return 200, {"token": "tid=1", "expires_at": 2_000_000_000}
        return 200, {**RESPONSE, "output": [ITEM]} if seen.target == "/responses" else COMPLETION

    with Vendor(answer) as vendor:
        clients = vendors.connect(
            "github", vendor.url, model=model, secret="gho_token", token_url=f"{vendor.url}/token"
        )
        assert clients.chat.chat.completions.create(model=f"gh/{model}", messages=messages).choices
    _, asked = vendor.seen
    assert asked.headers["x-initiator"] == initiator and asked.headers.get("copilot-vision-request") == vision


# -- Codex ------------------------------------------------------------------------------------------------------------
ITEM = {
    "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5.2-codex",
    "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
}  # fmt: skip
STREAM = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {**ITEM, "content": []}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": "Hello"},
    {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
    {"type": "response.completed", "response": RESPONSE},
]


def streamed(*said: dict[str, Any]) -> Pieces:
    frames = [f"event: {it['type']}\ndata: {json.dumps(it)}\n\n".encode() for it in said]
    return Pieces("text/event-stream", tuple(frames))


def test_codex_streams_always_and_is_collected_for_who_asked_at_once(vendors: Any, gateway: Any) -> None:
    with Vendor(lambda seen: (200, streamed(*STREAM))) as vendor:
        clients = vendors.connect("codex", vendor.url)
        whole = clients.chat.responses.create(model="cx/gpt-5.2-codex", input="Say hello", temperature=0.5, store=True)
        assert whole.output_text == "Hello" and whole.usage.output_tokens == 2
        chat = clients.chat.chat.completions.create(model="cx/gpt-5.2-codex", messages=HELLO)
        assert chat.choices[0].message.content == "Hello"
        message = clients.messages.messages.create(model="cx/gpt-5.2-codex", max_tokens=50, messages=HELLO)
        assert message.content[0].text == "Hello"
        chunks = clients.chat.chat.completions.create(model="cx/gpt-5.2-codex", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    for seen in vendor.seen:
        assert seen.target == "/responses" and seen.headers["accept"] == "text/event-stream"
        assert seen.json["stream"] is True and seen.json["store"] is False and seen.json["instructions"]
        assert seen.json["include"] == ["reasoning.encrypted_content"]
        assert not {"temperature", "max_output_tokens", "max_tokens"} & seen.json.keys()
    assert [row.output_tokens for row in gateway.records(4)] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    "said",
    [
        STREAM[:3],
        [STREAM[0], {"type": "error", "code": "server_error", "message": "It broke.", "param": None}],
        [
            {
                "type": "response.failed",
                "response": {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "It broke."}},
            }
        ],
    ],
)
def test_a_stream_that_fails_is_a_failure_for_who_asked_at_once(vendors: Any, gateway: Any, said: Any) -> None:
    with Vendor(lambda seen: (200, streamed(*said))) as vendor:
        clients = vendors.connect("codex", vendor.url)
        with pytest.raises(openai.InternalServerError):
            clients.chat.responses.create(model="cx/gpt-5.2-codex", input="Say hello")
    assert gateway.records()[0].result != "ok"


def said_by(seen: Seen) -> tuple[str, Any]:
    return seen.json["model"], seen.json.get("reasoning")


def test_an_effort_in_the_name_of_a_codex_model_is_asked_for(vendors: Any, gateway: Any) -> None:
    with Vendor(lambda seen: (200, streamed(*STREAM))) as vendor:
        clients = vendors.connect("codex", vendor.url)
        for model in ("gpt-5.3-codex-xhigh", "gpt-5.4-none", "gpt-5.3-codex", "gpt-5-codex-mini"):
            clients.chat.chat.completions.create(model=f"cx/{model}", messages=HELLO)
        clients.chat.responses.create(
            model="cx/gpt-5.3-codex-low", input="a", reasoning={"effort": "high", "summary": "auto"}
        )
    assert [said_by(seen) for seen in vendor.seen] == [
        ("gpt-5.3-codex", {"effort": "xhigh"}),
        ("gpt-5.4", {"effort": "none"}),
        ("gpt-5.3-codex", None),
        ("gpt-5-codex-mini", None),
        ("gpt-5.3-codex", {"effort": "low", "summary": "auto"}),
    ]


def test_codex_is_told_which_conversation_goes_on(vendors: Any, gateway: Any) -> None:
    first, other = {"role": "user", "content": "Say hello"}, {"role": "user", "content": "Something else"}
    said = {"role": "assistant", "content": "Hello"}
    with Vendor(lambda seen: (200, streamed(*STREAM))) as vendor:
        clients = vendors.connect("codex", vendor.url)
        for turns in ([first], [first, said, other], [other]):
            clients.chat.chat.completions.create(model="cx/gpt-5.4", messages=turns)
            clients.chat.responses.create(model="cx/gpt-5.4", input=turns)
        clients.chat.responses.create(model="cx/gpt-5.4", input="Say hello")
        clients.chat.responses.create(model="cx/gpt-5.4", input="Say hello", prompt_cache_key="k")
        clients.chat.responses.create(model="cx/gpt-5.4", input="Go on", prompt_cache_key="k")
    ids = [str(uuid.UUID(seen.headers["session_id"])) for seen in vendor.seen]
    assert len({*ids[:4], ids[6]}) == 1 and ids[4] == ids[5] != ids[0] and ids[7] == ids[8] not in ids[:7]


def test_codex_fetches_no_picture_so_one_by_address_is_refused(vendors: Any, gateway: Any) -> None:
    def shown(url: str) -> list[dict[str, Any]]:
        return [
            {
                "role": "user",
                "content": [{"type": "text", "text": "https://x"}, {"type": "image_url", "image_url": {"url": url}}],
            }
        ]

    with Vendor(lambda seen: (200, streamed(*STREAM))) as vendor:
        clients = vendors.connect("codex", vendor.url)
        with pytest.raises(openai.BadRequestError, match="images by address"):
            clients.chat.chat.completions.create(model="cx/gpt-5.4", messages=shown("https://example.com/a.png"))
        assert not vendor.seen
        clients.chat.chat.completions.create(model="cx/gpt-5.4", messages=shown("data:image/png;base64,aGk="))
    assert len(vendor.seen) == 1
    assert gateway.records(2)[0].attempts[0]["kind"] == "model_unable", "another model of a combo may take it"


# -- what is mended in passing -----------------------------------------------------------------------------------------
def test_what_a_chat_loses_on_its_way_is_told(vendors: Any, gateway: Any) -> None:
    turns = [{"role": "developer", "content": "S"}, {"role": "user", "name": "bob", "content": "Hello"}]
    with Vendor(lambda seen: (200, COMPLETION)) as vendor:
        asked = vendors.connect("groq", vendor.url).chat.chat.completions.with_raw_response
        told = asked.create(model="groq/large", messages=turns, extra_body={"newer": [1.5]})
        untold = asked.create(model="groq/large", messages=HELLO)
    assert told.headers["x-omniroute-dropped"] == "name" and "x-omniroute-dropped" not in untold.headers
    assert vendor.seen[0].json["messages"] == [{"role": "system", "content": "S"}, HELLO[0] | {"content": "Hello"}]
    assert vendor.seen[0].json["newer"] == [1.5] and vendor.seen[1].json["messages"] == HELLO


def test_what_a_message_loses_on_its_way_is_told(vendors: Any, gateway: Any) -> None:
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 5, "output_tokens": 2},
    }  # fmt: skip
    begun, warm = [*HELLO, {"role": "assistant", "content": "Sure"}], {"temperature": 0.5}
    with Vendor(lambda seen: (200, answer)) as vendor:
        asked = vendors.connect("anthropic", vendor.url).messages.messages.with_raw_response
        told = asked.create(model="anthropic/claude-opus-5", max_tokens=9, messages=begun, extra_body=warm)
        untold = asked.create(model="anthropic/claude-haiku-4-5", max_tokens=9, messages=begun, extra_body=warm)
    assert told.headers["x-omniroute-dropped"] == "temperature,prefill"
    assert "x-omniroute-dropped" not in untold.headers
    assert vendor.seen[0].json["messages"] == HELLO and "temperature" not in vendor.seen[0].json
    assert vendor.seen[1].json["messages"] == begun and vendor.seen[1].json["temperature"] == 0.5
