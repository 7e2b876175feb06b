"""JSON bodies of clients and replies of providers, read as far as every operation must."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.openai_chat.passed import error_from
from providers.wire.reading import Fields, unreadable
from providers.wire.types import Json, Units, Usage

Raw = msgspec.Raw
NULL = Raw(b"null")
EMPTY = (b"null", b'""', b"[]", b"{}", b"false")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MOST_TOKENS = 10**15  # beyond it a count is nonsense
MOST_SECONDS = 10**7
NO_UNITS = Units()
INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount")
OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount")
TOTAL = ("total_tokens", "totalTokenCount")
DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")

encode = msgspec.json.encode
_decode_top = msgspec.json.Decoder(dict[str, Raw]).decode


# -- of clients -------------------------------------------------------------------------------------------------------
def client_object(body: bytes) -> dict[str, Json]:
    """A client's JSON object. Raises Refusal 400."""
    try:
        values = msgspec.json.decode(body)
    except UNREADABLE as wrong:
        raise Refusal(400, f"The body is not valid JSON: {unreadable(body, wrong)}.", code="invalid_json") from None
    if not isinstance(values, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return values


def model_of(fields: Fields) -> str:
    """The model's name. Raises Refusal 400 without one."""
    model = fields.raw("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    return model


def needed(fields: Fields, name: str) -> Json:
    """A field that must be there, and not null. Raises Refusal 400."""
    value = fields.raw(name)
    if value is None:
        raise missing(fields.at(name))
    return value


def missing(name: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def empty(name: str) -> Refusal:
    return Refusal(400, f"Invalid '{name}': empty array.", code="empty_array", param=name)


def bad_value(name: str, expected: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{name}': expected {expected}.", code="invalid_value", param=name)


def at_least_one(fields: Fields, *names: str) -> int | None:
    """A positive integer, None when absent. Raises Refusal 400."""
    value = fields.whole(*names)
    if value is not None and value < 1:
        raise bad_value(fields.at(names[0]), "an integer of at least 1")
    return value


def check(
    fields: Fields, *, texts: Iterable[str] = (), wholes: Iterable[str] = (), numbers: Iterable[str] = ()
) -> None:
    """Refuse wrong types of fields that are passed on as they are."""
    for name in texts:
        fields.text(name)
    for name in wholes:
        fields.whole(name)
    for name in numbers:
        fields.number(name)


def to_count(texts: Iterable[str]) -> bytes:
    """A body in which the texts, and nothing else, count as prompt."""
    return encode({"prompt": [text for text in texts if text]})


# -- of providers -----------------------------------------------------------------------------------------------------
def reply_object(body: bytes, *expected: str) -> dict[str, Raw]:
    """The top level of a reply that has a list under one of the expected names. Raises UpstreamFailure for anything
    else: an error inside a 200, a page, nothing, broken JSON."""
    try:
        reply = _decode_top(body)
    except UNREADABLE:
        raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, not_a_reply(body)) from None
    if bytes(reply.get("error", NULL)) not in EMPTY:
        raise error_from(body) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
    if expected and not any(bytes(memoryview(reply.get(name, NULL))[:1]) == b"[" for name in expected):
        raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, f"The provider's reply has no {expected[0]}.")
    return reply


def decoded(raw: Raw) -> Json:
    """A part of a reply. Raises UpstreamFailure."""
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        raise bad_reply("The provider sent something that is not a valid reply.") from None


def bad_reply(message: str) -> UpstreamFailure:
    return UpstreamFailure(Kind.PROTOCOL, message)


def not_a_reply(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "The provider sent an empty reply."
    if start == b"<":
        return "The provider sent a web page instead of a reply."
    return "The provider sent something that is not a valid reply."


def usage_of(raw: Raw | None) -> Usage | None:
    """Tokens, or seconds of audio, from a usage object in anybody's words; None when it counts neither."""
    try:
        said = msgspec.json.decode(raw) if raw is not None else None
    except UNREADABLE:
        return None
    return usage_in(said)


def usage_in(said: Json) -> Usage | None:
    if not isinstance(said, dict):
        return None
    output = count_in(said, OUTPUT)
    taken = count_in(said, INPUT) or max(count_in(said, TOTAL) - output, 0)
    units = _units(said)
    if not taken and not output and units is None:
        return None
    cached = min(count_in(_table(said, DETAILS), ("cached_tokens",)), taken)
    return Usage(input=taken, output=output, cached=cached, units=units)


def with_units(usage: Usage | None, **units: int | Decimal) -> Usage:
    """The usage with these units beside those it has; a usage without tokens when there is none."""
    known = usage or Usage()
    return replace(known, units=replace(known.units or NO_UNITS, **units))


def seconds_of(value: Json) -> Decimal:
    """A length that somebody told, as a number or as text (OpenAI's ``verbose_json`` has both); 0 for what is none."""
    try:
        seconds = Decimal(str(value)) if isinstance(value, (int, float, str)) else Decimal(0)
    except ArithmeticError:
        return Decimal(0)
    return seconds if seconds.is_finite() and 0 < seconds < MOST_SECONDS else Decimal(0)


def _units(said: dict[str, Json]) -> Units | None:
    """What a usage object tells beside plain tokens; None in the usual case, that it tells nothing."""
    taken, made = _table(said, DETAILS), _table(said, OUTPUT_DETAILS)
    found = Units(
        seconds=seconds_of(said.get("seconds")),
        image_output=count_in(made, ("image_tokens",)),
        audio_input=count_in(taken, ("audio_tokens",)),
        audio_output=count_in(made, ("audio_tokens",)),
    )
    return found if found != NO_UNITS else None


def _table(said: dict[str, Json], names: Iterable[str]) -> dict[str, Json]:
    return next((found for name in names if isinstance(found := said.get(name), dict)), {})


def count_in(said: dict[str, Json], names: Iterable[str]) -> int:
    """The first that is a count; Cohere writes its counts with a fraction."""
    for name in names:
        value = said.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < MOST_TOKENS:
            return int(value)
    return 0
