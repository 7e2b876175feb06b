"""Counters, slots, purses, turns and errands that outlive a request: of one process, or shared through Redis."""

from routing.state.base import Claim, End, Entered, Errand, Others, Purse, Slot, Stands, State, Taken, Turn, Why, Window
from routing.state.memory import Memory
from routing.state.shared import Shared

__all__ = [
    "Claim",
    "End",
    "Entered",
    "Errand",
    "Memory",
    "Others",
    "Purse",
    "Shared",
    "Slot",
    "Stands",
    "State",
    "Taken",
    "Turn",
    "Why",
    "Window",
    "open_state",
]


def open_state(url: str | None, timeout: float) -> State:
    """The state of an installation: shared when there is a Redis, whose replies may take ``timeout`` seconds."""
    return Shared(url, timeout=timeout) if url else Memory()
