"""A vendor that speaks Gemini: generateContent (whole, as events, as a JSON array), countTokens, embeddings, models.

Its thoughts carry signatures, see gemini_checks. Source: types of the SDK `google-genai` 3.4.0 (2026-11).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from . import seals
from .gemini_checks import FAMILY, call_text, model_of, refusal, unknown_model
from .gemini_shapes import tidy
from .invention import Question, answer, tokens, words
from .types import Ask, Format, Frame, Received, Refusal, Reply, Speech, Tokens, ToolCall, json_body
from .vectors import vector

PATH = re.compile(r"/v1(?:beta)?/models/[^/:]+:(\w+)")
OPERATIONS = {
    "generateContent": "chat",
    "streamGenerateContent": "stream",
    "countTokens": "count",
    "embedContent": "embed",
    "batchEmbedContents": "embed_many",
}
METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
STOP = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
STREAM = (("content-type", "text/event-stream"),)
ARRAY = (("content-type", "application/json; charset=UTF-8"),)
BAD_KEY = "API_KEY_INVALID"


def operation(method: str, path: str) -> str | None:
    if method == "GET" and re.fullmatch(r"/v1(beta)?/models(/[^/:]+)?", path):
        return "models" if path.endswith("/models") else "model"
    found = PATH.fullmatch(path)
    return OPERATIONS.get(found[1]) if found and method == "POST" else None


def key(received: Received) -> str | None:
    scheme, _, token = (received.header("authorization") or "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return received.header("x-goog-api-key") or parse_qs(received.query).get("key", [bearer])[0]


def wants_stream(received: Received) -> bool:
    return received.path.endswith(":streamGenerateContent")


def error(refusal: Refusal) -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    if refusal.code:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.code})
    if refusal.retry_after is not None:
        delay = f"{refusal.retry_after:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    status = (
        refusal.type or STATUSES.get(refusal.status) or ("INTERNAL" if refusal.status >= 500 else "FAILED_PRECONDITION")
    )
    said = {"code": refusal.status, "message": refusal.message, "status": status}
    return {"error": {**said, "details": details} if details else said}


def reply(ask: Ask, speech: Speech) -> Reply:
    """A valid answer to what was asked, as JSON or as a stream."""
    match ask.operation:
        case "models":
            return json_body({"models": [_model(name) for name in ask.rules.served]})
        case "model":
            known = ask.model in ask.rules.served
            return json_body(_model(ask.model)) if known else ask.format.error_reply(unknown_model(ask.model))
        case "embed":
            return json_body({"embedding": _embedding(ask.received.json)})
        case "embed_many":
            return json_body({"embeddings": [_embedding(it) for it in ask.received.json["requests"]]})
    body = tidy(ask.received.json)
    asked = question(body.get("generateContentRequest") or body)
    if ask.operation == "count":
        count = len(asked.prompt.split())
        return json_body({"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]})
    config = body.get("generationConfig") or {}
    # Thoughts that nobody asked to see are thought all the same; those of a script are always told.
    shown = bool(speech.reasoning) or (config.get("thinkingConfig") or {}).get("includeThoughts") is True
    speech = answer(speech, asked)
    spent = tokens(speech, asked)
    chunks = list(_chunks(ask, speech if shown else replace(speech, reasoning=None), spent, config))
    streamed = ask.stream if speech.stream is None else speech.stream
    if not streamed:
        return json_body(_joined(chunks))
    if parse_qs(ask.received.query).get("alt") == ["sse"]:
        return Reply(200, STREAM, frames=tuple(Frame(_json(it)) for it in chunks))
    return Reply(200, ARRAY, frames=tuple(_array(chunks)))


def question(body: Mapping[str, Any]) -> Question:
    """What a generateContent request asks."""
    parts = [(it.get("role"), part) for it in body["contents"] for part in it["parts"]]
    texts = [part["text"] for role, part in parts if role != "model" and part.get("text")]
    answers = [
        part["functionResponse"]["response"] for part in body["contents"][-1]["parts"] if "functionResponse" in part
    ]
    declared = [it for tool in body.get("tools") or () for it in tool.get("functionDeclarations") or ()]
    tools = [(it["name"], it.get("parametersJsonSchema") or it.get("parameters")) for it in declared]
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return Question(
        text=texts[-1] if texts else "",
        prompt=json.dumps([body.get("systemInstruction"), body["contents"], body.get("tools")]),
        tools=tools,
        choice=_choice((body.get("toolConfig") or {}).get("functionCallingConfig") or {}),
        results=[json.dumps(it, ensure_ascii=False) for it in answers],
        thinks=thinking.get("includeThoughts") is True or thinking.get("thinkingBudget", 0) > 0,
        schema=schema if schema else (True if config.get("responseMimeType") == "application/json" else None),
    )


def _choice(config: Mapping[str, Any]) -> str | None:
    allowed = config.get("allowedFunctionNames") or ["required"]
    return {"NONE": "none", "ANY": allowed[0]}.get(config.get("mode", "AUTO"))


def _chunks(ask: Ask, speech: Speech, spent: Tokens, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The reply as a stream gives it: new parts in every chunk, the reason of the end in the last."""
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in words(speech.reasoning or "")]
    text = [{"text": piece} for piece in (*(speech.pieces or ()), *words(speech.refusal or ""))]
    calls = [_call(ask, number, call) for number, call in enumerate(speech.tool_calls)]
    envelope = {"modelVersion": speech.model or ask.model, "responseId": f"sim{ask.number:06d}"}
    count = config.get("candidateCount") or 1
    for part in [*parts, *text, *calls]:
        yield {"candidates": [_candidate(n, [part]) for n in range(count)], **_spent(speech, spent, False), **envelope}
    last = (
        [{"text": "", "thoughtSignature": seals.seal(FAMILY, speech.reasoning)}]
        if speech.reasoning and not calls
        else []
    )
    ending = {"finishReason": _finish(speech), **_grounding(speech), **_logprobs(speech, config)}
    candidates = [{**_candidate(n, last or [{"text": ""}]), **ending} for n in range(count)]
    yield {"candidates": candidates, **_spent(speech, spent, True), **envelope}


def _call(ask: Ask, number: int, call: ToolCall) -> dict[str, Any]:
    said: dict[str, Any] = {"name": call.name, "args": call.arguments_object}
    part = {
        "functionCall": {"id": call.id or f"sim{ask.number:06d}n{number}", **said}
        if call.id or "-3" in ask.model
        else said
    }
    return part if number else part | {"thoughtSignature": seals.seal(FAMILY, call_text(said))}


def _candidate(number: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": parts}, "index": number}


def _finish(speech: Speech) -> str:
    said = speech.finish_reason or ("content_filter" if speech.refusal is not None else "stop")
    return STOP.get(said, said)


def _grounding(speech: Speech) -> dict[str, Any]:
    if not speech.citations:
        return {}
    text = "".join(speech.pieces or ())
    segment = {"startIndex": 0, "endIndex": len(text.encode()), "text": text}
    return {
        "groundingMetadata": {
            "webSearchQueries": ["simulated"],
            "groundingChunks": [{"web": {"uri": it.url, "title": it.title}} for it in speech.citations],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": list(range(len(speech.citations)))}],
        }
    }


def _logprobs(speech: Speech, config: Mapping[str, Any]) -> dict[str, Any]:
    if not config.get("responseLogprobs"):
        return {}
    chosen = [{"token": piece, "tokenId": 1, "logProbability": -0.5} for piece in speech.pieces or ()]
    top = [{"candidates": [it] * max(1, config.get("logprobs") or 1)} for it in chosen]
    return {"avgLogprobs": -0.5, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": top}}


def _spent(speech: Speech, spent: Tokens, last: bool) -> dict[str, Any]:
    """Candidates exclude thoughts; the prompt includes what was cached."""
    if speech.usage_when == "never":
        return {}
    said = spent.output - spent.reasoning if last else 1
    usage = {"promptTokenCount": spent.input, "candidatesTokenCount": said}
    usage |= {"cachedContentTokenCount": spent.cached} if spent.cached else {}
    usage |= {"thoughtsTokenCount": spent.reasoning} if spent.reasoning else {}
    usage |= {"totalTokenCount": spent.input + said + spent.reasoning}
    return {"usageMetadata": usage | speech.figures}


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """One reply of all chunks, neighbouring texts of a kind made one part."""
    whole: dict[str, Any] = {**chunks[-1], "candidates": []}
    for number, last in enumerate(chunks[-1]["candidates"]):
        parts: list[dict[str, Any]] = []
        for part in (it for chunk in chunks for it in chunk["candidates"][number]["content"]["parts"]):
            same = (
                parts
                and set(part) - {"thoughtSignature"} == set(parts[-1])
                and part.get("thought") == parts[-1].get("thought")
            )
            if "text" in part and same:
                parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
            elif part != {"text": ""}:
                parts.append(part)
        whole["candidates"].append({**last, "content": {"role": "model", "parts": parts}})
    return whole


def _array(chunks: list[dict[str, Any]]) -> Iterator[Frame]:
    for number, chunk in enumerate(chunks):
        end = "]" if number == len(chunks) - 1 else ",\r\n"
        yield Frame((("" if number else "[") + _json(chunk) + end).encode())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _embedding(body: Mapping[str, Any]) -> dict[str, Any]:
    body = tidy(body)
    return {"values": vector(body["content"], body.get("outputDimensionality"))}


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": METHODS,
        "thinking": True,
    }


FORMAT = Format(
    prefix="/v1beta",
    operation=operation,
    key=key,
    wants_stream=wants_stream,
    refusal=refusal,
    reply=reply,
    error=error,
    bad_key=Refusal(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", BAD_KEY),
    unknown_path=Refusal(404, "Not Found", "NOT_FOUND"),
    model=model_of,
    request_id="",
    retry_header=False,
)
