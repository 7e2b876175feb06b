"""What vendors make of one message or delta: the same things in many places, read tolerantly."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_chat.counts import usage_of
from providers.wire.openai_chat.passed import LONE_SURROGATE, error_from, not_a_reply
from providers.wire.translation import json_text
from providers.wire.types import Citation, Json, Usage

FAMILY = "openai_chat"
# Thinking as text, by field; the first that says something counts, for some vendors send the same text twice.
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
# Why it ended, in the vendors' words → ours.
FINISH_IN = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop_sequence",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
}
# Ours → OpenAI's.
FINISH_OUT = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "context_window": "length",
    "other": "stop",
}
FAILED = frozenset(("error", "network_error"))  # finish reasons that are failures


def decoded(data: bytes) -> dict[str, Json]:
    """A JSON object. Raises UpstreamFailure; half a surrogate pair becomes U+FFFD."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _repaired(data)
    if not isinstance(value, dict):
        raise error_from(data) or UpstreamFailure(Kind.PROTOCOL, not_a_reply(data))
    return value


def _repaired(data: bytes) -> Json:
    if LONE_SURROGATE.search(data) is None:
        return None
    try:
        return msgspec.json.decode(LONE_SURROGATE.sub(rb"\\ufffd", data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def objects(value: Json) -> list[dict[str, Json]]:
    """The objects of a list; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: Json) -> str:
    return value if isinstance(value, str) else ""


def content_pieces(content: Json) -> list[tuple[str, str]]:
    """("text" or "reasoning", words) of ``content``: a string or, at Mistral, a list of parts."""
    if isinstance(content, str):
        return [("text", content)] if content else []
    found = []
    for item in objects(content):
        kind = item.get("type")
        thinking = item.get("thinking")
        if kind == "thinking":
            text = "".join(text_of(inner.get("text")) for inner in objects(thinking)) or text_of(thinking)
            found.append(("reasoning", text))
        elif isinstance(item.get("text"), str):
            found.append(("text", item["text"]))
    return [piece for piece in found if piece[1]]


def reasoning_text(said: dict[str, Json]) -> str:
    """Thinking beside the content, in any vendor's field."""
    for name in REASONING_FIELDS:
        value = said.get(name)
        if isinstance(value, str) and value:
            return value
    return "".join(_detail_text(detail) for detail in objects(said.get("reasoning_details")))


def _detail_text(detail: dict[str, Json]) -> str:
    return text_of(detail.get("text")) or text_of(detail.get("summary"))


def arguments_text(value: Json) -> str:
    """Arguments are JSON text; some vendors send the object."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def citation_from(item: dict[str, Json]) -> Citation | None:
    inner = item.get("url_citation")
    if not isinstance(inner, dict) or not isinstance(inner.get("url"), str):
        return None
    return Citation(
        url=inner["url"],
        title=text_of(inner.get("title")),
        cited=text_of(inner.get("content")),
        start=_offset(inner.get("start_index")),
        end=_offset(inner.get("end_index")),
        raw=item,
        family=FAMILY,
    )


def _offset(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def citations_from(said: dict[str, Json]) -> list[Citation]:
    found = (citation_from(item) for item in objects(said.get("annotations")))
    return [citation for citation in found if citation is not None]


def finish_of(value: Json, called: bool) -> str:
    """Our reason; "" when there is none yet. A call makes every normal end a call's end. Raises UpstreamFailure."""
    if not isinstance(value, str) or not value:
        return ""
    word = value.lower()
    if word in FAILED:
        raise UpstreamFailure(Kind.SERVER, f"The provider stopped with the reason '{value[:100]}'.")
    reason = FINISH_IN.get(word, "other")
    return "tool_calls" if called and reason in ("stop", "other") else reason


def check_error(reply: dict[str, Json], data: bytes) -> None:
    """Raises UpstreamFailure when there is an error in it, also in a choice (OpenRouter)."""
    if reply.get("error") or (not reply.get("choices") and not reply.get("usage")):
        failure = error_from(data)
        if failure is not None:
            raise failure
        if reply.get("error"):
            raise UpstreamFailure(Kind.SERVER, "The provider reported an error.")


def check_choice(choice: dict[str, Json]) -> None:
    """Raises UpstreamFailure for an error that a router reports in a choice."""
    error = choice.get("error")
    if isinstance(error, dict) and error:
        raise error_from(msgspec.json.encode({"error": error})) or UpstreamFailure(
            Kind.SERVER, "The provider reported an error."
        )


def usage_from(reply: dict[str, Json]) -> Usage | None:
    """Usage wherever it stands: at the top, under ``x_groq`` or in a choice; None when nothing was counted."""
    groq = reply.get("x_groq")
    places: list[Any] = [reply.get("usage"), groq.get("usage") if isinstance(groq, dict) else None]
    places += [choice.get("usage") for choice in objects(reply.get("choices"))]
    for place in places:
        if isinstance(place, dict):
            usage = usage_of(msgspec.json.encode(place))
            if usage.input or usage.output:
                return usage
    return None


def usage_body(usage: Usage) -> dict[str, Json]:
    """OpenAI's usage object."""
    inside: dict[str, Json] = {"cached_tokens": usage.cached}
    if usage.cache_write:
        inside["cache_write_tokens"] = usage.cache_write
    made: dict[str, Json] = {"reasoning_tokens": usage.reasoning}
    if usage.units is not None:
        inside["audio_tokens"], made["audio_tokens"] = usage.units.audio_input, usage.units.audio_output
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": inside,
        "completion_tokens_details": made,
    }


def annotation_body(citation: Citation, length: int) -> dict[str, Json]:
    """OpenAI's annotation, which needs every field. ``length``: characters of the text, for what tells no place."""
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.start or 0,
            "end_index": citation.end if citation.end is not None else length,
            "url": citation.url,
            "title": citation.title,
        },
    }


def call_body(id: str, name: str, arguments: str, custom: bool) -> dict[str, Json]:
    """A tool call of a whole reply."""
    if custom:
        return {"id": id, "type": "custom", "custom": {"name": name, "input": arguments}}
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def audio_body(audio: dict[str, Json], whole: bool) -> dict[str, Json]:
    """OpenAI's audio of a message; in a chunk only the fields that are there."""
    words = {name: audio[name] for name in ("id", "data", "transcript") if isinstance(audio.get(name), str)}
    expires = audio.get("expires_at")
    if isinstance(expires, int) and not isinstance(expires, bool):
        words["expires_at"] = expires
    return {"id": "", "data": "", "transcript": "", "expires_at": 0, **words} if whole else words


def logprobs_body(said: Json) -> Json:
    """OpenAI's logprobs of a choice, null when there are none."""
    if not isinstance(said, dict):
        return None
    return {name: _tokens(said.get(name)) for name in ("content", "refusal")}


def _tokens(value: Json) -> Json:
    return [token for token in map(_token, objects(value)) if token] if isinstance(value, list) else None


def _token(item: dict[str, Json]) -> dict[str, Json]:
    token = _alternative(item)
    if token:
        token["top_logprobs"] = [other for other in map(_alternative, objects(item.get("top_logprobs"))) if other]
    return token


def _alternative(item: dict[str, Json]) -> dict[str, Json]:
    token, logprob, code = item.get("token"), item.get("logprob"), item.get("bytes")
    if not isinstance(token, str) or not isinstance(logprob, (int, float)) or isinstance(logprob, bool):
        return {}
    whole = isinstance(code, list) and all(type(byte) is int for byte in code)
    return {"token": token, "bytes": code if whole else None, "logprob": logprob}
