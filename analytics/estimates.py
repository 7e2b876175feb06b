"""Tokens and cost of a request whose provider reported none: counted here, away from the hot path."""

from __future__ import annotations

import logging
from decimal import Decimal

from msgspec.structs import replace

from providers.prices import cost, price_of
from providers.tokens import estimate_chat
from providers.wire.types import Usage, completed
from routing.gateway.outcome import Outcome, Pending, rates
from routing.gateway.record import NO_OUTPUT

log = logging.getLogger(__name__)

# Only where counting properly would take too long or too much memory:
BYTES_PER_TOKEN = 4
MOST_TOKENS = 100_000  # of a prompt: what is longer in bytes is mostly pictures


def counted(outcome: Outcome) -> Outcome:
    """The outcome with what was pending worked out: estimated tokens, the price looked up, the cost."""
    pending = outcome.pending
    if pending is None:
        return outcome
    try:
        usage = estimate_chat(*pending.text) if pending.text is not None else outcome.usage
    except Exception:  # whatever a client or a provider sent must not cost us the record
        log.exception("Counting tokens failed", extra={"request_id": outcome.request_id})
        return roughly(outcome)
    return _settled(outcome, pending, usage)


def roughly(outcome: Outcome) -> Outcome:
    """As :func:`counted`, from the lengths alone, for when the text cannot be kept or counted in time."""
    pending = outcome.pending
    if pending is None:
        return outcome
    usage = outcome.usage
    if pending.text is not None:
        body, reply = pending.text
        events = reply.count(b"data:")  # of a stream: about one token each
        usage = Usage(
            input=min(len(body) // BYTES_PER_TOKEN, MOST_TOKENS),
            output=events or len(reply) // BYTES_PER_TOKEN,
            estimated=True,
        )
    return _settled(outcome, pending, usage)


def _settled(outcome: Outcome, pending: Pending, usage: Usage) -> Outcome:
    price = pending.price
    if price is None and pending.entry is not None:
        price = price_of(pending.entry, outcome.model)
    if pending.units is not None:
        usage = replace(usage, units=pending.units)
    if pending.opening is not None:
        usage = completed(pending.opening, usage)
    source = price.source if price is not None else ""
    usd = cost(usage, price)
    if pending.waived and usage.nothing_made:
        usd, source = Decimal(0), NO_OUTPUT
    return replace(outcome, usage=usage, cost_usd=usd, price_source=source, rates=rates(price, usage), pending=None)
