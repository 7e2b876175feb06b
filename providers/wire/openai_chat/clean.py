"""The allow-list for replies that are passed on: strictly what OpenAI sends, whatever the vendor adds.

Removed: ``x_groq``, ``usage_breakdown``, ``prompt_filter_results``, ``provider`` and everything else OpenAI has not.
Filled: what strict SDKs require. Kept beyond OpenAI's own: ``reasoning_content`` (``reasoning`` is renamed to it), and
what a client needs to see or must send back: ``reasoning_details``, ``images``, ``extra_content`` of tool calls.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from providers.wire.openai_chat.passed import LONE_SURROGATE
from providers.wire.openai_chat.rebuild import CHUNK, WHOLE, rebuilt

Raw = msgspec.Raw
NULL = Raw(b"null")
Finish = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
Tier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What is exactly as OpenAI sends it; anything else takes the slow way."""


class _Inside(_Strict):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None


class _Made(_Strict):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = None


class _Usage(_Strict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _Inside | None = None
    completion_tokens_details: _Made | None = None


class _Function(_Strict):
    name: str
    arguments: str


class _FunctionPiece(_Strict):
    name: str | None = None
    arguments: str | None = None


class _Custom(_Strict):
    name: str
    input: str


class _CustomPiece(_Strict):
    name: str | None = None
    input: str | None = None


class _CallPiece(_Strict):
    index: int
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: _FunctionPiece | None = None
    custom: _CustomPiece | None = None
    extra_content: Raw = NULL


class _FunctionCall(_Strict, tag="function"):
    id: str
    function: _Function
    extra_content: Raw = NULL


class _CustomCall(_Strict, tag="custom"):
    id: str
    custom: _Custom


class _Token(_Strict):
    token: str
    logprob: float
    top_logprobs: list[Raw]
    bytes: list[int] | None = None


class _Logprobs(_Strict):
    content: list[_Token] | None = None
    refusal: list[_Token] | None = None


class _Url(_Strict):
    start_index: int
    end_index: int
    url: str
    title: str


class _Annotation(_Strict):
    type: Literal["url_citation"]
    url_citation: _Url


class _AudioPiece(_Strict):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class _Audio(_Strict):
    id: str
    data: str
    transcript: str
    expires_at: int


class _Delta(_Strict):
    content: str | None = None
    role: Literal["developer", "system", "user", "assistant", "tool"] | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None
    function_call: _FunctionPiece | None = None
    annotations: list[_Annotation] | None = None
    audio: _AudioPiece | None = None
    reasoning_details: Raw = NULL
    images: Raw = NULL


class _Message(_Strict):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_FunctionCall | _CustomCall] | None = None
    function_call: _Function | None = None
    annotations: list[_Annotation] | None = None
    audio: _Audio | None = None
    reasoning_details: Raw = NULL
    images: Raw = NULL


class _ChunkChoice(_Strict):
    index: int
    delta: _Delta
    finish_reason: Finish | None
    logprobs: _Logprobs | None = None


class _Choice(_Strict):
    index: int
    message: _Message
    finish_reason: Finish
    logprobs: _Logprobs | None = None


class _Chunk(_Strict):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[_ChunkChoice]
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    service_tier: Tier | None = None
    obfuscation: str | None = None
    moderation: Raw = NULL


class _Whole(_Strict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[_Choice]
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    service_tier: Tier | None = None
    metadata: Raw = NULL
    moderation: Raw = NULL


_read_chunk = msgspec.json.Decoder(_Chunk).decode
_read_whole = msgspec.json.Decoder(_Whole).decode


def clean_reply(body: bytes) -> bytes:
    """A whole reply as OpenAI would send it; the very same object when it is so already."""
    try:
        _read_whole(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _slowly(body, WHOLE)
    return body


def clean_chunk(data: bytes) -> bytes:
    """The payload of one event of a stream as OpenAI would send it; the very same object when it is so already.

    What is no JSON object (``[DONE]``) and error envelopes stay as they are.
    """
    try:
        chunk = _read_chunk(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _slowly(data, CHUNK)
    for choice in chunk.choices:
        if choice.delta.tool_calls is not None and any(call.id and not call.type for call in choice.delta.tool_calls):
            return _slowly(data, CHUNK)
    return data


def _slowly(data: bytes, kind: str) -> bytes:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if LONE_SURROGATE.search(data) is None:
            return data
        return _slowly(LONE_SURROGATE.sub(rb"\\ufffd", data), kind)
    if not isinstance(value, dict) or value.get("error") or not isinstance(value.get("choices"), list):
        return data
    return msgspec.json.encode(rebuilt(value, kind))
