"""A request that goes through as its client wrote it, put right where this model would refuse it.

Everything else keeps the client's bytes: cache marks, signed thinking, fields newer than this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from providers.wire.anthropic.tables import EFFORT_UP_TO
from providers.wire.traits import Traits

Raw = msgspec.Raw
Fields = Mapping[str, Raw]

SAMPLING = ("temperature", "top_p", "top_k")
WORDS = frozenset(("text", "thinking", "redacted_thinking"))  # a turn of these alone is a beginning, not a step
encode = msgspec.json.encode


class _Block(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block] = ""


_messages = msgspec.json.Decoder(list[Raw]).decode
_message = msgspec.json.Decoder(_Message).decode
_object = msgspec.json.Decoder(dict[str, Raw]).decode


def mended(fields: Fields, traits: Traits) -> tuple[Fields, tuple[str, ...]]:
    """The request as a model of these traits takes it, and the names of what was lost. ``fields`` itself, when there is
    nothing to mend."""
    if traits.sampling and traits.prefill and traits.thinking != "adaptive":
        return fields, ()
    lost: list[str] = []
    if not traits.sampling:
        lost += [name for name in SAMPLING if name in fields and bytes(fields[name]) != b"null"]
        fields = {name: raw for name, raw in fields.items() if name not in lost} if lost else fields
    if traits.thinking == "adaptive" and b'"enabled"' in bytes(fields.get("thinking", b"")):
        with suppress(msgspec.DecodeError, RecursionError):  # of a shape we do not know: the vendor says what is wrong
            fields = _adaptive(fields)
    if not traits.prefill and (shorter := _without_prefill(bytes(fields.get("messages", b"")))) is not None:
        fields, lost = {**fields, "messages": shorter}, [*lost, "prefill"]
    return fields, tuple(lost)


def _adaptive(fields: Fields) -> Fields:
    """Thinking by a budget as thinking by an effort; what the client says of its effort counts."""
    said: Any = msgspec.json.decode(fields["thinking"])
    if not isinstance(said, dict) or said.get("type") != "enabled":
        return fields
    budget = said.pop("budget_tokens", None)
    made = {**fields, "thinking": Raw(encode({**said, "type": "adaptive"}))}
    config = fields.get("output_config", Raw(b"{}"))
    kept = _object(config) if bytes(config)[:1] == b"{" else {}
    if isinstance(budget, int) and "effort" not in kept:
        effort = next((name for most, name in EFFORT_UP_TO if budget <= most), "xhigh")
        made["output_config"] = Raw(encode({**kept, "effort": effort}))
    return made


def _without_prefill(raw: bytes) -> Raw | None:
    """The messages without an answer that the assistant is to go on from; None where there is none."""
    if raw.rfind(b'"assistant"') <= raw.rfind(b'"user"'):
        return None
    try:
        messages = _messages(raw)
        left = len(messages)
        while left and _is_prefill(_message(messages[left - 1])):
            left -= 1
    except (msgspec.DecodeError, RecursionError):
        return None  # no shape we know: the vendor says what is wrong with it
    return Raw(encode(messages[:left])) if 0 < left < len(messages) else None


def _is_prefill(message: _Message) -> bool:
    """Calls that wait, of the vendor's own tools as well, are a turn to be gone on with."""
    if message.role != "assistant":
        return False
    return isinstance(message.content, str) or all(block.type in WORDS for block in message.content)
