"""Tables in memory that cannot grow without end."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

MOST_ENTRIES = 50_000
K = TypeVar("K")
V = TypeVar("V")


def put(table: OrderedDict[K, V], key: K, value: V) -> None:
    """Set, newest last, and let the oldest go beyond the bound."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > MOST_ENTRIES:
        table.popitem(last=False)
