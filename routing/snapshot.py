"""The immutable read model of the hot path: everything a request needs to know, in memory, replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from providers.entry import Entry, Price
from providers.quota.windows import Left
from providers.upstream import Link
from routing.addresses import Addresses
from routing.gateway.policies.base import Rule
from routing.pace import Pace

FLAT_RATE = frozenset(("subscription", "free"))
NOTHING: Mapping[str, Price | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What may be used. ``models``: patterns over the names clients may use; ``combos``: patterns over combos' names,
    None = as ``models`` says; ``providers`` (ids) and ``endpoints`` (operations): empty = all."""

    models: tuple[str, ...] = ("*",)
    combos: tuple[str, ...] | None = None
    providers: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()


EVERYTHING = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much one key, user or team may ask; None = as much as they like. ``whose`` is for messages."""

    key: str  # of its counters: "key:7"
    whose: str
    requests: int | None = None  # per minute
    tokens: int | None = None  # per minute
    parallel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """An amount of money per period. ``limit`` in units (``routing.money``); ``hard``: nothing goes beyond it."""

    id: int
    whose: str
    period: str
    zone: ZoneInfo
    limit: int
    hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. ``expires_at`` is Unix time; ``access`` is the key's, ``team_access`` its team's: both must allow."""

    key_id: int | None
    key_name: str
    user_id: int | None = None
    team_id: int | None = None
    enabled: bool = True
    expires_at: float | None = None
    access: Access = EVERYTHING
    team_access: Access = EVERYTHING
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    policies: tuple[Rule, ...] = ()  # everybody's, the team's and the key's


ANYBODY = Caller(key_id=None, key_name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider that is switched on. ``links`` are its usable connections, by priority; ``unusable`` says what is
    wrong with the others, by connection name; ``spoken`` how its listed models are spoken to, where that differs;
    ``budgets`` are the provider's and its tier's."""

    entry: Entry
    links: tuple[Link, ...]
    prices: Mapping[str, Price | None] = field(default_factory=lambda: NOTHING)
    unusable: Mapping[str, str] = field(default_factory=dict)
    spoken: Mapping[str, Entry] = field(default_factory=dict)
    strategy: str = ""  # among its connections; "" = as the settings say
    paces: Mapping[int, Pace] = field(default_factory=dict)  # by connection id, where one is set
    withheld: bool = False  # there are more connections, of other teams
    reserves: Mapping[int, int] = field(default_factory=dict)  # percent of its quota, where one is set
    budgets: tuple[Budget, ...] = ()

    @property
    def flat_rate(self) -> bool:
        """Paid by the month or not at all: what a request would cost is told, and charged to no budget."""
        return self.entry.tier in FLAT_RATE

    def speaking(self, model: str) -> Entry:
        """The entry as one of its models is spoken to."""
        return self.spoken.get(model) or self.entry.of(model)

    def has(self, model: str) -> bool:
        """Whether the provider lists the model, and it is switched on."""
        known = self.entry.models.get(model)
        return known is not None and known.enabled

    def takes(self, model: str) -> bool:
        """Whether a request for the model may be sent: listed, or any name is forwarded and this one is not off."""
        return self.has(model) or (self.entry.any_model and model not in self.entry.models)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a combo: a name (a model, an alias or another combo) and its weight."""

    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Combo:
    """``sticky``: round robin, requests in a row to the same step. ``grants_steps``: who may use the combo may use what
    it leads to; else each step is held against the caller's own permissions."""

    name: str
    strategy: str
    steps: tuple[Step, ...]
    sticky: int = 1
    grants_steps: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """GatewaySettings, as far as the hot path reads it. Times are seconds."""

    require_api_key: bool = True
    connection_cooldown: bool = True
    circuit_breaker: bool = True
    breaker_failures: int = 5  # in a row, before a breaker opens
    breaker_seconds: float = 30.0
    longest_rest_seconds: float = 3600.0  # however long a provider asks to be left alone
    max_attempts: int = 12  # of one request
    attempt_seconds: float = 600.0  # after which a request begins no further attempt
    patience_seconds: float = 0.0  # how long a request waits for a connection when all of them rest
    queue_seconds: float = 30.0  # how long it waits for its turn on a connection with a pace
    session_affinity: bool = True
    connection_strategy: str = "fill-first"  # of providers that have none of their own
    sticky_requests: int = 1  # round robin: requests in a row to the same
    quota_reserve: int = 0  # percent of an account's quota that is left alone
    charge_without_output: bool = False
    requests_per_address: int | None = None  # per minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """CacheSettings, as the hot path reads them."""

    exact: bool = False
    any_temperature: bool = False  # also answers that would differ from time to time
    per_team: bool = False  # the keys of a team share their answers
    ttl_seconds: int = 3600
    max_entries: int = 1000
    max_mb: int = 64  # of one process's memory
    semantic: bool = False
    semantic_model: str = ""  # as clients name it, makes the vectors; "": made offline
    semantic_percent: int = 95  # how near two questions must be
    semantic_entries: int = 1000  # per caller
    idempotency_seconds: int = 5  # 0: the header is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of the configuration. ``callers`` by SHA-256 of the key (hex), ``prefixes`` by the word before the
    slash, ``bare`` from a model id to the connected providers that list it; ``built_at`` is Unix time."""

    version: int = 0
    built_at: float = 0.0
    callers: Mapping[str, Caller] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    prefixes: Mapping[str, Provider] = field(default_factory=dict)
    bare: Mapping[str, tuple[Provider, ...]] = field(default_factory=dict)
    combos: Mapping[str, Combo] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    wildcards: tuple[tuple[str, str], ...] = ()  # (pattern, target), the most specific first
    switches: Switches = Switches()
    policies: tuple[Rule, ...] = ()  # of whoever has no key
    caching: Caching = Caching()
    flushed: Mapping[str, float] = field(default_factory=dict)  # "" all, "key:7", "model:NAME" → Unix time
    quotas: Mapping[int, tuple[Left, ...]] = field(default_factory=dict)  # what is left, by connection id
    budgets: tuple[Budget, ...] = ()  # of everybody together
    spending: bool = False  # some provider or tier has a budget
    addresses: Addresses | None = None  # None: whoever asks is let in
    # What each team sees of it, and what everyone else does (None), where some connections are a team's own.
    views: Mapping[int | None, Snapshot] = field(default_factory=dict)
    # What names stood for, by key and name: worked out once for each version. The one thing here that changes.
    resolved: dict[tuple[int | None, str], Any] = field(default_factory=dict, init=False, repr=False)

    def seen_by(self, caller: Caller) -> Snapshot:
        """The same with the connections only that a caller's requests may go over."""
        return (self.views.get(caller.team_id) or self.views[None]) if self.views else self


def with_views(whole: Snapshot) -> Snapshot:
    """The snapshot as each team sees it, worked out once, so that no request pays for it."""
    links = [link for provider in whole.providers.values() for link in provider.links]
    teams = {link.team_id for link in links} - {None}
    return replace(whole, views={team: _view(whole, team) for team in (None, *teams)}) if teams else whole


def _view(whole: Snapshot, team: int | None) -> Snapshot:
    seen = {name: _narrowed(provider, team) for name, provider in whole.providers.items()}
    return replace(
        whole,
        providers=seen,
        prefixes={word: seen[provider.entry.id] for word, provider in whole.prefixes.items()},
        bare={model: tuple(seen[p.entry.id] for p in having) for model, having in whole.bare.items()},
    )


def _narrowed(provider: Provider, team: int | None) -> Provider:
    links = tuple(link for link in provider.links if link.team_id is None or link.team_id == team)
    return provider if links == provider.links else replace(provider, links=links, withheld=True)
