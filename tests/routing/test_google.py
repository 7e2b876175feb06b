"""Google's doors: Vertex with a service account, Claude on it, and Gemini inside the Code Assist envelopes."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from providers.auth import secrets
from tests.providers.auth.test_exchange import account, pem, private
from tests.routing.envelopes import CHAT_TOOL, HELLO
from tests.simulator.vendor import Seen, Vendor, events

__all__ = ["pem", "private"]  # fixtures
USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}


def chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}]}


WHOLE = {**chunk("Hello", finishReason="STOP"), "usageMetadata": USAGE, "modelVersion": "gemini-2.5-pro"}
CHUNKS = [chunk("Hel"), {**chunk("lo", finishReason="STOP"), "usageMetadata": USAGE}]


# -- Vertex -----------------------------------------------------------------------------------------------------------
def vertex(seen: Seen) -> Any:
    if seen.target == "/token":
        return 200, {"access_token": "ya29.the-token", "expires_in": 3600}
    if "anthropic" in seen.target:
        usage = {"input_tokens": 7, "output_tokens": 2}
        text = [{"type": "text", "text": "Hello"}]
        return 200, {"id": "msg_vrtx_1", "type": "message", "role": "assistant", "model": "claude", "content": text,
                     "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip
    return (200, events(*CHUNKS)) if "alt=sse" in seen.target else (200, WHOLE)


PLACE = {"project": "my-project", "location": "europe-west4"}


def test_gemini_on_vertex_by_a_service_account(vendors: Any, gateway: Any, pem: str) -> None:
    with Vendor(vertex) as vendor:
        secret = account(pem, f"{vendor.url}/token")
        url = vendor.url + "/v1/projects/{project}/locations/{location}/publishers/google"
        clients = vendors.connect("vertex", url, secret=secret, parameters=PLACE)
        assert clients.gemini("vx/gemini-2.5-pro").json()["candidates"][0]["content"]["parts"] == [{"text": "Hello"}]
        chunks = clients.chat.chat.completions.create(model="vx/gemini-2.5-pro", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    exchange, whole, stream = vendor.seen
    assert exchange.target == "/token"
    model = "/v1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-2.5-pro"
    assert (whole.target, stream.target) == (f"{model}:generateContent", f"{model}:streamGenerateContent?alt=sse")
    assert whole.headers["authorization"] == stream.headers["authorization"] == "Bearer ya29.the-token"
    assert [row.output_tokens for row in gateway.records(2)] == [2, 2]


def test_claude_on_vertex_is_asked_raw(vendors: Any, gateway: Any, pem: str) -> None:
    model = "claude-sonnet-4-5@20250929"
    with Vendor(vertex) as vendor:
        secret = secrets.normalised("vertex", account(pem, f"{vendor.url}/token"))
        clients = vendors.connect("vertex-partner", vendor.url, model=model, secret=secret, parameters=PLACE)
        reply = clients.messages.messages.create(model=f"vxp/{model}", max_tokens=50, messages=HELLO)
        assert reply.content[0].text == "Hello"
        assert clients.chat.chat.completions.create(model=f"vxp/{model}", messages=HELLO).choices[0].message.content
    passed, translated = vendor.at("/publishers/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict")
    assert passed.json == {"anthropic_version": "vertex-2023-10-16", "max_tokens": 50, "messages": HELLO}
    assert translated.json["anthropic_version"] == "vertex-2023-10-16" and "model" not in translated.json
    assert "anthropic-version" not in passed.headers | translated.headers


def test_a_service_account_that_is_refused_is_told_in_the_vendors_words(vendors: Any, pem: str) -> None:
    words = {"error": "invalid_grant", "error_description": "account not found"}
    with Vendor(lambda seen: (400, words)) as vendor:
        secret = account(pem, f"{vendor.url}/token")
        clients = vendors.connect("vertex", vendor.url, secret=secret, parameters=PLACE)
        with pytest.raises(openai.APIStatusError, match="account not found"):
            clients.chat.chat.completions.create(model="vx/gemini-2.5-pro", messages=HELLO)
    assert [seen.target for seen in vendor.seen] == ["/token"]


# -- Code Assist ------------------------------------------------------------------------------------------------------
def wrapped(seen: Seen) -> Any:
    if "alt=sse" in seen.target:
        return 200, events(*({"response": it, "traceId": "t-1"} for it in CHUNKS))
    return 200, {"response": WHOLE, "traceId": "t-1"}


def test_gemini_cli_wraps_whole_and_streamed_answers(vendors: Any, gateway: Any) -> None:
    with Vendor(wrapped) as vendor:
        clients = vendors.connect("gemini-cli", vendor.url, parameters={"project": "cloud-project"})
        reply = clients.gemini("gc/gemini-2.5-pro", generationConfig={"temperature": 0.5}).json()
        assert reply["candidates"][0]["content"]["parts"] == [{"text": "Hello"}] and "response" not in reply
        told = clients.gemini("gc/gemini-2.5-pro", "streamGenerateContent?alt=sse").text
        chunks = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
        assert "".join(it["candidates"][0]["content"]["parts"][0]["text"] for it in chunks) == "Hello"
        spoken = clients.chat.chat.completions.create(model="gc/gemini-2.5-pro", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in spoken) == "Hello"
        answer = clients.messages.messages.create(model="gc/gemini-2.5-pro", max_tokens=50, messages=HELLO)
        assert (answer.content[0].text, answer.usage.output_tokens) == ("Hello", 2)
    whole, stream, chat, _ = vendor.seen
    assert whole.target == "/v1internal:generateContent" and stream.target.endswith(":streamGenerateContent?alt=sse")
    assert {name: whole.json[name] for name in ("model", "project")} == {
        "model": "gemini-2.5-pro", "project": "cloud-project",
    }  # fmt: skip
    assert whole.json["request"]["generationConfig"] == {"temperature": 0.5}
    assert chat.json["request"]["contents"] == [{"role": "user", "parts": [{"text": "Say hello"}]}]
    assert whole.headers["authorization"] == "Bearer a-secret"


def test_an_error_inside_the_envelope_is_googles(vendors: Any, gateway: Any) -> None:
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota of today is used up."}}
    with Vendor(lambda seen: (429, error)) as vendor:
        clients = vendors.connect("gemini-cli", vendor.url, parameters={"project": "p"})
        with pytest.raises(openai.RateLimitError, match="Quota of today"):
            clients.chat.chat.completions.create(model="gc/gemini-2.5-pro", messages=HELLO)


def test_without_a_project_nothing_is_sent(vendors: Any, gateway: Any) -> None:
    with Vendor(wrapped) as vendor:
        clients = vendors.connect("gemini-cli", vendor.url)
        with pytest.raises(openai.APIStatusError, match="no project"):
            clients.chat.chat.completions.create(model="gc/gemini-2.5-pro", messages=HELLO)
    assert vendor.seen == []


def test_antigravity_names_each_request_and_validates_calls(vendors: Any, gateway: Any) -> None:
    with Vendor(wrapped) as vendor:
        clients = vendors.connect("antigravity", vendor.url, parameters={"project": "cloud-project"})
        asked = {"model": "ag/gemini-3-flash", "messages": HELLO}
        assert clients.chat.chat.completions.create(**asked, tools=[CHAT_TOOL]).choices[0].message.content == "Hello"
        clients.chat.chat.completions.create(**asked, tools=[CHAT_TOOL], tool_choice="required")
        chunks = clients.chat.chat.completions.create(**asked, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
        assert clients.gemini("ag/gemini-3-flash").json()["candidates"]
    first, forced, plain, _ = (seen.json for seen in vendor.seen)
    assert first["userAgent"] == "antigravity" and first["requestType"] == "agent"
    assert (first["project"], first["model"]) == ("cloud-project", "gemini-3-flash")
    assert first["requestId"].startswith("agent-") and first["requestId"] != forced["requestId"]
    assert first["request"]["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert forced["request"]["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
    assert "toolConfig" not in plain["request"] and plain["request"]["sessionId"]
    assert all(seen.headers["user-agent"].startswith("OmniRoute") for seen in vendor.seen)
