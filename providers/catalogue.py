"""The catalogue: ``catalog/*.toml``, one file per provider, read into checked :class:`~providers.entry.Entry` values.

The vocabulary is closed. A key, format, auth scheme, tier, capability, failure kind or request parameter that is not
known stops the start with the file's name and the key, so a typing error never becomes a silent default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from django.db import transaction

from providers.entry import (
    AUTH_SCHEMES,
    CAPABILITIES,
    FORMATS,
    OPERATIONS,
    PARAMETERS,
    TIERS,
    Entry,
    Model,
    Price,
    RequestRules,
)
from providers.models import Provider
from providers.wire.errors import Kind
from providers.wire.traits import Traits

FOLDER = Path(__file__).with_name("catalog")
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Authentication and framing are ours to write; an entry must not.
RESERVED_HEADERS = frozenset(
    ("authorization", "host", "content-length", "transfer-encoding", "connection", "user-agent", "accept-encoding")
)


class CatalogueError(ValueError):
    """A catalogue file says something the vocabulary does not know; the message names file and key."""


@cache
def entries() -> Mapping[str, Entry]:
    """Every provider of the catalogue by id, parsed once per process. Raises CatalogueError."""
    return load(FOLDER)


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
    return _Table(f"{id}.toml", data).entry(id)


@transaction.atomic
def sync() -> int:
    """Create the rows of catalogue entries that have none; returns how many. Existing rows are never touched, so a
    custom provider that had the id first keeps it, and the catalogue's entry stays hidden behind it."""
    known = set(Provider.objects.values_list("id", flat=True))
    made = [Provider.objects.get_or_create(id=id, defaults={"custom": False})[1] for id in entries() if id not in known]
    return sum(made)


def trait_fault(name: str, value: Any) -> str | None:
    """What is wrong with a trait, None when nothing is."""
    try:
        msgspec.convert({name: value}, _Trait)
    except msgspec.ValidationError as wrong:
        return str(wrong)
    return None


class _Trait(Traits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traits that refuse what they do not know."""


class _Table:
    """A TOML table being read: every key is taken once, by a reader that checks it; what is left is an error."""

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

    # -- one value each -------------------------------------------------------------------------------------------
    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        if key not in self.left:
            return default
        value = self.left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(key, f"{value!r} is of the wrong type.")
        return value

    def need(self, key: str) -> str:
        value: str | None = self.take(key, str)
        if not value:
            raise self.fail(key, "is missing.")
        return value

    def one_of(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        value: str = self.take(key, str, default)
        if value not in allowed:
            raise self.fail(key, f"{value!r} is none of {', '.join(sorted(allowed))}.")
        return value

    def names(self, key: str, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        values = self.take(key, list, [])
        for value in values:
            if not isinstance(value, str) or (allowed is not None and value not in allowed):
                raise self.fail(key, f"{value!r} is not known here.")
        return tuple(values)

    def table(self, key: str, check: Callable[[str, Any], str | None]) -> Mapping[str, Any]:
        """A sub-table whose every pair passes check, which says what is wrong or None."""
        pairs = self.take(key, dict, {})
        for name, value in pairs.items():
            if why := check(name, value):
                raise self.fail(f"{key}.{name}", why)
        return MappingProxyType(dict(pairs))

    def tokens(self, key: str) -> int | None:
        value: int | None = self.take(key, int)
        if value is not None and value < 1:
            raise self.fail(key, "must be a number of tokens above zero.")
        return value

    def usd(self, key: str) -> Decimal | None:
        value = self.take(key, (Decimal, int))
        if value is None:
            return None
        money = Decimal(value)
        if not money.is_finite() or money < 0:
            raise self.fail(key, "must be USD per million tokens, zero or more.")
        return money

    # -- the shapes -----------------------------------------------------------------------------------------------
    def entry(self, id: str) -> Entry:
        format = self.one_of("format", FORMATS)
        entry = Entry(
            id=id,
            name=self.need("name"),
            alias=self.prefix("alias", id),
            also=self.names("also"),
            format=format,
            base_url=self.base_url(),
            auth=self.one_of("auth", AUTH_SCHEMES, "bearer"),
            tier=self.one_of("tier", TIERS, "api_key"),
            headers=self.table("headers", _header),
            operations=self.table("operations", operation_fault),
            any_model=self.take("any_model", bool, False),
            allow_private_network=self.take("allow_private_network", bool, False),
            stream_usage=self.take("stream_usage", bool, True),
            models_public=self.take("models_public", bool, False),
            traits=self.traits(),
            model_traits=self.model_traits(),
            request=self.rules(PARAMETERS.get(format, frozenset())),
            failures=self.failures(),
            key_prefix=self.take("key_prefix", str, ""),
            website=self.take("website", str, ""),
            key_url=self.take("key_url", str, ""),
            notes=self.take("notes", str, ""),
            models=self.models(),
        )
        for also in entry.also:
            if not SLUG.fullmatch(also):
                raise self.fail("also", f"{also!r} cannot be a prefix.")
        self.done()
        return entry

    def prefix(self, key: str, default: str) -> str:
        value: str = self.take(key, str, default)
        if not SLUG.fullmatch(value):
            raise self.fail(key, f"{value!r} cannot be a prefix.")
        return value

    def base_url(self) -> str:
        url = self.need("base_url")
        if not re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?", url) or url.endswith("/"):
            raise self.fail("base_url", f"{url!r} is not an address up to and including the version segment.")
        return url

    def rules(self, parameters: frozenset[str]) -> RequestRules:
        table = self.sub("request")

        def known(name: str, value: Any) -> str | None:
            return None if name in parameters else "not a request parameter of this format."

        def renamed(name: str, value: Any) -> str | None:
            if known(name, value) or not isinstance(value, str) or not value:
                return "a known request parameter and its name upstream are expected."
            return None

        def clamped(name: str, value: Any) -> str | None:
            two = isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | Decimal) for v in value)
            return known(name, value) or (None if two and value[0] <= value[1] else "[lowest, highest] is expected.")

        rules = RequestRules(
            drop=frozenset(table.names("drop", parameters)),
            rename=table.table("rename", renamed),
            default=MappingProxyType({k: _plain(v) for k, v in table.table("default", known).items()}),
            clamp=MappingProxyType({k: (_plain(v[0]), _plain(v[1])) for k, v in table.table("clamp", clamped).items()}),
        )
        table.done()
        return rules

    def traits(self) -> Mapping[str, Any]:
        return self.table("traits", trait_fault)

    def model_traits(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """``[[model_traits]]``: ``match`` is a pattern over model ids, the rest are traits; later ones win."""
        found = []
        for number, data in enumerate(self.take("model_traits", list, []), start=1):
            table = _Table(f"{self.where}: model_traits {number}", data)
            pattern, table.left = table.need("match"), {"traits": table.left}
            found.append((pattern, table.traits()))
        return tuple(found)

    def failures(self) -> Mapping[str, Kind]:
        kinds = self.table(
            "failures", lambda _, kind: None if kind in set(Kind) else f"{kind!r} is not a kind of failure."
        )
        return MappingProxyType({code: Kind(kind) for code, kind in kinds.items()})

    def models(self) -> Mapping[str, Model]:
        found: dict[str, Model] = {}
        for number, data in enumerate(self.take("models", list, []), start=1):
            model = _Table(f"{self.where}: models[{number}]", data).model()
            if model.id in found:
                raise self.fail("models", f"{model.id!r} is listed twice.")
            found[model.id] = model
        return MappingProxyType(found)

    def model(self) -> Model:
        model = Model(
            id=self.need("id"),
            name=self.take("name", str, ""),
            context=self.tokens("context"),
            max_output=self.tokens("max_output"),
            capabilities=frozenset(self.names("capabilities", CAPABILITIES)),
            price=self.sub("price").price() if "price" in self.left else None,
            shutdown=self.take("shutdown", date),
        )
        self.done()
        return model

    def price(self) -> Price:
        price = Price(
            input=self.usd("input"),
            output=self.usd("output"),
            cache_read=self.usd("cache_read"),
            cache_write=self.usd("cache_write"),
            input_over_200k=self.usd("input_over_200k"),
            output_over_200k=self.usd("output_over_200k"),
        )
        self.done()
        return price

    def sub(self, key: str) -> _Table:
        return _Table(f"{self.where}: {key}", self.left.pop(key, {}))


def _header(name: str, value: Any) -> str | None:
    if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in RESERVED_HEADERS:
        return "not a header an entry may set."
    return None if isinstance(value, str) and re.fullmatch(r"[\x20-\x7e]+", value) else "printable text is expected."


def operation_fault(name: str, path: object) -> str | None:
    """What is wrong with one pair of ``operations``, in words; None when it is fine."""
    if name not in OPERATIONS:
        return f"not an operation; known are {', '.join(sorted(OPERATIONS))}."
    if not isinstance(path, str) or not re.fullmatch(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", path):
        return "a path that begins with / is expected."
    if path.startswith("//") or ".." in path.split("/"):
        return "a path below the base URL is expected."
    return None


def _plain(value: Any) -> Any:
    """TOML value → what JSON carries: Decimal, which exists for prices only, becomes a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
