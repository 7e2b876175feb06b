"""OpenAI Chat Completions on the wire: replies that pass through, read only for what the gateway must know."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.openai_chat.counts import object_in, usage_of
from providers.wire.openai_chat.passing import DONE, UNREADABLE, Raw, decode_fields
from providers.wire.types import Usage
from providers.wire.waits import wait_in_body

NULL = Raw(b"null")
MAX_KEPT_TEXT = 256 * 1024  # bytes of generated text kept for counting when the provider reports no usage
LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
EMPTY = (b"null", b'""', b"[]", b"{}")
ERROR_EVENT = re.compile(rb"^event: ?error\b", re.MULTILINE)
GENERATED = re.compile(rb'"(?:text|name|arguments|refusal)"\s*:\s*"((?:[^"\\]|\\.)*)"')


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
    return decode_fields(raw)


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
            raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, not_a_reply(body)) from None
        if reply.error is not NULL and bytes(reply.error) not in EMPTY:
            raise error_from(body) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
        if not reply.choices:
            raise error_from(body) or UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no choices.")
        self.usage = _reported(reply)


def _reported(reply: _Reply) -> Usage | None:
    """None as well when all is zero: a vendor that counts nothing has not reported."""
    usage = usage_of(reply.usage)
    if not usage.input and not usage.output and reply.x_groq is not NULL:
        usage = usage_of(object_in(reply.x_groq).get("usage", NULL))
    return usage if usage.input or usage.output else None


def not_a_reply(body: bytes) -> str:
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
            self.failure = error_from(data) or UpstreamFailure(Kind.PROTOCOL, not_a_reply(data))
            return False
        return self._note(reply, data)

    def _stray(self, frame: bytes, data: bytes) -> None:
        """An error event, or what has no data: a plain error or a page instead of a stream; comments are dropped."""
        if ERROR_EVENT.search(frame):
            self.failure = error_from(data) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
        elif frame.lstrip().startswith((b"{", b"[", b"<")):
            self.failure = error_from(frame) or UpstreamFailure(Kind.PROTOCOL, not_a_reply(frame))

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
