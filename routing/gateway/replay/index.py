"""Questions by what surrounds them, to be found by their meaning: in the memory of one process."""

from __future__ import annotations

import math
import time
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import mul
from typing import Any, Protocol

import msgspec

MOST_SCOPES, MOST_BYTES = 1000, 64 * 1024 * 1024
ROW_BYTES = 400  # of a question beside its vector
NEAREST = 3  # questions whose answers are looked for: the first one's may be gone
ROUNDING = 1e-6


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One question. ``place``: a digest of what surrounds it, and whose vectors these are; ``same``: what must be the
    same in both; ``vector`` as :func:`packed`; ``key``: where its answer is kept, ``until`` Unix time."""

    place: str
    same: tuple[str, ...]
    vector: bytes
    key: str
    until: float


class Index(Protocol):
    """Belongs to one event loop; a scope is within whom answers are shared. Nothing here raises because a server is
    away: then nothing is found."""

    async def catch_up(self, scope: str, most: int) -> bool:
        """Know what other processes remember of a scope, ``most`` of it. False while nobody can be asked: then nothing
        is found."""

    def near(self, scope: str, place: str) -> Sequence[Row]:
        """All that is known in this place and still kept."""

    async def add(self, scope: str, row: Row, most: int) -> None:
        """Remember a question; beyond ``most`` of a scope the oldest goes."""

    def clear(self) -> None:
        """Forget what this process knows."""

    async def aclose(self) -> None: ...


@cache
def arrays() -> Any:
    """numpy, from the first time that a meaning is looked for; None where it is not: it comes with wordllama, and what
    it does here is done without it, slower."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


# -- vectors ----------------------------------------------------------------------------------------------------------
def packed(numbers: Sequence[float]) -> bytes | None:
    """A vector's direction, a signed byte a number. Measured on random vectors: the cosine of two changes by 0.0004 at
    most with 1536 numbers, 0.0008 with 256. None for what has no direction."""
    largest = max(map(abs, numbers), default=0.0)
    if not largest or not math.isfinite(largest):
        return None
    return array("b", [round(127 * number / largest) for number in numbers]).tobytes()


def nearest(vector: bytes, rows: Sequence[Row], threshold: float) -> list[str]:
    """Keys of the rows that are near enough (cosine), the nearest first, NEAREST at most."""
    rows = [row for row in rows if len(row.vector) == len(vector)]
    if not rows:
        return []
    numpy = arrays()
    found = _plain_cosines(vector, rows) if numpy is None else _cosines(numpy, vector, rows)
    order = sorted(range(len(rows)), key=lambda at: -found[at])
    keys = (rows[at].key for at in order if found[at] >= threshold - ROUNDING)
    return list(dict.fromkeys(keys))[:NEAREST]


def _cosines(numpy: Any, vector: bytes, rows: Sequence[Row]) -> Sequence[float]:
    one = numpy.frombuffer(vector, numpy.int8).astype(numpy.float32)
    rest = numpy.frombuffer(b"".join(row.vector for row in rows), numpy.int8).reshape(len(rows), -1)
    many = rest.astype(numpy.float32)
    lengths = numpy.sqrt(numpy.einsum("ij,ij->i", many, many) * (one @ one))
    cosines: list[float] = (many @ one / lengths).tolist()
    return cosines


def _plain_cosines(vector: bytes, rows: Sequence[Row]) -> Sequence[float]:
    one = array("b", vector)
    length = sum(map(mul, one, one))
    found = []
    for row in rows:
        other = array("b", row.vector)
        found.append(sum(map(mul, one, other)) / math.sqrt(length * sum(map(mul, other, other))))
    return found


# -- in memory --------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Known:
    """Of one scope: the rows as they came, and by their places."""

    rows: deque[Row] = field(default_factory=deque)
    places: dict[str, deque[Row]] = field(default_factory=dict)
    size: int = 0  # bytes
    last: tuple[int, int] = (0, 0)  # read until there (``shared_index``)


class MemoryIndex:
    """Bounded: the scope that was not asked for the longest goes first. ``clock`` is Unix time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._scopes: OrderedDict[str, Known] = OrderedDict()
        self._size = 0

    async def catch_up(self, scope: str, most: int) -> bool:
        return True

    def near(self, scope: str, place: str) -> Sequence[Row]:
        known = self._scopes.get(scope)
        if known is None:
            return ()
        self._scopes.move_to_end(scope)
        now = self._clock()
        while known.rows and known.rows[0].until <= now:
            self._drop_oldest(known)
        return [row for row in known.places.get(place, ()) if row.until > now]

    async def add(self, scope: str, row: Row, most: int) -> None:
        self.learn(scope, row, most)

    def learn(self, scope: str, row: Row, most: int) -> None:
        """As ``add``, at once."""
        known = self.known(scope)
        known.rows.append(row)
        known.places.setdefault(row.place, deque()).append(row)
        self._grow(known, len(row.vector) + ROW_BYTES)
        while len(known.rows) > most:
            self._drop_oldest(known)
        while self._size > MOST_BYTES and len(self._scopes) > 1:
            self._drop_scope()

    def known(self, scope: str) -> Known:
        """Of a scope, which is the last to go now."""
        known = self._scopes.setdefault(scope, Known())
        self._scopes.move_to_end(scope)
        if len(self._scopes) > MOST_SCOPES:
            self._drop_scope()
        return known

    def clear(self) -> None:
        self._scopes.clear()
        self._size = 0

    async def aclose(self) -> None:
        self.clear()

    def _drop_scope(self) -> None:
        _, gone = self._scopes.popitem(last=False)
        self._size -= gone.size

    def _drop_oldest(self, known: Known) -> None:
        row = known.rows.popleft()
        place = known.places[row.place]
        place.popleft()  # both are in the order in which they came
        if not place:
            del known.places[row.place]
        self._grow(known, -len(row.vector) - ROW_BYTES)

    def _grow(self, known: Known, size: int) -> None:
        known.size += size
        self._size += size
