"""What became of one request: made once, whatever happened, and handed to the outbox.

msgspec structs rather than dataclasses: made several times a request, they cost a tenth.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import msgspec

from providers.entry import Entry, Price
from providers.prices import measured
from providers.quota.ear import Heard
from providers.wire.types import Units, Usage
from routing.bounded import put
from routing.money import charged


class AttemptNote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One try of one connection. ``kind`` is "ok" or a ``providers.wire.errors.Kind``; ``status`` the provider's."""

    provider: str
    connection: str
    model: str
    kind: str
    status: int | None
    ms: int
    message: str
    proxy: str = ""  # its level and address, as ``providers.proxies.Way.label``


class SkipNote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate that was not asked. ``why``: a kind of failure that it rests after, or ``breaker_open``, ``busy``,
    ``quota_reserve``, ``budget_exceeded``, …; of a step that stands for nothing a sentence, whose ``code`` says the
    same; ``seconds`` until that ends, where it is known."""

    provider: str
    connection: str
    model: str
    why: str
    seconds: float | None
    code: str = ""


RATES = (
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "input_over_200k", "output_over_200k", "source",
)  # fmt: skip


_written: OrderedDict[int, tuple[Price, dict[str, str]]] = OrderedDict()  # by identity: a price is told a lot


def rates(price: Price | None, usage: Usage | None) -> dict[str, str] | None:
    """A price as it is written down: the classes it has, exactly as they were, and where they come from; prices by the
    unit as well, each with how many units there were (``query``, ``query_units``)."""
    if price is None:
        return None
    kept = _written.get(id(price))
    if kept is None or kept[0] is not price:
        found = {name: str(value) for name in RATES if (value := getattr(price, name)) is not None}
        found |= {unit: str(usd) for unit, usd in price.per.items()}
        kept = (price, found)
        put(_written, id(price), kept)
    if price.per and usage is not None and usage.units is not None:
        return kept[1] | {f"{unit}_units": str(amount) for unit, amount in measured(usage.units, price).items()}
    return kept[1]


class Charge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A budget that the request counts at. ``purse``: its live counter; ``reserved``: units set aside before."""

    budget: int
    purse: str
    reserved: int


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What of an outcome is worked out later, off the hot path: tokens nobody reported, a price nobody had at hand.

    ``text`` is (request body, reply bytes) to count tokens in; ``price`` the price if known; ``entry`` where to look
    for one if not. ``waived``: without any output it costs nothing. ``units``: what is known beside the tokens;
    ``opening``: what a stream said of its usage before the answer, of which only the output is counted. None of it is
    ever written down.
    """

    text: tuple[bytes, bytes] | None = None
    price: Price | None = None
    entry: Entry | None = None
    waived: bool = False
    units: Units | None = None
    opening: Usage | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a known caller.

    ``started_at`` is Unix time in seconds, every ``*_ms`` whole milliseconds, ``cost_usd`` None when no price is known.
    ``result`` is a value of ``analytics.models.Result``, ``status`` the HTTP status the client got (or would have got).
    ``rates``: the price the cost was worked out with, as :func:`rates` writes it. ``flat_rate``:
    the cost is notional, and no budget's.
    ``pending`` is what is still to be worked out; None in the journal and beyond.
    """

    request_id: str
    started_at: float
    key_id: int | None
    key_name: str
    user_id: int | None
    team_id: int | None
    operation: str
    client_format: str
    upstream_format: str
    requested_model: str
    provider: str
    model: str
    connection: str
    stream: bool
    status: int
    result: str
    error_kind: str
    error_message: str
    attempts: tuple[AttemptNote, ...]
    latency_ms: int
    first_byte_ms: int | None
    usage: Usage
    cost_usd: Decimal | None
    price_source: str
    client_address: str | None
    user_agent: str
    skips: tuple[SkipNote, ...] = ()
    dropped: str = ""  # what could not be carried to the provider, comma separated
    heard: tuple[Heard, ...] = ()  # what replies said of quotas since the last outcome, of whatever request
    charges: tuple[Charge, ...] = ()
    rates: dict[str, str] | None = None
    flat_rate: bool = False
    policies: str = ""  # what policies did with it, comma separated
    cache: str = ""  # hit, semantic (a hit by meaning), repeated (by its Idempotency-Key), miss; "" not asked
    saved_tokens: int = 0  # what the kept answer took when it was made
    saved_usd: Decimal = Decimal(0)
    pending: Pending | None = None


def spends(outcome: Outcome) -> list[tuple[Charge, int]]:
    """Units of 1e-10 USD that each budget has spent of a request: its cost; of a service that was given at a cost that
    nobody can tell, what was reserved."""
    if outcome.cost_usd is None and outcome.usage.units is not None:
        return [(charge, charge.reserved) for charge in outcome.charges]
    spent = int(charged(outcome.cost_usd).scaleb(10))
    return [(charge, spent) for charge in outcome.charges]
