"""The shapes of a catalogue file: the entry, its models, prices, rules, parameters and limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from providers.catalogue.faults import (
    base_url_fault,
    header_fault,
    operation_fault,
    shape_fault,
    text_fault,
    trait_fault,
    unknown_placeholder,
    usd_fault,
)
from providers.catalogue.table import SLUG, Table
from providers.entry import AUTH_SCHEMES, CAPABILITIES, FORMATS, OPERATIONS, TIERS, Entry, Model, Price, Quota
from providers.parameters import WORD, Parameter
from providers.quirks import RequestRules, ServiceRules, Variant
from providers.vocabulary import ENVELOPES, LOGINS, PARAMETERS, QUOTA_KINDS, SERVICE_PARAMETERS, UNITS
from providers.wire.efforts import MORE
from providers.wire.errors import Kind

# What ``uncertain`` may name: a key of the entry, or "operations." and one of them.
MARKABLE = frozenset(field.name for field in fields(Entry) if field.init) | {
    f"operations.{name}" for name in OPERATIONS
}


class EntryTable(Table):
    """A file's top level, or what an operator says in its words. Raises CatalogueError."""

    format = ""  # of the entry; request parameters are known by format

    def entry(self, id: str) -> Entry:
        self.format = self.one_of("format", FORMATS)
        said = self.said()
        for key in ("name", "base_url"):
            if not said.get(key):
                raise self.fail(key, "is missing.")
        entry = Entry(**{"id": id, "alias": id, "format": self.format, **said})
        self.fit(entry)
        return entry

    def over(self, entry: Entry) -> Entry:
        """The entry with what the table says instead; each key replaces the entry's value as a whole."""
        self.format = entry.format
        changed = replace(entry, **self.said())
        self.fit(changed)
        return changed

    def said(self) -> dict[str, Any]:
        """The values of the keys that are there."""
        values = {key: read(self) for key, read in READERS.items() if key in self.left}
        self.done()
        return values

    def fit(self, entry: Entry) -> None:
        """What no single key shows: prefixes, addresses, and placeholders that somebody fills."""
        for also in entry.also:
            if not SLUG.fullmatch(also):
                raise self.fail("also", f"{also!r} cannot be a prefix.")
        for key, url in (("base_url", entry.base_url), *(("elsewhere", url) for url in entry.elsewhere)):
            if why := base_url_fault(url):
                raise self.fail(key, why)
        for key, texts, parameters in (
            ("base_url", [entry.base_url], entry.parameters),
            ("headers", [text.replace("{client}", "") for text in entry.headers.values()], entry.parameters),
            ("operations", list(entry.operations.values()), ()),  # one path for all connections
        ):
            if name := unknown_placeholder(texts, parameters):
                raise self.fail(key, f"nothing fills {{{name}}}.")
        if entry.auth == "sigv4" and all(parameter.name != "region" for parameter in entry.parameters):
            raise self.fail("auth", "sigv4 signs for a region: a parameter of that name is needed.")

    def rules(self, known_here: frozenset[str] | None = None) -> RequestRules:
        """``request``: of the format's parameters, or of these."""
        table, parameters = self.sub("request"), PARAMETERS.get(self.format, frozenset())
        parameters = parameters if known_here is None else known_here

        def known(name: str, value: Any) -> str | None:
            return None if name in parameters else "not a request parameter of this format."

        def renamed(name: str, value: Any) -> str | None:
            if known(name, value) or not isinstance(value, str) or not value:
                return "a known request parameter and its name upstream are expected."
            return None

        def clamped(name: str, value: Any) -> str | None:
            two = isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | Decimal) for v in value)
            return known(name, value) or (None if two and value[0] <= value[1] else "[lowest, highest] is expected.")

        def replaced(name: str, value: Any) -> str | None:
            words = isinstance(value, dict) and all(isinstance(word, str) for word in value.values())
            return known(name, value) or (None if words and value else "words and their names upstream are expected.")

        rules = RequestRules(
            drop=frozenset(table.names("drop", parameters)),
            rename=table.pairs("rename", renamed),
            default=MappingProxyType({k: _plain(v) for k, v in table.pairs("default", known).items()}),
            clamp=MappingProxyType({k: (_plain(v[0]), _plain(v[1])) for k, v in table.pairs("clamp", clamped).items()}),
            replace=table.pairs("replace", replaced),
        )
        table.done()
        return rules

    def traits(self) -> tuple[str, Mapping[str, Any]]:
        """``[[model_traits]]``: ``match`` is a pattern over model ids, the rest are traits; later ones win."""
        pattern, self.left = self.need("match"), {"traits": self.left}
        return pattern, self.pairs("traits", trait_fault)

    def variant(self, of: str) -> Variant:
        """``[[variants]]``: ``match`` is a list of patterns over model ids."""
        format = self.one_of("format", ("", *FORMATS), "")
        self.format = format or of
        variant = Variant(
            match=self.names("match"),
            format=format,
            envelope=self.one_of("envelope", ENVELOPES, ""),
            operations=self.pairs("operations", operation_fault),
            shapes=self.pairs("shapes", shape_fault),
            request=self.rules(),
        )
        self.done()
        if not variant.match:
            raise self.fail("match", "is missing.")
        if not format and (variant.operations or variant.shapes or variant.envelope):
            raise self.fail("format", "is needed where operations, shapes or an envelope are given.")
        if name := unknown_placeholder(list(variant.operations.values()), ()):
            raise self.fail("operations", f"nothing fills {{{name}}}.")
        return variant

    def service(self) -> ServiceRules:
        """``[[services_take]]``: ``operation``, maybe ``match``, and ``request`` as at the top level."""
        operation = self.one_of("operation", SERVICE_PARAMETERS, "")
        rules = self.rules(SERVICE_PARAMETERS.get(operation, frozenset()))
        found = ServiceRules(operation=operation, match=self.names("match"), request=rules)
        self.done()
        return found

    def parameter(self) -> Parameter:
        parameter = Parameter(
            name=self.need("name"),
            label=self.need("label"),
            required=self.flag("required", True),
            default=self.text("default"),
            example=self.text("example"),
            pattern=self.take("pattern", str, WORD),
            hosts=self.pairs("hosts", text_fault),
        )
        self.done()
        if not re.fullmatch(r"[a-z][a-z_]*", parameter.name) or parameter.name in ("model", "client"):
            raise self.fail("name", f"{parameter.name!r} cannot be a placeholder.")
        try:
            parameter.values(parameter.default or parameter.example)
        except (ValueError, re.error) as wrong:
            raise self.fail("example", f"the default or example does not do: {wrong}") from None
        return parameter

    def plans(self) -> Mapping[str, Decimal]:
        return MappingProxyType({plan: Decimal(usd) for plan, usd in self.pairs("plans", usd_fault).items()})

    def failures(self) -> Mapping[str, Kind]:
        kinds = self.pairs(
            "failures", lambda _, kind: None if kind in set(Kind) else f"{kind!r} is not a kind of failure."
        )
        return MappingProxyType({code: Kind(kind) for code, kind in kinds.items()})

    def quota(self) -> Quota:
        quota = Quota(
            window=self.need("window"),
            kind=self.one_of("kind", ("", *QUOTA_KINDS), ""),
            limit=self.text("limit"),
            resets=self.text("resets"),
            uncertain=self.flag("uncertain"),
        )
        self.done()
        return quota

    def models(self) -> Mapping[str, Model]:
        found: dict[str, Model] = {}
        for row in self.rows("models"):
            model = row.model()
            if model.id in found:
                raise self.fail("models", f"{model.id!r} is listed twice.")
            found[model.id] = model
        return MappingProxyType(found)

    def model(self) -> Model:
        model = Model(
            id=self.need("id"),
            name=self.text("name"),
            operation=self.one_of("operation", OPERATIONS, "chat"),
            context=self.number("context"),
            max_output=self.number("max_output"),
            dimensions=self.number("dimensions"),
            capabilities=frozenset(self.names("capabilities", CAPABILITIES)),
            efforts=frozenset(self.names("efforts", MORE)),
            price=self.sub("price").price() if "price" in self.left else None,
            shutdown=self.take("shutdown", date),
            uncertain=self.flag("uncertain"),
        )
        self.done()
        return model

    def price(self) -> Price:
        def unit(name: str, value: Any) -> str | None:
            return usd_fault(name, value) if name in UNITS else f"not a unit; known are {', '.join(UNITS)}."

        price = Price(
            input=self.usd("input"),
            output=self.usd("output"),
            cache_read=self.usd("cache_read"),
            cache_write=self.usd("cache_write"),
            cache_write_1h=self.usd("cache_write_1h"),
            input_over_200k=self.usd("input_over_200k"),
            output_over_200k=self.usd("output_over_200k"),
            per=MappingProxyType({name: Decimal(usd) for name, usd in self.pairs("per", unit).items()}),
        )
        self.done()
        return price


READERS: Mapping[str, Callable[[EntryTable], Any]] = {
    "name": lambda table: table.need("name"),
    "alias": lambda table: table.prefix("alias"),
    "also": lambda table: table.names("also"),
    "base_url": lambda table: table.need("base_url"),
    "elsewhere": lambda table: table.names("elsewhere"),
    "envelope": lambda table: table.one_of("envelope", ENVELOPES),
    "auth": lambda table: table.one_of("auth", AUTH_SCHEMES),
    "login": lambda table: table.one_of("login", LOGINS),
    "tier": lambda table: table.one_of("tier", TIERS),
    "headers": lambda table: table.pairs("headers", header_fault),
    "operations": lambda table: table.pairs("operations", operation_fault),
    "only": lambda table: frozenset(table.names("only", OPERATIONS)),
    "unspoken": lambda table: frozenset(table.names("unspoken", OPERATIONS)),
    "shapes": lambda table: table.pairs("shapes", shape_fault),
    "parameters": lambda table: tuple(row.parameter() for row in table.rows("parameters")),
    "models": lambda table: table.models(),
    "any_model": lambda table: table.flag("any_model"),
    "allow_private_network": lambda table: table.flag("allow_private_network"),
    "stream_usage": lambda table: table.flag("stream_usage"),
    "always_streams": lambda table: table.flag("always_streams"),
    "traits": lambda table: table.pairs("traits", trait_fault),
    "model_traits": lambda table: tuple(row.traits() for row in table.rows("model_traits")),
    "variants": lambda table: tuple(row.variant(table.format) for row in table.rows("variants")),
    "services_take": lambda table: tuple(row.service() for row in table.rows("services_take")),
    "lists_models": lambda table: table.flag("lists_models"),
    "models_public": lambda table: table.flag("models_public"),
    "request": lambda table: table.rules(),
    "failures": lambda table: table.failures(),
    "quota": lambda table: tuple(row.quota() for row in table.rows("quota")),
    "plans": lambda table: table.plans(),
    "uncertain": lambda table: table.names("uncertain", MARKABLE),
    "ended": lambda table: table.take("ended", date),
    "terms_risk": lambda table: table.text("terms_risk"),
    "key_prefix": lambda table: table.text("key_prefix"),
    "website": lambda table: table.text("website"),
    "key_url": lambda table: table.text("key_url"),
    "notes": lambda table: table.text("notes"),
}


def _plain(value: Any) -> Any:
    """TOML value → what JSON carries: Decimal, which exists for prices only, becomes a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
