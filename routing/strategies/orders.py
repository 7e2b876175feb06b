"""The orders. ``steps`` is never empty; every function returns all of them, the first to be tried first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from routing.strategies.state import Now


@dataclass(frozen=True, slots=True)
class Ranked:
    """A step, or a connection, as strategies see it. ``price`` is USD per million input tokens, None when unknown;
    ``tier`` a place in ``providers.entry.TIERS``."""

    key: str
    position: int
    weight: int
    price: Decimal | None = None
    tier: int = 0


def listed(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """As written."""
    return list(steps)


def round_robin(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """Each request begins one step further."""
    start = now.turn % len(steps)
    return [*steps[start:], *steps[:start]]


def shuffled(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """Any order, all equally likely."""
    return now.die.sample(list(steps), len(steps))


def p2c(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """Of two drawn at random the one with fewer recent failures, then fewer uses; the rest as written."""
    if len(steps) == 1:
        return list(steps)
    one, two = now.die.sample(list(steps), 2)
    first = min(one, two, key=lambda s: (now.failures(s.key), now.uses(s.key)))
    return [first, *(s for s in steps if s is not first)]


def least_used(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """Fewest uses first; equal ones as written."""
    return sorted(steps, key=lambda s: (now.uses(s.key), s.position))


def cheapest(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """By input price; steps without a price last."""
    return sorted(steps, key=lambda s: (s.price is None, s.price or Decimal(0), s.position))


def weighted(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """The first drawn by weight (all zero: evenly), the rest heaviest first."""
    weights = [s.weight for s in steps] if any(s.weight for s in steps) else None
    first = now.die.choices(steps, weights)[0]
    return [first, *sorted((s for s in steps if s is not first), key=lambda s: -s.weight)]


def fastest(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """By the time to the first byte of late; one that was never measured goes first, so that it is."""
    return sorted(steps, key=lambda s: (now.failures(s.key) > 0, now.latency(s.key) or 0.0, s.position))


def by_tier(steps: Sequence[Ranked], now: Now) -> list[Ranked]:
    """Subscriptions, then API keys, then cheap, then free; as written within a tier."""
    return sorted(steps, key=lambda s: (s.tier, s.position))
