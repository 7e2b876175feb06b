"""The catalogue: ``catalog/*.toml``, one file per provider, read into checked :class:`~providers.entry.Entry` values.

The vocabulary is closed. A key, format, auth scheme, tier, capability, failure kind or request parameter that is not
known stops the start with the file's name and the key, so a typing error never becomes a silent default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType

from django.db import transaction

from providers.catalogue.faults import operation_fault, trait_fault
from providers.catalogue.shapes import EntryTable
from providers.catalogue.table import SLUG, CatalogueError
from providers.entry import Entry
from providers.models import Provider
from providers.signals import providers_made

__all__ = ["FOLDER", "CatalogueError", "entries", "load", "operation_fault", "parse", "sync", "trait_fault"]

FOLDER = Path(__file__).parent.with_name("catalog")


@cache
def entries() -> Mapping[str, Entry]:
    """Every provider of the catalogue by id, parsed once per process. Raises CatalogueError."""
    return load(FOLDER)


def has_own_address(entry: Entry) -> bool:
    """Whether an entry in force is asked at the address that the catalogue knows, not at an operator's."""
    known = entries().get(entry.id)
    return known is not None and known.base_url == entry.base_url


def load(folder: Path) -> Mapping[str, Entry]:
    """The entries of a folder of TOML files; no two of them may share a prefix. Raises CatalogueError."""
    found: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        entry = parse(path.stem, path.read_text(encoding="utf-8"))
        for prefix in entry.prefixes:
            if owners.setdefault(prefix, entry.id) != entry.id:
                raise CatalogueError(f"{path.name}: the prefix {prefix!r} belongs to {owners[prefix]} already.")
        found[entry.id] = entry
    return MappingProxyType(found)


def parse(id: str, text: str) -> Entry:
    """One file's text → Entry. Raises CatalogueError."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as wrong:
        raise CatalogueError(f"{id}.toml: {wrong}") from None
    if not SLUG.fullmatch(id):
        raise CatalogueError(f"{id}.toml: the file name is the provider's id: small letters, digits, . _ - only.")
    return EntryTable(f"{id}.toml", data).entry(id)


@transaction.atomic
def sync() -> int:
    """Create the rows of catalogue entries that have none; returns how many that were. Existing rows are never touched,
    so a custom provider that had the id first keeps it, and the catalogue's entry stays hidden behind it."""
    known = set(Provider.objects.values_list("id", flat=True))
    wanted = [Provider(id=id, custom=False) for id in entries() if id not in known]
    if wanted:
        Provider.objects.bulk_create(wanted, ignore_conflicts=True)  # another process may be at it as well
        providers_made.send(sender=Provider)
    return len(wanted)
