"""How the steps of a combo stand now: usable, resting, or standing for nothing. For pages; no request is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from providers.upstream import Attempt
from providers.wire.errors import Refusal
from routing.board import Board, Verdict
from routing.combos import Step
from routing.names import Branch, Leaf, Node, find, matching
from routing.patterns import is_plain
from routing.preview import verdict_now
from routing.snapshot import Snapshot

USABLE, RESTING, GONE = "usable", "resting", "gone"


@dataclass(frozen=True, slots=True)
class Standing:
    """``state`` is USABLE, RESTING (``seconds`` until the first of it comes back, ``why`` a code of
    ``routing.words``) or GONE (``why`` in a sentence, with its ``code``). ``models`` is how many models a pattern or
    combo stands for now."""

    step: Step
    state: str
    why: str = ""
    seconds: float = 0.0
    models: int = 1
    code: str = ""


def standing(snapshot: Snapshot, board: Board, steps: Iterable[Step]) -> list[Standing]:
    """One per step, in order."""
    board.configure(snapshot.switches)
    return [_standing(snapshot, board, step) for step in steps]


def leaves_of(snapshot: Snapshot, name: str) -> list[Leaf]:
    """The models that a step's name stands for now. Raises Refusal when it is plain and stands for nothing."""
    if not is_plain(name):
        return matching(snapshot, name)
    return list(
        {(leaf.provider.entry.id, leaf.model): leaf for leaf in _leaves(find(snapshot, name, depth=1))}.values()
    )


def _standing(snapshot: Snapshot, board: Board, step: Step) -> Standing:
    try:
        leaves = leaves_of(snapshot, step.model)
    except Refusal as refusal:
        return Standing(step, GONE, refusal.message, models=0, code=refusal.code or "")
    if not leaves:
        return Standing(step, GONE, models=0)
    verdicts = list(_verdicts(snapshot, board, leaves))
    held = [verdict for verdict in verdicts if verdict is not None]
    if len(held) < len(verdicts):
        return Standing(step, USABLE, models=len(leaves))
    first = min(held, key=lambda verdict: verdict.seconds)
    return Standing(step, RESTING, first.code, first.seconds, len(leaves))


def _verdicts(snapshot: Snapshot, board: Board, leaves: Iterable[Leaf]) -> Iterator[Verdict | None]:
    for leaf in leaves:
        for link in leaf.provider.links:
            attempt = Attempt(leaf.provider.entry, link, leaf.model)
            yield verdict_now(snapshot, board, attempt)


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Branch):
        for child, _ in node.children:
            yield from _leaves(child)
    else:
        yield node
