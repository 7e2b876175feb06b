"""Streams: an upstream's chunks → events (Reader), events → a client's chunks (Writer)."""

from __future__ import annotations

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_chat.calls import Calls
from providers.wire.openai_chat.details import Details
from providers.wire.openai_chat.passing import KEEP_ALIVE
from providers.wire.openai_chat.said import (
    FAMILY,
    check_choice,
    check_error,
    citations_from,
    content_pieces,
    decoded,
    finish_of,
    objects,
    reasoning_text,
    text_of,
    usage_from,
)
from providers.wire.openai_chat.writer import Writer
from providers.wire.translation import Names
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Start,
    TextDelta,
    UsageSeen,
)

__all__ = ["KEEP_ALIVE", "Reader", "Writer"]


class _Choice:
    """One of n answers as far as it has come. Blocks are numbered through text and reasoning."""

    __slots__ = ("block", "calls", "details", "finish", "index", "kind")

    def __init__(self, index: int, names: Names, seed: str) -> None:
        self.index, self.block, self.kind, self.finish = index, -1, "", ""
        self.calls = Calls(names, index, f"{seed} {index}")
        self.details = Details()

    def read(self, said: dict[str, Json], logprobs: Json) -> list[Event]:
        """The events of one delta, in the order in which vendors mean them: thinking, text, calls."""
        content = said.get("content")
        plain = len(said) == 1 or (len(said) == 2 and "role" in said)
        if plain and self.kind == "text" and isinstance(content, str) and content:  # what most chunks are
            return [TextDelta(text=content, choice=self.index, block=self.block, logprobs=logprobs)]
        events: list[Event] = []
        thought = reasoning_text(said)
        if "reasoning_details" in said:
            self.details.add(said["reasoning_details"])
        if thought:
            self._say("reasoning", thought, None, events)
        for kind, words in content_pieces(content):
            self._say(kind, words, logprobs, events)
        self._rest(said, events)
        return events

    def _say(self, kind: str, words: str, logprobs: Json, events: list[Event]) -> None:
        if kind != self.kind:
            if kind == "text":
                self.seal(events)
            self.kind, self.block = kind, self.block + 1
        if kind == "text":
            events.append(TextDelta(text=words, choice=self.index, block=self.block, logprobs=logprobs))
        else:
            events.append(ReasoningDelta(text=words, choice=self.index, block=self.block))

    def seal(self, events: list[Event]) -> None:
        """Thinking is over: what the vendor sealed of it."""
        for proof in self.details.take():
            events.append(ReasoningProof(proof=proof, choice=self.index, block=max(self.block, 0)))

    def _rest(self, said: dict[str, Json], events: list[Event]) -> None:
        refusal = text_of(said.get("refusal"))
        if refusal:
            events.append(RefusalDelta(text=refusal, choice=self.index))
        if said.get("annotations"):
            events.extend(CitationAdded(citation=found, choice=self.index) for found in citations_from(said))
        for image in objects(said.get("images")):
            events.append(OpaqueAdded(part=Opaque(family=FAMILY, value=image), choice=self.index))
        audio = said.get("audio")
        if isinstance(audio, dict) and audio:
            part = Opaque(family=FAMILY, value={"type": "audio", "audio": audio})
            events.append(OpaqueAdded(part=part, choice=self.index))
        items = objects(said.get("tool_calls"))
        legacy = said.get("function_call")
        if isinstance(legacy, dict):
            items.append({"index": 0, "function": legacy})
        for item in items:
            self.seal(events)
            self.kind = "calls"
            events += self.calls.feed(item)

    def close(self) -> list[Event]:
        """The end of this answer, its reason last."""
        events: list[Event] = []
        self.seal(events)
        events += self.calls.close()
        events.append(Finish(reason=finish_of(self.finish, bool(self.calls)), choice=self.index))
        return events


class Reader:
    """Payloads of one reply's events → events; sans-I/O. ``done``: nothing more is expected.

    A choice's Finish is held back until the stream is over: some vendors go on after their finish reason.
    """

    __slots__ = ("_choices", "_id", "_names", "_started", "done")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._choices: dict[int, _Choice] = {}
        self._id = ""
        self._started = self.done = False

    def frame(self, data: bytes) -> list[Event]:
        """The events of one payload. Raises UpstreamFailure for an error in-band and for what is no chunk."""
        if self.done or not data:
            return []
        if data.startswith(b"[DONE]") or data.strip() == b"[DONE]":
            return self._finished()
        chunk = decoded(data)
        choices = chunk.get("choices")
        if not choices or "error" in chunk:
            check_error(chunk, data)
        events: list[Event] = []
        if not self._started and (choices or chunk.get("id")):
            self._started, self._id = True, text_of(chunk.get("id"))
            events.append(Start(id=self._id, model=text_of(chunk.get("model"))))
        for number, item in enumerate(objects(choices)):
            events += self._choice(item, number)
        self._usage(chunk, events)
        return events

    def end(self) -> list[Event]:
        """The upstream closed. Raises UpstreamFailure when that was too early."""
        return [] if self.done else self._finished()

    def _choice(self, item: dict[str, Json], number: int) -> list[Event]:
        if "error" in item:
            check_choice(item)
        index = item.get("index")
        key = index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else number
        choice = self._choices.get(key)
        if choice is None:
            choice = self._choices[key] = _Choice(key, self._names, self._id)
        said = item.get("delta") or item.get("message")
        logprobs = item.get("logprobs")
        events = choice.read(said, logprobs if isinstance(logprobs, dict) else None) if isinstance(said, dict) else []
        reason = item.get("finish_reason")
        if finish_of(reason, False):
            choice.finish = text_of(reason)
        return events

    def _usage(self, chunk: dict[str, Json], events: list[Event]) -> None:
        if chunk.get("usage") or "x_groq" in chunk or any("usage" in item for item in objects(chunk.get("choices"))):
            usage = usage_from(chunk)
            if usage is not None:
                events.append(UsageSeen(usage=usage))

    def _finished(self) -> list[Event]:
        if not self._choices:
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended without an answer.")
        if not all(choice.finish for choice in self._choices.values()):
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")
        events: list[Event] = []
        for choice in self._choices.values():
            events += choice.close()
        self.done = True
        return events
