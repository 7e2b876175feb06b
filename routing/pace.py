"""How fast a connection may be asked: requests at once, the gap between two, requests per minute; and who is next.

What an operator sets holds always; what a provider's reply headers say holds until the time they name.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from routing.bounded import put

MINUTE = 60.0


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
    caller's hundred requests let another's one through."""

    running: int = 0
    starts: deque[float] = field(default_factory=deque)
    waiting: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class Paces:
    """The gates of all connections that have a pace, and what providers said of their own limits."""

    clock: Callable[[], float]
    gates: OrderedDict[int, Gate] = field(default_factory=OrderedDict)
    learned: OrderedDict[tuple[int, str], float] = field(default_factory=OrderedDict)  # nothing is left until then

    def wait(self, connection: int, pace: Pace, model: str = "") -> float:
        """Seconds until a request could start, 0 for at once. While as many as allowed are running: a second, since
        nobody knows."""
        left = self._learned(connection, model) if self.learned else 0.0
        gate = self.gates.get(connection) if pace else None
        if gate is None:
            return left
        if gate.waiting:
            return max(left, 1.0)
        return max(left, self._wait(gate, pace))

    def told(self, connection: int, model: str, seconds: float) -> None:
        """The provider says that nothing is left for so many seconds; vendors count by model."""
        put(self.learned, (connection, model), self.clock() + seconds)

    def _learned(self, connection: int, model: str) -> float:
        left = self.learned.get((connection, model), 0.0) - self.clock()
        if left <= 0:
            self.learned.pop((connection, model), None)
        return max(left, 0.0)

    def enter(self, connection: int, pace: Pace) -> None:
        """A request starts."""
        gate = self._gate(connection)
        gate.running += 1
        if pace.per_minute or pace.gap:
            gate.starts.append(self.clock())

    def leave(self, connection: int, pace: Pace) -> None:
        """A request ended; the next in line starts."""
        gate = self.gates.get(connection)
        if gate is not None:
            gate.running = max(gate.running - 1, 0)
            self._admit(gate, pace)

    async def queue(self, connection: int, pace: Pace, caller: str, seconds: float) -> bool:
        """Wait for a turn of one's own, callers in rotation: True with the start counted, False when it does not come
        within so many seconds."""
        gate = self._gate(connection)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.waiting.setdefault(caller, deque()).append(turn)
        self._admit(gate, pace)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            return _admitted(turn) or self._forget(gate, caller, turn)
        except BaseException:  # the client left
            if _admitted(turn):
                self.leave(connection, pace)
            self._forget(gate, caller, turn)
            raise
        return True

    # -- parts ------------------------------------------------------------------------------------------------------
    def _gate(self, connection: int) -> Gate:
        gate = self.gates.get(connection)
        if gate is None:
            gate = Gate()
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
            caller, turns = gate.waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                gate.waiting[caller] = turns
            if not turn.done():
                gate.running += 1
                gate.starts.append(self.clock())
                turn.set_result(None)

    def _forget(self, gate: Gate, caller: str, turn: asyncio.Future[None]) -> bool:
        """Take it out of the line. Always False: it has no turn."""
        turns = gate.waiting.get(caller)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del gate.waiting[caller]
        return False


def _admitted(turn: asyncio.Future[None]) -> bool:
    return turn.done() and not turn.cancelled()
