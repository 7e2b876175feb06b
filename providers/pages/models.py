"""A provider's models on its page."""

from __future__ import annotations

from typing import NamedTuple

from django.utils import timezone

from providers import catalogue, overrides, prices
from providers.entry import Entry, Model, Price
from providers.models import Provider


class ModelRow(NamedTuple):
    model: Model
    price: Price | None
    row_id: int | None  # of the operator's own row
    said: tuple[str, ...] = ()  # what that row says of a model of the catalogue


def model_rows(row: Provider, entry: Entry) -> list[ModelRow]:
    """What the provider's page shows of its models."""
    own = {model.model_id: model for model in row.models.all()}
    known = catalogue.entries().get(row.pk)
    listed = known.models if known and not row.custom else {}
    offered = entry.on(timezone.now().date())
    return [
        ModelRow(
            model,
            prices.price_of(entry, model.id),
            own[model.id].pk if model.id in own else None,
            overrides.said_of(own[model.id]) if model.id in own and model.id in listed else (),
        )
        for model in offered.models.values()
    ]
