"""Tokens: Anthropic counts cached ones beside ``input_tokens``, we count them inside."""

from __future__ import annotations

from providers.wire.types import Json, Usage

COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
DETAILS = ("cache_creation", "output_tokens_details")


def merged(known: dict[str, Json], said: Json) -> dict[str, Json]:
    """What a stream has said of its usage so far. Counts are totals, so later ones win; a zero never takes away a
    count (several vendors repeat the whole object with zeros in it)."""
    if not isinstance(said, dict):
        return known
    result = dict(known)
    for name in COUNTS:
        count = _count(said.get(name))
        if count or name not in result:
            result[name] = count
    for name in DETAILS:
        if isinstance(said.get(name), dict):
            result[name] = said[name]
    return result


def read(said: Json) -> Usage | None:
    """The vendor's usage object → ours; None when there is none."""
    if not isinstance(said, dict) or not said:
        return None
    creation, details = said.get("cache_creation"), said.get("output_tokens_details")
    long = short = reasoning = 0
    if isinstance(creation, dict):
        long = _count(creation.get("ephemeral_1h_input_tokens"))
        short = _count(creation.get("ephemeral_5m_input_tokens"))
    if isinstance(details, dict):
        reasoning = _count(details.get("thinking_tokens"))
    written = _count(said.get("cache_creation_input_tokens")) or long + short
    cached = _count(said.get("cache_read_input_tokens"))
    return Usage(
        input=_count(said.get("input_tokens")) + written + cached,
        cached=cached,
        cache_write=written,
        cache_write_1h=long,
        output=_count(said.get("output_tokens")),
        reasoning=reasoning,
    )


def totals(usage: Usage) -> dict[str, Json]:
    """Ours → the counts of a ``message_delta``."""
    result: dict[str, Json] = {
        "input_tokens": max(usage.input - usage.cached - usage.cache_write, 0),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        result["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return result


def whole(usage: Usage) -> dict[str, Json]:
    """Ours → the usage object of a message. How long what was cached is kept is told only of what was counted: no later
    event of a stream corrects it."""
    if usage.estimated:
        return totals(usage) | {"cache_creation": None}
    long = min(usage.cache_write_1h, usage.cache_write)
    kept = {"ephemeral_5m_input_tokens": usage.cache_write - long, "ephemeral_1h_input_tokens": long}
    return totals(usage) | {"cache_creation": kept}


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 2**53:
        return 0
    return int(value)
