"""Usage × price → USD, and where a price comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urlsplit

from providers.entry import Entry, Price
from providers.wire.types import Units, Usage

LONG_PROMPT = 200_000  # tokens; beyond it some vendors bill the whole request at another rate
# Host of a base URL → the provider's id in genai-prices.
LISTED_HOSTS = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "codestral.mistral.ai": "mistral",
    "api.x.ai": "x-ai",
}
NONE = Decimal(0)
NOTHING = Price(input=Decimal(0), output=Decimal(0), source="free tier")


# Unit of a price → the measure it counts, and how many of it the price is for.
MEASURES = (
    ("image", "images", 1),
    ("audio_minute", "seconds", 60),
    ("characters", "characters", 1_000_000),
    ("query", "queries", 1),
)


def cost(usage: Usage, price: Price | None) -> Decimal | None:
    """USD of one reply, exact (not rounded). None when there is no price or it lacks a class that was used.

    Cached and cache-writing tokens cost as plain input where they have no price of their own, those written for an hour
    as those written for minutes. A price by the unit (picture, minute, character, query) is another way to bill the
    same reply, never an addition: it counts unless the provider reported output tokens and the price covers these.
    """
    if price is None:
        return None
    units = usage.units
    if units is None:
        return _of_tokens(usage, price)
    by_units = _of_units(units, price)
    by_tokens = _of_tokens(usage, price) if usage.input or usage.output else None
    if by_units is None or (by_tokens is not None and usage.output and not usage.estimated):
        return by_tokens
    return by_units


def measured(units: Units, price: Price) -> dict[str, Decimal]:
    """How much there is of what the price has a unit for."""
    found = {unit: Decimal(getattr(units, measure)) / per for unit, measure, per in MEASURES if unit in price.per}
    return {unit: amount for unit, amount in found.items() if amount}


def _of_units(units: Units, price: Price) -> Decimal | None:
    """None when the price has none of the units; zero where it asks nothing for tokens either."""
    amounts = measured(units, price)
    if amounts:
        return sum((amount * price.per[unit] for unit, amount in amounts.items()), Decimal(0))
    return Decimal(0) if price.input == 0 and price.output == 0 and not price.per else None


def _of_tokens(usage: Usage, price: Price) -> Decimal | None:
    input_rate, output_rate = _rates_at(usage.input, price)
    cached, written = max(usage.cached, 0), max(usage.cache_write, 0)
    lasting = min(max(usage.cache_write_1h, 0), written)
    write_rate = input_rate if price.cache_write is None else price.cache_write
    plain, output = max(usage.input - cached - written, 0), max(usage.output, 0)
    kinds: tuple[tuple[int, Decimal | None], ...] = ()
    if usage.units is not None and price.per:
        heard = min(usage.units.audio_input, plain)
        drawn = min(usage.units.image_output, output)
        spoken = min(usage.units.audio_output, output - drawn)
        plain, output = plain - heard, output - drawn - spoken
        kinds = (
            (heard, price.per.get("audio_input", input_rate)),
            (drawn, price.per.get("image_output", output_rate)),
            (spoken, price.per.get("audio_output", output_rate)),
        )
    parts = (
        (plain, input_rate),
        (cached, input_rate if price.cache_read is None else price.cache_read),
        (written - lasting, write_rate),
        (lasting, write_rate if price.cache_write_1h is None else price.cache_write_1h),
        (output, output_rate),
        *kinds,
    )
    total = NONE
    for tokens, rate in parts:
        if not tokens:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return total.scaleb(-6)


def _rates_at(prompt: int, price: Price) -> tuple[Decimal | None, Decimal | None]:
    """Of plain input and of output, for a prompt of that length."""
    if prompt <= LONG_PROMPT:
        return price.input, price.output
    return (
        price.input if price.input_over_200k is None else price.input_over_200k,
        price.output if price.output_over_200k is None else price.output_over_200k,
    )


def dearest(prompt: int, output: int, price: Price) -> Decimal | None:
    """USD of so many tokens at most, however they are counted: the prompt as plain input, as read from or written to a
    cache or as sound, the answer as text, pictures or sound; at the rate of long prompts or, as it may turn out to be
    shorter, the usual one. None when plain input or output is needed and has no price."""
    taken, made = map(set, zip(_rates_at(0, price), _rates_at(prompt, price), strict=True))
    if (prompt and None in taken) or (output and None in made):
        return None
    taken |= {price.cache_read, price.cache_write, price.cache_write_1h, price.per.get("audio_input")}
    made |= {price.per.get("image_output"), price.per.get("audio_output")}
    return (prompt * _most(taken) + output * _most(made)).scaleb(-6)


def _most(rates: Iterable[Decimal | None]) -> Decimal:
    return max((rate for rate in rates if rate is not None), default=NONE)


def price_of(entry: Entry, model_id: str) -> Price | None:
    """The price in force: the operator's override, the catalogue's, genai-prices' list by the base URL's host, zero
    for a provider of the free tier, else None. The list loads once (0.2 s, 16 MB) and only when it is asked; never
    call this while a request waits."""
    model = entry.models.get(model_id)
    if model is not None and model.price is not None:
        return model.price if model.price != Price() else None  # empty: there is no list price to look for
    listed_as = LISTED_HOSTS.get(urlsplit(entry.base_url).hostname or "")
    listed = _listed(listed_as, model_id) if listed_as else None
    return listed or (NOTHING if entry.tier == "free" else None)


@lru_cache(maxsize=4096)
def _listed(provider: str, model_id: str) -> Price | None:
    """A price from the data that genai-prices carries; nothing is downloaded."""
    from genai_prices.data_snapshot import get_snapshot  # heavy: only for models nobody else prices

    if not re.fullmatch(r"[\w./:@+-]{1,200}", model_id):
        return None
    try:
        _, model = get_snapshot().find_provider_model(model_id, None, provider, None)
    except LookupError:
        return None
    rates = model.get_prices(datetime.now(UTC))
    tiers = {
        name: _rates(getattr(rates, name))
        for name in ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    }
    if tiers["input_mtok"][0] is None and tiers["output_mtok"][0] is None:
        return None
    return Price(
        input=tiers["input_mtok"][0],
        output=tiers["output_mtok"][0],
        cache_read=tiers["cache_read_mtok"][0],
        cache_write=tiers["cache_write_mtok"][0],
        input_over_200k=tiers["input_mtok"][1],
        output_over_200k=tiers["output_mtok"][1],
        source="genai-prices",
    )


def _rates(rate: object) -> tuple[Decimal | None, Decimal | None]:
    """(usual rate, rate of long prompts when there is one that starts at our limit)."""
    if rate is None or isinstance(rate, Decimal):
        return rate, None
    tiers = {tier.start: tier.price for tier in rate.tiers}  # type: ignore[attr-defined]
    return rate.base, tiers.get(LONG_PROMPT, tiers.get(LONG_PROMPT - 1))  # type: ignore[attr-defined]
