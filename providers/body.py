"""The body that goes upstream: the client's own bytes, with the fields changed that must change."""

from __future__ import annotations

import msgspec

from providers.entry import RequestRules
from providers.wire.openai_chat import NUMBER, WHOLE, ChatRequest, kind_of

USAGE_OPTION = msgspec.Raw(b'{"include_usage":true}')

encode = msgspec.json.encode


def dump(request: ChatRequest, model: str, rules: RequestRules, *, stream_usage: bool) -> tuple[bytes, tuple[str, ...]]:
    """Body for an upstream of the client's format, and the names of fields that it cannot take.

    Values are passed on as the client wrote them; only ``model``, what the provider's rules name and, on streams,
    ``stream_options.include_usage`` differ. ``stream_usage``: the upstream knows that option.
    """
    fields = dict(request.fields)
    fields["model"] = msgspec.Raw(encode(model))
    dropped = [name for name in fields if name in rules.drop]
    for name in dropped:
        del fields[name]
    for old, new in rules.rename.items():
        if old in fields:
            fields.setdefault(new, fields.pop(old))
    for name, value in rules.default.items():
        fields.setdefault(name, msgspec.Raw(encode(value)))
    for name, (low, high) in rules.clamp.items():
        if name in fields:
            fields[name] = _clamp(fields[name], low, high)
    if request.stream and stream_usage:
        _ask_for_usage(fields)
    else:
        fields.pop("stream_options", None)
    return encode(fields), tuple(dropped)


def _clamp(raw: msgspec.Raw, low: float, high: float) -> msgspec.Raw:
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
