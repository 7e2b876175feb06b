"""What the gateway shares between requests (and between processes), behind one protocol.

A *claim* is everything one request asks for at once: it is taken whole or not at all, in one step that nothing can
come between. What was taken is ended by :meth:`State.end`; what nobody ends lapses by its lease.

Amounts of purses are whole units of 1e-10 USD (``routing.money``), of windows requests or tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

WINDOW = 60  # seconds that a window looks back
LEASE = 60.0  # seconds that a slot or a reservation outlives its worker; renewed while the worker lives
SETTLED_LEASE = 6 * 3600.0  # seconds that a settled amount waits for its ledger line


class Window(Struct, frozen=True):
    """At most ``limit`` in any 60 seconds; this request counts ``amount``."""

    key: str
    limit: int
    amount: int


class Slot(Struct, frozen=True):
    """At most ``limit`` at the same time."""

    key: str
    limit: int


class Purse(Struct, frozen=True):
    """A budget's window: what is spent, reserved and now wanted (``amount``) stays within ``limit``."""

    key: str
    limit: int
    amount: int


class Claim(Struct, frozen=True):
    """All that request ``id`` wants now. What it holds of a purse already is replaced; of ``drop`` it is given back."""

    id: str
    windows: tuple[Window, ...] = ()
    slots: tuple[Slot, ...] = ()
    purses: tuple[Purse, ...] = ()
    drop: tuple[str, ...] = ()


class Why(StrEnum):
    """Why a claim was not granted."""

    WINDOW = "window"
    SLOT = "slot"
    PURSE = "purse"
    UNKNOWN = "unknown"  # a purse that was not loaded from the ledger yet
    AWAY = "away"  # the shared state cannot be asked, and the policy for purses is to refuse


class Taken(Struct, frozen=True):
    """What became of a claim. Nothing was taken when ``why`` is given; ``index`` says which of its kind is in the way.

    ``retry_after``: seconds until a full window has room. ``spent`` and ``reserved`` are of the purse in the way.
    ``levels``: for each window its (used, seconds until it is empty), this claim included when granted. ``second`` is
    when it was counted, for corrections.
    """

    why: Why | None = None
    index: int = 0
    retry_after: float = 0.0
    spent: int = 0
    reserved: int = 0
    second: int = 0
    levels: tuple[tuple[int, float], ...] = ()


class End(Struct, frozen=True):
    """What request ``id`` gives back. ``corrections``: (window key, second, amount to add). ``purses``: (key, what it
    cost in the end; 0 releases); a cost stays until :meth:`State.confirm` says that the ledger has it. ``lines``: where
    process ``id`` does not wait any more."""

    id: str
    slots: tuple[str, ...] = ()
    corrections: tuple[tuple[str, int, int], ...] = ()
    purses: tuple[tuple[str, int], ...] = ()
    lines: tuple[str, ...] = ()


class Turn(Struct, frozen=True):
    """Request ``id`` wants to start on something that is asked at a pace: at most ``at_once`` at the same time,
    ``per_minute`` starts in any 60 seconds, ``gap`` seconds between two; 0 = no bound."""

    key: str
    id: str
    per_minute: int = 0
    gap: float = 0.0
    at_once: int = 0


class Entered(Struct, frozen=True):
    """What became of a turn: started when ``wait`` is 0, else the seconds after which it makes sense to ask again.
    ``second`` is when it was counted, to take it back."""

    wait: float = 0.0
    second: int = 0


class Stands(StrEnum):
    """How it stands with something that is done once."""

    MINE = "mine"  # whoever asked does it
    OTHER = "other"  # its name is taken, for something else
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # told only to those who waited for it
    LOST = "lost"  # done, and its result is not kept


class Errand(Struct, frozen=True):
    """Something that is done once, by who comes first. ``holder``: whose it is ("" where nobody could be asked);
    ``words``: what was said at its end; ``left``: seconds for which that is remembered."""

    stands: Stands
    holder: str = ""
    words: str = ""
    left: float = 0.0


class Others(Protocol):
    """What only several processes have to agree on: one alone knows it by itself (``routing.pace``, the replays).

    As with :class:`State`, nothing here raises because a server is away: see ``policy``.
    """

    async def enter(self, turn: Turn, *, waits: bool) -> Entered:
        """Start, where the other processes leave room. Who ``waits`` has a place in a line of processes, one each, in
        which a start makes it the last again; a place lapses unless it is asked for again within two seconds."""

    def leave(self, turn: Turn, second: int | None = None) -> None:
        """What has started is over; with ``second``, it was not made after all and does not count. Never waits."""

    def step_back(self, turn: Turn) -> None:
        """Nobody here waits any more. Never waits."""

    def tell(self, board: str, what: str, seconds: float) -> None:
        """Let the others know that something is so for so many seconds. Never waits."""

    async def heard(self, board: str) -> Sequence[tuple[str, float]]:
        """(what, seconds left): all that is so, by whomever it was told; nothing while the state is away."""

    async def claim(self, name: str, digest: str, waited: str = "") -> Errand:
        """Do what ``digest`` says under this name, unless somebody does or did. ``waited``: for whose end. Who has it
        keeps it while it lives, until it settles; a killed process's is free after ten seconds."""

    async def settle(self, name: str, digest: str, errand: Errand) -> None:
        """How it stands now, as its holder says; remembered for ``left`` seconds. MINE gives it up."""


class State(Protocol):
    """Belongs to one event loop. Nothing here raises because a server is away: see ``policy``."""

    others: Others | None  # None: this process is all there is

    async def take(self, claim: Claim) -> Taken:
        """Take a claim, whole or not at all."""

    def end(self, end: End) -> None:
        """Give back; never waits."""

    async def look(self, purse: str) -> tuple[int, tuple[str, ...]] | None:
        """(version, ids that hold something of it), to load it by; None while the state is away."""

    async def load(self, purse: str, version: int, spent: int, known: Sequence[str]) -> bool:
        """Set what the ledger says was spent, and forget the ``known`` ids, whose lines are in that sum. False when the
        purse has changed since ``look`` gave this version: look again."""

    async def reserved(self, purses: Sequence[str]) -> list[int] | None:
        """What running requests hold of each; None while the state is away."""

    async def running(self, slots: Sequence[str]) -> list[int]:
        """How many requests hold each; while the state is away, of this process."""

    async def confirm(self, rows: Sequence[tuple[str, str, int]]) -> Collection[str]:
        """(purse, id, amount): lines that are in the ledger now. Those that no open entry waits for change nothing;
        returns the purses of such lines, where there is an amount: they may have to be loaded again."""

    async def start(self) -> None:
        """Open what must be open; once, in the loop that uses it. Returns although a server is away."""

    async def aclose(self) -> None:
        """The end: flush what waits, close connections."""
