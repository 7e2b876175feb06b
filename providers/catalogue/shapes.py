"""The shapes of a catalogue file: the entry, its models, prices, rules, parameters and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from providers.catalogue.faults import (
    base_url_fault,
    header_fault,
    operation_fault,
    text_fault,
    trait_fault,
    unknown_placeholder,
    usd_fault,
)
from providers.catalogue.table import SLUG, Table
from providers.entry import AUTH_SCHEMES, CAPABILITIES, FORMATS, OPERATIONS, TIERS, Entry, Model, Price, Quota
from providers.parameters import WORD, Parameter
from providers.quirks import RequestRules, Variant
from providers.vocabulary import ENVELOPES, LOGINS, PARAMETERS, QUOTA_KINDS, UNITS
from providers.wire.errors import Kind

# What ``uncertain`` may name: a key of the entry, or "operations." and one of them.
MARKABLE = frozenset(field.name for field in fields(Entry)) | {f"operations.{name}" for name in OPERATIONS}


class EntryTable(Table):
    """A file's top level. Raises CatalogueError."""

    def entry(self, id: str) -> Entry:
        format = self.one_of("format", FORMATS)
        entry = Entry(
            id=id,
            name=self.need("name"),
            alias=self.prefix("alias", id),
            also=self.names("also"),
            format=format,
            base_url=self.need("base_url"),
            elsewhere=self.names("elsewhere"),
            envelope=self.one_of("envelope", ENVELOPES, ""),
            auth=self.one_of("auth", AUTH_SCHEMES, "bearer"),
            login=self.one_of("login", ("", *LOGINS), ""),
            tier=self.one_of("tier", TIERS, "api_key"),
            headers=self.pairs("headers", header_fault),
            operations=self.pairs("operations", operation_fault),
            only=frozenset(self.names("only", OPERATIONS)),
            parameters=tuple(row.parameter() for row in self.rows("parameters")),
            any_model=self.flag("any_model"),
            allow_private_network=self.flag("allow_private_network"),
            stream_usage=self.flag("stream_usage", True),
            always_streams=self.flag("always_streams"),
            lists_models=self.flag("lists_models", True),
            models_public=self.flag("models_public"),
            traits=self.pairs("traits", trait_fault),
            model_traits=tuple(row.traits() for row in self.rows("model_traits")),
            request=self.rules(format),
            variants=tuple(row.variant(format) for row in self.rows("variants")),
            failures=self.failures(),
            quota=tuple(row.quota() for row in self.rows("quota")),
            plans=MappingProxyType({plan: Decimal(usd) for plan, usd in self.pairs("plans", usd_fault).items()}),
            uncertain=self.names("uncertain", MARKABLE),
            ended=self.take("ended", date),
            terms_risk=self.text("terms_risk"),
            key_prefix=self.text("key_prefix"),
            website=self.text("website"),
            key_url=self.text("key_url"),
            notes=self.text("notes"),
            models=self.models(),
        )
        self.done()
        self.fit(entry)
        return entry

    def fit(self, entry: Entry) -> None:
        """What no single key shows: prefixes, addresses, and placeholders that somebody fills."""
        for also in entry.also:
            if not SLUG.fullmatch(also):
                raise self.fail("also", f"{also!r} cannot be a prefix.")
        for key, url in (("base_url", entry.base_url), *(("elsewhere", url) for url in entry.elsewhere)):
            if why := base_url_fault(url):
                raise self.fail(key, why)
        if name := unknown_placeholder([entry.base_url, *entry.operations.values()], entry.parameters):
            raise self.fail("parameters", f"nothing fills {{{name}}}.")
        if name := unknown_placeholder(list(entry.headers.values()), entry.parameters):
            raise self.fail("headers", f"nothing fills {{{name}}}.")

    def rules(self, format: str) -> RequestRules:
        table, parameters = self.sub("request"), PARAMETERS.get(format, frozenset())

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
            rename=table.pairs("rename", renamed),
            default=MappingProxyType({k: _plain(v) for k, v in table.pairs("default", known).items()}),
            clamp=MappingProxyType({k: (_plain(v[0]), _plain(v[1])) for k, v in table.pairs("clamp", clamped).items()}),
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
        variant = Variant(
            match=self.names("match"),
            format=format,
            envelope=self.one_of("envelope", ENVELOPES, ""),
            operations=self.pairs("operations", operation_fault),
            request=self.rules(format or of),
        )
        self.done()
        if not variant.match:
            raise self.fail("match", "is missing.")
        if not format and (variant.operations or variant.envelope):
            raise self.fail("format", "is needed where operations or an envelope are given.")
        if name := unknown_placeholder(list(variant.operations.values()), ()):
            raise self.fail("operations", f"nothing fills {{{name}}}.")
        return variant

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
        if not re.fullmatch(r"[a-z][a-z_]*", parameter.name) or parameter.name == "model":
            raise self.fail("name", f"{parameter.name!r} cannot be a placeholder.")
        try:
            parameter.values(parameter.default or parameter.example)
        except (ValueError, re.error) as wrong:
            raise self.fail("example", f"the default or example does not do: {wrong}") from None
        return parameter

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


def _plain(value: Any) -> Any:
    """TOML value → what JSON carries: Decimal, which exists for prices only, becomes a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
