"""What each use of the state does while the shared server is away or slow; ``docs/operations.md`` has it for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Use(StrEnum):
    RATE = "rate"  # requests and tokens per minute, per caller and per address
    SLOTS = "slots"  # requests at the same time
    BUDGET = "budget"
    LOCK = "lock"  # breaker probes and other things that one process does for all
    VALUE = "value"  # small values that somebody could find out anew


class Away(StrEnum):
    LOCAL = "local"  # each process goes on by itself, from nothing
    CLOSED = "closed"  # refused until the server is back
    MISS = "miss"  # as if nothing were stored


POLICY: Mapping[Use, Away] = {
    Use.RATE: Away.LOCAL,
    Use.SLOTS: Away.LOCAL,
    Use.BUDGET: Away.CLOSED,
    Use.LOCK: Away.LOCAL,
    Use.VALUE: Away.MISS,
}
