"""OpenAI Chat Completions (and its ancestor, Completions) on the wire: requests, and errors to clients.

Requests are read only as far as the gateway must understand them: the top level stays raw bytes, so that fields newer
than this module reach an upstream of the same format untouched. Source: platform.openai.com/docs/api-reference/chat
(2026-11) and the types of the ``openai`` SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Refusal
from providers.wire.reading import unreadable

Raw = msgspec.Raw
Fields = dict[str, Raw]

ABSENT = Raw()
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

NUMBER, WHOLE, TEXT, SWITCH, OBJECT, LIST = "a number", "an integer", "a string", "a boolean", "an object", "an array"
# Types of top-level fields, as far as every vendor agrees; null passes. Anything else is the upstream's to judge.
TYPES: dict[str, tuple[str, ...]] = {
    "stream": (SWITCH,),
    "stream_options": (OBJECT,),
    "temperature": (NUMBER,),
    "top_p": (NUMBER,),
    "presence_penalty": (NUMBER,),
    "frequency_penalty": (NUMBER,),
    "max_tokens": (WHOLE,),
    "max_completion_tokens": (WHOLE,),
    "n": (WHOLE,),
    "seed": (WHOLE,),
    "top_logprobs": (WHOLE,),
    "stop": (TEXT, LIST),
    "tools": (LIST,),
    "tool_choice": (TEXT, OBJECT),
    "response_format": (OBJECT,),
    "metadata": (OBJECT,),
    "logit_bias": (OBJECT,),
    "parallel_tool_calls": (SWITCH,),
    "user": (TEXT,),
}
# First byte → type; a number begins with anything else.
KINDS = {ord('"'): TEXT, ord("{"): OBJECT, ord("["): LIST, ord("t"): SWITCH, ord("f"): SWITCH, ord("n"): "null"}
INPUT_FIELD = {"chat": "messages", "completions": "prompt"}


class Seen(msgspec.Struct, gc=False):
    """A message as far as an upstream may refuse it for what it is; ABSENT is what it does not have."""

    role: str  # any: some models are trained with roles of their own
    name: Raw = ABSENT
    tool_calls: Raw = ABSENT
    tool_call_id: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    reasoning_details: Raw = ABSENT


class ChatRequest(msgspec.Struct, frozen=True):
    """A request as far as it was read. ``fields`` is the whole top level, values as the client wrote them; ``messages``
    those of a chat, in it."""

    operation: str
    model: str
    stream: bool
    include_usage: bool
    fields: Fields
    messages: Sequence[Seen] = ()

    def with_fields(self, fields: Mapping[str, Raw]) -> ChatRequest:
        """The same request of other fields, which are known to be well formed."""
        same = fields.get("messages") is self.fields.get("messages")
        messages = self.messages if same or "messages" not in fields else seen(fields["messages"])
        return replace(self, fields=dict(fields), messages=messages)


decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
seen = msgspec.json.Decoder(list[Seen]).decode


def parse(body: bytes, operation: str) -> ChatRequest:
    """Read a client's body. ``operation`` is ``chat`` or ``completions``. Raises Refusal 400 naming the field."""
    try:
        if not body.isascii():
            body.decode()  # what is only passed on is not looked at again
        fields = decode_fields(body)
    except msgspec.ValidationError:
        raise Refusal(400, "The body must be a JSON object.") from None
    except UNREADABLE as wrong:
        raise Refusal(400, f"The body is not valid JSON: {unreadable(body, wrong)}.", code="invalid_json") from None
    model = fields.get("model")
    if model is None or kind_of(model) != TEXT or len(bytes(model)) <= 2:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    for name, raw in fields.items():
        if (allowed := TYPES.get(name)) is not None:
            _check_type(name, raw, allowed)
    messages = _check_input(fields, operation)
    return ChatRequest(
        operation,
        _text(model, "model"),
        fields.get("stream") is not None and bytes(fields["stream"]) == b"true",
        _asks_for_usage(fields),
        fields,
        messages,
    )


def kind_of(raw: Raw) -> str:
    """The JSON type of raw bytes, in words; numbers without fraction or exponent are integers."""
    known = KINDS.get(memoryview(raw)[0])
    if known is not None:
        return known
    return NUMBER if any(mark in bytes(raw) for mark in b".eE") else WHOLE


def _check_type(name: str, raw: Raw, allowed: tuple[str, ...]) -> None:
    found = kind_of(raw)
    if found == "null" or found in allowed or (found == WHOLE and NUMBER in allowed):
        return
    raise Refusal(
        400,
        f"Invalid type for '{name}': expected {' or '.join(allowed)}, got {found}.",
        code="invalid_type",
        param=name,
    )


def _check_input(fields: Fields, operation: str) -> Sequence[Seen]:
    name = INPUT_FIELD[operation]
    raw = fields.get(name)
    if raw is None:
        raise Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if operation == "completions":
        _check_type(name, raw, (TEXT, LIST))
        return ()
    _check_type(name, raw, (LIST,))
    try:
        messages = seen(raw)
    except UNREADABLE as wrong:
        raise Refusal(400, f"Invalid '{name}': {wrong}.", code="invalid_type", param=name) from None
    if not messages:
        raise Refusal(400, "Invalid 'messages': empty array.", code="empty_array", param=name)
    return messages


def _text(raw: Raw, name: str) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400, f"'{name}' is not a valid JSON string.", param=name) from None


def _asks_for_usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    if options is None or kind_of(options) != OBJECT:
        return False
    try:
        wanted = decode_fields(options).get("include_usage")
    except UNREADABLE as wrong:
        raise Refusal(400, f"Invalid 'stream_options': {wrong}.", param="stream_options") from None
    return wanted is not None and bytes(wanted) == b"true"


# -- errors to clients ------------------------------------------------------------------------------------------------
def error_body(message: str, type: str, code: str | None, param: str | None) -> bytes:
    """OpenAI's error envelope."""
    return msgspec.json.encode({"error": {"message": message, "type": type, "param": param, "code": code}})


def error_event(message: str, type: str, code: str | None, param: str | None) -> bytes:
    """An error in the middle of a stream: the envelope as one event; nothing follows it, no ``[DONE]`` either."""
    return b"data: " + error_body(message, type, code, param) + b"\n\n"
