"""One output item of a stream, and how much of it was passed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from providers.wire.types import Event, Json, Proof, ReasoningDelta, RefusalDelta, TextDelta, ToolDelta


@dataclass(slots=True)
class Said:
    """How much of one text was passed on already: all of it, told again, then costs nothing."""

    block: int
    length: int = 0


@dataclass(slots=True)
class Item:
    """``blocks`` numbers the texts of the whole reply; ``call`` is the number of its call, -1 for none yet."""

    blocks: Iterator[int]
    texts: dict[tuple[str, int], Said] = field(default_factory=dict)
    summaries: int = 0  # the summary part that is being told
    annotations: dict[int, int] = field(default_factory=dict)  # content index → how many were passed on
    call: int = -1
    refused: bool = False
    phase: Proof | None = None

    def at(self, kind: str, number: int = 0) -> Said:
        """A text of this item. ``kind``: text | refusal | summary | thought | call; number is its place among them."""
        said = self.texts.get((kind, number))
        if said is None:
            said = self.texts[kind, number] = Said(self._block(kind))
        return said

    def _block(self, kind: str) -> int:
        summary = self.texts.get(("summary", 0)) if kind == "thought" else None
        return next(self.blocks) if summary is None or summary.length else summary.block

    def add(self, kind: str, text: str, number: int = 0, logprobs: Json = None) -> list[Event]:
        """The next piece of a text."""
        if not text or (kind == "call" and self.call < 0):
            return []  # while a call's name is not known, all of it waits for the end of the item
        said = self.at(kind, number)
        said.length += len(text)
        return [self._event(kind, text, said.block, logprobs)]

    def complete(self, kind: str, text: str, number: int = 0, logprobs: Json = None) -> list[Event]:
        """All of a text: what was not told yet."""
        said = self.texts.get((kind, number))
        if said is None or not said.length:
            return self.add(kind, text, number, logprobs)
        return self.add(kind, text[said.length :], number)

    def _event(self, kind: str, text: str, block: int, logprobs: Json) -> Event:
        if kind == "text":
            told = {"content": logprobs} if isinstance(logprobs, list) and logprobs else None
            return TextDelta(text=text, block=block, proof=self.phase, logprobs=told)
        if kind == "call":
            return ToolDelta(index=self.call, arguments=text)
        if kind == "refusal":
            self.refused = True
            return RefusalDelta(text=text)
        return ReasoningDelta(text=text, block=block, summary=kind == "summary")
