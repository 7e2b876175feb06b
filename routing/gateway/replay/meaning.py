"""Questions that mean the same though they are worded otherwise.

Vectors know what a text is about better than what it says: "not safe" lies next to "safe". So numbers and words of
negation must be the same as well.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing.gateway.replay.embedder import Embedder
from routing.gateway.replay.index import Index, MemoryIndex, Row, nearest
from routing.gateway.replay.question import Question

if TYPE_CHECKING:
    from routing.gateway.exchange import Exchange

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|except|un(?:able|safe|like)|\w+n['’]t"
    r"|nicht|kein\w*|nie|ohne|pas|jamais|sans|não|nao|nunca|sem|nunca|sin|non|mai|senza|niet|geen|не|нет|без|ikke|inte)\b",
    re.IGNORECASE,
)
FEW = 50  # rows that are compared at once, more beside the event loop


def fixed(text: str) -> tuple[str, ...]:
    """What must be the same in two questions that mean the same."""
    return (*NUMBER.findall(text), "|", *sorted(word.lower() for word in NEGATION.findall(text)))


@dataclass(frozen=True, slots=True)
class Search:
    """A question looked up by its meaning. ``keys``: whose answers would do, the nearest question's first; the rest is
    what it will be found by itself."""

    scope: str
    place: str
    same: tuple[str, ...]
    vector: bytes
    keys: tuple[str, ...] = ()


class Meanings:
    """One per gateway."""

    def __init__(self, index: Index | None = None) -> None:
        self.index: Index = index or MemoryIndex()
        self.embedder = Embedder()
        self._emptied = 0.0

    def follow(self, emptied: float) -> None:
        """All answers were flushed then (Unix time)."""
        if emptied != self._emptied:
            self._emptied = emptied
            self.index.clear()

    async def look_up(self, exchange: Exchange, question: Question, scope: str, who: str) -> Search | None:
        """None for a question that has no meaning to look at, or while none can be found out."""
        caching = exchange.snapshot.caching
        meant = question.meaning(scope, who)
        if meant is None or not await self.index.catch_up(scope, caching.semantic_entries):
            return None
        rest, text = meant
        found = await self.embedder.embedded(exchange, text)
        if found is None:
            return None
        place, same = f"{rest} {found.by}", fixed(text)
        rows = [row for row in self.index.near(scope, place) if row.same == same]
        threshold = caching.semantic_percent / 100
        if len(rows) > FEW:
            keys = await asyncio.to_thread(nearest, found.vector, rows, threshold)
        else:
            keys = nearest(found.vector, rows, threshold)
        return Search(scope, place, same, found.vector, tuple(keys))

    async def remember(self, search: Search, key: str, until: float, most: int) -> None:
        """Its answer is kept under ``key`` now."""
        await self.index.add(search.scope, Row(search.place, search.same, search.vector, key, until), most)
