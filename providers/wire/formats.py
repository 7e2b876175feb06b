"""The hub: one row per wire format. A format knows the canonical types and itself, never another format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from providers.wire import anthropic, gemini, openai_chat, openai_responses
from providers.wire.anthropic import counting as anthropic_counting
from providers.wire.anthropic import errors as anthropic_errors
from providers.wire.anthropic import mending as anthropic_mending
from providers.wire.anthropic import replies as anthropic_replies
from providers.wire.anthropic import requests as anthropic_requests
from providers.wire.anthropic import stream as anthropic_stream
from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.gemini import counting as gemini_counting
from providers.wire.gemini import errors as gemini_errors
from providers.wire.gemini import mending as gemini_mending
from providers.wire.gemini import replies as gemini_replies
from providers.wire.gemini import requests as gemini_requests
from providers.wire.gemini import stream as gemini_stream
from providers.wire.openai_chat import errors as chat_errors
from providers.wire.openai_chat import mending as chat_mending
from providers.wire.openai_chat import passed as chat_passed
from providers.wire.openai_chat import replies as chat_replies
from providers.wire.openai_chat import requests as chat_requests
from providers.wire.openai_chat import stream as chat_stream
from providers.wire.openai_responses import counting as responses_counting
from providers.wire.openai_responses import errors as responses_errors
from providers.wire.openai_responses import mending as responses_mending
from providers.wire.openai_responses import replies as responses_replies
from providers.wire.openai_responses import requests as responses_requests
from providers.wire.openai_responses import stream as responses_stream
from providers.wire.traits import Traits
from providers.wire.translation import Asked, Dumped, Names, sse
from providers.wire.types import Event, Json, Reply, Request, Usage

__all__ = ["FORMATS", "Counter", "Format", "Reader", "Writer", "anthropic", "gemini", "openai_chat", "openai_responses"]


class Reader(Protocol):
    """An upstream's stream → events. ``done``: its terminal event came."""

    done: bool

    def frame(self, data: bytes) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class Writer(Protocol):
    """Events → a client's stream."""

    def write(self, event: Event) -> bytes: ...

    def end(self, usage: Usage | None) -> bytes: ...

    def fail(self, refusal: Refusal) -> bytes: ...


class Parse(Protocol):
    def __call__(self, body: dict[str, Json], *, model: str = "", stream: bool | None = None) -> Request: ...


class Mended(Protocol):
    def __call__(
        self, fields: Mapping[str, msgspec.Raw], traits: Traits
    ) -> tuple[Mapping[str, msgspec.Raw], tuple[str, ...]]: ...


@dataclass(frozen=True, slots=True)
class Counter:
    """Counting a request's tokens beforehand: a client's question (its body, and the model where the path says it), the
    question to an upstream, its answer in tokens (or UpstreamFailure), the answer to a client."""

    parse: Callable[[dict[str, Json], str], Request]
    dump: Callable[[Request, Traits], Dumped]
    read: Callable[[bytes], int]
    tell: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Everything the gateway needs to know of a wire format."""

    id: str
    parse: Parse
    dump: Callable[[Request, Traits], Dumped]
    mended: Mended  # the client's own body for a model of these traits, and what was lost
    parse_reply: Callable[[bytes, Names], Reply]
    dump_reply: Callable[[Reply, Asked], bytes]
    reader: Callable[[Names], Reader]
    writer: Callable[[Asked], Writer]
    keep_alive: bytes
    error_body: Callable[[Refusal, str], bytes]
    error_event: Callable[[bytes], bytes]  # an error's body as an event of a stream that has said nothing yet
    error_from: Callable[[bytes, int | None], UpstreamFailure | None]
    counter: Counter | None = None
    closing: bytes = b""  # the frame that ends a stream of which everything was said


def _named(body: bytes) -> bytes:
    return b"event: error\ndata: " + body + b"\n\n"


def _plain(body: bytes) -> bytes:
    return b"data: " + body + b"\n\n"


def _responses(body: bytes) -> bytes:
    said = msgspec.json.decode(body)["error"]
    told = {name: said.get(name) for name in ("code", "message", "param")}
    return sse({"type": "error", **told, "sequence_number": 0}, "error")


FORMATS: Mapping[str, Format] = {
    "openai_chat": Format(
        id="openai_chat",
        parse=chat_requests.parse,
        dump=chat_requests.dump,
        mended=chat_mending.mended,
        parse_reply=chat_replies.parse_reply,
        dump_reply=chat_replies.dump_reply,
        reader=chat_stream.Reader,
        writer=chat_stream.Writer,
        keep_alive=chat_stream.KEEP_ALIVE,
        error_body=chat_errors.error_body,
        error_event=_plain,
        error_from=chat_passed.error_from,
    ),
    "openai_responses": Format(
        id="openai_responses",
        parse=responses_requests.parse,
        dump=responses_requests.dump,
        mended=responses_mending.mended,
        parse_reply=responses_replies.parse_reply,
        dump_reply=responses_replies.dump_reply,
        reader=responses_stream.Reader,
        writer=responses_stream.Writer,
        keep_alive=responses_stream.KEEP_ALIVE,
        error_body=responses_errors.error_body,
        error_event=_responses,
        error_from=responses_errors.error_from,
        counter=Counter(
            responses_counting.count_request,
            responses_counting.count_dump,
            responses_counting.count_from,
            responses_counting.count_reply,
        ),
    ),
    "anthropic": Format(
        id="anthropic",
        parse=anthropic_requests.parse,
        dump=anthropic_requests.dump,
        mended=anthropic_mending.mended,
        parse_reply=anthropic_replies.parse_reply,
        dump_reply=anthropic_replies.dump_reply,
        reader=anthropic_stream.Reader,
        writer=anthropic_stream.Writer,
        keep_alive=anthropic_stream.KEEP_ALIVE,
        error_body=anthropic_errors.error_body,
        error_event=_named,
        error_from=anthropic_errors.error_from,
        counter=Counter(
            anthropic_counting.count_request,
            anthropic_requests.dump_count,
            anthropic_counting.count_from,
            anthropic_counting.count_reply,
        ),
        closing=b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
    "gemini": Format(
        id="gemini",
        parse=gemini_requests.parse,
        dump=gemini_requests.dump,
        mended=gemini_mending.mended,
        parse_reply=gemini_replies.parse_reply,
        dump_reply=gemini_replies.dump_reply,
        reader=gemini_stream.Reader,
        writer=gemini_stream.Writer,
        keep_alive=gemini_stream.KEEP_ALIVE,
        error_body=gemini_errors.error_body,
        error_event=_plain,
        error_from=gemini_errors.error_from,
        counter=Counter(
            gemini_counting.count_request,
            gemini_counting.count_dump,
            gemini_counting.count_from,
            gemini_counting.count_reply,
        ),
    ),
}
