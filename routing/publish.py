"""Configuration → Snapshot: built from the database, noticed by every worker, seen by the next request.

Every change that matters raises ``ConfigVersion`` in the transaction that makes it. Each worker's :class:`Publisher`
asks for that number twice a second (and at once when the change was made in its own process), so a change, a revoked
key included, holds everywhere within a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Membership, Team, User
from providers import catalogue, grants, proxies, quotas, registry, renewal
from providers.connections import secret_of, usable_reason, values_of
from providers.entry import Entry
from providers.models import Connection, Grant, ProviderModel, Proxy
from providers.models import Provider as ProviderRow
from providers.prices import price_of
from providers.upstream import Link, link
from routing import policies, spending
from routing.models import (
    Alias,
    ApiKey,
    Budget,
    CacheFlush,
    CacheSettings,
    Combo,
    ComboStep,
    ConfigVersion,
    GatewaySettings,
    IpRule,
    Limit,
    Policy,
    TeamAccess,
    first_version,
)
from routing.pace import Pace
from routing.patterns import is_plain, specificity
from routing.snapshot import EVERYTHING, Access, Caching, Caller, Provider, Snapshot, Step, Switches, with_views
from routing.snapshot import Budget as LiveBudget
from routing.snapshot import Combo as LiveCombo

log = logging.getLogger(__name__)

Teams = Mapping[int | None, Access]  # by id, what a team may use
POLL_SECONDS = 0.5
WATCHED = (
    ProviderRow, ProviderModel, Connection, Grant, Proxy, ApiKey, Combo, ComboStep, Alias, GatewaySettings, TeamAccess,
    User, Team, Membership, Policy, CacheSettings, CacheFlush,
    Limit, Budget, IpRule,
)  # fmt: skip
# Columns that are written often and change nothing for the hot path.
IRRELEVANT = frozenset(
    {
        "last_login", "last_used_at", "request_count",
        "tested_at", "test_ok", "test_message", "test_latency_ms", "testing_since", "exit_address",
    }
)  # fmt: skip
_changed = threading.Event()


def bump() -> None:
    """Say that the configuration changed; part of the current transaction. Needed after ``queryset.update``."""
    if not ConfigVersion.objects.filter(pk=1).update(version=F("version") + 1):
        _, made = ConfigVersion.objects.get_or_create(pk=1, defaults={"version": first_version()})
        if not made:  # another transaction made it meanwhile, and its number does not stand for our change
            ConfigVersion.objects.filter(pk=1).update(version=F("version") + 1)
    transaction.on_commit(_changed.set)


def on_change(sender: type, **kwargs: Any) -> None:
    """Receiver of post_save and post_delete of every model in WATCHED (connected in ``apps``)."""
    fields = kwargs.get("update_fields")
    if kwargs.get("raw") or (fields and set(fields) <= IRRELEVANT):
        return
    bump()


def on_told(sender: type, **kwargs: Any) -> None:
    """Receiver of the signals of ``providers.signals`` (connected in ``apps``)."""
    bump()


def version() -> int:
    """The current number; 0 while nothing was ever configured."""
    return ConfigVersion.objects.filter(pk=1).values_list("version", flat=True).first() or 0


def build() -> Snapshot:
    """The configuration as it is now. A row that cannot be used is left out, with the reason, and breaks no other."""
    number = version()  # read first: what changes while we build makes another build
    budgets, limits = spending.live_budgets(), spending.live_limits()
    providers = _providers(budgets)
    aliases = dict(Alias.objects.values_list("pattern", "target"))
    wildcards = sorted(((p, t) for p, t in aliases.items() if not is_plain(p)), key=lambda row: specificity(row[0]))
    switches = GatewaySettings.load()
    rules = policies.live()
    caching = CacheSettings.load()
    whole = Snapshot(
        version=number,
        built_at=time.time(),
        callers=_callers(budgets, limits, rules),
        providers=providers,
        prefixes={prefix: p for p in providers.values() for prefix in p.entry.prefixes},
        bare=_bare(providers.values()),
        combos=_combos(),
        aliases={pattern: target for pattern, target in aliases.items() if is_plain(pattern)},
        wildcards=tuple(wildcards),
        switches=Switches(**{name: getattr(switches, name) for name in Switches.__dataclass_fields__}),
        quotas=quotas.standings(),
        budgets=budgets.get(("global", None), ()),
        spending=any(provider.budgets for provider in providers.values()),
        addresses=spending.live_addresses(switches.address_mode),
        policies=policies.of_caller(rules),
        caching=Caching(**{name: getattr(caching, name) for name in Caching.__dataclass_fields__}),
        flushed=dict(CacheFlush.objects.values_list("subject", "at")),
    )
    return with_views(whole)


def caller_of(user: User | None, team: Team | None) -> Caller:
    """Who a new key of this person in this team would be: their limits, budgets and permissions, none of its own."""
    key = ApiKey(owner=user, team=team)
    access = TeamAccess.objects.filter(team=team).first() if team is not None else None
    teams: Teams = {} if access is None else {access.team_id: _access(access)}
    return _caller(key, teams, spending.live_budgets(), spending.live_limits(), policies.live())


def _callers(budgets: spending.Budgets, limits: spending.Limits, rules: policies.Rules) -> dict[str, Caller]:
    teams: Teams = {row.team_id: _access(row) for row in TeamAccess.objects.all()}
    rows = ApiKey.objects.select_related("owner")
    return {row.key_hash: _caller(row, teams, budgets, limits, rules) for row in rows}


def _caller(
    row: ApiKey, teams: Teams, budgets: spending.Budgets, limits: spending.Limits, rules: policies.Rules
) -> Caller:
    return Caller(
        key_id=row.pk,
        key_name=row.name,
        user_id=row.owner_id,
        team_id=row.team_id,
        enabled=row.enabled and (row.owner is None or row.owner.is_active),
        expires_at=row.expires_at.timestamp() if row.expires_at else None,
        access=_access(row),
        team_access=teams.get(row.team_id, EVERYTHING),
        limits=spending.of_caller(limits, row),
        budgets=tuple(budget for found in spending.of_caller(budgets, row) for budget in found),
        policies=policies.of_caller(rules, row),
    )


def _access(row: ApiKey | TeamAccess) -> Access:
    combos = row.combo_patterns
    return Access(
        models=_patterns(row.model_patterns),
        combos=None if combos is None else _patterns(combos),
        providers=frozenset(_patterns(row.providers)),
        endpoints=frozenset(_patterns(row.endpoints)),
    )


def _patterns(stored: Any) -> tuple[str, ...]:
    """A column of JSON can hold anything; what is no list of texts allows nothing."""
    return tuple(p for p in stored if isinstance(p, str)) if isinstance(stored, list) else ()


def _providers(budgets: spending.Budgets) -> dict[str, Provider]:
    connections: dict[str, list[Connection]] = defaultdict(list)
    rows = Connection.objects.select_related("proxy", "provider__proxy", "grant")
    for row in rows.filter(enabled=True).order_by("priority", "pk"):
        connections[row.provider_id].append(row)
    everywhere = proxies.everywhere()
    switched_on = dict(ProviderRow.objects.filter(enabled=True).values_list("pk", "strategy"))
    return {
        name: _provider(entry, connections[name], switched_on[name], everywhere, spending.of_provider(budgets, entry))
        for name, entry in registry.effective_all().items()
        if name in switched_on
    }


def _provider(
    entry: Entry,
    rows: Iterable[Connection],
    strategy: str,
    everywhere: Proxy | None,
    budgets: tuple[LiveBudget, ...],
) -> Provider:
    links: list[Link] = []
    unusable: dict[str, str] = {}
    paces: dict[int, Pace] = {}
    reserves: dict[int, int] = {}
    for row in rows:
        way = proxies.way_of(row, everywhere)
        reason = usable_reason(row, entry, way)
        if reason is not None:
            unusable[row.name] = reason
            log.warning("connection %s of %s cannot be used: %s", row.name, entry.id, reason)
            continue
        try:
            links.append(_link(entry, row, way))
        except Exception:  # one connection must not keep the configuration from everybody
            unusable[row.name] = "its settings do not fit together; the log says more"
            log.exception("connection %s of %s cannot be used", row.name, entry.id)
            continue
        if pace := Pace(row.requests_per_minute, row.min_gap_ms / 1000, row.max_concurrent):
            paces[row.pk] = pace
        if row.quota_reserve is not None:
            reserves[row.pk] = row.quota_reserve
    prices = {model: price_of(entry, model) for model in entry.models} if links else {}
    entry = entry.on(timezone.now().date())
    return Provider(
        entry=entry,
        links=tuple(links),
        prices=prices,
        unusable=unusable,
        strategy=strategy,
        paces=paces,
        reserves=reserves,
        spoken={model: entry.of(model) for model in entry.models} if links and entry.variants else {},
        budgets=budgets,
    )


def _link(entry: Entry, row: Connection, way: proxies.Way) -> Link:
    grant = grants.grant_of(row)
    signed = renewal.credential(grant) if grant and renewal.signs(entry) else None
    exchanged = renewal.login(grant) if grant and not signed else None
    token = grants.token_of(grant).text if grant else None
    made = link(
        entry,
        connection_id=row.pk,
        name=row.name,
        priority=row.priority,
        weight=row.weight,
        secret=None if signed else token or secret_of(row),
        proxy=proxies.url_of(way),
        way=way.label,
        user_agent=settings.USER_AGENT,
        parameters=values_of(row),
        team_id=row.team_id,
        preamble=row.preamble if row.adds_preamble else "",
        credential=signed,
        login=exchanged,
        own_address=catalogue.has_own_address(entry),
    )
    if grant is None or token is None:
        return made
    return replace(made, secrets=(*made.secrets, token))


def _bare(providers: Iterable[Provider]) -> dict[str, tuple[Provider, ...]]:
    found: dict[str, list[Provider]] = defaultdict(list)
    for provider in providers:
        for model in provider.entry.models:
            if provider.has(model):
                found[model].append(provider)
    return {model: tuple(having) for model, having in found.items()}


def _combos() -> Mapping[str, LiveCombo]:
    rows = Combo.objects.filter(enabled=True).prefetch_related("steps")
    return {
        row.name: LiveCombo(
            row.name,
            row.strategy,
            tuple(Step(s.model, s.weight) for s in row.steps.all()),
            sticky=max(row.sticky, 1),
            grants_steps=row.grants_steps,
        )
        for row in rows
    }


class Publisher:
    """One thread that keeps a worker's snapshot current: ``publish`` is called with every new one."""

    def __init__(self, publish: Callable[[Snapshot], None]) -> None:
        self._publish = publish
        self._version = -1
        self._day = date.min
        self._stopping = self._away = False
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait_first(self, seconds: float) -> bool:
        """Whether a first snapshot was published within so many seconds."""
        return self._first.wait(seconds)

    def stop(self) -> None:
        self._stopping = True
        _changed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping:
            _changed.clear()
            try:
                self._look()
            except Exception:
                # The database is away: the last snapshot keeps answering, and we ask again, over a new connection.
                if not self._away:
                    log.exception("The configuration cannot be read; the last one stays in force until it can.")
                self._away = True
                with suppress(Exception):
                    connection.close()
            else:
                if self._away:
                    log.info("The configuration can be read again.")
                self._away = False
            _changed.wait(POLL_SECONDS)
        connection.close()

    def _look(self) -> None:
        number, today = version(), timezone.now().date()
        if number == self._version and today == self._day:
            return
        snapshot = build()  # with a new day, too: models end
        self._version, self._day = snapshot.version, today
        self._publish(snapshot)
        self._first.set()
