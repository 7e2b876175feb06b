"""The body that goes upstream: the client's own bytes, with the fields changed that must change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.quirks import RequestRules
from providers.wire.openai_chat.mending import mended
from providers.wire.openai_chat.passing import NUMBER, TEXT, WHOLE, ChatRequest, kind_of
from providers.wire.traits import Traits

USUAL = Traits()
USAGE_OPTION = msgspec.Raw(b'{"include_usage":true}')

encode = msgspec.json.encode


def dump(
    request: ChatRequest, model: str, rules: RequestRules, traits: Traits = USUAL
) -> tuple[bytes, tuple[str, ...], dict[str, Any]]:
    """Body for an upstream of the client's format, the names of what it cannot take, and the body's top level.

    Values are passed on as the client wrote them; only ``model``, what the provider's rules name, what a model of these
    traits would not take and, on streams, ``stream_options.include_usage`` differ.
    """
    said, lost = mended(request.fields, traits, request.messages)
    fields, dropped = apply(with_model(said, model), rules)
    if request.stream and traits.stream_usage:
        _ask_for_usage(fields)
    else:
        fields.pop("stream_options", None)
    return encode(fields), (*lost, *dropped), fields


def with_model(fields: Mapping[str, Any], model: str) -> dict[str, Any]:
    """A copy of a request's top level with the upstream's name of the model."""
    return {**fields, "model": msgspec.Raw(encode(model))}


def apply(fields: Mapping[str, Any], rules: RequestRules) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request's top level (raw bytes or values) under a provider's rules, and the names of what was dropped."""
    kept = {name: value for name, value in fields.items() if name not in rules.drop}
    for old, new in rules.rename.items():
        if old in kept:
            kept.setdefault(new, kept.pop(old))
    for name, value in rules.default.items():
        if name not in kept or _empty(kept[name]):
            kept[name] = value
    for name, (low, high) in rules.clamp.items():
        if name in kept:
            kept[name] = _clamp(kept[name], low, high)
    lost = [name for name, words in rules.replace.items() if name in kept and not _replace(kept, name, words)]
    return kept, (*(name for name in fields if name in rules.drop), *lost)


def served(body: bytes, rules: RequestRules) -> tuple[bytes, tuple[str, ...]]:
    """The JSON body of an operation beside chat under a provider's rules, and the names of what was dropped."""
    fields, dropped = apply(msgspec.json.decode(body, type=dict[str, msgspec.Raw]), rules)
    return encode(fields), dropped


def _replace(kept: dict[str, Any], name: str, words: Mapping[str, str]) -> bool:
    """Say a field's word as the provider says it; False when it has none, and the field is gone."""
    said = kept[name]
    raw = isinstance(said, msgspec.Raw)
    if raw and kind_of(said) != TEXT:
        return True
    word = msgspec.json.decode(said) if raw else said
    here = words.get(word) if isinstance(word, str) else None
    if here:
        kept[name] = msgspec.Raw(encode(here)) if raw else here
    elif here is not None:
        del kept[name]
    return here != ""


def _empty(value: Any) -> bool:
    """An empty text, which says no more than nothing; null may mean something."""
    return bytes(value) == b'""' if isinstance(value, msgspec.Raw) else isinstance(value, str) and not value


def with_preamble(fields: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """A request of Anthropic's format whose system text opens with a block of ``text``. One that does so already, as
    clients do that send it themselves, stays as it is. ``system`` is raw bytes or a value: text, blocks, or missing."""
    said = fields.get("system")
    if isinstance(said, msgspec.Raw):
        said = msgspec.json.decode(said)
    blocks = [{"type": "text", "text": said}] if isinstance(said, str) and said else said or []
    if not isinstance(blocks, list):
        return fields  # no shape we know: the upstream says what is wrong with it
    opening = blocks[0].get("text") if blocks and isinstance(blocks[0], dict) else None
    if isinstance(opening, str) and opening.startswith(text):
        return fields
    return {**fields, "system": [{"type": "text", "text": text}, *blocks]}


def _clamp(raw: Any, low: float, high: float) -> Any:
    if not isinstance(raw, msgspec.Raw):
        return min(max(raw, low), high) if isinstance(raw, (int, float)) and not isinstance(raw, bool) else raw
    if kind_of(raw) not in (NUMBER, WHOLE):
        return raw
    value = float(bytes(raw))  # infinite when it is too large for a float
    if low <= value <= high:
        return raw
    return msgspec.Raw(encode(low if value < low else high))


def _ask_for_usage(fields: dict[str, msgspec.Raw]) -> None:
    options = fields.get("stream_options")
    if options is None or bytes(options) == b"null":
        fields["stream_options"] = USAGE_OPTION
        return
    wanted = msgspec.json.decode(options, type=dict[str, msgspec.Raw])
    wanted["include_usage"] = msgspec.Raw(b"true")
    fields["stream_options"] = msgspec.Raw(encode(wanted))
