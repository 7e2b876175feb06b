"""A provider's models on its page."""

from __future__ import annotations

from typing import NamedTuple

from providers import prices
from providers.entry import Entry, Model, Price
from providers.models import Provider


class ModelRow(NamedTuple):
    model: Model
    price: Price | None
    row_id: int | None  # of the operator's own row


def model_rows(row: Provider, entry: Entry) -> list[ModelRow]:
    """What the provider's page shows of its models."""
    own = dict(row.models.values_list("model_id", "pk"))
    return [ModelRow(m, prices.price_of(entry, m.id), own.get(m.id)) for m in entry.models.values()]
