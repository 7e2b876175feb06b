"""Bringing everything that is sealed under the key ring's first key, while readers and writers go on.

Sealed values lie in *places*: every encrypted column of every model, found by looking, and what other apps register.
A place is walked in order of its primary key. A batch is opened and sealed anew outside any transaction, then written
in one; each row is written only if it still holds the value that was read, so a save that came between is kept. A walk
that is killed has written whole batches or none of one, and the next walk sees only what is left.

The canary, without whose key no installation starts, comes last: until then the old key cannot be dropped unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q

from providers.fields import EncryptedTextField
from providers.models import VaultCanary
from providers.vault import KeyRing, Sealed, SecretUnreadable

BATCH = 200  # rows in one transaction: some milliseconds of a locked database
PASSES = 5  # walks over a place, while savers are quicker than we are


@dataclass(frozen=True, slots=True)
class Row:
    """The sealed values of one row: name → (token, context it is bound to)."""

    pk: Any
    values: Mapping[str, tuple[str, str]]


class Place(Protocol):
    """Somewhere sealed values lie."""

    name: str

    def rows(self, after: Any, limit: int, not_by: str = "") -> Sequence[Row]:
        """Rows with values past a primary key (None: from the start), in its order. ``not_by``: a key's id, whose
        values are left out."""

    def replace(self, row: Row, tokens: Mapping[str, str]) -> bool:
        """Write new tokens where the row still holds the ones that were read; False when it does not any more."""

    def title(self, pk: Any) -> str:
        """How people know a row."""


class Columns:
    """The encrypted columns of one table."""

    def __init__(self, model: type[models.Model], fields: Sequence[EncryptedTextField]) -> None:
        self.name, self._model, self._fields = model._meta.label, model, fields

    def rows(self, after: Any, limit: int, not_by: str = "") -> Sequence[Row]:
        wanted = Q()
        for each in self._fields:
            here = Q(**{f"{each.name}__isnull": False})
            wanted |= here & ~Q(**{f"{each.name}__sealed_by": not_by}) if not_by else here
        found = self._model._base_manager.filter(wanted).order_by("pk")
        if after is not None:
            found = found.filter(pk__gt=after)
        return [self._row(row, not_by) for row in found[:limit]]

    def _row(self, row: models.Model, not_by: str) -> Row:
        kept = ((each, getattr(row, each.attname)) for each in self._fields)
        return Row(
            row.pk,
            {e.name: (v.token, e.context(row)) for e, v in kept if isinstance(v, Sealed) and v.key_id != not_by},
        )

    def replace(self, row: Row, tokens: Mapping[str, str]) -> bool:
        still = {f"{name}__sealed_as": Sealed(row.values[name][0]) for name in tokens}
        written = self._model._base_manager.filter(pk=row.pk, **still).update(
            **{name: Sealed(token) for name, token in tokens.items()}
        )
        return bool(written)

    def title(self, pk: Any) -> str:
        row = self._model._base_manager.filter(pk=pk).first()
        return f"{self._model._meta.verbose_name} {pk}" + (f" ({' '.join(str(row).split())})" if row else "")


_others: list[Place] = []


def register(place: Place) -> None:
    """Add a place that is no encrypted column; called once by its app when it is ready."""
    _others.append(place)


def places() -> Iterator[Place]:
    """Every place but the canary's."""
    for model in apps.get_models(include_auto_created=True):
        if model is not VaultCanary and not model._meta.proxy and (fields := _encrypted(model)):
            yield Columns(model, fields)
    yield from _others


def _encrypted(model: type[models.Model]) -> list[EncryptedTextField]:
    return [each for each in model._meta.local_concrete_fields if isinstance(each, EncryptedTextField)]


def canary() -> Place:
    return Columns(VaultCanary, _encrypted(VaultCanary))


# -- looking ----------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Survey:
    """How many values there are, how many are under older keys of the ring, and which rows cannot be opened."""

    values: int = 0
    old: int = 0
    unreadable: list[str] = field(default_factory=list)


def survey(ring: KeyRing) -> Survey:
    """Open everything; nothing of it is kept."""
    found = Survey()
    for place in (*places(), canary()):
        for row in _walk(place):
            for token, context in row.values.values():
                found.values += 1
                try:
                    ring.open(token, context)
                except SecretUnreadable as why:
                    found.unreadable.append(f"{place.title(row.pk)}: {why}")
                else:
                    found.old += Sealed(token).key_id != ring.primary
    return found


def _walk(place: Place, not_by: str = "") -> Iterator[Row]:
    after = None
    while batch := place.rows(after, BATCH, not_by):
        yield from batch
        after = batch[-1].pk


# -- rotating ---------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Rotation:
    """What was done: values sealed anew, values that somebody else saved meanwhile again and again, and sentences
    about the rows that cannot be opened."""

    resealed: int = 0
    missed: int = 0
    unreadable: list[str] = field(default_factory=list)


Tell = Callable[[str, int], None]  # after each batch: the place's name, values done there


def rotate(ring: KeyRing, *, dry_run: bool = False, tell: Tell = lambda name, done: None) -> Rotation:
    """Seal everything under the first key. A dry run opens and counts only. Raises django.db.DatabaseError."""
    found = Rotation()
    for place in places():
        _place(place, ring, found, tell, dry_run)
    if not found.missed:
        _place(canary(), ring, found, tell, dry_run)
        if not dry_run:
            VaultCanary.objects.update(fingerprint=ring.fingerprint)
    return found


def _place(place: Place, ring: KeyRing, found: Rotation, tell: Tell, dry_run: bool) -> None:
    before, missed = found.resealed, 0
    known = set(found.unreadable)
    for _ in range(PASSES):
        after, missed = None, 0
        while batch := place.rows(after, BATCH, ring.primary):
            after = batch[-1].pk
            sealed = [(row, _anew(place, row, ring, found, known)) for row in batch]
            missed += _write(place, [pair for pair in sealed if pair[1]], found, dry_run)
            tell(place.name, found.resealed - before)
        if not missed:
            break
    found.missed += missed


def _anew(place: Place, row: Row, ring: KeyRing, found: Rotation, known: set[str]) -> dict[str, str]:
    tokens = {}
    for name, (token, context) in row.values.items():
        try:
            tokens[name] = ring.reseal(token, context)
        except SecretUnreadable as why:
            sentence = f"{place.title(row.pk)}: {why}"
            if sentence not in known:
                known.add(sentence)
                found.unreadable.append(sentence)
    return tokens


def _write(place: Place, sealed: Sequence[tuple[Row, Mapping[str, str]]], found: Rotation, dry_run: bool) -> int:
    """One transaction. How many values were not written, for their rows were saved meanwhile."""
    done = missed = 0
    if dry_run:
        done = sum(len(tokens) for _, tokens in sealed)
    else:
        with transaction.atomic():
            for row, tokens in sealed:
                if place.replace(row, tokens):
                    done += len(tokens)
                else:
                    missed += len(tokens)
    found.resealed += done
    return missed
