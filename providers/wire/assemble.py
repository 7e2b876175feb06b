"""A stream's events → the whole reply they make, and back."""

from __future__ import annotations

from collections.abc import Iterator

from providers.wire.types import (
    Choice,
    CitationAdded,
    Event,
    Finish,
    OpaqueAdded,
    Part,
    Proof,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    Refusal,
    RefusalDelta,
    Reply,
    Start,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)

MOST_KEPT = 4 * 1024 * 1024  # characters of one reply that are kept


class Assembly:
    """Feed it every event of a stream; :meth:`parts` is what was said, in order. Bounded: beyond it nothing is kept."""

    __slots__ = ("_parts", "_size", "finish", "id", "model", "usage")

    def __init__(self) -> None:
        self._parts: list[list[object]] = []  # [kind, key, words, more …]
        self._size = 0
        self.id = self.model = self.finish = ""
        self.usage: Usage | None = None

    @property
    def overflowed(self) -> bool:
        return self._size > MOST_KEPT

    def add(self, event: Event) -> None:
        """Only the first choice is kept: nothing that needs the whole reply is asked of the others."""
        if isinstance(event, Start):
            self.id, self.model = event.id, event.model
        elif isinstance(event, UsageSeen):
            self.usage = event.usage
        elif event.choice:
            return
        elif isinstance(event, Finish):
            self.finish = event.reason
        else:
            self._take(event)

    def parts(self) -> tuple[Part, ...]:
        return () if self.overflowed else tuple(_part(row) for row in self._parts)

    def reply(self) -> Reply:
        choice = Choice(parts=self.parts(), finish=self.finish or "stop")
        return Reply(id=self.id, model=self.model, choices=(choice,), usage=self.usage)

    def _take(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            row = self._open("text", event.block)
            self._say(row, event.text)
            row[3] = event.proof or row[3]
        elif isinstance(event, ReasoningDelta):
            row = self._open("reasoning", event.block)
            self._say(row, event.text)
            row[4] = event.summary
        elif isinstance(event, ReasoningProof):
            self._open("reasoning", event.block)[3] = event.proof
        elif isinstance(event, RefusalDelta):
            self._say(self._open("refusal", 0), event.text)
        elif isinstance(event, ToolStart):
            self._parts.append(["call", event.index, [], None, event])
        elif isinstance(event, (ToolDelta, ToolEnd)):
            self._continue(event)
        elif isinstance(event, OpaqueAdded):
            self._parts.append(["opaque", 0, [], None, event.part])
        elif isinstance(event, CitationAdded):
            self._open("text", None)[4].append(event.citation)  # type: ignore[attr-defined]

    def _open(self, kind: str, key: int | None) -> list[object]:
        last = self._parts[-1] if self._parts else None
        if last is None or last[0] != kind or (key is not None and last[1] != key):
            last = [kind, key or 0, [], None, [] if kind == "text" else False]
            self._parts.append(last)
        return last

    def _say(self, row: list[object], text: str) -> None:
        self._size += len(text)
        if not self.overflowed:
            row[2].append(text)  # type: ignore[attr-defined]

    def _continue(self, event: ToolDelta | ToolEnd) -> None:
        row = next((row for row in self._parts if row[0] == "call" and row[1] == event.index), None)
        if row is None:
            return
        if isinstance(event, ToolDelta):
            self._say(row, event.arguments)
        else:
            row[3] = event.proof


def _part(row: list[object]) -> Part:
    kind, _, words, proof, more = row
    text = "".join(words)  # type: ignore[arg-type]
    assert proof is None or isinstance(proof, Proof)
    if kind == "text":
        return Text(text=text, proof=proof, citations=tuple(more))  # type: ignore[arg-type]
    if kind == "reasoning":
        return Reasoning(text=text, proof=proof, summary=bool(more))
    if kind == "refusal":
        return Refusal(text=text)
    if isinstance(more, ToolStart):
        return ToolCall(
            id=more.id, name=more.name, arguments=text, custom=more.custom, namespace=more.namespace, proof=proof
        )
    return more  # type: ignore[return-value]


def events_of(reply: Reply) -> Iterator[Event]:
    """The events of a stream that would have said this reply."""
    yield Start(id=reply.id, model=reply.model, usage=reply.usage)
    for choice in reply.choices:
        calls = 0
        for number, part in enumerate(choice.parts):
            yield from _events_of_part(part, choice.index, number, calls)
            calls += isinstance(part, ToolCall)
        yield Finish(reason=choice.finish, choice=choice.index, stop_sequence=choice.stop_sequence)
    if reply.usage is not None:
        yield UsageSeen(usage=reply.usage)


def _events_of_part(part: Part, choice: int, number: int, index: int) -> Iterator[Event]:
    if isinstance(part, Text):
        yield TextDelta(text=part.text, choice=choice, block=number, proof=part.proof)
        for citation in part.citations:
            yield CitationAdded(citation=citation, choice=choice)
    elif isinstance(part, Reasoning):
        if part.text:
            yield ReasoningDelta(text=part.text, choice=choice, block=number, summary=part.summary)
        if part.proof is not None:
            yield ReasoningProof(proof=part.proof, choice=choice, block=number)
    elif isinstance(part, Refusal):
        yield RefusalDelta(text=part.text, choice=choice)
    elif isinstance(part, ToolCall):
        yield ToolStart(
            index=index, id=part.id, name=part.name, custom=part.custom, namespace=part.namespace, choice=choice
        )
        if part.arguments:
            yield ToolDelta(index=index, arguments=part.arguments, choice=choice)
        yield ToolEnd(index=index, choice=choice, proof=part.proof)
