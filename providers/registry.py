"""Providers as they are in force: the catalogue's entry with the operator's overrides, or a custom provider's row."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from providers import catalogue, overrides
from providers.addresses import AddressRefused, check_url
from providers.catalogue.faults import unknown_placeholder
from providers.entry import FORMATS, TIERS, USUAL_AUTH, Entry, Model, Price
from providers.models import Provider, ProviderModel

log = logging.getLogger(__name__)
PRICES = {
    "input": "input_price",
    "output": "output_price",
    "cache_read": "cache_read_price",
    "cache_write": "cache_write_price",
    "cache_write_1h": "cache_write_1h_price",
    "input_over_200k": "input_over_200k_price",
    "output_over_200k": "output_over_200k_price",
}
# An own price holds for prompts of any length and for caches of any time, unless these have an own price as well.
SPECIAL = (("input", "input_over_200k"), ("output", "output_over_200k"), ("cache_write", "cache_write_1h"))


class BadProvider(ValueError):
    """A provider that cannot be: the message is a sentence for the operator, ``field`` the row's attribute."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def effective(row: Provider, models: Iterable[ProviderModel]) -> Entry:
    """The entry in force for a row and its model rows. Pure: no query. Raises BadProvider.

    Catalogue providers: what the row leaves empty is as in the catalogue. Custom ones: the row is all there is; they
    send a key when a connection has one. A custom provider without models and without ``any_model`` is allowed, it
    offers nothing yet.
    """
    base = _custom(row) if row.custom else catalogue.entries().get(row.id)
    if base is None:
        _refuse("id", _("%(id)s is no longer in the catalogue."), id=row.id)
    _check_operations(row.operations)
    entry = dataclasses.replace(
        overrides.reformatted(base, row.format or base.format),
        **_overrides(row),
        models=_models(base.models, models),
    )
    if entry.format not in FORMATS:
        _refuse(
            "format",
            _("%(format)s is not a format; known are %(known)s."),
            format=entry.format,
            known=", ".join(FORMATS),
        )
    if entry.tier not in TIERS:
        _refuse("tier", _("%(tier)s is not a tier; known are %(known)s."), tier=entry.tier, known=", ".join(TIERS))
    try:
        entry = overrides.over(entry, row.overrides) if row.overrides else entry
    except catalogue.CatalogueError as wrong:
        raise BadProvider("overrides", str(wrong)) from None
    _check_base_url(entry)
    return entry


def effective_all() -> dict[str, Entry]:
    """Every provider that can be used at all, by id, disabled ones included: two queries.

    A row that cannot be (its entry left the catalogue, its address is no longer allowed) is logged and left out.
    Where a prefix is wanted twice, ids come first, then custom providers and aliases the operator set.
    """
    models: defaultdict[str, list[ProviderModel]] = defaultdict(list)
    for model in ProviderModel.objects.all():
        models[model.provider_id].append(model)
    found: dict[str, Entry] = {}
    chosen: set[str] = set()
    for row in Provider.objects.all():
        try:
            found[row.id] = effective(row, models[row.id])
        except BadProvider as wrong:
            log.warning("Provider %s is left out: %s", row.id, wrong)
        else:
            chosen |= {row.id} if row.custom or row.alias else set()
    return _settle(found, chosen)


def check_provider(row: Provider) -> None:
    """Whether the row may be saved as it is; its base URL loses a slash at the end. Raises BadProvider."""
    row.base_url = row.base_url.rstrip("/")
    try:
        row.clean_fields()
    except ValidationError as wrong:
        field, errors = next(iter(wrong.message_dict.items()))
        raise BadProvider(field, " ".join(errors)) from None
    models = ProviderModel.objects.filter(provider_id=row.id) if not row._state.adding else ()
    entry = effective(row, models)
    if row._state.adding and Provider.objects.filter(id=row.id).exists():
        _refuse("id", _("There is a provider %(id)s already."), id=row.id)
    _check_prefixes(entry)


@transaction.atomic
def save_provider(row: Provider) -> None:
    """Check a row and save it, signals included. Raises BadProvider and then nothing is saved."""
    check_provider(row)
    row.save()


def reset(row: Provider, names: Iterable[str] = ()) -> None:
    """Take fields back to the catalogue's, without names all of them, and save. Raises BadProvider; KeyError for what
    is no field."""
    overrides.clear(row, tuple(names) or overrides.said(row))
    save_provider(row)


def reset_model(row: ProviderModel, names: Iterable[str] = ()) -> bool:
    """Take a model's fields back to the catalogue's, without names all of them; a row that says nothing more goes.
    False when the catalogue has no such model: then the row is all there is of it, and stays."""
    base = catalogue.entries().get(row.provider_id)
    if row.provider.custom or base is None or row.model_id not in base.models:
        return False
    for name in tuple(names) or overrides.said_of(row):
        if name in overrides.MODEL_COLUMNS:
            setattr(row, name, None)
        elif name == "enabled":
            row.enabled = True
    if overrides.said_of(row):
        row.save()
    else:
        row.delete()
    return True


def effective_of(row: Provider) -> Entry:
    """The entry in force for one row: one query. Raises BadProvider."""
    return effective(row, row.models.all())


def addresses_of(row: Provider) -> tuple[str, ...]:
    """The base URLs its vendor has, the catalogue's usual one first; nothing for a custom provider. Pure: no query."""
    base = None if row.custom else catalogue.entries().get(row.id)
    if base is None:
        return ()
    words = row.overrides if isinstance(row.overrides, dict) else {}
    others = words.get("elsewhere")
    return (base.base_url, *(others if isinstance(others, list) else base.elsewhere))


# -- parts --------------------------------------------------------------------------------------------------------
def _custom(row: Provider) -> Entry:
    return Entry(
        id=row.id,
        name=row.id,
        alias=row.id,
        format=row.format,
        base_url=row.base_url,
        auth=f"optional_{USUAL_AUTH.get(row.format, 'bearer')}",
        custom=True,
    )


def _overrides(row: Provider) -> dict[str, Any]:
    """What the row says; empty fields say nothing."""
    said = {name: getattr(row, name) for name in ("name", "alias", "format", "base_url", "tier") if getattr(row, name)}
    for name in ("allow_private_network", "any_model"):
        if getattr(row, name) is not None:
            said[name] = getattr(row, name)
    if row.operations:
        known = catalogue.entries().get(row.id) if not row.custom else None
        said["operations"] = MappingProxyType({**(known.operations if known else {}), **row.operations})
    if "base_url" in said:
        said["base_url"] = said["base_url"].rstrip("/")
    return {**said, "transport": row.transport}


def _models(base: Mapping[str, Model], rows: Iterable[ProviderModel]) -> Mapping[str, Model]:
    merged = dict(base)
    for row in rows:
        merged[row.model_id] = _model(merged.get(row.model_id) or Model(id=row.model_id), row)
    return MappingProxyType(merged)


def _model(base: Model, row: ProviderModel) -> Model:
    said: dict[str, Any] = {
        name: getattr(row, name) for name in ("context", "max_output") if getattr(row, name) is not None
    }
    if row.capabilities is not None:
        said["capabilities"] = frozenset(row.capabilities)
    prices = {ours: getattr(row, theirs) for ours, theirs in PRICES.items() if getattr(row, theirs) is not None}
    units = {unit: usd for unit, name in overrides.UNIT_PRICES.items() if (usd := getattr(row, name)) is not None}
    if prices or units:
        usual = base.price or Price()
        unsaid: dict[str, Any] = {special: None for plain, special in SPECIAL if plain in prices}
        per = MappingProxyType({**usual.per, **units})
        said["price"] = dataclasses.replace(usual, **{**unsaid, **prices}, per=per, source="override")
    return dataclasses.replace(base, **said, enabled=row.enabled, own=True)


def _settle(found: dict[str, Entry], chosen: set[str]) -> dict[str, Entry]:
    """Give each prefix one owner; a provider that loses its alias is reached by its id."""
    owners = {id: id for id in found}
    settled = {}
    for entry in sorted(found.values(), key=lambda e: (not e.custom, e.id not in chosen, e.id)):
        alias = entry.alias if owners.setdefault(entry.alias, entry.id) == entry.id else entry.id
        also = tuple(word for word in entry.also if owners.setdefault(word, entry.id) == entry.id)
        lost = alias != entry.alias or also != entry.also
        settled[entry.id] = dataclasses.replace(entry, alias=alias, also=also) if lost else entry
    return {id: settled[id] for id in found}


def _check_operations(operations: Any) -> None:
    if not isinstance(operations, dict):
        _refuse("operations", _("Operation paths are a table of operation and path."))
    for name, path in operations.items():
        if why := catalogue.operation_fault(name, path):
            _refuse("operations", "%(name)s: %(why)s", name=name, why=why)


def _check_base_url(entry: Entry) -> None:
    if not entry.base_url:
        _refuse("base_url", _("A base URL is needed."))
    try:
        check_url(entry.sample.base_url, allow_private=entry.allow_private_network)
    except AddressRefused as wrong:
        raise BadProvider("base_url", str(wrong)) from wrong
    if "?" in entry.base_url:
        _refuse("base_url", _("The base URL must not contain a query (?)."))
    if name := unknown_placeholder([entry.base_url], entry.parameters):
        _refuse("base_url", _("Nothing fills {%(name)s} in the base URL."), name=name)


def _check_prefixes(entry: Entry) -> None:
    """No word before the slash may mean two providers, catalogue entries without a row included."""
    others = {**catalogue.entries(), **effective_all()}
    others.pop(entry.id, None)
    taken = {word: other.name for other in others.values() for word in other.prefixes}
    for word in entry.prefixes:
        if word in taken:
            field = "id" if word == entry.id else "alias"
            _refuse(field, _("The prefix %(word)s belongs to %(name)s already."), word=word, name=taken[word])


def _refuse(field: str, sentence: str, **words: str) -> NoReturn:
    raise BadProvider(field, sentence % words)
