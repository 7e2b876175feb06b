"""The slow way of cleaning: a reply or chunk built anew from what OpenAI has of it."""

from __future__ import annotations

from providers.wire.openai_chat.said import (
    FINISH_IN,
    FINISH_OUT,
    REASONING_FIELDS,
    annotation_body,
    arguments_text,
    audio_body,
    citations_from,
    content_pieces,
    logprobs_body,
    objects,
    text_of,
)
from providers.wire.types import Json

Object = dict[str, Json]

CHUNK, WHOLE, LEGACY = "chat.completion.chunk", "chat.completion", "text_completion"
TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))
REASONS = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
INSIDE = ("cached_tokens", "audio_tokens", "cache_write_tokens", "text_tokens", "image_tokens")
MADE = (
    "reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "text_tokens",
)  # fmt: skip
MOST_CHOICES = 1 << 31
KEPT_LISTS = ("reasoning_details", "images")


def rebuilt(reply: Object, kind: str) -> Object:
    """``kind`` is what ``object`` must be; a legacy completion stays one."""
    legacy = reply.get("object") == LEGACY or any("text" in choice for choice in objects(reply.get("choices")))
    made: Object = {
        "id": text_of(reply.get("id")) or "chatcmpl-0",
        "object": LEGACY if legacy else kind,
        "created": _count(reply.get("created")),
        "model": text_of(reply.get("model")),
        "choices": [
            _legacy(choice, number) if legacy else _choice(choice, number, kind)
            for number, choice in enumerate(objects(reply.get("choices")))
        ],
    }
    usage = reply.get("usage")
    if isinstance(usage, dict):
        made["usage"] = _usage(usage)
    elif "usage" in reply and kind == CHUNK:
        made["usage"] = None
    for name in ("system_fingerprint", "obfuscation"):
        if isinstance(reply.get(name), str):
            made[name] = reply[name]
    tier = reply.get("service_tier")
    if isinstance(tier, str) and tier in TIERS:
        made["service_tier"] = tier
    for name in ("metadata", "moderation"):
        if isinstance(reply.get(name), dict):
            made[name] = reply[name]
    return made


def _count(value: Json) -> int:
    """A whole number; 0 for anything else."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15
    return int(value) if number else 0


def _usage(said: Object) -> Object:
    usage: Object = {name: _count(said.get(name)) for name in COUNTS}
    usage["total_tokens"] = usage["total_tokens"] or usage["prompt_tokens"] + usage["completion_tokens"]
    for name, allowed in (("prompt_tokens_details", INSIDE), ("completion_tokens_details", MADE)):
        inner = said.get(name)
        if isinstance(inner, dict):
            usage[name] = {key: _count(inner[key]) for key in allowed if inner.get(key) is not None}
    hits = _count(said.get("prompt_cache_hit_tokens")) or _count(said.get("cached_tokens"))
    inside = usage.get("prompt_tokens_details")
    if hits and not (inside and inside.get("cached_tokens")):
        usage["prompt_tokens_details"] = {**(inside or {}), "cached_tokens": hits}
    return usage


def _index(choice: Object, number: int) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < MOST_CHOICES else number


def _legacy(choice: Object, number: int) -> Object:
    return {
        "index": _index(choice, number),
        "text": text_of(choice.get("text")),
        "logprobs": choice.get("logprobs"),
        "finish_reason": _reason(choice.get("finish_reason")),
    }


def _reason(value: Json) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value if value in REASONS else FINISH_OUT[FINISH_IN.get(value.lower(), "other")]


def _choice(choice: Object, number: int, kind: str) -> Object:
    said = choice.get("message") if kind == WHOLE else choice.get("delta")
    said = said or choice.get("delta") or choice.get("message")
    message = _said(said if isinstance(said, dict) else {}, kind)
    reason = _reason(choice.get("finish_reason"))
    if kind == WHOLE:
        message = {"role": "assistant", "content": None, "refusal": None} | message
        reason = reason or ("tool_calls" if message.get("tool_calls") else "stop")
    return {
        "index": _index(choice, number),
        "message" if kind == WHOLE else "delta": message,
        "logprobs": logprobs_body(choice.get("logprobs")),
        "finish_reason": reason,
    }


def _said(said: Object, kind: str) -> Object:
    made: Object = {"role": "assistant"} if said.get("role") else {}
    content = said.get("content")
    if isinstance(content, str) or (content is None and "content" in said):
        made["content"] = content
    elif isinstance(content, list):
        made["content"] = "".join(words for piece, words in content_pieces(content) if piece == "text")
    thought = _reasoning(said)
    if thought:
        made["reasoning_content"] = thought
    if isinstance(said.get("refusal"), str) or (said.get("refusal") is None and "refusal" in said):
        made["refusal"] = said["refusal"]
    for name in KEPT_LISTS:
        if objects(said.get(name)):
            made[name] = objects(said[name])
    if citations := citations_from(said):
        length = len(text_of(made.get("content")))
        made["annotations"] = [annotation_body(citation, length) for citation in citations]
    if isinstance(said.get("audio"), dict):
        made["audio"] = audio_body(said["audio"], kind == WHOLE)
    _add_calls(made, said, kind)
    return made


def _reasoning(said: Object) -> str:
    """What the message thinks, in whatever field; ``reasoning_details`` alone stay what they are."""
    inside = "".join(words for piece, words in content_pieces(said.get("content")) if piece == "reasoning")
    return inside or next((said[name] for name in REASONING_FIELDS if text_of(said.get(name))), "")


def _add_calls(made: Object, said: Object, kind: str) -> None:
    calls = [_call(call, number, kind) for number, call in enumerate(objects(said.get("tool_calls")))]
    if calls:
        made["tool_calls"] = calls
    legacy = said.get("function_call")
    if isinstance(legacy, dict):
        made["function_call"] = _inner(legacy, "arguments", kind)


def _call(call: Object, number: int, kind: str) -> Object:
    name = "custom" if isinstance(call.get("custom"), dict) else "function"
    inner = call.get(name)
    made: Object = {"index": _index(call, number)} if kind == CHUNK else {}
    id = text_of(call.get("id"))
    if kind == WHOLE:
        id = id or f"call_{number}"
    if id:
        made |= {"id": id, "type": name}
    words = "input" if name == "custom" else "arguments"
    made[name] = _inner(inner if isinstance(inner, dict) else {}, words, kind)
    if isinstance(call.get("extra_content"), dict):
        made["extra_content"] = call["extra_content"]
    return made


def _inner(said: Object, words: str, kind: str) -> Object:
    """Name and arguments; in a chunk only those that are there."""
    made: Object = {}
    if kind == WHOLE or text_of(said.get("name")):
        made["name"] = text_of(said.get("name"))
    if kind == WHOLE or said.get(words) is not None:
        made[words] = arguments_text(said.get(words))
    return made
