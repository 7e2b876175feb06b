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
    """One server-sent event."""

    data: str
    event: str | None = None

    def encoded(self, newline: str = "\n") -> bytes:
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

    @property
    def arguments_text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Speech:
    """What a model says, in no format. None: the simulator makes something plausible up."""

    pieces: Sequence[str] | None = None
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str | None = None
    usage: Mapping[str, Any] | None = None  # in the words of the format that is spoken
    usage_when: Literal["asked", "always", "never"] = "asked"
    model: str | None = None
    finish_reason: str | None = None
    stream: bool | None = None  # None: as the request asks


@dataclass(frozen=True)
class Refusal:
    """A vendor's no. `type` and `code` in the words of the format; retry_after in seconds."""

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True)
class Rules:
    """What this vendor accepts."""

    strict: bool = True
    extras: Collection[str] = ()  # request fields it knows beyond the format's own
    models: Collection[str] | None = None  # None: any name is served
    listed: Collection[str] = ()  # what the model list shows while any name is served


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

    def error_reply(self, refusal: Refusal, headers: Headers = ()) -> Reply:
        return json_body(self.error(refusal), refusal.status, headers)


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
        body = self.received.json if self.received.body else {}
        return str(body.get("model", ""))


def json_body(value: object, status: int = 200, headers: Headers = ()) -> Reply:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, (("content-type", "application/json"), *headers), body)
