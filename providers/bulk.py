"""Many keys at once: one a line, each a connection of its own or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from providers import connections, registry
from providers.models import Connection, Provider
from providers.vault import SecretUnreadable

MOST_KEYS = 500


@dataclass(frozen=True, slots=True)
class Key:
    """A key to be added, and what it is to be called (empty: any name that is free)."""

    secret: str
    name: str = ""

    def __repr__(self) -> str:
        return f"Key({self.name!r}, •••)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one key, by its number. ``connection``: the one added; ``why``: why there is none."""

    number: int
    connection: Connection | None
    why: str = ""


def keys_in(text: str) -> list[Key]:
    """Lines of ``key`` or ``name key``; empty lines count for nothing."""
    lines = (line.split() for line in text.splitlines())
    return [Key(words[-1], " ".join(words[:-1])) for words in lines if words]


def add_many(provider: Provider, keys: Iterable[Key], **said: Any) -> list[Outcome]:
    """Add each key by itself: a bad one takes no other along. ``said``: priority, enabled, tags, team, proxy of all.

    A key that a connection of the provider has already is recognised; no sentence holds any. Raises BadConnection
    when what is said of all is wrong, and then nothing is added.
    """
    keys = list(keys)
    if len(keys) > MOST_KEYS:
        raise connections.BadConnection("keys", _("At most %(limit)s keys at once.") % {"limit": MOST_KEYS})
    said |= {"tags": connections.check_tags(said.get("tags", ()))}
    _check_proxy(said.get("proxy"))
    stored = _stored(provider)
    free = _free_names(provider, {key.name for key in keys})
    return [_add(provider, number, key, stored, free, said) for number, key in enumerate(keys, start=1)]


def _check_proxy(wanted: str | None) -> None:
    """Raises BadConnection unless it is what every one of the connections can share."""
    if wanted and "://" in wanted:
        raise connections.BadConnection("proxy", _("Several keys share a proxy by its name; add the proxy first."))
    connections.set_proxy(Connection(), wanted)


def _add(
    provider: Provider, number: int, key: Key, stored: dict[str, str], free: Iterator[str], said: dict[str, Any]
) -> Outcome:
    if key.secret in stored:
        return Outcome(number, None, _("%(name)s has this key already.") % {"name": stored[key.secret]})
    try:
        with transaction.atomic():
            connection = connections.add(provider, key.name or next(free), key.secret, **said)
    except (connections.BadConnection, registry.BadProvider) as wrong:
        return Outcome(number, None, str(wrong))
    stored[key.secret] = connection.name
    return Outcome(number, connection)


def _stored(provider: Provider) -> dict[str, str]:
    """Key → name of its connection; those that cannot be opened cannot be compared."""
    found = {}
    for row in provider.connections.all():
        try:
            if secret := connections.secret_of(row):
                found[secret] = row.name
        except SecretUnreadable:
            continue
    return found


def _free_names(provider: Provider, wanted: set[str]) -> Iterator[str]:
    taken = wanted | set(provider.connections.values_list("name", flat=True))
    return (name for number in count(1) if (name := f"key {number}") not in taken)
