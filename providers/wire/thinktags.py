"""``<think>`` text of open models → reasoning, across any chunk boundary.

Only an answer that begins with the tag (after at most some white space) is taken to think aloud: tags further on are
somebody's text. Where reasoning came in a field of its own and the answer begins with a stray closing tag, that goes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from providers.wire.types import (
    Choice,
    Citation,
    Event,
    Finish,
    OpaqueAdded,
    Part,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Text,
    TextDelta,
    ToolStart,
)

CLOSING = {"<think>": "</think>", "<thinking>": "</thinking>"}
OPENING = tuple(CLOSING)
STRAY = (*OPENING, *CLOSING.values())
MOST_SPACE = 16  # characters of white space before the tag
# What comes behind the text of its choice, so that nothing of it may be held back any longer.
BEHIND = (ToolStart, Finish, RefusalDelta, OpaqueAdded)

BEGIN, THINKING, SPACE, ANSWER = range(4)  # waiting for a tag, inside, dropping white space behind it, all the rest


class _Choice:
    """One of n answers."""

    __slots__ = ("block", "close", "fresh", "held", "index", "reasoned", "rest", "state")

    def __init__(self, index: int = 0) -> None:
        self.index, self.block, self.state = index, 0, BEGIN
        self.held: list[TextDelta] = []  # BEGIN: what may be a tag
        self.rest = self.close = ""  # THINKING: what may begin the closing tag, and that tag
        self.fresh = True  # THINKING: nothing but white space has come
        self.reasoned = False  # reasoning came in its own field

    def feed(self, event: TextDelta) -> list[Event]:
        if self.state == ANSWER or not event.text:
            return [event]
        self.block = event.block
        if self.state == BEGIN:
            return self._begin(event)
        return self._inside(event, event.text) if self.state == THINKING else self._answer(event, event.text)

    def flush(self) -> list[Event]:
        """Nothing may be held back any longer."""
        held: list[Event] = [*self.held]
        if self.state == THINKING:
            held += self._thought(self.rest)
            self.rest = ""
        else:
            self.held, self.state = [], ANSWER
        return held

    def _begin(self, event: TextDelta) -> list[Event]:
        self.held.append(event)
        text = "".join(held.text for held in self.held)
        begun = text.lstrip()
        if len(text) - len(begun) > MOST_SPACE:
            return self.flush()
        tags = STRAY if self.reasoned else OPENING
        tag = next((tag for tag in tags if begun.startswith(tag)), "")
        if tag:
            self.held = []
            return self._tagged(event, tag, begun[len(tag) :])
        return [] if any(tag.startswith(begun) for tag in tags) else self.flush()

    def _tagged(self, event: TextDelta, tag: str, rest: str) -> list[Event]:
        if tag in CLOSING:
            self.state, self.close = THINKING, CLOSING[tag]
            return self._inside(event, rest)
        self.state = SPACE
        return self._answer(event, rest)

    def _inside(self, event: TextDelta, text: str) -> list[Event]:
        text = self.rest + text
        thought, found, after = text.partition(self.close)
        if found:
            self.rest, self.state = "", SPACE
            return [*self._thought(thought), *self._answer(event, after)]
        keep = next((n for n in range(len(self.close) - 1, 0, -1) if text.endswith(self.close[:n])), 0)
        self.rest = text[len(text) - keep :]
        return self._thought(text[: len(text) - keep])

    def _thought(self, text: str) -> list[Event]:
        if self.fresh:
            text = text.lstrip()
            self.fresh = not text
        return [ReasoningDelta(text=text, choice=self.index, block=self.block)] if text else []

    def _answer(self, event: TextDelta, text: str) -> list[Event]:
        text = text.lstrip()
        if not text:
            return []
        self.state = ANSWER
        return [event if text == event.text else msgspec.structs.replace(event, text=text)]


class ThinkTags:
    """Events → the same events with tagged thinking as reasoning. Other text waits for a tag's length at most."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def feed(self, event: Event) -> list[Event]:
        if isinstance(event, TextDelta):
            return self._of(event.choice).feed(event)
        if isinstance(event, ReasoningDelta):
            self._of(event.choice).reasoned = True
        elif isinstance(event, BEHIND):
            return [*self._of(event.choice).flush(), event]
        return [event]

    @property
    def settled(self) -> bool:
        """Whether every answer that has begun is past the place for tags."""
        return bool(self._choices) and all(choice.state == ANSWER for choice in self._choices.values())

    def end(self) -> list[Event]:
        """What is held back when the stream is over."""
        return [event for choice in self._choices.values() for event in choice.flush()]

    def _of(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index)
        return choice


def split_reply(reply: Reply) -> Reply:
    """A whole reply with tagged thinking as reasoning; the same object when there is none."""
    if not any(isinstance(part, Text) and "<" in part.text for choice in reply.choices for part in choice.parts):
        return reply
    choices = tuple(_split(choice) for choice in reply.choices)
    return reply if choices == reply.choices else msgspec.structs.replace(reply, choices=choices)


def _split(choice: Choice) -> Choice:
    tags = _Choice()
    parts: list[Part] = []
    for part in choice.parts:
        if isinstance(part, Text):
            events = tags.feed(TextDelta(text=part.text))
            if tags.state == BEGIN:
                events += tags.flush()
            parts += _parts(part, events)
        else:
            tags.reasoned = tags.reasoned or isinstance(part, Reasoning)
            parts.append(part)
    parts += _parts(Text(text=""), tags.flush())
    joined = tuple(_joined(parts))
    return choice if joined == choice.parts else msgspec.structs.replace(choice, parts=joined)


def _parts(part: Text, events: Iterable[Event]) -> list[Part]:
    """What one text became; its citations stay with what is left of it."""
    found: list[Part] = []
    for event in events:
        if isinstance(event, ReasoningDelta):
            found.append(Reasoning(text=event.text))
        elif isinstance(event, TextDelta):
            cut = len(part.text) - len(event.text)
            citations = tuple(_moved(citation, cut) for citation in part.citations) if cut else part.citations
            found.append(msgspec.structs.replace(part, text=event.text, citations=citations))
    return found


def _moved(citation: Citation, by: int) -> Citation:
    start, end = (None if at is None else max(at - by, 0) for at in (citation.start, citation.end))
    return msgspec.structs.replace(citation, start=start, end=end)


def _joined(parts: list[Part]) -> list[Part]:
    """The last piece of thinking, which may come by itself, joined to the one before."""
    if len(parts) > 1:
        before, last = parts[-2:]
        if isinstance(before, Reasoning) and isinstance(last, Reasoning) and not before.proof and not last.proof:
            return [*parts[:-2], Reasoning(text=before.text + last.text)]
    return parts
