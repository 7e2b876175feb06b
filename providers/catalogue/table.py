"""A TOML table being read: every key is taken once, by a reader that checks it; what is left is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self

from providers.catalogue.faults import usd_fault

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")


class CatalogueError(ValueError):
    """A catalogue file says something the vocabulary does not know; the message names file and key."""


class Table:
    """``where`` names file and place in messages. Raises CatalogueError."""

    def __init__(self, where: str, data: Any) -> None:
        self.where = where
        if not isinstance(data, dict):
            raise CatalogueError(f"{where}: a table is expected here.")
        self.left = dict(data)

    def fail(self, key: str, why: str) -> CatalogueError:
        return CatalogueError(f"{self.where}: {key}: {why}")

    def done(self) -> None:
        if self.left:
            raise self.fail(", ".join(sorted(self.left)), "not a key of the catalogue.")

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        if key not in self.left:
            return default
        value = self.left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(key, f"{value!r} is of the wrong type.")
        return value

    def text(self, key: str) -> str:
        value: str = self.take(key, str, "")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value: bool = self.take(key, bool, default)
        return value

    def need(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise self.fail(key, "is missing.")
        return value

    def one_of(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        value: str = self.take(key, str, default)
        if value not in allowed:
            raise self.fail(key, f"{value!r} is none of {', '.join(sorted(filter(None, allowed)))}.")
        return value

    def names(self, key: str, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        values = self.take(key, list, [])
        for value in values:
            if not isinstance(value, str) or (allowed is not None and value not in allowed):
                raise self.fail(key, f"{value!r} is not known here.")
        return tuple(values)

    def prefix(self, key: str) -> str:
        value = self.text(key)
        if not SLUG.fullmatch(value):
            raise self.fail(key, f"{value!r} cannot be a prefix.")
        return value

    def pairs(self, key: str, check: Callable[[str, Any], str | None]) -> Mapping[str, Any]:
        """A sub-table whose every pair passes check, which says what is wrong or None."""
        pairs = self.take(key, dict, {})
        for name, value in pairs.items():
            if why := check(name, value):
                raise self.fail(f"{key}.{name}", why)
        return MappingProxyType(dict(pairs))

    def number(self, key: str) -> int | None:
        value: int | None = self.take(key, int)
        if value is not None and value < 1:
            raise self.fail(key, "must be a number above zero.")
        return value

    def usd(self, key: str) -> Decimal | None:
        value = self.take(key, (Decimal, int))
        if value is None:
            return None
        if why := usd_fault(key, value):
            raise self.fail(key, why)
        return Decimal(value)

    def sub(self, key: str) -> Self:
        return type(self)(f"{self.where}: {key}", self.left.pop(key, {}))

    def rows(self, key: str) -> Iterator[Self]:
        """The tables of a list, each to be read to its end."""
        for number, data in enumerate(self.take(key, list, []), start=1):
            yield type(self)(f"{self.where}: {key}[{number}]", data)
