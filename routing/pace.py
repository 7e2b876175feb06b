"""How fast a connection may be asked: requests at once, the gap between two, requests per minute; and who is next.

What an operator sets holds always; what a provider's reply headers say holds until the time they name. Each process
has gates of its own; where there are others, a start that the own gate allows is asked of them as well
(``routing.state.Others``), and what was said of limits is told to them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from routing.bounded import put
from routing.state.base import Others, Turn

MINUTE = 60.0
LEARNED = "learned"  # where processes tell each other what providers said
HEAR = 0.5  # seconds between two looks at it


@dataclass(frozen=True, slots=True)
class Pace:
    """What an operator allows on one connection; 0 = no bound. ``gap`` is seconds between the starts of two."""

    per_minute: int = 0
    gap: float = 0.0
    at_once: int = 0

    def __bool__(self) -> bool:
        return bool(self.per_minute or self.gap or self.at_once)


@dataclass(slots=True)
class Gate:
    """One connection's. ``starts`` are the monotonic times of the last minute; ``waiting`` by caller, so that one
    caller's hundred requests let another's one through. ``until``: other processes leave no room before."""

    connection: int
    running: int = 0
    starts: deque[float] = field(default_factory=deque)
    waiting: OrderedDict[str, deque[asyncio.Future[Start]]] = field(default_factory=OrderedDict)
    timer: asyncio.TimerHandle | None = None
    until: float = 0.0
    usher: asyncio.Task[None] | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # something ended, or somebody left the line


@dataclass(slots=True, eq=False)
class Start:
    """A request that has started on a connection. Exactly one of ``leave`` and ``withdraw``, once."""

    paces: Paces
    gate: Gate
    pace: Pace
    at: float
    turn: Turn
    second: int = 0  # when the others counted it

    def leave(self) -> None:
        """It ended; the next in line starts."""
        self.paces._over(self, made=True)

    def withdraw(self) -> None:
        """It was not made after all, and does not count."""
        self.paces._over(self, made=False)


class Paces:
    """The gates of all connections that have a pace, and what providers said of their own limits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.others: Others | None = None
        self.gates: OrderedDict[int, Gate] = OrderedDict()
        self.learned: OrderedDict[tuple[int, str], float] = OrderedDict()  # nothing is left until then
        self._numbers = itertools.count()

    @cached_property
    def _process(self) -> str:
        return os.urandom(8).hex()

    def wait(self, connection: int, pace: Pace, model: str = "") -> float:
        """Seconds until a request could start, 0 for at once, as far as it is known here. While as many as allowed are
        running: a second, since nobody knows."""
        left = self._learned(connection, model) if self.learned else 0.0
        gate = self.gates.get(connection) if pace else None
        if gate is None:
            return left
        return max(left, self._wait(gate, pace), gate.until - self.clock(), 1.0 if gate.waiting else 0.0)

    # -- what providers say -------------------------------------------------------------------------------------------
    def told(self, connection: int, model: str, seconds: float) -> None:
        """The provider says that nothing is left for so many seconds; vendors count by model."""
        key, until = (connection, model), self.clock() + seconds
        news = abs(until - self.learned.get(key, 0.0)) > HEAR
        put(self.learned, key, until)
        if self.others is not None and news:
            self.others.tell(LEARNED, f"{connection} {model}", seconds)

    async def hear(self) -> None:
        """Without end: what other processes were told."""
        while self.others is not None:
            for what, seconds in await self.others.heard(LEARNED):
                connection, _, model = what.partition(" ")
                put(self.learned, (int(connection), model), self.clock() + seconds)
            await asyncio.sleep(HEAR)

    def _learned(self, connection: int, model: str) -> float:
        left = self.learned.get((connection, model), 0.0) - self.clock()
        if left <= 0:
            self.learned.pop((connection, model), None)
        return max(left, 0.0)

    # -- turns --------------------------------------------------------------------------------------------------------
    async def start(self, connection: int, pace: Pace) -> Start | None:
        """Start now; None when it is not possible, or others wait already."""
        gate = self._gate(connection)
        if gate.waiting or self._wait(gate, pace) > 0:
            return None
        start = self._enter(gate, pace)
        if self.others is None or await self._ask(self.others, start, waits=False) <= 0:
            return start
        self._admit(gate, pace)  # whoever came meanwhile found it taken
        return None

    async def queue(self, connection: int, pace: Pace, caller: str, seconds: float) -> Start | None:
        """Wait for a turn of one's own, callers in rotation; None when it does not come within so many seconds."""
        gate = self._gate(connection)
        turn: asyncio.Future[Start] = asyncio.get_running_loop().create_future()
        gate.waiting.setdefault(caller, deque()).append(turn)
        self._admit(gate, pace)
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            if not _admitted(turn):
                self._forget(gate, caller, turn)
                return None
            return turn.result()
        except BaseException:  # the client left
            self._forget(gate, caller, turn)
            if _admitted(turn):
                turn.result().withdraw()
            raise

    # -- parts --------------------------------------------------------------------------------------------------------
    def _gate(self, connection: int) -> Gate:
        gate = self.gates.get(connection)
        if gate is None:
            gate = Gate(connection)
            put(self.gates, connection, gate)
        return gate

    def _wait(self, gate: Gate, pace: Pace) -> float:
        now, starts = self.clock(), gate.starts
        while starts and starts[0] <= now - max(MINUTE, pace.gap):
            starts.popleft()
        if pace.at_once and gate.running >= pace.at_once:
            return 1.0
        waits = [0.0]
        if pace.gap and starts:
            waits.append(starts[-1] + pace.gap - now)
        if pace.per_minute and len(starts) >= pace.per_minute:
            waits.append(starts[-pace.per_minute] + MINUTE - now)
        return max(waits)

    def _enter(self, gate: Gate, pace: Pace) -> Start:
        """A request starts, as far as this process is concerned."""
        at = self.clock()
        gate.running += 1
        if pace.per_minute or pace.gap:
            gate.starts.append(at)
        id = f"{self._process}:{next(self._numbers)}" if self.others is not None else ""
        return Start(self, gate, pace, at, Turn(str(gate.connection), id, pace.per_minute, pace.gap, pace.at_once))

    async def _ask(self, others: Others, start: Start, *, waits: bool) -> float:
        """Seconds after which to ask the others again; 0 when they leave room. Else it is no start any more."""
        try:
            entered = await others.enter(start.turn, waits=waits)
        except BaseException:
            start.withdraw()
            raise
        start.second = entered.second
        if entered.wait > 0:
            start.gate.until = self.clock() + entered.wait
            self._undo(start)
        return entered.wait

    def _undo(self, start: Start) -> None:
        start.gate.running = max(start.gate.running - 1, 0)
        with suppress(ValueError):
            start.gate.starts.remove(start.at)

    def _over(self, start: Start, *, made: bool) -> None:
        gate = start.gate
        if made:
            gate.running = max(gate.running - 1, 0)
        else:
            self._undo(start)
        if self.others is not None:
            self.others.leave(start.turn, None if made else start.second)
        gate.moved.set()
        self._admit(gate, start.pace)

    def _admit(self, gate: Gate, pace: Pace) -> None:
        """Let in as many of those waiting as may start now, a caller's one after another caller's one."""
        if gate.timer is not None:
            gate.timer.cancel()
            gate.timer = None
        while gate.waiting:
            left = self._wait(gate, pace)
            if left > 0:
                if not (pace.at_once and gate.running >= pace.at_once):
                    gate.timer = asyncio.get_running_loop().call_later(left, self._admit, gate, pace)
                return
            if self.others is not None:
                if gate.usher is None:
                    gate.usher = asyncio.ensure_future(self._usher(self.others, gate, pace))
                return
            self._hand(gate, self._enter(gate, pace))

    async def _usher(self, others: Others, gate: Gate, pace: Pace) -> None:
        """Stand in the line of processes for those who wait here, while the own gate is open."""
        turn = None
        try:
            while gate.waiting and self._wait(gate, pace) <= 0:
                gate.moved.clear()
                start = self._enter(gate, pace)
                seconds = await self._ask(others, start, waits=True)
                if seconds > 0:
                    turn = start.turn
                    with suppress(TimeoutError):
                        async with asyncio.timeout(seconds):
                            await gate.moved.wait()
                elif gate.waiting:
                    turn = None
                    self._hand(gate, start)
                else:
                    start.withdraw()
        finally:
            gate.usher = None
            if turn is not None:
                others.step_back(turn)
        self._admit(gate, pace)

    def _hand(self, gate: Gate, start: Start) -> None:
        """Give a start to whoever is next."""
        caller, turns = gate.waiting.popitem(last=False)
        turn = turns.popleft()
        if turns:
            gate.waiting[caller] = turns
        if turn.done():
            start.withdraw()
        else:
            turn.set_result(start)

    def _forget(self, gate: Gate, caller: str, turn: asyncio.Future[Start]) -> None:
        """Take it out of the line: it has no turn."""
        turns = gate.waiting.get(caller)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del gate.waiting[caller]
        if not gate.waiting:
            gate.moved.set()


def _admitted(turn: asyncio.Future[Start]) -> bool:
    return turn.done() and not turn.cancelled()
