"""What each use of the state does while the shared server is away or slow; ``docs/operations.md`` has it for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Use(StrEnum):
    RATE = "rate"  # requests and tokens per minute, per caller and per address
    SLOTS = "slots"  # requests at the same time
    BUDGET = "budget"
    PACE = "pace"  # how fast a connection may be asked
    LEARNED = "learned"  # what providers said of their own limits
    ONCE = "once"  # the same request sent twice


class Away(StrEnum):
    LOCAL = "local"  # each process goes on by itself, from what it knows
    CLOSED = "closed"  # refused until the server is back


POLICY: Mapping[Use, Away] = {
    Use.RATE: Away.LOCAL,
    Use.SLOTS: Away.LOCAL,
    Use.BUDGET: Away.CLOSED,
    Use.PACE: Away.LOCAL,
    Use.LEARNED: Away.LOCAL,
    Use.ONCE: Away.LOCAL,
}
