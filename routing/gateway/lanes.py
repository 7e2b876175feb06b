"""How one attempt's request is said and its answer is told, by the formats on both sides.

``ChatPassing`` and ``Passing``: both sides speak one format, the original bytes go through, read only for what the
gateway must know. ``Translating``: client format → canonical → upstream format, and back. The exchange works with any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from providers.body import apply, dump, encode, with_model, with_preamble
from providers.tailoring import traits_of
from providers.upstream import Attempt
from providers.wire.anthropic.passing import named
from providers.wire.assemble import events_of
from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS, Format, Writer
from providers.wire.gemini.stream import ArrayWriter
from providers.wire.openai_chat.clean import clean_reply
from providers.wire.openai_chat.passed import WholeReply
from providers.wire.openai_chat.passing import ChatRequest
from providers.wire.openai_chat.tagged import split_whole
from providers.wire.thinktags import split_reply
from providers.wire.translation import Asked, Dumped, Names
from providers.wire.types import (
    Reply,
    Request,
    Usage,
)
from routing.gateway.endpoints import Call
from routing.gateway.peek import Peek
from routing.gateway.streams import ChatStream, PassedStream, Stream, Tell, TranslatedStream, sampled

# Fields whose loss changes nothing of the answer: not worth a word in x-omniroute-dropped.
SILENT = frozenset(("store", "client_metadata", "include"))
# What stands for a history that is in the messages by now: not lost, for clients of the format that has it.
PUT_BACK: Mapping[str, frozenset[str]] = {"openai_responses": SILENT | {"conversation"}}


class Prepared(msgspec.Struct, frozen=True):
    """A body for the upstream, what it could not carry, headers the format wants, and the body's top level, raw or
    read."""

    body: bytes
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    fields: Mapping[str, object] = {}


class Answer(msgspec.Struct, frozen=True):
    """A whole answer for the client. ``sample`` is a chat reply's body to count tokens in."""

    body: bytes
    usage: Usage | None
    sample: bytes


class Lane(Protocol):
    def prepare(self, attempt: Attempt) -> Prepared: ...

    def whole(self, raw: bytes) -> Answer: ...

    def stream(self) -> Stream: ...


def opened(fields: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
    """The request with the opening system text that its connection adds, if it adds one."""
    preamble = attempt.link.preamble
    return with_preamble(fields, preamble) if preamble and attempt.entry.format == "anthropic" else fields


# -- both sides speak Chat Completions -------------------------------------------------------------------------------
class ChatPassing(msgspec.Struct, eq=False):
    request: ChatRequest

    def prepare(self, attempt: Attempt) -> Prepared:
        entry, traits = attempt.entry, traits_of(attempt.entry, attempt.model)
        body, dropped, fields = dump(self.request, attempt.model, entry.request, traits)
        return Prepared(body, dropped, fields=fields)

    def whole(self, raw: bytes) -> Answer:
        reply = WholeReply(raw)
        body = split_whole(clean_reply(raw)) if self.request.operation == "chat" else raw
        return Answer(body, reply.usage, raw)

    def stream(self) -> Stream:
        return ChatStream(pass_usage=self.request.include_usage, mends=self.request.operation == "chat")


# -- both sides speak another format ---------------------------------------------------------------------------------
class Passing(msgspec.Struct, eq=False):
    """The client's own body with the upstream's model name; frames come back as they are."""

    format: Format
    peek: Peek
    tell: Tell

    def prepare(self, attempt: Attempt) -> Prepared:
        said, lost = self.format.mended(self.peek.fields, traits_of(attempt.entry, attempt.model))
        fields = said if self.format.id == "gemini" else with_model(said, attempt.model)
        fields, dropped = apply(fields, attempt.entry.request)
        fields = opened(fields, attempt)
        return Prepared(encode(fields), (*lost, *dropped), self.peek.headers, fields)

    def whole(self, raw: bytes) -> Answer:
        reply = self.format.parse_reply(raw, Names())
        if reply.choices:
            self.tell(reply.choices[0].parts, lambda: raw)
        sample = b"" if reply.usage is not None else sampled(events_of(reply))
        return Answer(named(raw, self._named) if self._named else raw, reply.usage, sample)

    def stream(self) -> Stream:
        return PassedStream(
            reader=self.format.reader(Names()), tell=self.tell, named=self._named, closing=self.format.closing
        )

    @property
    def _named(self) -> str:
        """The model's name for the reply; "" where clients do not look at it."""
        return self.peek.model if self.format.id == "anthropic" else ""


# -- one format to another -------------------------------------------------------------------------------------------
class Translating(msgspec.Struct, eq=False):
    """``request`` is canonical and complete (history and proofs put back)."""

    client: Format
    upstream: Format
    request: Request
    asked: Asked
    tell: Tell
    writer: Callable[[Asked], Writer]
    _dumped: Dumped | None = None
    _sent: bytes = b""

    def prepare(self, attempt: Attempt) -> Prepared:
        wanted = replace(self.request, model=attempt.model, previous_id="")  # its history is in the messages
        self._dumped = dumped = self.upstream.dump(wanted, traits_of(attempt.entry, attempt.model))
        body, dropped = apply(dumped.body, attempt.entry.request)
        headers = tuple((name.lower().encode(), value.encode()) for name, value in dumped.headers)
        leaving = opened(body, attempt)
        self._sent = msgspec.json.encode(leaving)
        silent = PUT_BACK.get(self.client.id, SILENT)
        told = tuple(name for name in (*dumped.dropped, *dropped) if name not in silent)
        return Prepared(self._sent, told, headers, leaving)

    def whole(self, raw: bytes) -> Answer:
        reply = split_reply(self.upstream.parse_reply(raw, self._names()))
        shown = reply if reply.usage is not None else replace(reply, usage=self.rough(len(raw)))
        body = self.client.dump_reply(shown, self.asked)
        if reply.choices:
            self.tell(reply.choices[0].parts, lambda: body)
        sample = b"" if reply.usage is not None else sampled(events_of(reply))
        return Answer(body, reply.usage, sample)

    def stream(self) -> Stream:
        reader = self.upstream.reader(self._names())
        return TranslatedStream(reader=reader, writer=self.writer(self.asked), tell=self.told, rough=self.rough)

    def rough(self, said: int) -> Usage:
        """Usage from lengths, for clients whose format demands some; the record gets tokens properly counted."""
        return Usage(input=max(1, len(self._sent) // 4), output=max(1, said // 4), estimated=True)

    def told(self, reply: Reply) -> None:
        """A stream has ended: remember what it said."""
        self.tell(reply.choices[0].parts, lambda: self.client.dump_reply(reply, self.asked))

    def _names(self) -> Names:
        assert self._dumped is not None  # an attempt is prepared before it answers
        return self._dumped.names


def lane_for(
    attempt: Attempt,
    call: Call,
    peek: Peek | ChatRequest,
    canonical: Callable[[], Request],
    asked: Callable[[], Asked],
    tell: Tell,
) -> Lane:
    """The lane of an attempt: pass-through when both sides speak one format and the request needs nothing of ours.

    Raises Refusal when there is no way to say the request in the upstream's format.
    """
    client, upstream = call.endpoint.format, attempt.entry.format
    if isinstance(peek, ChatRequest):
        if upstream == client:
            return ChatPassing(peek)
        if peek.operation != "chat":
            raise Refusal(400, "Text completions are only passed to providers of the OpenAI format.", param="model")
    elif upstream == client and not peek.ours:
        return Passing(FORMATS[client], peek, tell)
    writer = ArrayWriter if call.array else FORMATS[client].writer
    return Translating(FORMATS[client], FORMATS[upstream], canonical(), asked(), tell, writer)
