"""A vendor that speaks Anthropic Messages: messages, count_tokens, models.

It signs its thinking and knows its signatures again. The name of a model carries rules, see anthropic_checks.
Source: types of the SDK `anthropic` 2.12.0; order of events from the public API (2026-11).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from . import seals
from .anthropic_checks import FAMILY, refusal, unknown_model
from .invention import FREE_TEXT, Question, answer, tokens, words
from .types import Ask, Format, Frame, Received, Refusal, Reply, Speech, Tokens, ToolCall, json_body

PATHS = {
    ("POST", "/v1/messages"): "chat",
    ("POST", "/v1/messages/count_tokens"): "count",
    ("GET", "/v1/models"): "models",
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
STREAM = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


def operation(method: str, path: str) -> str | None:
    if method == "GET" and path.startswith("/v1/models/"):
        return "model"
    return PATHS.get((method, path))


def key(received: Received) -> str | None:
    scheme, _, token = (received.header("authorization") or "").partition(" ")
    return received.header("x-api-key") or (token.strip() if scheme.lower() == "bearer" else None)


def wants_stream(received: Received) -> bool:
    return bool(received.body) and received.json.get("stream") is True


def error(refusal: Refusal) -> dict[str, Any]:
    kind = refusal.type or TYPES.get(refusal.status) or ("api_error" if refusal.status >= 500 else TYPES[400])
    return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_sim"}


def stream_error(refusal: Refusal) -> Frame:
    return Frame(json.dumps(error(refusal)), "error")


def reply(ask: Ask, speech: Speech) -> Reply:
    """A valid answer to what was asked, as JSON or as a stream."""
    match ask.operation:
        case "models":
            return json_body(_models(ask))
        case "model":
            name = ask.received.path.removeprefix("/v1/models/")
            return json_body(_model(name)) if name in ask.rules.served else ask.format.error_reply(unknown_model(name))
        case "count":
            return json_body({"input_tokens": len(question(ask.received.json).prompt.split())})
    asked = question(ask.received.json)
    speech = answer(speech, asked)
    streamed = ask.stream if speech.stream is None else speech.stream
    if streamed:
        return Reply(200, STREAM, frames=tuple(_frames(ask, speech, tokens(speech, asked))))
    return json_body(_whole(ask, speech, tokens(speech, asked)))


def question(body: Mapping[str, Any]) -> Question:
    """What a Messages request asks."""
    turns = [(turn["role"], _blocks(turn["content"])) for turn in body["messages"]]
    texts = [block["text"] for role, blocks in turns if role == "user" for block in blocks if block["type"] == "text"]
    latest: list[dict[str, Any]] = next((blocks for role, blocks in reversed(turns) if role == "user"), [])
    results = [_result_text(block) for block in latest if block["type"] == "tool_result"]
    tools = [(it["name"], it.get("input_schema", FREE_TEXT)) for it in body.get("tools") or ()]
    choice = body.get("tool_choice") or {}
    output = (body.get("output_config") or {}).get("format") or {}
    return Question(
        text=texts[-1] if texts else "",
        prompt=json.dumps([body.get("system"), body["messages"], body.get("tools")]),
        tools=tools,
        choice={"any": "required", "none": "none", "tool": choice.get("name")}.get(choice.get("type", "")),
        results=results,
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive", "between_tools"),
        schema=output.get("schema"),
    )


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _result_text(block: Mapping[str, Any]) -> str:
    return " ".join(it.get("text", f"({it['type']})") for it in _blocks(block.get("content") or ""))


def _whole(ask: Ask, speech: Speech, spent: Tokens) -> dict[str, Any]:
    content = [{**start, **_full(deltas, start)} for start, deltas in _content(ask, speech)]
    return _message(ask, speech) | {"content": content, **_stop(speech), "usage": _usage(speech, spent)}


def _full(deltas: list[dict[str, Any]], start: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a block that its deltas make up."""
    full: dict[str, Any] = {}
    for delta in deltas:
        match delta:
            case {"text": str(piece)}:
                full["text"] = full.get("text", "") + piece
            case {"thinking": str(piece)}:
                full["thinking"] = full.get("thinking", "") + piece
            case {"signature": str(signature)}:
                full["signature"] = signature
            case {"citation": dict(citation)}:
                full.setdefault("citations", []).append(citation)
            case {"partial_json": str()}:
                text = "".join(it.get("partial_json", "") for it in deltas)
                full["input"] = ToolCall(start["name"], text or "{}").arguments_object
    return full


def _frames(ask: Ask, speech: Speech, spent: Tokens) -> Iterator[Frame]:
    opening = _usage(speech, Tokens(spent.input, 1, spent.cached, spent.cache_write))
    yield _frame("message_start", message=_message(ask, speech) | {"usage": opening})
    for index, (start, deltas) in enumerate(_content(ask, speech)):
        yield _frame("content_block_start", index=index, content_block=start)
        if index == 0:
            yield _frame("ping")
        for delta in deltas:
            yield _frame("content_block_delta", index=index, delta=delta)
        yield _frame("content_block_stop", index=index)
    usage = _usage(speech, spent)
    last = {name: usage[name] for name in usage if name not in ("cache_creation", "service_tier")}
    yield _frame("message_delta", delta=_stop(speech), usage=last)
    yield _frame("message_stop")


def _content(ask: Ask, speech: Speech) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, and the deltas that fill it."""
    if speech.reasoning:
        yield _thinking(ask, speech.reasoning, speech.redacted)
    text = [*(speech.pieces or ()), *words(speech.refusal or "")]
    if text:
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in text]
        cited = [_citation(it.url, it.title) for it in speech.citations]
        yield (
            {"type": "text", "text": "", **({"citations": []} if cited else {})},
            [*deltas, *({"type": "citations_delta", "citation": it} for it in cited)],
        )
    for number, call in enumerate(speech.tool_calls):
        yield _tool_use(ask, number, call)


def _thinking(ask: Ask, thought: str, redacted: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if redacted:
        return {"type": "redacted_thinking", "data": seals.seal(FAMILY, thought)}, []
    shown = "" if (ask.received.json.get("thinking") or {}).get("display") == "omitted" else thought
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in words(shown)]
    signature = {"type": "signature_delta", "signature": seals.sign(FAMILY, shown)}
    return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]


def _tool_use(ask: Ask, number: int, call: ToolCall) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    start = {"type": "tool_use", "id": call.id or f"toolu_sim{ask.number:06d}n{number}", "name": call.name, "input": {}}
    text = json.dumps(call.arguments_object) if call.custom else call.arguments_text
    half = len(text) // 2
    pieces = ["", *filter(None, (text[:half], text[half:]))] if text != "{}" else [""]
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _citation(url: str, title: str) -> dict[str, Any]:
    kind = "web_search_result_location"
    return {"type": kind, "url": url, "title": title, "cited_text": title, "encrypted_index": seals.seal(FAMILY, url)}


def _message(ask: Ask, speech: Speech) -> dict[str, Any]:
    return {
        "id": f"msg_sim{ask.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": speech.model or ask.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop(speech: Speech) -> dict[str, Any]:
    said = "tool_calls" if speech.tool_calls else "content_filter" if speech.refusal is not None else "stop"
    reason = STOP.get(speech.finish_reason or said, speech.finish_reason)
    asked = speech.finish_reason == "stop_sequence"
    return {"stop_reason": reason, "stop_sequence": "END" if asked else None}


def _usage(speech: Speech, spent: Tokens) -> dict[str, Any]:
    """`input_tokens` excludes what came from or went to the cache."""
    created = {"ephemeral_5m_input_tokens": spent.cache_write, "ephemeral_1h_input_tokens": 0}
    usage: dict[str, Any] = {
        "input_tokens": spent.input - spent.cached - spent.cache_write,
        "cache_creation_input_tokens": spent.cache_write,
        "cache_read_input_tokens": spent.cached,
        "cache_creation": created,
        "output_tokens": spent.output,
        "service_tier": "standard",
    }
    usage |= {"output_tokens_details": {"thinking_tokens": spent.reasoning}} if spent.reasoning else {}
    return usage | speech.figures


def _frame(kind: str, **data: Any) -> Frame:
    return Frame(json.dumps({"type": kind, **data}, ensure_ascii=False, separators=(",", ":")), kind)


def _models(ask: Ask) -> dict[str, Any]:
    limit = int(parse_qs(ask.received.query).get("limit", ["20"])[0])
    after = parse_qs(ask.received.query).get("after_id", [""])[0]
    names = [name for name in ask.rules.served if name > after]
    data = [_model(name) for name in names[:limit]]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"data": data, "has_more": len(names) > limit, **ends}


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


FORMAT = Format(
    prefix="/v1",
    operation=operation,
    key=key,
    wants_stream=wants_stream,
    refusal=refusal,
    reply=reply,
    error=error,
    bad_key=Refusal(401, "invalid x-api-key"),
    unknown_path=Refusal(404, "Not Found"),
    opening_event="message_start",
    stream_error=stream_error,
    request_id="request-id",
)
