"""A request that goes through as its client wrote it, put right where this model would refuse it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.wire.gemini.options import SAMPLING
from providers.wire.traits import Traits

Raw = msgspec.Raw
Fields = Mapping[str, Raw]

CONFIG = ("generationConfig", "generation_config")
NAMES = {**{name: ours for ours, name in SAMPLING.items()}, **{ours: ours for ours in SAMPLING}}  # as clients write
encode = msgspec.json.encode


class _Content(msgspec.Struct):
    parts: list[dict[str, Raw]] = []
    role: str = ""


_list = msgspec.json.Decoder(list[Raw]).decode
_content = msgspec.json.Decoder(_Content).decode
_object = msgspec.json.Decoder(dict[str, Raw]).decode


def mended(fields: Fields, traits: Traits) -> tuple[Fields, tuple[str, ...]]:
    """The request as a model of these traits takes it, and the names of what was lost. ``fields`` itself, when there is
    nothing to mend."""
    if traits.sampling and traits.prefill:
        return fields, ()
    lost: list[str] = []
    if not traits.sampling:
        for place in CONFIG:
            fields = _without_sampling(fields, place, lost)
    if not traits.prefill and (shorter := _without_prefill(bytes(fields.get("contents", b"")))) is not None:
        fields, lost = {**fields, "contents": shorter}, [*lost, "prefill"]
    return fields, tuple(lost)


def _without_sampling(fields: Fields, place: str, lost: list[str]) -> Fields:
    raw = fields.get(place)
    if raw is None or bytes(raw)[:1] != b"{":
        return fields
    config = _object(raw)
    found = [name for name in config if name in NAMES and bytes(config[name]) != b"null"]
    if not found:
        return fields
    lost += [NAMES[name] for name in found]
    return {**fields, place: Raw(encode({name: value for name, value in config.items() if name not in found}))}


def _without_prefill(raw: bytes) -> Raw | None:
    """The contents without an answer that the model is to go on from; None where there is none."""
    if raw.rfind(b'"model"') <= raw.rfind(b'"user"'):
        return None
    try:
        contents = _list(raw)
        last = _content(contents[-1])
    except (msgspec.DecodeError, RecursionError, IndexError):
        return None  # no shape we know: the vendor says what is wrong with it
    words = all("text" in part for part in last.parts)
    return Raw(encode(contents[:-1])) if last.role == "model" and words and len(contents) > 1 else None
