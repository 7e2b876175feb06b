"""A vendor that speaks OpenAI Chat Completions: chat, legacy completions, embeddings, models.

The usage chunk of a stream is sent only when `stream_options.include_usage` asks for it, as OpenAI does.
Source: types of the SDK `openai` 3.54.0; order of chunks from the public API (2026-11).
"""

import base64
import json
import re
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .openai_checks import refusal, unknown_model
from .types import Ask, Format, Frame, Received, Refusal, Reply, Speech, ToolCall, json_body

PATHS = {
    ("POST", "/v1/chat/completions"): "chat",
    ("POST", "/v1/completions"): "completion",
    ("POST", "/v1/embeddings"): "embeddings",
    ("GET", "/v1/models"): "models",
}
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
STREAM = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
DONE = Frame("[DONE]")


def operation(method: str, path: str) -> str | None:
    if method == "GET" and path.startswith("/v1/models/"):
        return "model"
    return PATHS.get((method, path))


def key(received: Received) -> str | None:
    scheme, _, token = (received.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def wants_stream(received: Received) -> bool:
    return bool(received.body) and received.json.get("stream") is True


def error(refusal: Refusal) -> dict[str, Any]:
    kind = (
        refusal.type
        or TYPES.get(refusal.status)
        or ("server_error" if refusal.status >= 500 else "invalid_request_error")
    )
    code = refusal.code or CODES.get(refusal.status)
    return {"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}}


def reply(ask: Ask, speech: Speech) -> Reply:
    """A valid answer to what was asked, as JSON or as a stream."""
    match ask.operation:
        case "models":
            return json_body({"object": "list", "data": [_model(name) for name in _served(ask)]})
        case "model":
            name = ask.received.path.removeprefix("/v1/models/")
            known = name in _served(ask)
            return json_body(_model(name)) if known else ask.format.error_reply(unknown_model(name))
        case "embeddings":
            return json_body(_embeddings(ask.received.json))
    streamed = ask.stream if speech.stream is None else speech.stream
    dump = _Chat if ask.operation == "chat" else _Completion
    return (
        Reply(200, STREAM, frames=tuple(dump.frames(ask, speech))) if streamed else json_body(dump.whole(ask, speech))
    )


class _Chat:
    """One answer in its two shapes."""

    @staticmethod
    def whole(ask: Ask, speech: Speech) -> dict[str, Any]:
        calls = [_call(number, call) for number, call in enumerate(speech.tool_calls)]
        text = "".join(_pieces(ask, speech)) or (None if calls else "")
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        message |= {"reasoning_content": speech.reasoning} if speech.reasoning is not None else {}
        message |= {"tool_calls": calls} if calls else {}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(speech)}
        return _envelope(ask, speech, "chat.completion") | {"choices": [choice]} | _usage_field(ask, speech)

    @staticmethod
    def frames(ask: Ask, speech: Speech) -> Iterator[Frame]:
        envelope = _envelope(ask, speech, "chat.completion.chunk") | _no_usage_yet(ask, speech)
        for delta in _deltas(ask, speech):
            yield _frame(envelope | {"choices": [_delta_choice(delta, None)]})
        yield _frame(envelope | {"choices": [_delta_choice({}, _finish(speech))]})
        yield from _stream_end(ask, speech, envelope)


class _Completion:
    """The same for the legacy completions."""

    @staticmethod
    def whole(ask: Ask, speech: Speech) -> dict[str, Any]:
        choice = {
            "index": 0,
            "text": "".join(_pieces(ask, speech)),
            "logprobs": None,
            "finish_reason": _finish(speech),
        }
        return _envelope(ask, speech, "text_completion") | {"choices": [choice]} | _usage_field(ask, speech)

    @staticmethod
    def frames(ask: Ask, speech: Speech) -> Iterator[Frame]:
        envelope = _envelope(ask, speech, "text_completion") | _no_usage_yet(ask, speech)
        for piece in _pieces(ask, speech):
            yield _frame(envelope | {"choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]})
        last = {"index": 0, "text": "", "logprobs": None, "finish_reason": _finish(speech)}
        yield _frame(envelope | {"choices": [last]})
        yield from _stream_end(ask, speech, envelope)


def _deltas(ask: Ask, speech: Speech) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    if speech.reasoning is not None:
        yield from ({"reasoning_content": piece} for piece in _words(speech.reasoning))
    yield from ({"content": piece} for piece in _pieces(ask, speech))
    for index, call in enumerate(speech.tool_calls):
        opening = _call(index, call)
        yield {"tool_calls": [{"index": index, **opening, "function": {"name": call.name, "arguments": ""}}]}
        arguments, half = call.arguments_text, len(call.arguments_text) // 2
        for piece in filter(None, (arguments[:half], arguments[half:])):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _sends_usage(ask: Ask, speech: Speech) -> bool:
    options = ask.received.json.get("stream_options") or {}
    return speech.usage_when == "always" or (speech.usage_when == "asked" and options.get("include_usage") is True)


def _no_usage_yet(ask: Ask, speech: Speech) -> dict[str, None]:
    """OpenAI puts a null usage into the chunks before the one that carries it."""
    return {"usage": None} if _sends_usage(ask, speech) else {}


def _stream_end(ask: Ask, speech: Speech, envelope: Mapping[str, Any]) -> Iterator[Frame]:
    if _sends_usage(ask, speech):
        yield _frame({**envelope, "choices": [], "usage": _usage(ask, speech)})
    yield DONE


def _envelope(ask: Ask, speech: Speech, kind: str) -> dict[str, Any]:
    name = ("cmpl" if kind == "text_completion" else "chatcmpl") + f"-sim{ask.number:06d}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": speech.model or ask.model}


def _delta_choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _frame(value: Mapping[str, Any]) -> Frame:
    return Frame(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _call(number: int, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_text}
    return {"id": call.id or f"call_sim{number}", "type": "function", "function": function}


def _finish(speech: Speech) -> str:
    return speech.finish_reason or ("tool_calls" if speech.tool_calls else "stop")


def _pieces(ask: Ask, speech: Speech) -> list[str]:
    """The text in the pieces it streams in. Unsaid: an echo of the question, or nothing beside tool calls."""
    if speech.pieces is not None:
        return list(speech.pieces)
    if speech.tool_calls:
        return []
    body = ask.received.json
    asked = _asked(body["messages"]) if ask.operation == "chat" else str(body["prompt"])
    return _words(f"You said: {asked}" if asked else "You said nothing.")


def _asked(messages: list[dict[str, Any]]) -> str:
    """The last text of the user."""
    content = next((it.get("content") for it in reversed(messages) if it.get("role") == "user"), None) or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if isinstance(part, dict))


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+\s", text) or ([text] if text else [])


def _usage(ask: Ask, speech: Speech) -> dict[str, Any]:
    """The given figures, or counted words as tokens; a total that follows from the other two."""
    body = ask.received.json
    asked = json.dumps(body.get("messages") or body.get("prompt"))
    prompt, completion = (
        len(asked.split()),
        len("".join(_pieces(ask, speech)).split()) + len(speech.tool_calls),
    )
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **(speech.usage or {})}
    return {"total_tokens": usage["prompt_tokens"] + usage["completion_tokens"], **usage}


def _usage_field(ask: Ask, speech: Speech) -> dict[str, Any]:
    return {} if speech.usage_when == "never" else {"usage": _usage(ask, speech)}


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Vectors of made-up, repeatable numbers, as floats or base64 as asked (the SDK asks for base64)."""
    given = body["input"]
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    data = [{"object": "embedding", "index": n, "embedding": _vector(it, body)} for n, it in enumerate(inputs)]
    tokens = len(json.dumps(given).split())
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _vector(given: object, body: dict[str, Any]) -> list[float] | str:
    seed = sum(json.dumps(given).encode())
    numbers = [((seed * (n + 1)) % 257) / 256 for n in range(body.get("dimensions") or 8)]
    if body.get("encoding_format") != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _served(ask: Ask) -> list[str]:
    return sorted(ask.rules.models if ask.rules.models is not None else ask.rules.listed)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}


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
)
