"""A streamed answer on its way from an upstream's bytes to the client's: passed on, or translated. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from msgspec.structs import replace

from providers.wire.anthropic.passing import named_start
from providers.wire.assemble import Assembly
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.formats import Reader, Writer
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.openai_chat.clean import clean_chunk
from providers.wire.openai_chat.passed import StreamReader
from providers.wire.openai_chat.tagged import ChunkTags
from providers.wire.thinktags import ThinkTags
from providers.wire.types import (
    Event,
    Finish,
    OpaqueAdded,
    Part,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Reply,
    Start,
    TextDelta,
    ToolDelta,
    ToolStart,
    Usage,
    UsageSeen,
    completed,
)

SEEN = (TextDelta, ReasoningDelta, ReasoningProof, RefusalDelta, ToolStart, OpaqueAdded)
MOST_KEPT_TEXT = 256 * 1024  # characters kept for counting when nobody reports usage
Tell = Callable[[tuple[Part, ...], Callable[[], bytes]], None]  # what was said, and the reply as the client has it


class Stream(Protocol):
    """A streamed answer on its way; see StreamReader."""

    visible: bool
    finished: bool
    done: bool
    usage: Usage | None
    opening: Usage | None  # what was said of usage before the answer: the input, and hardly any of the output
    failure: UpstreamFailure | None

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...

    def sample(self) -> bytes: ...

    def fail(self, refusal: Refusal) -> bytes | None:
        """An error as this stream's last words; None when it has said nothing that would need its state."""


@dataclass(slots=True)
class ChatStream(StreamReader):
    """The pass-through of Chat Completions; ``mends``: a chunk that strict clients would trip over is put right."""

    mends: bool = True
    opening: Usage | None = None
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
class _Watched:
    """What every stream that goes through a Reader knows of itself."""

    reader: Reader
    visible: bool = False
    finished: bool = False
    done: bool = False
    usage: Usage | None = None
    opening: Usage | None = None
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
        elif isinstance(event, UsageSeen):
            self.usage = event.usage
        elif isinstance(event, Start):
            self.opening = event.usage

    def _keep(self, event: Event) -> None:
        text = getattr(event, "text", "") or getattr(event, "arguments", "")
        if text and self._size < MOST_KEPT_TEXT:
            self._text.append(text)
            self._size += len(text)

    def sample(self) -> bytes:
        if (self.usage is not None and self.finished) or not self._text:
            return b""
        return msgspec.json.encode({"choices": [{"message": {"content": "".join(self._text)}}]})


@dataclass(slots=True, kw_only=True)
class PassedStream(_Watched):
    """Frames go on as they came; the Reader only watches. ``_last`` is the newest event's data. ``named``: the model's
    name for the frame that opens a Messages stream, "" once it has been said. ``closing``: the format's last frame, for
    an answer that is whole and ends without it."""

    tell: Tell
    named: str = ""
    closing: bytes = b""
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
        if self.failure is None and not self.reader.done:
            self.noted(self.reader.end)
            last += self.closing if self.failure is None else b""
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


@dataclass(slots=True, kw_only=True)
class TranslatedStream(_Watched):
    """Events → the client's own stream. ``<think>`` text has become reasoning on the way."""

    tell: Callable[[Reply], None]
    rough: Callable[[int], Usage]  # usage for clients that must have some, from the length of what was said
    writer: Writer
    tags: ThinkTags = field(default_factory=ThinkTags)
    began: bool = False
    shown: Assembly = field(default_factory=Assembly)  # what the client was told, tags resolved
    _over: set[int] = field(default_factory=set)  # choices that have finished: no client bears words after that

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
        out.append(self.writer.end(self.usage or self._roughly()))
        self.done = self.finished = True
        if not self.shown.overflowed:
            self.tell(self.shown.reply())
        return b"".join(out)

    def fail(self, refusal: Refusal) -> bytes | None:
        return self.writer.fail(refusal) if self.began else None

    def _roughly(self) -> Usage:
        rough = self.rough(self._size)
        return rough if self.opening is None else completed(self.opening, rough)

    def _said(self, event: Event) -> bytes:
        if self._over and getattr(event, "choice", None) in self._over:
            return b""
        if not self.began:
            self.began = True
            if isinstance(event, Start):
                return self._opened(event)
        if isinstance(event, Finish):
            self._over.add(event.choice)
        return b"".join([self._write(shown) for shown in self.tags.feed(event)])

    def _opened(self, event: Start) -> bytes:
        """Clients that are told of the prompt at the start are told an estimate where the vendor counts at the end."""
        self.shown.add(event)
        return self.writer.write(event if event.usage is not None else replace(event, usage=self.rough(0)))

    def _write(self, event: Event) -> bytes:
        self.shown.add(event)
        return self.writer.write(event)


def sampled(events: Iterable[Event]) -> bytes:
    """What these events said, as a chat reply's body to count tokens in."""
    watched = _Watched(reader=_Nobody())
    for event in events:
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
