"""A vendor that speaks OpenAI Chat Completions, the legacy completions, and all that lies beside them under one base.

The usage chunk of a stream is sent only when `stream_options.include_usage` asks for it, as OpenAI does.
Source: types of the SDK `openai` 3.54.0; order of chunks from the public API (2026-11).
"""

import json
import time
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from . import forms, other
from .invention import FREE_TEXT, Question, answer, tokens, words
from .openai_checks import refusal
from .other_checks import unknown_model
from .types import Ask, Format, Frame, Received, Refusal, Reply, Speech, ToolCall, body_model, json_body

PATHS = {
    ("POST", "/v1/chat/completions"): "chat",
    ("POST", "/v1/completions"): "completion",
    ("GET", "/v1/models"): "models",
    **other.PATHS,
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
    if (form := forms.read(received)) is not None:
        return form.get("stream") == ["true"]
    return bool(received.body) and received.json.get("stream") is True


def model(received: Received) -> str:
    """The model of a JSON body or a form."""
    form = forms.read(received)
    return body_model(received) if form is None else str(form.get("model", [""])[0])


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
    if ask.operation in ("models", "model"):
        return models(ask)
    if ask.operation in other.REPLIES:
        return other.REPLIES[ask.operation](ask, speech)
    speech = answer(speech, question(ask))
    streamed = ask.stream if speech.stream is None else speech.stream
    dump = _Chat if ask.operation == "chat" else _Completion
    return (
        Reply(200, STREAM, frames=tuple(dump.frames(ask, speech))) if streamed else json_body(dump.whole(ask, speech))
    )


def models(ask: Ask) -> Reply:
    """The list of models, or one of them."""
    if ask.operation == "models":
        return json_body({"object": "list", "data": [_model(name) for name in ask.rules.served]})
    name = ask.received.path.removeprefix("/v1/models/")
    return json_body(_model(name)) if name in ask.rules.served else ask.format.error_reply(unknown_model(name))


def question(ask: Ask) -> Question:
    """What a chat or a completion asks."""
    body: Mapping[str, Any] = ask.received.json
    if ask.operation == "completion":
        return Question(str(body["prompt"]), json.dumps(body["prompt"]))
    messages = body["messages"]
    last = max((n for n, it in enumerate(messages) if it["role"] == "user"), default=0)
    form, choice = body.get("response_format") or {}, body.get("tool_choice")
    schema = (form.get("json_schema") or {}).get("schema")
    return Question(
        text=_text(messages[last].get("content")) if messages[last]["role"] == "user" else "",
        prompt=json.dumps([messages, body.get("tools")]),
        tools=[_tool(it) for it in body.get("tools") or ()],
        choice=_choice(choice) if isinstance(choice, dict) else choice if choice != "auto" else None,
        results=[_text(it["content"]) for it in messages[last:] if it["role"] == "tool"],
        thinks=_thinks(body),
        schema=schema or (True if form.get("type") == "json_object" else None),
    )


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content or ())


def _tool(tool: Mapping[str, Any]) -> tuple[str, Any]:
    if tool["type"] == "custom":
        return tool["custom"]["name"], FREE_TEXT
    return tool["function"]["name"], tool["function"].get("parameters")


def _choice(choice: Mapping[str, Any]) -> str:
    if choice["type"] == "allowed_tools":
        return str(choice["allowed_tools"]["mode"])
    return str(choice[choice["type"]]["name"])


def _thinks(body: Mapping[str, Any]) -> bool:
    """Whether thoughts are asked for, by OpenAI's field or those of its relatives."""
    thinking = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
    return body.get("reasoning_effort") not in (None, "none") or body.get("enable_thinking") is True or thinking


class _Chat:
    """One answer in its two shapes."""

    @staticmethod
    def whole(ask: Ask, speech: Speech) -> dict[str, Any]:
        calls = [_call(ask, number, call) for number, call in enumerate(speech.tool_calls)]
        text = "".join(speech.pieces or ()) or (None if calls or speech.refusal is not None else "")
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": speech.refusal}
        message |= {"reasoning_content": speech.reasoning} if speech.reasoning else {}
        message |= {"tool_calls": calls} if calls else {}
        message |= {"annotations": _annotations(speech)} if speech.citations else {}
        ending = {"message": message, "logprobs": _logprobs(ask, speech.pieces or ()), "finish_reason": _finish(speech)}
        choices = [{"index": number, **ending} for number in range(_count(ask))]
        return _envelope(ask, speech, "chat.completion") | {"choices": choices} | _usage_field(ask, speech)

    @staticmethod
    def frames(ask: Ask, speech: Speech) -> Iterator[Frame]:
        envelope = _envelope(ask, speech, "chat.completion.chunk") | _no_usage_yet(ask, speech)
        for delta in _deltas(ask, speech):
            pieces = [delta["content"]] if delta.get("content") else None
            for number in range(_count(ask)):
                yield _frame(envelope | {"choices": [_delta_choice(number, delta, None, _logprobs(ask, pieces))]})
        for number in range(_count(ask)):
            yield _frame(envelope | {"choices": [_delta_choice(number, {}, _finish(speech))]})
        yield from _stream_end(ask, speech, envelope)


class _Completion:
    """The same for the legacy completions."""

    @staticmethod
    def whole(ask: Ask, speech: Speech) -> dict[str, Any]:
        choice = {
            "index": 0,
            "text": "".join(speech.pieces or ()),
            "logprobs": None,
            "finish_reason": _finish(speech),
        }
        return _envelope(ask, speech, "text_completion") | {"choices": [choice]} | _usage_field(ask, speech)

    @staticmethod
    def frames(ask: Ask, speech: Speech) -> Iterator[Frame]:
        envelope = _envelope(ask, speech, "text_completion") | _no_usage_yet(ask, speech)
        for piece in speech.pieces or ():
            yield _frame(envelope | {"choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]})
        last = {"index": 0, "text": "", "logprobs": None, "finish_reason": _finish(speech)}
        yield _frame(envelope | {"choices": [last]})
        yield from _stream_end(ask, speech, envelope)


def _deltas(ask: Ask, speech: Speech) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning_content": piece} for piece in words(speech.reasoning or ""))
    yield from ({"content": piece} for piece in speech.pieces or ())
    yield from ({"refusal": piece} for piece in words(speech.refusal or ""))
    if speech.citations:
        yield {"annotations": _annotations(speech)}
    calls = [list(_call_deltas(ask, index, call)) for index, call in enumerate(speech.tool_calls)]
    turns = zip_longest(*calls) if speech.interleaved else calls
    yield from ({"tool_calls": [delta]} for turn in turns for delta in turn if delta is not None)


def _call_deltas(ask: Ask, index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
    """The opening of a call, then its arguments in two pieces."""
    opening = _call(ask, index, call)
    kind, field = opening["type"], "input" if call.custom else "arguments"
    yield {"index": index, **opening, kind: {"name": call.name, field: ""}}
    text, half = opening[kind][field], len(opening[kind][field]) // 2
    for piece in filter(None, (text[:half], text[half:])):
        yield {"index": index, kind: {field: piece}}


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


def _delta_choice(
    number: int, delta: dict[str, Any], finish: str | None, logprobs: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _count(ask: Ask) -> int:
    return int(ask.received.json.get("n") or 1)


def _frame(value: Mapping[str, Any]) -> Frame:
    return Frame(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _call(ask: Ask, number: int, call: ToolCall) -> dict[str, Any]:
    name = call.id or f"call_sim{ask.number:06d}n{number}"
    if call.custom:
        return {"id": name, "type": "custom", "custom": {"name": call.name, "input": call.arguments_text}}
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments_text}}


def _annotations(speech: Speech) -> list[dict[str, Any]]:
    end = len("".join(speech.pieces or ()))
    cited = [{"start_index": 0, "end_index": end, "url": it.url, "title": it.title} for it in speech.citations]
    return [{"type": "url_citation", "url_citation": it} for it in cited]


def _logprobs(ask: Ask, pieces: Any) -> dict[str, Any] | None:
    body = ask.received.json
    if not body.get("logprobs") or pieces is None:
        return None
    said = [{"token": piece, "logprob": -0.5, "bytes": list(piece.encode())} for piece in pieces]
    return {"content": [{**it, "top_logprobs": [it] * (body.get("top_logprobs") or 0)} for it in said], "refusal": None}


def _finish(speech: Speech) -> str:
    return speech.finish_reason or ("tool_calls" if speech.tool_calls else "stop")


def _usage(ask: Ask, speech: Speech) -> dict[str, Any]:
    """The given figures, or counted words as tokens; a total that follows from the other two."""
    spent = tokens(speech, question(ask))
    usage: dict[str, Any] = {"prompt_tokens": spent.input, "completion_tokens": spent.output}
    if spent.cached or spent.cache_write:
        cached = {"cached_tokens": spent.cached, "audio_tokens": 0}
        usage["prompt_tokens_details"] = cached | (
            {"cache_write_tokens": spent.cache_write} if spent.cache_write else {}
        )
    if spent.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": spent.reasoning, "audio_tokens": 0}
    usage |= speech.figures
    return {"total_tokens": usage["prompt_tokens"] + usage["completion_tokens"], **usage}


def _usage_field(ask: Ask, speech: Speech) -> dict[str, Any]:
    return {} if speech.usage_when == "never" else {"usage": _usage(ask, speech)}


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
    model=model,
)
