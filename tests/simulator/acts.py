"""Acts: what the vendor does with one request. An Act is what is said and how it is delivered.

Every modifier returns a new act, so they chain: `chat("Hello there").slow(0.02).cut(after=3)`. A bare
modifier bends the default answer: `cut(after=3)` is `chat().cut(after=3)`. Frame 1 of a chat stream only
opens the message; text starts with frame 2. A plain (not streamed) body counts as four frames.
"""

import json
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .delivery import Delivery
from .moments import Moment
from .types import Ask, Frame, Refusal, Reply, Speech, Tokens, ToolCall, json_body

STREAM_HEADERS = (("content-type", "text/event-stream"),)
DEFAULT_MESSAGES = {429: "Rate limit reached. Please slow down.", 401: "Incorrect API key provided."}


@dataclass(frozen=True)
class Act:
    """One turn of the script."""

    say: Callable[[Ask], Reply]
    delivery: Delivery = field(default_factory=Delivery)

    def silence(self, seconds: float | None = None) -> "Act":
        """Not a byte for so many seconds (None: for ever), then the answer."""
        return self._with(delay=seconds)

    def slow(self, interval: float) -> "Act":
        """So many seconds between frames."""
        return self._with(interval=interval)

    def hold(self, after: int | None = None) -> "Act":
        """Wait for `release()` of the returned act: before the first byte, or after so many frames."""
        return self._with(gate=Moment(), gate_after=after)

    def release(self) -> None:
        """Let a held act go on, from any thread."""
        assert self.delivery.gate is not None, "this act is not held"
        self.delivery.gate.set()

    def cut(self, after: int = 0, *, reset: bool = False) -> "Act":
        """Close the connection after so many frames, without the terminator; `reset`: with a TCP reset."""
        return self._with(end="reset" if reset else "cut", after=after)

    def stall(self, after: int = 0) -> "Act":
        """Go silent for ever after headers and so many frames."""
        return self._with(end="stall", after=after)

    def split(self, *sizes: int) -> "Act":
        """Send the body in pieces of these sizes (bytes, repeated in turn), across the ends of frames."""
        return self._with(sizes=sizes)

    def byte_by_byte(self) -> "Act":
        return self.split(1)

    def crlf(self) -> "Act":
        """End the lines of frames with CR LF."""
        return self._with(newline="\r\n")

    def comments(self, text: str = "keep-alive") -> "Act":
        """A comment line before every frame."""
        return self._with(comment=text)

    def until_close(self) -> "Act":
        """No length, no chunks: the body ends when the connection does."""
        return self._with(until_close=True)

    def then_close(self) -> "Act":
        """Close the kept-alive connection after the answer without having said so."""
        return self._with(then_close=True)

    def headers(self, **headers: str) -> "Act":
        """Add or replace reply headers; `x_request_id` is sent as `x-request-id`."""
        new = {name.replace("_", "-"): value for name, value in headers.items()}

        def bend(reply: Reply, _: Ask) -> Reply:
            return replace(reply, headers=(*(it for it in reply.headers if it[0] not in new), *new.items()))

        return self._bent(bend)

    def clean_end_without_terminal(self, after: int = -1) -> "Act":
        """End the stream properly after so many frames (-1: before the last one, `[DONE]` or its like)."""
        return self._bent(lambda reply, _: replace(reply, frames=reply.frames and reply.frames[:after]))

    clean_end_without_done = clean_end_without_terminal

    def error_midstream(self, after: int = 2, message: str = "The server had an error.", code: int = 500) -> "Act":
        """An error frame after so many frames, then the end. A plain reply has no middle: it is the error."""

        def bend(reply: Reply, ask: Ask) -> Reply:
            if reply.frames is None:
                return ask.format.error_reply(Refusal(code, message))
            return replace(reply, frames=(*reply.frames[:after], ask.format.error_frame(Refusal(code, message))))

        return self._bent(bend)

    def _with(self, **changes: Any) -> "Act":
        return replace(self, delivery=replace(self.delivery, **changes))

    def _bent(self, bend: Callable[[Reply, Ask], Reply]) -> "Act":
        say = self.say
        return replace(self, say=lambda ask: bend(say(ask), ask))


UsageWhen = Literal["asked", "always", "never"]


def chat(
    text: str | Sequence[str] | None = None,
    *,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, Any] | Tokens | UsageWhen = "asked",
    usage_when: UsageWhen = "asked",
    reasoning: str | None = None,
    model: str | None = None,
    finish_reason: str | None = None,
    stream: bool | None = None,
    **more: Any,
) -> Act:
    """A valid answer: JSON or a stream as the request asks, or as `stream` says.

    text: words stream one by one, a list piece by piece; None: made up (an echo, a call of a tool that was asked
    for, its result). reasoning: None thinks when asked to, "" never. usage: Tokens, or figures in the format's words
    (over counted words), or shortly when a stream carries them; "always" sends them unasked, "never" leaves them
    out of plain replies too. finish_reason: stop, length, tool_calls, content_filter in any format, or a word of
    its own. more: the other fields of Speech (redacted, refusal, citations, interleaved). On other operations
    (models, embeddings) it is their ordinary answer.
    """
    figures = None if isinstance(usage, str) else usage
    when = usage if isinstance(usage, str) and usage != "asked" else usage_when
    pieces = [it + " " for it in text.split(" ")] if isinstance(text, str) else text
    if isinstance(text, str) and pieces:
        pieces = [*pieces[:-1], pieces[-1][:-1]]
    speech = Speech(pieces, tool_calls, reasoning, figures, when, model, finish_reason, stream, **more)
    return Act(lambda ask: ask.format.reply(ask, speech))


def sse(*pieces: str) -> Act:
    """A stream of these pieces of text, whatever was asked."""
    return chat(pieces, stream=True)


def completion(text: str | Sequence[str] | None = None, **options: Any) -> Act:
    """The same as `chat`, which answers each operation in its own shape; for scripts about /completions."""
    return chat(text, **options)


def frames(*data: object) -> Act:
    """A stream of exactly these frames, strings as they are, others as JSON; no terminator of its own. Where events
    have names, it is the `type` in their JSON."""

    def frame(it: object, named: bool) -> Frame:
        name = it.get("type") if named and isinstance(it, dict) else None
        return Frame(it if isinstance(it, str) else json.dumps(it), name)

    def say(ask: Ask) -> Reply:
        named = ask.format.opening_event is not None
        return Reply(200, STREAM_HEADERS, frames=tuple(frame(it, named) for it in data))

    return Act(say)


def json_reply(value: object, status: int = 200) -> Act:
    return Act(lambda _: json_body(value, status))


def status(
    code: int, body: object = None, *, retry_after: float | None = None, error_message: str | None = None
) -> Act:
    """An error of the vendor, in its envelope unless a body (JSON value, or bytes as they are) is given."""
    headers = (("retry-after", f"{retry_after:g}"),) if retry_after is not None else ()
    message = error_message or DEFAULT_MESSAGES.get(code, f"The simulator was told to answer {code}.")

    def say(ask: Ask) -> Reply:
        if isinstance(body, bytes):
            return Reply(code, headers, body)
        if body is not None:
            return json_body(body, code, headers)
        return ask.format.error_reply(Refusal(code, message, retry_after=retry_after))

    return Act(say)


def html(code: int = 502) -> Act:
    """What a proxy in front of the vendor says."""
    page = f"<html><head><title>{code}</title></head><body><center><h1>{code}</h1></center></body></html>\n"
    return Act(lambda _: Reply(code, (("content-type", "text/html"),), page.encode()))


def empty(code: int = 200) -> Act:
    """A status and nothing else; for a stream, one without frames."""

    def say(ask: Ask) -> Reply:
        if ask.stream and code == 200:
            return Reply(code, STREAM_HEADERS, frames=())
        return Reply(code, (("content-type", "application/json"),))

    return Act(say)


def broken_json() -> Act:
    """Status 200 and JSON that ends early, in the body or in the first frame."""
    text = '{"id": "sim-000001", "choices": [{"index": 0, "mess'

    def say(ask: Ask) -> Reply:
        if ask.stream:
            return Reply(200, STREAM_HEADERS, frames=(Frame(text, ask.format.opening_event),))
        return Reply(200, (("content-type", "application/json"),), text.encode())

    return Act(say)


def error_inside_200(message: str = "The model is overloaded.", code: int = 503) -> Act:
    """Status 200 with the error as the body, or as the first frame. `code` chooses the words of the error."""

    def say(ask: Ask) -> Reply:
        refusal = Refusal(code, message)
        if ask.stream:
            return Reply(200, STREAM_HEADERS, frames=(ask.format.error_frame(refusal),))
        return json_body(ask.format.error(refusal))

    return Act(say)


def raw(data: bytes) -> Act:
    """These bytes instead of an HTTP reply, then the end of the connection."""
    return Act(lambda _: Reply(raw=data))


def garbage() -> Act:
    """Bytes that are not HTTP."""
    return raw(b"\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n\x00\x00")


def hang_up() -> Act:
    """Close the connection without a byte."""
    return raw(b"")


def closed_port() -> int:
    """A loopback port that refuses connections. None of those that the kernel gives away, or it might be somebody's by
    the time it is used."""
    while True:
        port = 12_000 + secrets.randbelow(8_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


_default = chat()
silence, slow, hold, cut, stall = _default.silence, _default.slow, _default.hold, _default.cut, _default.stall
split, byte_by_byte, crlf, comments = _default.split, _default.byte_by_byte, _default.crlf, _default.comments
clean_end_without_terminal, error_midstream = _default.clean_end_without_terminal, _default.error_midstream
clean_end_without_done = clean_end_without_terminal
until_close, then_close = _default.until_close, _default.then_close
