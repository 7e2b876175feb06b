"""What a name stands for → the attempts to make, in order. Pure but for the board's counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from providers.entry import TIERS
from providers.upstream import Attempt, Link
from routing.board import Board
from routing.names import Branch, Leaf, Node
from routing.snapshot import Provider, Switches
from routing.strategies import SPREADING, STRATEGIES
from routing.strategies.orders import Ranked
from routing.strategies.state import Now

MOST_PLANNED = 100  # candidates of one request; how many are made is the settings' to say
USUAL = Switches()


def plan(node: Node, board: Board, switches: Switches = USUAL, *, session: bytes | None = None) -> list[Attempt]:
    """Attempts, the first to be made first, none twice. Never empty.

    ``session``: a conversation that has gone on for some turns; it stays where it was answered last, as far as the
    strategies leave that open.
    """
    found: dict[tuple[int, str], Attempt] = {}
    for leaf in _leaves(node, board):
        entry = leaf.provider.speaking(leaf.model)
        for link in _links(leaf.provider, board, switches):
            found.setdefault((link.connection_id, leaf.model), Attempt(entry, link, leaf.model))
        if len(found) >= MOST_PLANNED:
            break
    attempts = list(found.values())[:MOST_PLANNED]
    place = board.sessions.place(session) if session is not None else None
    if place is not None and place in found:
        return _preferring(found[place], attempts, spread=_spreads(node))
    return attempts


def _preferring(served: Attempt, attempts: list[Attempt], *, spread: bool) -> list[Attempt]:
    """The attempt that served the conversation before the provider's other connections for this model; before
    everything when the order was only made to spread a load."""
    first = 0
    if not spread:
        same = (served.entry.id, served.model)
        first = next(i for i, one in enumerate(attempts) if (one.entry.id, one.model) == same)
    others = [one for one in attempts if one is not served]
    return [*others[:first], served, *others[first:]]


def _spreads(node: Node) -> bool:
    return isinstance(node, Branch) and node.combo.strategy in SPREADING


def _leaves(node: Node, board: Board) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
        return
    for child in _ordered(node, board):
        yield from _leaves(child, board)


def _links(provider: Provider, board: Board, switches: Switches) -> Sequence[Link]:
    """A provider's connections in the order of its strategy; they come by priority."""
    strategy = provider.strategy or switches.connection_strategy
    if len(provider.links) < 2 or strategy in ("fill-first", "priority"):
        return provider.links
    ranked = [Ranked(f"#{link.connection_id}", i, link.weight) for i, link in enumerate(provider.links)]
    now = Now(
        board.die,
        board.turn(f"provider {provider.entry.id}") // switches.sticky_requests,
        uses=board.uses,
        failures=board.recent_failures,
        latency=board.latency,
    )
    return [provider.links[one.position] for one in STRATEGIES[strategy](ranked, now)]


def _ordered(branch: Branch, board: Board) -> list[Node]:
    steps = [
        Ranked(_key(child), i, weight, _price(child), _tier(child)) for i, (child, weight) in enumerate(branch.children)
    ]
    inside = {_key(child): tuple(_models(child)) for child, _ in branch.children}
    now = Now(
        board.die,
        board.turn(branch.combo.name) // branch.combo.sticky,
        uses=lambda key: sum(map(board.uses, inside[key])),
        failures=lambda key: min(map(board.recent_failures, inside[key])),
        latency=lambda key: min(filter(None, map(board.latency, inside[key])), default=None),
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


def _tier(node: Node) -> int:
    """Place of a model's tier in TIERS; of a combo, the first of its steps."""
    if isinstance(node, Leaf):
        return TIERS.index(node.provider.entry.tier)
    return min(_tier(child) for child, _ in node.children)
