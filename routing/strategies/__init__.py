"""How a combo orders its steps, and a provider its connections: one pure function per strategy, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from routing.strategies.orders import (
    Ranked,
    by_tier,
    cheapest,
    fastest,
    least_used,
    listed,
    p2c,
    round_robin,
    shuffled,
    weighted,
)
from routing.strategies.state import Now

Order = Callable[[Sequence[Ranked], Now], list[Ranked]]

STRATEGIES: Mapping[str, Order] = {
    "priority": listed,
    "fill-first": listed,
    "round-robin": round_robin,
    "p2c": p2c,
    "random": shuffled,
    "least-used": least_used,
    "cost-optimized": cheapest,
    "weighted": weighted,
    "lowest-latency": fastest,
    "tiers": by_tier,
}

# Strategies that spread a load: a conversation may stay with the step that served it. The others mean their order.
SPREADING = frozenset(("round-robin", "p2c", "random", "least-used", "weighted"))
