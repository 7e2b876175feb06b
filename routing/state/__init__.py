"""Counters, slots, purses, locks and small values that outlive a request: of one process, or shared through Redis."""

from routing.state.base import Claim, End, Purse, Slot, State, Taken, Why, Window
from routing.state.memory import Memory
from routing.state.shared import Shared

__all__ = ["Claim", "End", "Memory", "Purse", "Shared", "Slot", "State", "Taken", "Why", "Window", "open_state"]


def open_state(url: str | None, timeout: float) -> State:
    """The state of an installation: shared when there is a Redis, whose replies may take ``timeout`` seconds."""
    return Shared(url, timeout=timeout) if url else Memory()
