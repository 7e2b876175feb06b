"""A provider's models, beside the catalogue: its live list compared, taken over, switched one by one, named by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from providers import catalogue, connections, lists, overrides, trial
from providers.entry import Entry
from providers.listing import Listed
from providers.lists import LISTS
from providers.models import Connection, Provider, ProviderModel
from providers.probe import NoList, Probe, fetch_models

NEW, KNOWN, GONE = "new", "known", "gone"
FIGURES = ("context", "max_output", "input_price", "output_price", "cache_read_price", "cache_write_price")


class BadModel(ValueError):
    """A model that cannot be added; a sentence for the operator. ``field`` as in the row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Compared:
    """A model, as the provider lists it now (None: it does not) and as it is here. ``state``: new, known or gone."""

    id: str
    state: str
    listed: Listed | None
    enabled: bool


# -- comparing ----------------------------------------------------------------------------------------------------
def offered(entry: Entry) -> bool:
    """Whether the provider's vendor gives a list of models that can be asked for."""
    return entry.id in LISTS or (entry.lists_models and entry.has("models") and not trial.needed(entry))


def live(connection: Connection) -> tuple[Listed, ...]:
    """What the provider lists to this connection now, through its proxy. Raises NoList. Not from an event loop."""
    ready = connections.prepared(connection)
    if isinstance(ready, Probe):
        raise NoList(ready.message)
    entry, secret, proxy, parameters = ready
    if entry.id in LISTS:
        return asyncio.run(lists.fetch(entry, secret, proxy, parameters))
    return asyncio.run(fetch_models(entry, secret, proxy))


def compare(entry: Entry, listed: Iterable[Listed]) -> list[Compared]:
    """New ones first, then those that are gone, then the known ones; each by id. Pure."""
    theirs = {model.id: model for model in listed}
    found = [
        Compared(id, KNOWN if id in entry.models else NEW, model, id in entry.models and entry.models[id].enabled)
        for id, model in theirs.items()
    ]
    found += [Compared(id, GONE, None, model.enabled) for id, model in entry.models.items() if id not in theirs]
    order = (NEW, GONE, KNOWN)
    return sorted(found, key=lambda each: (order.index(each.state), each.id))


# -- changing -----------------------------------------------------------------------------------------------------
@transaction.atomic
def take_over(row: Provider, entry: Entry, listed: Iterable[Listed], chosen: Sequence[str]) -> int:
    """Add the chosen ones that are new, with what the provider says of them; how many."""
    wanted = [model for model in listed if model.id in set(chosen) and model.id not in entry.models]
    for model in wanted:
        figures = {name: getattr(model, name) for name in FIGURES}
        ProviderModel(provider=row, model_id=model.id, capabilities=list(model.capabilities) or None, **figures).save()
    return len(wanted)


def switch(row: Provider, entry: Entry, model_id: str, enabled: bool) -> None:
    """Turn one model on or off. A row that then says no more than the catalogue goes. Raises BadModel."""
    if model_id not in entry.models:
        _refuse(_("There is no model %(id)s here.") % {"id": model_id})
    model, _made = ProviderModel.objects.update_or_create(
        provider=row, model_id=model_id, defaults={"enabled": enabled}
    )
    known = None if row.custom else catalogue.entries()[row.pk].models.get(model_id)
    alike = known is not None and known.offered(timezone.now().date()) == enabled
    if alike and all(getattr(model, name) is None for name in overrides.MODEL_COLUMNS):
        model.delete()


def add(row: Provider, entry: Entry, model_id: str) -> ProviderModel:
    """A model of the operator's own. Raises BadModel."""
    model_id = model_id.strip()
    if model_id in entry.models:
        _refuse(_("The model %(id)s is there already.") % {"id": model_id})
    model = ProviderModel(provider=row, model_id=model_id)
    if not model_id.isprintable() or " " in model_id:
        _refuse(_("A model id has no spaces and no control characters."))
    try:
        model.full_clean()
    except ValidationError as wrong:
        _refuse(" ".join(wrong.messages))
    model.save()
    return model


def _refuse(sentence: str) -> NoReturn:
    raise BadModel("model_id", sentence)
