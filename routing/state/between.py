"""What several processes agree on through Redis, beyond claims: turns at a pace, what was said, what is done once."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from routing.state.base import LEASE, Claim, End, Entered, Errand, Slot, Stands, Turn
from routing.state.pipe import RedisAway, RedisError

if TYPE_CHECKING:
    from routing.state.shared import Shared

PLACE = 2.0  # seconds that a place in a line holds without being asked for again
ERRAND = 10.0  # seconds that something done once outlives its worker; renewed while the worker lives
AGAIN = 0.05  # seconds after which to ask again for what nobody knows the end of


class Between:
    """The :class:`~routing.state.base.Others` of a process. While Redis is away each process goes by its own gates,
    which it asks first anyway: with N processes up to N times as much passes."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._errands: dict[str, tuple[str, str]] = {}  # holder → name, digest: what is renewed
        self._numbers = itertools.count()

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

    # -- what is done once --------------------------------------------------------------------------------------------
    async def claim(self, name: str, digest: str, waited: str = "") -> Errand:
        holder, shared = f"{self._process}:{next(self._numbers)}", self._shared
        try:
            found = await shared.eval("claim", [shared.key(f"i:{name}")], [holder, digest, int(ERRAND * 1000), waited])
        except (RedisAway, RedisError):
            return Errand(Stands.MINE)
        except asyncio.CancelledError:
            shared.spawn(self._say(name, holder, digest, "", "", 0))
            raise
        stands, theirs, words, left = found
        errand = Errand(Stands(stands.decode()), theirs.decode(), words.decode(), int(left) / 1000)
        if errand.stands is Stands.MINE:
            if not self._errands:
                shared.spawn(self._renew())
            self._errands[holder] = (name, digest)
        return errand

    async def settle(self, name: str, digest: str, errand: Errand) -> None:
        if self._errands.pop(errand.holder, None) is not None:
            how = "" if errand.stands is Stands.MINE else str(errand.stands)
            await self._say(name, errand.holder, digest, how, errand.words, errand.left)

    async def _say(self, name: str, holder: str, digest: str, how: str, words: str, left: float) -> None:
        shared = self._shared
        try:
            await shared.eval(
                "settle", [shared.key(f"i:{name}")], [holder, digest, how, words, max(1, int(left * 1000))]
            )
        except (RedisAway, RedisError):
            return  # it lapses

    async def _renew(self) -> None:
        while self._errands:
            await asyncio.sleep(ERRAND / 3)
            for holder, (name, digest) in list(self._errands.items()):
                if holder in self._errands:
                    await self._say(name, holder, digest, str(Stands.RUNNING), "", ERRAND)
