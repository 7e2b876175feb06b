"""A vendor that speaks OpenAI Responses: create (whole and as events), retrieve, delete, input items, input tokens.

It keeps what it may store, seals its reasoning and knows its seals again. Source: types of the SDK `openai` 3.54.0;
order of events from the public API (2026-11).
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from . import seals
from .invention import FREE_TEXT, Question, answer, tokens
from .openai_chat import error, key, models, wants_stream
from .responses_checks import FAMILY, PATH, conversation, items_of, refusal
from .responses_stream import frames
from .types import Ask, Format, Frame, Refusal, Reply, Speech, Tokens, ToolCall, json_body

STREAM = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ECHOED: dict[str, Any] = {  # fields of the request that the reply repeats, and what they are when they were not said
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def operation(method: str, path: str) -> str | None:
    if path == "/v1/responses":
        return "chat" if method == "POST" else None
    if path == f"{PATH}input_tokens":
        return "count" if method == "POST" else None
    if path.startswith(PATH) and path.count("/") == 3:
        return {"GET": "get", "DELETE": "delete"}.get(method)
    if path.startswith(PATH) and path.endswith("/input_items"):
        return "input_items" if method == "GET" else None
    if method == "GET" and path.startswith("/v1/models"):
        return "models" if path == "/v1/models" else "model"
    return None


def stream_error(refusal: Refusal) -> Frame:
    said = error(refusal)["error"]
    data = {"type": "error", **{name: said[name] for name in ("code", "message", "param")}, "sequence_number": 99}
    return Frame(json.dumps(data), "error")


def reply(ask: Ask, speech: Speech) -> Reply:
    """A valid answer to what was asked, as JSON or as a stream."""
    name, kept = ask.received.path.removeprefix(PATH).partition("/")[0], ask.rules.kept
    match ask.operation:
        case "models" | "model":
            return models(ask)
        case "get":
            return json_body(kept[name]["response"])
        case "delete":
            del kept[name]
            return json_body({"id": name, "object": "response", "deleted": True})
        case "input_items":
            return json_body(_input_items(kept[name]["input"]))
    asked = question(ask)
    if ask.operation == "count":
        return json_body({"object": "response.input_tokens", "input_tokens": len(asked.prompt.split())})
    scripted = bool(speech.reasoning)
    speech = answer(speech, asked)
    output = [*_reasoning(ask, speech, scripted), *_message(ask, speech), *_calls(ask, speech.tool_calls)]
    response = _response(ask, speech, output, tokens(speech, asked))
    _keep(ask, response)
    streamed = ask.stream if speech.stream is None else speech.stream
    return Reply(200, STREAM, frames=tuple(frames(response, speech))) if streamed else json_body(response)


def question(ask: Ask) -> Question:
    """What a Responses request asks, with what came before it."""
    body: Mapping[str, Any] = ask.received.json
    items = conversation(body, ask.rules)
    last = max((n for n, it in enumerate(items) if it.get("role") == "user"), default=0)
    outputs = [it["output"] for it in items[last:] if it.get("type", "").endswith("_output")]
    tools = [
        it for tool in body.get("tools") or () for it in (tool["tools"] if tool["type"] == "namespace" else [tool])
    ]
    form = (body.get("text") or {}).get("format") or {}
    reasoning = body.get("reasoning") or {}
    choice = body.get("tool_choice")
    return Question(
        text=_said(items[last]["content"]) if items and items[last].get("role") == "user" else "",
        prompt=json.dumps([body.get("instructions"), items, body.get("tools")]),
        tools=[
            (it["name"], FREE_TEXT if it["type"] == "custom" else it.get("parameters"))
            for it in tools
            if it["type"] in ("function", "custom")
        ],
        choice=choice.get("name", "required") if isinstance(choice, dict) else choice if choice != "auto" else None,
        results=[_said(it) for it in outputs],
        thinks=bool(reasoning) and reasoning.get("effort") != "none",
        schema=form.get("schema") or (True if form.get("type") == "json_object" else None),
    )


def _said(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", f"({part['type']})") for part in content)


def _reasoning(ask: Ask, speech: Speech, scripted: bool) -> list[dict[str, Any]]:
    """Its summary is told when asked for, or when a script has it; the seal when it is to be included."""
    if not speech.reasoning:
        return []
    body = ask.received.json
    told = scripted or (body.get("reasoning") or {}).get("summary")
    summary = [{"type": "summary_text", "text": speech.reasoning}] if told else []
    item: dict[str, Any] = {"id": f"rs_sim{ask.number:06d}", "type": "reasoning", "summary": summary}
    sealed = "reasoning.encrypted_content" in (body.get("include") or ())
    return [item | ({"encrypted_content": seals.seal(FAMILY, speech.reasoning)} if sealed else {})]


def _message(ask: Ask, speech: Speech) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if speech.pieces:
        text = "".join(speech.pieces)
        cites = [
            {"type": "url_citation", "start_index": 0, "end_index": len(text), "url": it.url, "title": it.title}
            for it in speech.citations
        ]
        parts.append({"type": "output_text", "text": text, "annotations": cites, "logprobs": _logprobs(ask, speech)})
    if speech.refusal is not None:
        parts.append({"type": "refusal", "refusal": speech.refusal})
    if not parts:
        return []
    name = f"msg_sim{ask.number:06d}"
    return [{"id": name, "type": "message", "role": "assistant", "status": "completed", "content": parts}]


def _logprobs(ask: Ask, speech: Speech) -> list[dict[str, Any]]:
    if "message.output_text.logprobs" not in (ask.received.json.get("include") or ()):
        return []
    count = ask.received.json.get("top_logprobs") or 0
    said = [{"token": piece, "bytes": list(piece.encode()), "logprob": -0.5} for piece in speech.pieces or ()]
    return [{**it, "top_logprobs": [it] * count} for it in said]


def _calls(ask: Ask, calls: Any) -> list[dict[str, Any]]:
    return [_call(ask, number, call) for number, call in enumerate(calls)]


def _call(ask: Ask, number: int, call: ToolCall) -> dict[str, Any]:
    name = f"sim{ask.number:06d}n{number}"
    said = {"call_id": call.id or f"call_{name}", "name": call.name, "status": "completed"}
    if call.custom:
        return {"id": f"ctc_{name}", "type": "custom_tool_call", **said, "input": call.arguments_text}
    return {"id": f"fc_{name}", "type": "function_call", **said, "arguments": call.arguments_text}


def _response(ask: Ask, speech: Speech, output: list[dict[str, Any]], spent: Tokens) -> dict[str, Any]:
    body, now = ask.received.json, int(time.time())
    cut = INCOMPLETE.get(speech.finish_reason or "")
    usage = None if speech.usage_when == "never" else _usage(speech, spent)
    return {
        "id": f"resp_sim{ask.number:06d}",
        "object": "response",
        "created_at": now,
        "completed_at": None if cut else now,
        "status": "incomplete" if cut else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "model": speech.model or ask.model,
        "output": output,
        "service_tier": "default",
        "usage": usage,
        **{name: usual if body.get(name) is None else body[name] for name, usual in ECHOED.items()},
    }


def _usage(speech: Speech, spent: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": spent.input,
        "input_tokens_details": {"cached_tokens": spent.cached, "cache_write_tokens": spent.cache_write},
        "output_tokens": spent.output,
        "output_tokens_details": {"reasoning_tokens": spent.reasoning},
        "total_tokens": spent.input + spent.output,
    }
    return usage | speech.figures


def _keep(ask: Ask, response: dict[str, Any]) -> None:
    """Remember what may be stored, and which calls were made after which thoughts."""
    body, kept = ask.received.json, ask.rules.kept
    if body.get("store") is False:
        return
    given = items_of(body)
    kept[response["id"]] = {
        "response": response,
        "input": given,
        "conversation": [*conversation(body, ask.rules), *response["output"]],
    }
    thought = next((it["id"] for it in response["output"] if it["type"] == "reasoning"), None)
    for item in response["output"]:
        kept.setdefault("items", {})[item["id"]] = item
        if thought and item["type"].endswith("_call"):
            kept.setdefault("thoughts", {})[item["id"]] = thought


def _input_items(given: list[dict[str, Any]]) -> dict[str, Any]:
    data = [_full(number, item) for number, item in enumerate(given)]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, "has_more": False, **ends}


def _full(number: int, item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    parts = {"content": [{"type": kind, "text": content}]} if isinstance(content, str) else {}
    return {"id": f"msg_simin{number}", "type": "message", "status": "completed", **item, **parts}


FORMAT = Format(
    prefix="/v1",
    operation=operation,
    key=key,
    wants_stream=wants_stream,
    refusal=refusal,
    reply=reply,
    error=error,
    bad_key=Refusal(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    unknown_path=Refusal(404, "Invalid URL.", "invalid_request_error", "unknown_url"),
    opening_event="response.created",
    stream_error=stream_error,
)
