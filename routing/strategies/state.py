"""What a strategy may look at besides the steps: a die, and how often each step was used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Now:
    """``die`` is seeded in tests, ``turn`` counts the requests, divided by how many in a row go to the same step;
    ``uses``, ``failures`` (in a row) and ``latency`` (seconds to the first byte, None unknown) are by step key."""

    die: Random
    turn: int
    uses: Callable[[str], int]
    failures: Callable[[str], int]
    latency: Callable[[str], float | None] = lambda key: None
