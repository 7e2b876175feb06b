"""How much time and memory one input may take: generous, but in proportion to its length."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

# Processor time, so that a busy machine changes little. Honest documents take a hundredth of it; what is quadratic in
# the length of a megabyte takes far more.
SECONDS, SECONDS_PER_MEGABYTE = 3.0, 6.0
# A value of Python's takes up to some fifty times the bytes that say it ("[],[],…").
MEGABYTES, TIMES = 64, 120


class TooMuch(AssertionError):
    """An input took more time or memory than its length allows."""


def within_time(run: Callable[[bytes], None], data: bytes) -> None:
    """Run an entry. Raises TooMuch when it took too much processor time."""
    begun = time.process_time()
    run(data)
    taken = time.process_time() - begun
    allowed = SECONDS + SECONDS_PER_MEGABYTE * len(data) / 1e6
    if taken > allowed:
        raise TooMuch(f"{taken:.1f} s for {len(data)} bytes")


def within_memory(run: Callable[[bytes], None], data: bytes) -> None:
    """Run an entry, slowly. Raises TooMuch when it held too much at once."""
    tracemalloc.start()
    try:
        run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    allowed = MEGABYTES * 1e6 + TIMES * len(data)
    if peak > allowed:
        raise TooMuch(f"{peak / 1e6:.0f} MB for {len(data)} bytes")
