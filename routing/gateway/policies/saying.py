"""What policies want of an attempt, said in the words of the format that is spoken there.

Where both sides speak one format it is said in the client's own body, so that fields newer than this gateway survive;
where that would not do (thinking switched on in a conversation that was led without), the request is translated, whose
writer knows what belongs together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits
from providers.wire.types import Message, Request, Text, Thinking
from routing.gateway.policies.base import Fields, Wants

Raw = msgspec.Raw
QUESTION = (Message(role="user", parts=(Text(text="?"),)),)
TURN: Mapping[str, Mapping[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "?"}]},
    "openai_responses": {"input": "?"},
    "anthropic": {"messages": [{"role": "user", "content": "?"}], "max_tokens": 1},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "?"}]}]},
}
# Top-level fields that say something of thinking. Gemini says it inside its configuration, Responses' in ``reasoning``.
THINKING: Mapping[str, tuple[str, ...]] = {
    "openai_chat": ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"),
    "openai_responses": ("reasoning",),
    "anthropic": ("thinking", "output_config"),
    "gemini": ("generationConfig", "generation_config"),
}
TOKENS: Mapping[str, tuple[str, ...]] = {
    "openai_chat": ("max_completion_tokens", "max_tokens"),
    "openai_responses": ("max_output_tokens",),
    "anthropic": ("max_tokens",),
    "gemini": ("generationConfig", "generation_config"),
}
CONFIG = ("generationConfig", "generation_config")
SAID_THINKING, SAID_TOKENS = ("thinkingConfig", "thinking_config"), ("maxOutputTokens", "max_output_tokens")


# -- what the client said ----------------------------------------------------------------------------------------------
def said_thinking(format: str, fields: Fields) -> Thinking:
    """What a body says of thinking. Raises Refusal 400."""
    return _read(format, fields, THINKING[format]).thinking


def said_tokens(format: str, fields: Fields) -> int | None:
    """How long the answer may be by a body. Raises Refusal 400."""
    if not any(name in fields for name in TOKENS[format]):
        return None
    return _read(format, fields, TOKENS[format]).max_tokens


def _read(format: str, fields: Fields, names: tuple[str, ...]) -> Request:
    """A body of nothing but these fields, read as its format is read."""
    try:
        given = {name: msgspec.json.decode(fields[name]) for name in names if name in fields}
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise Refusal(400, f"The body is not valid JSON: {wrong}.", code="invalid_json") from None
    return FORMATS[format].parse({"model": "?", **TURN[format], **given}, model="?", stream=False)


# -- what is wanted ----------------------------------------------------------------------------------------------------
def wanted(wants: Wants, traits: Traits) -> Wants:
    """What of it concerns this model."""
    thinking = wants.thinking
    if thinking is None:
        return wants
    known = traits.capabilities is not None and "reasoning" in traits.capabilities
    if wants.unasked and (traits.thinking == "none" or not known):
        return Wants(max_tokens=wants.max_tokens)
    if thinking.off and traits.thinking == "effort" and traits.family != "openrouter":
        # Not every model of these vendors can be told "none": nothing said is what never fails.
        return Wants(max_tokens=wants.max_tokens, thinking=Thinking())
    return wants


def on(request: Request, wants: Wants, traits: Traits) -> Request:
    """The canonical request with what is wanted of it."""
    found = wanted(wants, traits)
    if found.max_tokens is not None:
        request = replace(request, max_tokens=found.max_tokens)
    if found.thinking is not None:
        request = replace(request, thinking=found.thinking)
    return request


def in_place(
    format: str, fields: Fields, wants: Wants, traits: Traits, model: str, operation: str = "chat"
) -> Fields | None:
    """The client's own body with what is wanted, for a model of the same format; None: it must be translated."""
    found = wanted(wants, traits)
    if not found:
        return fields
    if format == "anthropic":
        return _anthropic(fields, found, traits)
    made = dict(fields)
    if found.max_tokens is not None:
        _put_tokens(format, made, found.max_tokens, traits, operation)
    if found.thinking is not None and operation == "chat":
        _put_thinking(format, made, found.thinking, traits, model)
    return made


def _put_tokens(format: str, made: dict[str, Raw], tokens: int, traits: Traits, operation: str) -> None:
    value = _raw(tokens)
    if format == "gemini":
        _configure(made, SAID_TOKENS, value)
        return
    names = [name for name in TOKENS[format] if name in made]
    usual = traits.max_tokens_field if format == "openai_chat" and operation == "chat" else TOKENS[format][-1]
    made.update(dict.fromkeys(names or [usual], value))


def _put_thinking(format: str, made: dict[str, Raw], thinking: Thinking, traits: Traits, model: str) -> None:
    """As the format's writer says it to this model."""
    asked = Request(model=model, messages=QUESTION, thinking=thinking, family=format)
    body = FORMATS[format].dump(asked, traits).body
    if format == "gemini":
        said = body.get("generationConfig", {}).get("thinkingConfig")
        _configure(made, SAID_THINKING, _raw(said) if said else None)
        return
    kept = msgspec.json.decode(made["reasoning"]) if format == "openai_responses" and "reasoning" in made else None
    for name in THINKING[format]:
        made.pop(name, None)
        if name in body:
            made[name] = _raw(body[name])
    if isinstance(kept, dict) and format == "openai_responses":
        rest = {name: value for name, value in kept.items() if name != "effort"}
        said = rest | body.get("reasoning", {})
        if said:
            made["reasoning"] = _raw(said)


def _configure(made: dict[str, Raw], names: tuple[str, str], value: Raw | None) -> None:
    """One setting in Gemini's configuration, under the name the client uses; None takes it out."""
    place = next((name for name in CONFIG if name in made), CONFIG[0])
    config = msgspec.json.decode(made.get(place, b"{}"), type=dict[str, Raw])
    name = next((name for name in names if name in config), names[0])
    for other in names:
        config.pop(other, None)
    if value is not None:
        config[name] = value
    made[place] = _raw(config)


def _anthropic(fields: Fields, wants: Wants, traits: Traits) -> Fields | None:
    """Numbers are changed in place, and thinking is switched off; to switch it on, much else must fit."""
    made = dict(fields)
    if wants.max_tokens is not None:
        made["max_tokens"] = _raw(wants.max_tokens)
    thinking = wants.thinking
    if thinking is not None and (thinking.off or thinking == Thinking()):
        made.pop("thinking", None)
        return made
    before = msgspec.json.decode(made.get("thinking", b"null"))
    budget = before.get("budget_tokens") if isinstance(before, dict) else None
    if thinking is not None:
        if budget is None or traits.thinking not in ("budget", "both", "effort"):
            return None
        budget = thinking.budget
        made["thinking"] = _raw({**before, "budget_tokens": budget})
    limit = said_tokens("anthropic", made)
    return None if isinstance(budget, int) and limit is not None and budget >= limit else made


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
