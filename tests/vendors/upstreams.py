"""What the vendors' tokens open: the model APIs in each vendor's own envelope, and the usage calls.

A request that its vendor would not take gets a 400 that says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.wire.eventstream import encoded as frame
from tests.providers.quota import samples
from tests.vendors.people import Family

Said = dict[str, Any]
Headers = Mapping[str, str]
Answer = tuple[int, Any]


@dataclass(frozen=True)
class Body:
    """A reply that is no JSON document."""

    kind: str
    raw: bytes


def encoded(body: Any) -> tuple[str, bytes]:
    """Content type and bytes of an answer: a page, a Body, or JSON."""
    if isinstance(body, Body):
        return body.kind, body.raw
    return ("text/html", body.encode()) if isinstance(body, str) else ("application/json", json.dumps(body).encode())


def answer(place: str, said: Said, headers: Headers, family: Family) -> Answer | None:
    """What ``host/path`` answers to a valid token; None where nobody is."""
    if place in USAGE:
        return 200, USAGE[place](family)
    if place not in MODELS:
        return None
    wrong, reply = MODELS[place]
    if fault := wrong(said, headers, family):
        return 400, {"error": {"message": f"This vendor does not take {fault}."}}
    return 200, reply(said)


# -- replies ----------------------------------------------------------------------------------------------------------
def chat_reply(said: Said) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": said.get("model")}
    return {**head, "choices": [choice], "usage": usage}


def message_reply(said: Said) -> Any:
    head = {"id": "m", "type": "message", "role": "assistant", "model": said.get("model"), "stop_reason": "end_turn"}
    usage = {"input_tokens": 3, "output_tokens": 1}
    return {**head, "content": [{"type": "text", "text": "Hello"}], "usage": usage}


def gemini_reply(said: Said) -> Any:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}
    candidate = {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "index": 0, "finishReason": "STOP"}
    return {"response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": said.get("model")}}


def responses_stream(said: Said) -> Body:
    item: Said = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": []}
    full = {**item, "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    head: Said = {"id": "resp_1", "object": "response", "created_at": 1, "model": said.get("model"), "output": []}
    at = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    events = (
        {"type": "response.created", "response": {**head, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", **at, "delta": "Hello"},
        {"type": "response.output_item.done", "output_index": 0, "item": full},
        {"type": "response.completed", "response": {**head, "status": "completed", "usage": usage}},
    )
    lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Body("text/event-stream", lines.encode())


def kiro_stream(said: Said) -> Body:
    events = (("assistantResponseEvent", {"content": "Hello"}), ("metricsEvent", {"inputTokens": 3, "outputTokens": 1}))
    raw = b"".join(
        frame({":message-type": "event", ":event-type": name}, json.dumps(event).encode()) for name, event in events
    )
    return Body("application/vnd.amazon.eventstream", raw)


# -- what is wrong with a request; empty when nothing is --------------------------------------------------------------
def lacking(headers: Headers, **wanted: str) -> str:
    """The first header that does not hold what it must."""
    names = {name.replace("_", "-"): text for name, text in wanted.items()}
    return next(
        (f"{name}: {headers.get(name)}" for name, text in names.items() if text not in headers.get(name, "")), ""
    )


def claude(said: Said, headers: Headers, family: Family) -> str:
    missing = lacking(
        headers, authorization="Bearer ", anthropic_beta="oauth-2025-04-20", anthropic_version="2023-06-01"
    )
    return missing or ("an API key" if "x-api-key" in headers else "")


def codex(said: Said, headers: Headers, family: Family) -> str:
    if said.get("stream") is not True or said.get("store") is not False or not said.get("instructions"):
        return "a request that is whole, stored or without instructions"
    missing = lacking(headers, chatgpt_account_id=family.account["id"], originator="codex_cli_rs")
    return missing or ("no session_id" if not headers.get("session_id") else "")


def gemini(said: Said, headers: Headers, family: Family) -> str:
    right = said.get("project") == "project-7" and said.get("model") and said.get("request", {}).get("contents")
    return "" if right else "a request outside of the envelope"


def antigravity(said: Said, headers: Headers, family: Family) -> str:
    wrong = said.get("userAgent") != "antigravity" or not str(said.get("requestId")).startswith("agent-")
    return gemini(said, headers, family) or ("a request without a name" if wrong else "")


def copilot(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, authorization="Bearer tid=", copilot_integration_id="vscode-chat")


def kiro(said: Said, headers: Headers, family: Family) -> str:
    message = said.get("conversationState", {}).get("currentMessage", {}).get("userInputMessage", {})
    return "no message" if not message.get("content") else lacking(headers, x_amz_target="GenerateAssistantResponse")


def kimi(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, authorization="Bearer ", x_msh_platform="OmniRoute", anthropic_version="2023-06-01")


def kilo(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, x_kilocode_organizationid="org-9")


def cline(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, authorization="Bearer workos:")


def qwen(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, authorization="Bearer ", x_dashscope_authtype="qwen-oauth")


def models_asked(said: Said, headers: Headers, family: Family) -> str:
    return lacking(headers, authorization="Bearer tid=", user_agent="OmniRoute/")


COPILOT_MODELS = [
    {"id": "gpt-4o", "name": "GPT-4o", "capabilities": {"type": "chat"}},
    {"id": "gpt-9", "name": "GPT-9", "capabilities": {"type": "chat"}, "policy": {"state": "enabled"}},
    {"id": "gpt-off", "capabilities": {"type": "chat"}, "policy": {"state": "disabled"}},
    {"id": "text-embedding-3-small", "capabilities": {"type": "embeddings"}},
]


def anything(said: Said, headers: Headers, family: Family) -> str:
    return ""


MODELS: Mapping[str, tuple[Callable[[Said, Headers, Family], str], Callable[[Said], Any]]] = {
    "api.anthropic.com/v1/messages": (claude, message_reply),
    "chatgpt.com/backend-api/codex/responses": (codex, responses_stream),
    "cloudcode-pa.googleapis.com/v1internal:generateContent": (gemini, gemini_reply),
    "daily-cloudcode-pa.googleapis.com/v1internal:generateContent": (antigravity, gemini_reply),
    "api.githubcopilot.com/chat/completions": (copilot, chat_reply),
    "api.githubcopilot.com/models": (models_asked, lambda said: {"data": COPILOT_MODELS}),
    "codewhisperer.us-east-1.amazonaws.com/generateAssistantResponse": (kiro, kiro_stream),
    "api.kimi.com/coding/v1/messages": (kimi, message_reply),
    "api.kilo.ai/api/openrouter/chat/completions": (kilo, chat_reply),
    "api.cline.bot/api/v1/chat/completions": (cline, chat_reply),
    "portal.qwen.ai/v1/chat/completions": (qwen, chat_reply),
    "upstream/v1/chat/completions": (anything, chat_reply),
    "upstream/v1/messages": (anything, message_reply),
}


# -- usage calls; those that go to the origin of a model API have no host here ----------------------------------------
def kiro_usage(family: Family) -> Any:
    return {**samples.KIRO, "userInfo": {"email": family.account["email"]}}


def codex_usage(family: Family) -> Any:
    return {**samples.CODEX, "plan_type": family.account["plan"]}


USAGE: Mapping[str, Callable[[Family], Any]] = {
    "api/oauth/usage": lambda family: samples.CLAUDE,
    "backend-api/wham/usage": codex_usage,
    "v1internal:retrieveUserQuota": lambda family: samples.GEMINI_CLI,
    "cloudcode-pa.googleapis.com/v1internal:fetchAvailableModels": lambda family: samples.ANTIGRAVITY,
    "api.github.com/copilot_internal/user": lambda family: samples.GITHUB_PAID,
    "codewhisperer.us-east-1.amazonaws.com/getUsageLimits": kiro_usage,
    "getUsageLimits": kiro_usage,
    "coding/v1/usages": lambda family: samples.KIMI_CODING,
}
