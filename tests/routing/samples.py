"""Providers, connections and snapshots made by hand, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from providers.entry import Entry, Model, Price
from providers.upstream import Attempt, Link, link
from routing.snapshot import Caller, Combo, Provider, Snapshot, Step

ANYONE = Caller(key_id=1, key_name="anyone")


class Clock:
    """Time that passes when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def entry(
    id: str = "acme", *, models: tuple[str, ...] = ("large", "small"), off: tuple[str, ...] = (), **said: Any
) -> Entry:
    known = {name: Model(id=name, enabled=name not in off) for name in (*models, *off)}
    base = {"name": id.title(), "alias": id, "format": "openai_chat", "base_url": f"https://{id}.example/v1"}
    return Entry(**{**base, "id": id, "models": known, **said})


def connect(to: Entry, number: int = 1, **said: Any) -> Link:
    usual = {"priority": 1, "secret": "upstream-secret", "proxy": None, "user_agent": "OmniRoute/0"}
    return link(to, connection_id=number, **{"name": f"c{number}", **usual, **said})


def provider(
    id: str = "acme", *, connections: tuple[int, ...] = (1,), prices: Mapping[str, str] | None = None, **said: Any
) -> Provider:
    known = entry(id, **said)
    return Provider(
        entry=known,
        links=tuple(connect(known, number) for number in connections),
        prices={model: Price(input=Decimal(price)) for model, price in (prices or {}).items()},
        unusable={} if connections else {"c1": "An API key is needed."},
    )


def snapshot(*providers: Provider, combos: Mapping[str, Any] | None = None, **said: Any) -> Snapshot:
    """``combos``: name → steps, or (strategy, steps); a step is a name or (name, weight)."""
    bare: dict[str, list[Provider]] = {}
    for one in providers:
        for model in filter(one.has, one.entry.models):
            bare.setdefault(model, []).append(one)
    return Snapshot(
        providers={p.entry.id: p for p in providers},
        prefixes={word: p for p in providers for word in p.entry.prefixes},
        bare={model: tuple(having) for model, having in bare.items()},
        combos={name: _combo(name, steps) for name, steps in (combos or {}).items()},
        **said,
    )


def _combo(name: str, said: Any) -> Combo:
    strategy, steps = said if isinstance(said, tuple) else ("priority", said)
    return Combo(name, strategy, tuple(Step(*step) if isinstance(step, tuple) else Step(step) for step in steps))


def attempt(id: str = "acme", model: str = "large", number: int = 1, **said: Any) -> Attempt:
    to = entry(id, **said)
    return Attempt(to, connect(to, number), model)
