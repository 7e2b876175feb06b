"""What a name stands for → the attempts to make, in order. Pure but for the board's counters."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from providers.upstream import Attempt
from routing.board import Board
from routing.resolve import Branch, Leaf, Node
from routing.strategies import STRATEGIES
from routing.strategies.orders import Ranked
from routing.strategies.state import Now

MOST_ATTEMPTS = 12  # per request


def plan(node: Node, board: Board) -> list[Attempt]:
    """Attempts, the first to be made first, none twice, at most MOST_ATTEMPTS. Never empty."""
    found: dict[tuple[int, str], Attempt] = {}
    for leaf in _leaves(node, board):
        for link in leaf.provider.links:
            found.setdefault((link.connection_id, leaf.model), Attempt(leaf.provider.entry, link, leaf.model))
    return list(found.values())[:MOST_ATTEMPTS]


def _leaves(node: Node, board: Board) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
        return
    for child in _ordered(node, board):
        yield from _leaves(child, board)


def _ordered(branch: Branch, board: Board) -> list[Node]:
    steps = [Ranked(_key(child), i, weight, _price(child)) for i, (child, weight) in enumerate(branch.children)]
    inside = {_key(child): tuple(_models(child)) for child, _ in branch.children}
    now = Now(
        board.die,
        board.turn(branch.combo.name),
        uses=lambda key: sum(map(board.uses, inside[key])),
        failures=lambda key: min(map(board.recent_failures, inside[key])),
    )
    order = STRATEGIES[branch.combo.strategy]
    return [branch.children[step.position][0] for step in order(steps, now)]


def _key(node: Node) -> str:
    return f"{node.provider.entry.id}/{node.model}" if isinstance(node, Leaf) else f"combo {node.combo.name}"


def _models(node: Node) -> Iterator[str]:
    """Keys of the models a step stands for: itself, or everything in a combo."""
    if isinstance(node, Leaf):
        yield _key(node)
        return
    for child, _ in node.children:
        yield from _models(child)


def _price(node: Node) -> Decimal | None:
    """Input price of a model; of a combo, the lowest of its steps."""
    if isinstance(node, Leaf):
        price = node.provider.prices.get(node.model)
        return price.input if price is not None else None
    return min((cost for child, _ in node.children if (cost := _price(child)) is not None), default=None)
