"""How a combo orders its steps: one pure function per strategy, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from routing.strategies.orders import Ranked, cheapest, least_used, listed, p2c, round_robin, shuffled, weighted
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
}
