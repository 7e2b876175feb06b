"""How one attempt's request is said and its answer is told, by the formats on both sides.

``ChatPassing`` and ``Passing``: both sides speak one format, the original bytes go through, read only for what the
gateway must know. ``Translating``: client format → canonical → upstream format, and back. The exchange works with any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from msgspec.structs import replace

from providers.body import apply, dump, encode, with_model
from providers.tailoring import traits_of
from providers.upstream import Attempt
from providers.wire.anthropic.passing import named, named_start
from providers.wire.assemble import Assembly, events_of
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.formats import FORMATS, Format, Reader, Writer
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.gemini.stream import ArrayWriter
from providers.wire.openai_chat.clean import clean_chunk, clean_reply
from providers.wire.openai_chat.passing import ChatRequest, StreamReader, WholeReply
from providers.wire.openai_chat.tagged import ChunkTags, split_whole
from providers.wire.thinktags import ThinkTags, split_reply
from providers.wire.translation import Asked, Dumped, Names
from providers.wire.types import (
    Event,
    Finish,
    OpaqueAdded,
    Part,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Reply,
    Request,
    Start,
    TextDelta,
    ToolDelta,
    ToolStart,
    Usage,
    UsageSeen,
)
from routing.gateway.endpoints import Call
from routing.gateway.peek import Peek

SEEN = (TextDelta, ReasoningDelta, ReasoningProof, RefusalDelta, ToolStart, OpaqueAdded)
# Fields whose loss changes nothing of the answer: not worth a word in x-omniroute-dropped.
SILENT = frozenset(("store", "client_metadata", "include"))
MOST_KEPT_TEXT = 256 * 1024  # characters kept for counting when nobody reports usage
Tell = Callable[[tuple[Part, ...], Callable[[], bytes]], None]  # what was said, and the reply as the client has it


@dataclass(frozen=True, slots=True)
class Prepared:
    """A body for the upstream, what it could not carry, and headers the format wants."""

    body: bytes
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer for the client. ``sample`` is a chat reply's body to count tokens in."""

    body: bytes
    usage: Usage | None
    sample: bytes


class Stream(Protocol):
    """A streamed answer on its way; see StreamReader."""

    visible: bool
    finished: bool
    done: bool
    usage: Usage | None
    failure: UpstreamFailure | None

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...

    def sample(self) -> bytes: ...

    def fail(self, refusal: Refusal) -> bytes | None:
        """An error as this stream's last words; None when it has said nothing that would need its state."""


class Lane(Protocol):
    def prepare(self, attempt: Attempt) -> Prepared: ...

    def whole(self, raw: bytes) -> Answer: ...

    def stream(self) -> Stream: ...


# -- both sides speak Chat Completions -------------------------------------------------------------------------------
@dataclass(slots=True)
class ChatStream(StreamReader):
    """The pass-through of Chat Completions; ``mends``: a chunk that strict clients would trip over is put right."""

    mends: bool = True
    tags: ChunkTags = field(default_factory=ChunkTags)

    def _shown(self, frame: bytes) -> bytes:
        if not self.mends or not frame.startswith(b"data: {"):
            return frame
        data = frame[6:]
        cleaned = clean_chunk(data)
        if not self.tags.settled:
            cleaned = self.tags.split(cleaned)
        return frame if cleaned is data else b"data: " + cleaned

    def fail(self, refusal: Refusal) -> None:
        return None


@dataclass(slots=True)
class ChatPassing:
    request: ChatRequest

    def prepare(self, attempt: Attempt) -> Prepared:
        entry = attempt.entry
        body, dropped = dump(self.request, attempt.model, entry.request, stream_usage=entry.stream_usage)
        return Prepared(body, dropped)

    def whole(self, raw: bytes) -> Answer:
        reply = WholeReply(raw)
        body = split_whole(clean_reply(raw)) if self.request.operation == "chat" else raw
        return Answer(body, reply.usage, raw)

    def stream(self) -> Stream:
        return ChatStream(pass_usage=self.request.include_usage, mends=self.request.operation == "chat")


# -- both sides speak another format ---------------------------------------------------------------------------------
@dataclass(slots=True)
class Passing:
    """The client's own body with the upstream's model name; frames come back as they are."""

    format: Format
    peek: Peek
    tell: Tell

    def prepare(self, attempt: Attempt) -> Prepared:
        fields = self.peek.fields if self.format.id == "gemini" else with_model(self.peek.fields, attempt.model)
        fields, dropped = apply(fields, attempt.entry.request)
        return Prepared(encode(fields), dropped, self.peek.headers)

    def whole(self, raw: bytes) -> Answer:
        reply = self.format.parse_reply(raw, Names())
        if reply.choices:
            self.tell(reply.choices[0].parts, lambda: raw)
        return Answer(named(raw, self._named) if self._named else raw, reply.usage, b"")

    def stream(self) -> Stream:
        return PassedStream(reader=self.format.reader(Names()), tell=self.tell, named=self._named)

    @property
    def _named(self) -> str:
        """The model's name for the reply; "" where clients do not look at it."""
        return self.peek.model if self.format.id == "anthropic" else ""


@dataclass(slots=True)
class _Watched:
    """What every stream that goes through a Reader knows of itself."""

    reader: Reader
    visible: bool = False
    finished: bool = False
    done: bool = False
    usage: Usage | None = None
    failure: UpstreamFailure | None = None
    _text: list[str] = field(default_factory=list)
    _size: int = 0
    _split: EventSplitter = field(default_factory=EventSplitter)

    def frames(self, data: bytes) -> list[bytes]:
        try:
            return self._split.feed(data)
        except FrameTooLong as wrong:
            self.failure = UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.")
            return []

    def read(self, frame: bytes) -> list[Event]:
        """A frame's events, noted; [] after a failure."""
        data = payload(frame)
        if not data and frame.lstrip()[:1] in (b"{", b"<", b"["):
            data = frame  # a plain error or a page instead of a stream
        if not data:
            return []
        return self.noted(lambda: self.reader.frame(data))

    def noted(self, events: Callable[[], list[Event]]) -> list[Event]:
        try:
            found = events()
        except UpstreamFailure as failure:
            self.failure = failure
            return []
        for event in found:
            self.note(event)
        return found

    def note(self, event: Event) -> None:
        if isinstance(event, SEEN):
            self.visible = self.visible or not isinstance(event, ReasoningProof) or bool(event.proof.value)
            self._keep(event)
        elif isinstance(event, ToolDelta):
            self._keep(event)
        elif isinstance(event, Finish):
            self.finished = self.visible = True
        elif isinstance(event, UsageSeen) or (
            isinstance(event, Start) and event.usage is not None and self.usage is None
        ):
            self.usage = event.usage

    def _keep(self, event: Event) -> None:
        text = getattr(event, "text", "") or getattr(event, "arguments", "")
        if text and self._size < MOST_KEPT_TEXT:
            self._text.append(text)
            self._size += len(text)

    def sample(self) -> bytes:
        if self.usage is not None or not self._text:
            return b""
        return msgspec.json.encode({"choices": [{"message": {"content": "".join(self._text)}}]})


@dataclass(slots=True, kw_only=True)
class PassedStream(_Watched):
    """Frames go on as they came; the Reader only watches. ``_last`` is the newest event's data. ``named``: the model's
    name for the frame that opens a Messages stream, "" once it has been said."""

    tell: Tell
    named: str = ""
    assembly: Assembly = field(default_factory=Assembly)
    _last: bytes = b""

    def note(self, event: Event) -> None:
        _Watched.note(self, event)
        self.assembly.add(event)

    def feed(self, data: bytes) -> bytes:
        kept = []
        for frame in self.frames(data):
            if self.failure is not None or self.done:
                break
            self.read(frame)
            if self.failure is None and (told := payload(frame)):
                kept.append(self._shown(frame))
                self._last = told
            self.done = self.reader.done
        return b"\n\n".join(kept) + b"\n\n" if kept else b""

    def end(self) -> bytes:
        if self.failure is not None:
            return b""
        rest = self._split.flush()
        last = b""
        if rest and not self.done:
            self.read(rest)
            last = rest + b"\n\n" if self.failure is None else b""
        if self.failure is None:
            self.noted(self.reader.end)
        if self.failure is None:
            self.done = self.finished = True
            if not self.assembly.overflowed:
                self.tell(self.assembly.parts(), self._whole)
        return last

    def _shown(self, frame: bytes) -> bytes:
        if not self.named or (renamed := named_start(frame, self.named)) is None:
            return frame
        self.named = ""
        return renamed

    def _whole(self) -> bytes:
        """The response object, which the last event of a Responses stream carries."""
        return bytes(msgspec.json.decode(self._last, type=_Terminal).response)

    def fail(self, refusal: Refusal) -> None:
        return None


# -- one format to another -------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Translating:
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
        self._sent = msgspec.json.encode(body)
        told = tuple(name for name in (*dumped.dropped, *dropped) if name not in SILENT)
        return Prepared(self._sent, told, headers)

    def whole(self, raw: bytes) -> Answer:
        reply = split_reply(self.upstream.parse_reply(raw, self._names()))
        shown = reply if reply.usage is not None else replace(reply, usage=self.rough(len(raw)))
        body = self.client.dump_reply(shown, self.asked)
        if reply.choices:
            self.tell(reply.choices[0].parts, lambda: body)
        sample = b"" if reply.usage is not None else _sample(events_of(reply))
        return Answer(body, reply.usage, sample)

    def stream(self) -> Stream:
        reader = self.upstream.reader(self._names())
        return TranslatedStream(reader=reader, lane=self, writer=self.writer(self.asked))

    def rough(self, said: int) -> Usage:
        """Usage from lengths, for clients whose format demands some; the record gets tokens properly counted."""
        return Usage(input=max(1, len(self._sent) // 4), output=max(1, said // 4), estimated=True)

    def told(self, reply: Reply) -> None:
        """A stream has ended: remember what it said."""
        self.tell(reply.choices[0].parts, lambda: self.client.dump_reply(reply, self.asked))

    def _names(self) -> Names:
        assert self._dumped is not None  # an attempt is prepared before it answers
        return self._dumped.names


@dataclass(slots=True, kw_only=True)
class TranslatedStream(_Watched):
    """Events → the client's own stream. ``<think>`` text has become reasoning on the way."""

    lane: Translating
    writer: Writer
    tags: ThinkTags = field(default_factory=ThinkTags)
    began: bool = False
    shown: Assembly = field(default_factory=Assembly)  # what the client was told, tags resolved

    def feed(self, data: bytes) -> bytes:
        out = []
        for frame in self.frames(data):
            if self.failure is not None or self.done:
                break
            out += [self._said(event) for event in self.read(frame)]
            self.done = self.failure is None and self.reader.done
        return b"".join(out)

    def end(self) -> bytes:
        if self.failure is not None:
            return b""
        out = []
        rest = self._split.flush()
        if rest and not self.done:
            out += [self._said(event) for event in self.read(rest)]
        if self.failure is None:
            out += [self._said(event) for event in self.noted(self.reader.end)]
        if self.failure is not None:
            return b"".join(out)
        out += [self._write(event) for event in self.tags.end()]
        out.append(self.writer.end(self.usage or self.lane.rough(self._size)))
        self.done = self.finished = True
        if not self.shown.overflowed:
            self.lane.told(self.shown.reply())
        return b"".join(out)

    def fail(self, refusal: Refusal) -> bytes | None:
        return self.writer.fail(refusal) if self.began else None

    def _said(self, event: Event) -> bytes:
        self.began = True
        return b"".join([self._write(shown) for shown in self.tags.feed(event)])

    def _write(self, event: Event) -> bytes:
        self.shown.add(event)
        return self.writer.write(event)


def _sample(events: object) -> bytes:
    watched = _Watched(reader=_Nobody())
    for event in events:  # type: ignore[attr-defined]
        watched.note(event)
    watched.usage = None
    return watched.sample()


class _Terminal(msgspec.Struct):
    response: msgspec.Raw


class _Nobody:
    done = True

    def frame(self, data: bytes) -> list[Event]:
        return []

    def end(self) -> list[Event]:
        return []


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
