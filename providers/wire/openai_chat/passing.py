"""OpenAI Chat Completions (and its ancestor, Completions) on the wire.

Requests are read only as far as the gateway must understand them: the top level stays raw bytes, so that fields newer
than this module reach an upstream of the same format untouched. Source: platform.openai.com/docs/api-reference/chat
(2026-11) and the types of the ``openai`` SDK 3.54.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.reading import unreadable
from providers.wire.types import Units, Usage, parts_of
from providers.wire.waits import wait_in_body

Raw = msgspec.Raw
Fields = dict[str, Raw]

ABSENT = Raw()
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
MAX_KEPT_TEXT = 256 * 1024  # bytes of generated text kept for counting when the provider reports no usage
LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
EMPTY = (b"null", b'""', b"[]", b"{}")
ERROR_EVENT = re.compile(rb"^event: ?error\b", re.MULTILINE)
GENERATED = re.compile(rb'"(?:text|name|arguments|refusal)"\s*:\s*"((?:[^"\\]|\\.)*)"')

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


_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
seen = msgspec.json.Decoder(list[Seen]).decode


def parse(body: bytes, operation: str) -> ChatRequest:
    """Read a client's body. ``operation`` is ``chat`` or ``completions``. Raises Refusal 400 naming the field."""
    try:
        if not body.isascii():
            body.decode()  # what is only passed on is not looked at again
        fields = _decode_fields(body)
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
        wanted = _decode_fields(options).get("include_usage")
    except UNREADABLE as wrong:
        raise Refusal(400, f"Invalid 'stream_options': {wrong}.", param="stream_options") from None
    return wanted is not None and bytes(wanted) == b"true"


# -- replies ----------------------------------------------------------------------------------------------------------
NULL = Raw(b"null")


class _Delta(msgspec.Struct):
    content: Raw = NULL
    reasoning_content: Raw = NULL
    reasoning: Raw = NULL
    tool_calls: Raw = NULL
    function_call: Raw = NULL
    refusal: Raw = NULL
    audio: Raw = NULL


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    text: Raw = NULL
    finish_reason: Raw = NULL


class _Reply(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Raw = NULL
    x_groq: Raw = NULL
    error: Raw = NULL


_decode_strictly = msgspec.json.Decoder(_Reply).decode


def _decode_reply(data: bytes) -> _Reply:
    """Raises one of UNREADABLE. Half a surrogate pair, which vendors cut from text, does not: it is only looked at."""
    try:
        return _decode_strictly(data)
    except msgspec.DecodeError:
        if LONE_SURROGATE.search(data) is None:
            raise
        return _decode_strictly(LONE_SURROGATE.sub(rb"\\ufffd", data))


class _Error(msgspec.Struct):
    message: Raw = NULL
    type: Raw = NULL
    code: Raw = NULL
    param: Raw = NULL


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
        said = _usage_piecemeal(_object(Raw(raw)))
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
    inside, made = _object(raw.get("prompt_tokens_details")), _object(raw.get("completion_tokens_details"))
    return _Usage(
        **{name: _count(raw.get(name)) for name in _Usage.__struct_fields__[:4]},
        prompt_tokens_details=_Details(**{name: _count(inside.get(name)) for name in _Details.__struct_fields__}),
        completion_tokens_details=_Details(**{name: _count(made.get(name)) for name in _Details.__struct_fields__}),
    )


def _object(raw: Raw | None) -> dict[str, Raw]:
    if raw is None or bytes(raw)[:1] != b"{":
        return {}
    try:
        return _decode_fields(raw)
    except UNREADABLE:
        return {}


def _count(raw: Raw | None) -> int:
    """A token count; 0 for what is absent, null, negative or no number (vendors send all of these)."""
    text = bytes(raw) if raw is not None else b""
    if text.isdigit() and len(text) <= 15:
        return int(text)
    return 0


def error_from(raw: bytes, status: int | None = None) -> UpstreamFailure | None:
    """The failure told by an error envelope's bytes, None when there is none; ``failures`` finds its kind."""
    try:
        whole = _envelope(raw)
        inner = whole.get("error", NULL)
        if bytes(inner)[:1] != b"{":
            if bytes(inner)[:1] == b'"' and _words(inner):
                said = _Error(code=whole.get("code", NULL), type=whole.get("type", NULL))
                return _failure(said, _words(inner), status, raw)
            if not {"message", "detail", "msg"} & whole.keys() or "choices" in whole:
                return None
            inner = msgspec.Raw(msgspec.json.encode(whole))
        said = msgspec.json.decode(inner, type=_Error)
    except UNREADABLE:
        return None
    words = _words(said.message) or _words(whole.get("detail", NULL)) or _words(whole.get("msg", NULL))
    return _failure(said, words or "The provider reported an error.", status, raw)


def _envelope(raw: bytes) -> dict[str, Raw]:
    """The object an error came in; Google wraps it in a list. Raises one of UNREADABLE."""
    if raw.lstrip()[:1] == b"[":
        return msgspec.json.decode(raw, type=list[dict[str, Raw]])[0] if raw.strip(b"[] \r\n\t") else {}
    return _decode_fields(raw)


def _failure(said: _Error, words: str, status: int | None, raw: bytes) -> UpstreamFailure:
    wait = wait_in_body(raw, words)
    return UpstreamFailure(
        Kind.SERVER,
        words,
        status=status,
        code=_words(said.code) or None,
        type=_words(said.type) or None,
        param=_words(said.param) or None,
        retry_after=wait.seconds,
        resets_at=wait.at,
    )


def _words(raw: Raw) -> str:
    value = bytes(raw)
    if value in EMPTY:
        return ""
    if value[:1] == b'"':
        with contextlib.suppress(UnicodeDecodeError):
            return msgspec.json.decode(value, type=str)
    return value.decode("utf-8", "replace")[:500]


class WholeReply:
    """A reply that came at once: checked to be one, its usage read, its bytes kept. Raises UpstreamFailure."""

    __slots__ = ("body", "usage")

    def __init__(self, body: bytes) -> None:
        self.body = body
        try:
            reply = _decode_reply(body)
        except UNREADABLE:
            raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, _not_a_reply(body)) from None
        if reply.error is not NULL and bytes(reply.error) not in EMPTY:
            raise error_from(body) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
        if not reply.choices:
            raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no choices.")
        self.usage = _reported(reply)


def _reported(reply: _Reply) -> Usage | None:
    """None as well when all is zero: a vendor that counts nothing has not reported."""
    usage = usage_of(reply.usage)
    if not usage.input and not usage.output and reply.x_groq is not NULL:
        usage = usage_of(_object(reply.x_groq).get("usage", NULL))
    return usage if usage.input or usage.output else None


def _not_a_reply(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "The provider sent an empty reply."
    if start == b"<":
        return "The provider sent a web page instead of a reply."
    return "The provider sent something that is not a valid reply."


@dataclass(slots=True)
class StreamReader:
    """SSE bytes of one reply → the bytes to pass on, reading on the way what the gateway must know. Sans-I/O.

    ``visible``: something a person would see has passed. ``finished``: a finish reason came. ``done``: ``[DONE]`` came.
    ``failure``: the provider reported an error in-band; what came before it was still returned.
    """

    pass_usage: bool  # the client asked for the usage chunk
    visible: bool = False
    finished: bool = False
    done: bool = False
    usage: Usage | None = None
    failure: UpstreamFailure | None = None
    text: bytearray = field(default_factory=bytearray)  # generated text, JSON-escaped, for counting
    _split: EventSplitter = field(default_factory=EventSplitter)

    def feed(self, data: bytes) -> bytes:
        """Whole frames to send on; empty while an event is incomplete or nothing is for the client."""
        if self.failure is not None or self.done:
            return b""
        try:
            frames = self._split.feed(data)
        except FrameTooLong as wrong:
            self.failure = UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.")
            return b""
        kept = [self._shown(frame) for frame in frames if self._read(frame)]
        return b"\n\n".join(kept) + b"\n\n" if kept else b""

    def end(self) -> bytes:
        """The provider closed the stream: the last bytes, ``[DONE]`` added where the vendor leaves it out.

        Sets ``failure`` when the stream was cut before a finish reason.
        """
        if self.failure is not None or self.done:
            return b""
        rest = self._split.flush()
        last = rest + b"\n\n" if rest and self._read(rest) else b""
        if self.visible and not self.finished and (self.failure is None or self.failure.kind is Kind.PROTOCOL):
            self.failure = UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")
        if self.failure is None and not self.finished:
            self.failure = UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended without an answer.")
        if self.failure is None and not self.done:
            self.done = True
            last += DONE
        return last

    def _shown(self, frame: bytes) -> bytes:
        """A frame as the client gets it."""
        return frame

    def sample(self) -> bytes:
        """What was generated, as a reply body to count tokens in when none were reported; empty when they were."""
        if self.usage is not None:
            return b""
        return b'{"choices":[{"message":{"content":"' + bytes(self.text) + b'"}}]}' if self.text else b""

    def _read(self, frame: bytes) -> bool:
        """Note what the frame says; True when it is for the client."""
        if self.failure is not None or self.done:
            return False
        data = payload(frame)
        if not data or (not frame.startswith(b"data:") and ERROR_EVENT.search(frame)):
            self._stray(frame, data)
            return False
        if data.strip() == b"[DONE]":
            if not self.finished:
                self.failure = UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended without a finish reason.")
                return False
            self.done = True
            return True
        try:
            reply = _decode_reply(data)
        except UNREADABLE:
            self.failure = error_from(data) or UpstreamFailure(Kind.PROTOCOL, _not_a_reply(data))
            return False
        return self._note(reply, data)

    def _stray(self, frame: bytes, data: bytes) -> None:
        """An error event, or what has no data: a plain error or a page instead of a stream; comments are dropped."""
        if ERROR_EVENT.search(frame):
            self.failure = error_from(data) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
        elif frame.lstrip().startswith((b"{", b"[", b"<")):
            self.failure = error_from(frame) or UpstreamFailure(Kind.PROTOCOL, _not_a_reply(frame))

    def _note(self, reply: _Reply, data: bytes) -> bool:
        if reply.error is not NULL and bytes(reply.error) not in EMPTY:
            self.failure = error_from(data) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
            return False
        if reply.usage is not NULL or reply.x_groq is not NULL:
            self.usage = _reported(reply) or self.usage
        if not reply.choices:
            # The usage chunk has no choices; it is the client's if the client asked for it.
            return self.pass_usage or bytes(reply.usage) in EMPTY
        for choice in reply.choices:
            if bytes(choice.finish_reason) not in EMPTY:  # some vendors send "" until there is one
                self.finished = self.visible = True
            self._see(choice)
        return True

    def _see(self, choice: _Choice) -> None:
        said = choice.delta or choice.message
        parts = (
            (choice.text,)
            if said is None
            else (
                said.content,
                said.reasoning_content,
                said.reasoning,
                said.tool_calls,
                said.function_call,
                said.refusal,
                said.audio,
            )
        )
        for part in parts:
            if part is NULL:
                continue
            raw = bytes(part)
            if raw not in EMPTY:
                self.visible = True
                if len(self.text) < MAX_KEPT_TEXT:
                    self.text += raw[1:-1] if raw[:1] == b'"' else _strings_in(raw)


def _strings_in(raw: bytes) -> bytes:
    """What was generated of tool calls and of content in parts, JSON-escaped: values, not the names around them."""
    return b"".join(match[1] for match in GENERATED.finditer(raw))


# -- errors to clients ------------------------------------------------------------------------------------------------
def error_body(message: str, type: str, code: str | None, param: str | None) -> bytes:
    """OpenAI's error envelope."""
    return msgspec.json.encode({"error": {"message": message, "type": type, "param": param, "code": code}})


def error_event(message: str, type: str, code: str | None, param: str | None) -> bytes:
    """An error in the middle of a stream: the envelope as one event; nothing follows it, no ``[DONE]`` either."""
    return b"data: " + error_body(message, type, code, param) + b"\n\n"
