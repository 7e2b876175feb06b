"""What would happen: a name, asked by a key, as the gateway would answer it now, before anybody asks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from providers.upstream import Attempt
from providers.wire.errors import Refusal
from routing import health
from routing.board import Board, Verdict
from routing.plan import plan
from routing.reserves import reserved
from routing.resolve import Branch, LeftOut, left_out, resolve
from routing.snapshot import Caller, Snapshot


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attempt that would be made, in its place; ``rests`` says why it would not be now, or not yet."""

    provider: str
    connection: str
    model: str
    tier: str
    price: Decimal | None  # USD per million input tokens
    rests: Verdict | None


@dataclass(frozen=True, slots=True)
class Preview:
    """``combo``: name of the combo that the name stands for, "" for a single model. ``left_out``: its steps that stand
    for nothing now. ``refusal`` instead of candidates when the caller would be refused at once."""

    name: str
    combo: str = ""
    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    refusal: Refusal | None = None


def board_now() -> Board:
    """A board that knows what all web processes found out and wrote down."""
    board = Board()
    board.learn(health.since(-1))
    return board


def preview(snapshot: Snapshot, caller: Caller, name: str, board: Board) -> Preview:
    """The answer for one caller. Strategies that draw or take turns show one of their possible orders."""
    try:
        node = resolve(snapshot, name, caller)
    except Refusal as refusal:
        return Preview(name, refusal=refusal)
    board.configure(snapshot.switches)
    attempts = plan(node, board, snapshot.switches)
    return Preview(
        name,
        combo=node.combo.name if isinstance(node, Branch) else "",
        candidates=tuple(_candidate(snapshot, attempt, board) for attempt in attempts),
        left_out=tuple(left_out(node)),
    )


def verdict_now(snapshot: Snapshot, board: Board, attempt: Attempt) -> Verdict | None:
    """Why an attempt would not be made now, or not yet, as far as all processes know it."""
    switches = snapshot.switches
    found = board.verdict(attempt, cooldowns=switches.connection_cooldown, breakers=switches.circuit_breaker)
    return found if found is not None and found.hard else reserved(snapshot, attempt, board.wall()) or found


def _candidate(snapshot: Snapshot, attempt: Attempt, board: Board) -> Candidate:
    price = snapshot.providers[attempt.entry.id].prices.get(attempt.model)
    return Candidate(
        attempt.entry.id,
        attempt.link.name,
        attempt.model,
        attempt.entry.tier,
        price.input if price is not None else None,
        verdict_now(snapshot, board, attempt),
    )
