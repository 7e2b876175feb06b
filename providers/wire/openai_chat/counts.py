"""The usage object of OpenAI Chat Completions, and its vendors' variants of it."""

from __future__ import annotations

import msgspec

from providers.wire.openai_chat.passing import UNREADABLE, Raw, decode_fields
from providers.wire.types import Units, Usage, parts_of


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    """OpenAI's usage object and its vendors' variants (DeepSeek's cache hit fields), when every type is right."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


_decode_usage = msgspec.json.Decoder(_Usage).decode
NO_DETAILS = _Details()


def usage_of(raw: Raw | bytes) -> Usage:
    """Token classes from a usage object; zero for what is absent, null, negative or of an odd type."""
    try:
        said = _decode_usage(raw)
    except UNREADABLE:
        said = _usage_piecemeal(object_in(Raw(raw)))
    inside, made = said.prompt_tokens_details or NO_DETAILS, said.completion_tokens_details or NO_DETAILS
    cached = inside.cached_tokens or said.prompt_cache_hit_tokens or said.cached_tokens
    return Usage(
        input=_at_least_zero(said.prompt_tokens),
        cached=_at_least_zero(cached),
        cache_write=_at_least_zero(inside.cache_write_tokens),
        output=_at_least_zero(said.completion_tokens),
        reasoning=_at_least_zero(made.reasoning_tokens),
        units=_units(inside, made) if inside.audio_tokens or made.audio_tokens or made.image_tokens else None,
    )


def _units(inside: _Details, made: _Details) -> Units | None:
    return parts_of(
        audio_input=_at_least_zero(inside.audio_tokens),
        image_output=_at_least_zero(made.image_tokens),
        audio_output=_at_least_zero(made.audio_tokens),
    )


def _at_least_zero(count: int | None) -> int:
    return count if count is not None and 0 < count < 10**15 else 0


def _usage_piecemeal(raw: dict[str, Raw]) -> _Usage:
    """The slow way, when one field is of an odd type: the others still count."""
    inside, made = object_in(raw.get("prompt_tokens_details")), object_in(raw.get("completion_tokens_details"))
    return _Usage(
        **{name: _count(raw.get(name)) for name in _Usage.__struct_fields__[:4]},
        prompt_tokens_details=_Details(**{name: _count(inside.get(name)) for name in _Details.__struct_fields__}),
        completion_tokens_details=_Details(**{name: _count(made.get(name)) for name in _Details.__struct_fields__}),
    )


def object_in(raw: Raw | None) -> dict[str, Raw]:
    if raw is None or bytes(raw)[:1] != b"{":
        return {}
    try:
        return decode_fields(raw)
    except UNREADABLE:
        return {}


def _count(raw: Raw | None) -> int:
    """A token count; 0 for what is absent, null, negative or no number (vendors send all of these)."""
    text = bytes(raw) if raw is not None else b""
    if text.isdigit() and len(text) <= 15:
        return int(text)
    return 0
