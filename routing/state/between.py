"""What several processes agree on through Redis, beyond claims: turns at a pace, and what providers said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from routing.state.base import LEASE, Claim, End, Entered, Slot, Turn
from routing.state.pipe import RedisAway, RedisError

if TYPE_CHECKING:
    from routing.state.shared import Shared

PLACE = 2.0  # seconds that a place in a line holds without being asked for again
AGAIN = 0.05  # seconds after which to ask again for what nobody knows the end of


class Between:
    """The :class:`~routing.state.base.Others` of a process. While Redis is away each process goes by its own gates,
    which it asks first anyway: with N processes up to N times as much passes."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @cached_property
    def _process(self) -> str:
        """Its name in lines; found when first needed, for processes are forked."""
        return os.urandom(8).hex()

    # -- turns --------------------------------------------------------------------------------------------------------
    async def enter(self, turn: Turn, *, waits: bool) -> Entered:
        shared = self._shared
        keys = [shared.key(f"{kind}:{turn.key}") for kind in ("a", "m", "g", "l")]
        bounds = (turn.at_once, turn.per_minute, turn.gap)
        words = [shared.now(), turn.id, LEASE, *bounds, self._process, PLACE if waits else 0]
        try:
            granted, wait, second = await shared.eval("enter", keys, words)
        except (RedisAway, RedisError):
            return Entered()
        if not granted:
            return Entered(min(max(wait / 1000, AGAIN), PLACE / 2))
        if turn.at_once:
            shared.held[turn.id] = Claim(turn.id, slots=(Slot(f"a:{turn.key}", turn.at_once),))
        return Entered(second=second)

    def leave(self, turn: Turn, second: int | None = None) -> None:
        slots = (f"a:{turn.key}",) if turn.at_once else ()
        counted = ((f"m:{turn.key}", second, -1),) if second and turn.per_minute else ()
        if slots or counted:
            self._shared.end(End(turn.id, slots=slots, corrections=counted))

    def step_back(self, turn: Turn) -> None:
        self._shared.end(End(self._process, lines=(f"l:{turn.key}",)))

    # -- what was said ------------------------------------------------------------------------------------------------
    def tell(self, board: str, what: str, seconds: float) -> None:
        self._shared.spawn(self._tell(board, what, seconds))

    async def _tell(self, board: str, what: str, seconds: float) -> None:
        shared = self._shared
        try:
            await shared.eval("tell", [shared.key(board)], [shared.now(), seconds, what])
        except (RedisAway, RedisError):
            return  # the provider will say it again

    async def heard(self, board: str) -> Sequence[tuple[str, float]]:
        shared = self._shared
        try:
            found = await shared.eval("heard", [shared.key(board)], [shared.now()])
        except (RedisAway, RedisError):
            return ()
        return [(what.decode(), left / 1000) for what, left in zip(found[::2], found[1::2], strict=True)]
