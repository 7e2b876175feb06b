"""What an operator says differently from the catalogue: where it is kept, what it may say, how it is taken back.

A row holds only what differs, so a new version of the catalogue arrives everywhere else. Fields with a column of their
own are in ``COLUMNS``; everything else an entry can say goes into ``Provider.overrides``, in the words of a catalogue
file (``{"headers": {...}, "request": {"drop": [...]}}``); each key there replaces the entry's value as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from providers.catalogue.shapes import READERS, EntryTable
from providers.entry import Entry
from providers.models import Provider, ProviderModel, TransportKind
from providers.quirks import NO_RULES
from providers.vocabulary import UNITS

COLUMNS = (
    "name", "alias", "format", "base_url", "allow_private_network", "tier", "operations", "any_model", "transport",
)  # fmt: skip
# Keys of a catalogue file that only the catalogue says: its models have rows, and what has ended stays so.
OURS = ("models", "ended", "login", "uncertain")
WORDS = tuple(sorted(READERS.keys() - set(COLUMNS) - set(OURS)))
EMPTY: dict[str, Any] = {"allow_private_network": None, "any_model": None, "transport": TransportKind.FAST.value}
UNIT_PRICES: Mapping[str, str] = {unit: f"{unit}_price" for unit in UNITS}  # a price's unit → its column
PRICE_COLUMNS = (
    "input_price", "output_price", "cache_read_price", "cache_write_price", "cache_write_1h_price",
    "input_over_200k_price", "output_over_200k_price", *UNIT_PRICES.values(),
)  # fmt: skip
MODEL_COLUMNS = (*PRICE_COLUMNS, "context", "max_output", "capabilities")


def said(row: Provider) -> tuple[str, ...]:
    """The names of the fields that the row says, columns first."""
    words = row.overrides if isinstance(row.overrides, dict) else {}
    columns = (name for name in COLUMNS if getattr(row, name) not in ("", None, {}, EMPTY.get(name)))
    return (*columns, *sorted(words))


def said_of(row: ProviderModel) -> tuple[str, ...]:
    """The names of the fields that a model's row says; ``enabled`` when it is off."""
    named = tuple(name for name in MODEL_COLUMNS if getattr(row, name) is not None)
    return named if row.enabled else ("enabled", *named)


def clear(row: Provider, names: Iterable[str]) -> None:
    """Take fields back to the catalogue's; the row is not saved. Raises KeyError for what is no field."""
    for name in names:
        if name in COLUMNS:
            setattr(row, name, EMPTY.get(name, {} if name == "operations" else ""))
        elif name in WORDS:
            row.overrides = {key: value for key, value in row.overrides.items() if key != name}
        else:
            raise KeyError(name)


def over(entry: Entry, words: Any) -> Entry:
    """The entry with what an operator says in the catalogue's words. Raises CatalogueError, a ValueError."""
    table = EntryTable("overrides", _exact(words))
    if unknown := sorted(table.left.keys() - set(WORDS)):
        raise table.fail(", ".join(unknown), f"not a word of an override; known are {', '.join(WORDS)}.")
    return table.over(entry)


def reformatted(entry: Entry, format: str) -> Entry:
    """The entry in another format, without the rules, variants and envelope that belong to its own."""
    if format == entry.format:
        return entry
    return replace(entry, format=format, request=NO_RULES, variants=(), envelope="")


def _exact(value: Any) -> Any:
    """JSON's floats as the exact numbers that a catalogue file has."""
    match value:
        case float():
            return Decimal(str(value))
        case list():
            return [_exact(each) for each in value]
        case dict():
            return {key: _exact(each) for key, each in value.items()}
    return value
