"""What the parts of the simulator hand to each other. Nothing here knows a wire format or a socket."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from .moments import Moment

Headers = tuple[tuple[str, str], ...]


@dataclass(eq=False)
class Received:
    """One request as it arrived, and what became of it. Times are `time.monotonic()` seconds."""

    method: str
    path: str  # without the query
    query: str
    headers: Headers  # as written by the client, in its order
    body: bytes = field(repr=False)
    started: float  # when the request was complete
    closed: Moment = field(repr=False)  # the connection ended, whoever ended it
    key: str | None = field(default=None, repr=False)
    answered: Moment = field(default_factory=Moment, repr=False)  # the last byte of the answer was written
    client_gone: Moment = field(default_factory=Moment, repr=False)  # the client left before that
    chunks: int = 0  # frames (or pieces of a plain body) written so far

    def header(self, name: str) -> str | None:
        """The first value of a header, in any case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @cached_property
    def json(self) -> Any:
        """The parsed body. Raises ValueError when it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Frame:
    """One server-sent event, or a piece of another stream."""

    data: str | bytes  # bytes: a piece of a stream that is no event stream, sent as it is
    event: str | None = None

    def encoded(self, newline: str = "\n") -> bytes:
        if isinstance(self.data, bytes):
            return self.data
        lines = [f"event: {self.event}"] if self.event else []
        lines += [f"data: {line}" for line in self.data.split("\n")]
        return (newline.join(lines) + newline * 2).encode()


@dataclass(frozen=True)
class Reply:
    """What is to be said: a plain body, frames of a stream, or raw bytes instead of HTTP."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    frames: tuple[Frame, ...] | None = None
    raw: bytes | None = None


@dataclass(frozen=True)
class ToolCall:
    """A call the model makes. Arguments are a mapping, or the JSON text as the model would write it."""

    name: str
    arguments: Mapping[str, Any] | str = "{}"
    id: str | None = None
    custom: bool = False  # a tool of free text, which `arguments` then is; formats without such tools wrap it

    @property
    def arguments_text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)

    @property
    def arguments_object(self) -> dict[str, Any]:
        """For formats that carry an object: text that is none comes under `input`."""
        try:
            value = {"input": self.arguments} if self.custom else json.loads(self.arguments_text)
        except ValueError:
            value = {"input": self.arguments}
        return value if isinstance(value, dict) else {"input": value}


@dataclass(frozen=True)
class Citation:
    """A page that the text rests on."""

    url: str
    title: str


@dataclass(frozen=True)
class Tokens:
    """Usage in no format's words. `input` is the whole prompt, `cached` and `cache_write` parts of it; `output` is
    all that was generated, `reasoning` a part of it."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Speech:
    """What a model says, in no format. None: the simulator makes something plausible up, thoughts too when they are
    asked for (`reasoning=""`: none)."""

    pieces: Sequence[str] | None = None
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str | None = None
    usage: Mapping[str, Any] | Tokens | None = None  # a mapping is in the words of the format that is spoken
    usage_when: Literal["asked", "always", "never"] = "asked"
    model: str | None = None
    finish_reason: str | None = None  # stop, length, tool_calls, content_filter, or a word of the format
    stream: bool | None = None  # None: as the request asks
    redacted: bool = False  # the reasoning comes hidden (Messages: as a redacted block)
    refusal: str | None = None
    citations: Sequence[Citation] = ()
    interleaved: bool = False  # the arguments of parallel calls come in turns (Chat Completions)

    @property
    def figures(self) -> dict[str, Any]:
        """The usage that the script tells in the words of the format."""
        return dict(self.usage) if isinstance(self.usage, Mapping) else {}


@dataclass(frozen=True)
class Refusal:
    """A vendor's no. `type` and `code` in the words of the format; `retry_after` in seconds."""

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True)
class Rules:
    """What this vendor accepts."""

    strict: bool = True
    extras: Collection[str] = ()  # request fields it knows beyond the format's own
    models: Collection[str] | None = None  # None: any name is served
    listed: Collection[str] = ()  # what the model list shows while any name is served
    kept: dict[str, Any] = field(default_factory=dict)  # what this vendor remembers: stored responses by id

    @property
    def served(self) -> list[str]:
        """The names of the model list."""
        return sorted(self.models if self.models is not None else self.listed)


@dataclass(frozen=True)
class Format:
    """A wire format as a vendor speaks it; one row of `formats.FORMATS`."""

    prefix: str  # path of the base URL
    operation: Callable[[str, str], str | None]  # method, path → operation, None for an unknown path
    key: Callable[[Received], str | None]  # the credential a request carries
    wants_stream: Callable[[Received], bool]
    refusal: Callable[[str, Received, Rules], Refusal | None]  # operation, request → why a vendor refuses it
    reply: Callable[["Ask", Speech], Reply]
    error: Callable[[Refusal], dict[str, Any]]
    bad_key: Refusal
    unknown_path: Refusal
    model: Callable[[Received], str] = lambda received: body_model(received)
    opening_event: str | None = None  # the name of a stream's first event; None: events have no names
    stream_error: Callable[[Refusal], Frame] | None = None  # None: a frame of the plain error
    request_id: str = "x-request-id"  # the header every reply has; "": none
    retry_header: bool = True  # `retry-after` is a header, not a part of the error

    def error_reply(self, refusal: Refusal) -> Reply:
        told = self.retry_header and refusal.retry_after is not None
        headers = (("retry-after", f"{refusal.retry_after:g}"),) if told else ()
        return json_body(self.error(refusal), refusal.status, headers)

    def error_frame(self, refusal: Refusal) -> Frame:
        return self.stream_error(refusal) if self.stream_error else Frame(json.dumps(self.error(refusal)))


@dataclass(frozen=True)
class Ask:
    """One accepted request with all that is needed to answer it."""

    received: Received
    operation: str
    format: Format
    rules: Rules
    number: int  # of the request at this simulator, from 1

    @property
    def stream(self) -> bool:
        return self.format.wants_stream(self.received)

    @property
    def model(self) -> str:
        return self.format.model(self.received)


def body_model(received: Received) -> str:
    """The model that a JSON body names; "" without one."""
    try:
        return str(received.json.get("model", ""))
    except (ValueError, AttributeError):
        return ""


def json_body(value: object, status: int = 200, headers: Headers = ()) -> Reply:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, (("content-type", "application/json"), *headers), body)
