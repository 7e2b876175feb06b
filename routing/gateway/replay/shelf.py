"""Where answers are kept: in the memory of one process, or in Redis for many."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakSet

from routing.gateway.replay.kept import Kept, decode, encode


class Shelf(Protocol):
    """Belongs to one event loop. Nothing here raises because a server is away: then nothing is found."""

    def bound(self, entries: int, size: int) -> None:
        """How much there may be: answers, and bytes (of a memory)."""

    async def get(self, key: str) -> Kept | None: ...

    async def put(self, key: str, kept: Kept, seconds: float) -> bool:
        """Whether it is kept now."""

    def sweep(self, flushed: Mapping[str, float]) -> None:
        """Forget what was flushed, as far as that is done here and now."""

    async def aclose(self) -> None: ...


def flushed(kept: Kept, times: Mapping[str, float]) -> bool:
    """Whether an answer is older than the last flush of everything, of its key or of its model."""
    if not times:
        return False
    return kept.at <= max(times.get(name, 0.0) for name in ("", kept.subject, f"model:{kept.model}"))


class MemoryShelf:
    """The one that was not asked for the longest goes beyond the bounds. ``clock`` is seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._entries, self._most = 1000, 64 * 1024 * 1024
        self.size = 0
        LIVE.add(self)

    def __len__(self) -> int:
        return len(self._rows)

    def bound(self, entries: int, size: int) -> None:
        self._entries, self._most = entries, size
        self._shrink()

    async def get(self, key: str) -> Kept | None:
        raw, until = self._rows.get(key, (b"", 0.0))
        if until <= self._clock():
            self._drop(key)
            return None
        self._rows.move_to_end(key)
        return decode(raw)

    async def put(self, key: str, kept: Kept, seconds: float) -> bool:
        self._drop(key)
        raw = encode(kept)
        self._rows[key] = (raw, self._clock() + seconds)
        self.size += len(raw)
        self._shrink()
        return key in self._rows

    def sweep(self, flushed_at: Mapping[str, float]) -> None:
        now = self._clock()
        for key, (raw, until) in list(self._rows.items()):
            if until <= now or flushed(decode(raw), flushed_at):
                self._drop(key)

    async def aclose(self) -> None:
        self._rows.clear()
        self.size = 0

    def _shrink(self) -> None:
        while self._rows and (len(self._rows) > self._entries or self.size > self._most):
            self._drop(next(iter(self._rows)))

    def _drop(self, key: str) -> None:
        row = self._rows.pop(key, None)
        self.size -= len(row[0]) if row is not None else 0


LIVE: WeakSet[MemoryShelf] = WeakSet()  # of this process, for whoever shows how full they are
