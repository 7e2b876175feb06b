"""What a document may hold, section by section, and its check without a database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from accounts.models import Team
from omniroute.declarative import readers, shaping
from omniroute.declarative.document import BadDocument, Node, Problem
from omniroute.declarative.readers import Fields, Item, column, columns, listing, text, wrong
from omniroute.i18n.languages import LANGUAGES
from providers import proxies
from providers.bounds import LONGEST_NAME
from providers.catalogue import operation_fault
from providers.connections import PACE, BadConnection, check_tags
from providers.entry import CAPABILITIES, FORMATS, OPERATIONS, TIERS, TRANSPORTS
from providers.models import Connection, ProviderModel, Proxy
from providers.opening import LONGEST
from providers.overrides import MODEL_COLUMNS
from routing.addresses import MODES, network_of
from routing.gateway.policies import KINDS
from routing.models import (
    ENDPOINTS,
    LONGEST_NOTICE,
    Alias,
    ApiKey,
    Budget,
    CacheSettings,
    Combo,
    ComboStep,
    GatewaySettings,
    IpRule,
    Limit,
)  # fmt: skip
from routing.patterns import is_plain
from routing.snapshot import Caching
from routing.strategies import STRATEGIES

SWITCHES = (
    "require_api_key", "connection_cooldown", "circuit_breaker", "session_affinity", "connection_strategy",
    "sticky_requests", "quota_reserve", "charge_without_output", "address_mode", "requests_per_address", "ledger_days",
)  # fmt: skip
RESILIENCE = (
    "breaker_failures", "breaker_seconds", "longest_rest_seconds", "max_attempts", "attempt_seconds",
    "patience_seconds", "queue_seconds",
)  # fmt: skip
FIGURES = ("requests_per_minute", "tokens_per_minute", "parallel")
SPACELESS = re.compile(r"\S+")
PROXY_NAME = re.compile(r"(?!direct\Z)(?!.*://).+")

MODEL = Fields(
    {
        "id": column(ProviderModel, "model_id"),
        **columns(ProviderModel, "enabled", *(name for name in MODEL_COLUMNS if name != "capabilities")),
        "capabilities": listing(readers.choice(*sorted(CAPABILITIES))),
    },
    required=("id",),
)
STEP = Fields(columns(ComboStep, "model", "weight"), required=("model",))


def _operations(node: Node, path: str) -> dict[str, str]:
    paths = dict(readers.pairs(re.compile("|".join(sorted(OPERATIONS))), text(200))(node, path))
    for name, value in paths.items():
        if fault := operation_fault(name, value):
            raise wrong(node, f"{path}.{name}", fault.rstrip("."))
    return paths


def _proxy_url(node: Node, path: str) -> str:
    try:
        return proxies.check_url(readers.credential()(node, path))
    except proxies.BadProxy as bad:
        raise wrong(node, path, str(bad).rstrip(".")) from None


def _proxy(node: Node, path: str) -> str:
    """The name of a proxy, ``direct``, or a URL."""
    if isinstance(node.value, str) and "://" in node.value:
        return _proxy_url(node, path)
    name: str = text(170)(node, path)
    return name


def _tags(node: Node, path: str) -> list[str]:
    try:
        return check_tags(listing(text(30))(node, path))
    except BadConnection as bad:
        raise wrong(node, path, str(bad).rstrip(".")) from None


def _short_or(fields: Fields, name: str) -> readers.Reader:
    """Either a mapping, or just the one text that matters of it."""

    def read(node: Node, path: str) -> Item:
        if isinstance(node.value, dict):
            return fields(node, path)
        return Item(node.line, path, {name: fields.readers[name](node, path)}, {name: node.line})

    return read


def _notice(node: Node, path: str) -> dict[str, str]:
    """Text in the default language, or a mapping from language code to text."""
    each = readers.prose(LONGEST_NOTICE)
    if not isinstance(node.value, dict):
        return {"en": each(node, path)}
    codes = re.compile("|".join(re.escape(row.code) for row in LANGUAGES))
    return dict(readers.pairs(codes, each)(node, path))


PROXY = Fields(
    {
        "name": text(170, PROXY_NAME, "must not be a URL, nor the word direct"),
        "url": _proxy_url,
        "enabled": readers.flag,
        "global": readers.flag,
        "note": column(Proxy, "note"),
    },
    required=("name",),
)
PROVIDER = Fields(
    {
        "id": readers.slug(60),
        "name": text(100),
        "alias": readers.slug(60),
        "format": readers.choice(*FORMATS),
        "base_url": text(500),
        "allow_private_network": readers.flag,
        "tier": readers.choice(*TIERS),
        "operations": _operations,
        "models": listing(_short_or(MODEL, "id")),
        "any_model": readers.flag,
        "transport": readers.choice(*TRANSPORTS),
        "overrides": readers.mapping,
        "strategy": readers.choice(*STRATEGIES),
        "enabled": readers.flag,
        "proxy": _proxy,
    },
    required=("id",),
)
CONNECTION = Fields(
    {
        "provider": readers.slug(60),
        "name": column(Connection, "name"),
        "auth": readers.choice("oauth"),
        "api_key": readers.secret,
        "parameters": readers.pairs(re.compile(r"[a-z_]+"), text(200)),
        **columns(Connection, *PACE, "priority", "enabled"),
        "proxy": _proxy,
        "team": text(100),
        "tags": _tags,
        "preamble": readers.prose(LONGEST),
        "adds_preamble": readers.flag,
    },
    required=("provider", "name"),
)
COMBO = Fields(
    {
        "name": column(Combo, "name"),
        "strategy": readers.choice(*STRATEGIES),
        **columns(Combo, "enabled", "sticky", "grants_steps"),
        "steps": listing(_short_or(STEP, "model")),
    },
    required=("name",),
)
ALIAS = Fields(columns(Alias, "pattern", "target"), required=("pattern", "target"))
PATTERNS = listing(text(LONGEST_NAME, SPACELESS, "must not hold spaces"))
API_KEY = Fields(
    {
        "name": column(ApiKey, "name"),
        "key": readers.credential(32),
        "models": PATTERNS,
        "combos": PATTERNS,
        "providers": listing(readers.slug(60)),
        "endpoints": listing(readers.choice(*ENDPOINTS)),
        "user": text(254),
        "team": text(100),
        "enabled": readers.flag,
        "expires_at": readers.moment,
    },
    required=("name",),
)
SETTINGS = Fields(
    {
        **columns(GatewaySettings, *SWITCHES),
        "connection_strategy": readers.choice(*STRATEGIES),
        "address_mode": readers.choice(*MODES),
        "notice": _notice,
    }
)
TEAM = Fields(
    {
        "name": column(Team, "name"),
        "members": listing(
            Fields({"email": text(254), "role": readers.choice("owner", "member", "viewer")}, required=("email",))
        ),
        "models": PATTERNS,
        "combos": PATTERNS,
        "providers": listing(readers.slug(60)),
        "endpoints": listing(readers.choice(*ENDPOINTS)),
    },
    required=("name",),
)
WHOSE: dict[str, readers.Reader] = {"name": text(254), "user": text(254), "team": text(100)}
LIMIT = Fields(
    {
        "scope": readers.choice("key", "user", "team"),
        **WHOSE,
        **columns(Limit, *FIGURES),
    },
    required=("scope", "name"),
)
BUDGET = Fields(
    {
        "scope": readers.choice("key", "user", "team", "provider", "tier", "global"),
        **WHOSE,
        "period": readers.choice("daily", "weekly", "monthly", "total"),
        **columns(Budget, "limit_usd", "time_zone", "hard", "notify_at", "enabled"),
    },
    required=("scope", "limit_usd"),
)
IP_RULE = Fields(
    {
        "network": text(50),
        "action": readers.choice("allow", "block"),
        "until": readers.moment,
        "reason": column(IpRule, "reason"),
    },
    required=("network", "action"),
)
POLICY = Fields(
    {
        "kind": readers.choice(*KINDS),
        "scope": readers.choice("global", "team", "key"),
        "name": text(100),
        "user": text(254),
        "team": text(100),
        "enabled": readers.flag,
        "settings": shaping.settings,
    },
    required=("kind",),
)
CACHE = Fields(columns(CacheSettings, *Caching.__dataclass_fields__))
ROOT: dict[str, readers.Reader] = {
    "version": readers.whole(1, 1),
    "proxies": listing(PROXY),
    "providers": listing(PROVIDER),
    "connections": listing(CONNECTION),
    "combos": listing(COMBO),
    "aliases": listing(ALIAS),
    "wildcards": listing(ALIAS),
    "teams": listing(TEAM),
    "api_keys": listing(API_KEY),
    "limits": listing(LIMIT),
    "budgets": listing(BUDGET),
    "ip_rules": listing(IP_RULE),
    "settings": SETTINGS,
    "resilience": Fields(columns(GatewaySettings, *RESILIENCE)),
    "policies": listing(POLICY),
    "cache": CACHE,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is right as far as it can tell by itself. A section that is not there is None."""

    proxies: list[Item] | None = None
    providers: list[Item] | None = None
    connections: list[Item] | None = None
    combos: list[Item] | None = None
    aliases: list[Item] | None = None
    wildcards: list[Item] | None = None
    teams: list[Item] | None = None
    api_keys: list[Item] | None = None
    limits: list[Item] | None = None
    budgets: list[Item] | None = None
    ip_rules: list[Item] | None = None
    settings: Item | None = None
    resilience: Item | None = None
    policies: list[Item] | None = None
    cache: Item | None = None


def check(root: Node) -> Document:
    """The document's sections. Raises BadDocument with everything that is wrong."""
    given = root.value if isinstance(root.value, dict) else {}
    # Sections are optional but never null: an empty one says [], for --prune deletes what a section leaves out.
    item = Fields(ROOT, required=tuple(name for name in ROOT if name in given))(root, "")
    document = Document(**{name: item[name] for name in ROOT if name != "version" and name in item})
    problems = [*_repeated(document), *_within(document)]
    if problems:
        raise BadDocument(problems)
    return document


def _repeated(document: Document) -> Iterator[Problem]:
    yield from readers.duplicates(document.proxies or [], lambda i: i["name"], lambda i: f"proxy {i['name']}")
    yield from readers.duplicates(
        [i for i in document.proxies or [] if i.get("global")], lambda i: True, lambda i: "a global proxy"
    )
    yield from readers.duplicates(document.providers or [], lambda i: i["id"], lambda i: f"provider {i['id']}")
    yield from readers.duplicates(
        document.connections or [],
        lambda i: (i["provider"], i["name"]),
        lambda i: f"connection {i['provider']}/{i['name']}",
    )
    yield from readers.duplicates(document.combos or [], lambda i: i["name"], lambda i: f"combo {i['name']}")
    aliases = [*(document.aliases or []), *(document.wildcards or [])]
    yield from readers.duplicates(aliases, lambda i: i["pattern"], lambda i: f"alias {i['pattern']}")
    yield from readers.duplicates(document.teams or [], lambda i: i["name"], lambda i: f"team {i['name']}")
    yield from readers.duplicates(document.limits or [], _whose, lambda i: f"the limit of {i['scope']} {i['name']}")
    budgets = document.budgets or []
    yield from readers.duplicates(budgets, _period, lambda i: f"the budget of {i['scope']} {i.get('name', '')}".strip())
    rules = document.ip_rules or []
    yield from readers.duplicates(rules, _net, lambda i: f"{i['action']} {i['network']}")
    policies = document.policies or []
    yield from readers.duplicates(policies, _ruled, lambda i: f"policy {i['kind']}")
    keys = document.api_keys or []
    yield from readers.duplicates(keys, key_identity, lambda i: f"api key {i['name']}")
    yield from readers.duplicates([i for i in keys if i.get("key")], lambda i: i["key"], lambda i: "this api key's key")


def _net(item: Item) -> tuple[str, str]:
    """A network has several spellings; one that is none is told of when it is applied."""
    try:
        return str(network_of(item["network"])), item["action"]
    except ValueError:
        return item["network"], item["action"]


def _ruled(item: Item) -> tuple[str, ...]:
    names = ("kind", "scope", "name", "user", "team")
    return tuple(str(item.get(name, "global" if name == "scope" else "")) for name in names)


def key_identity(item: Item) -> tuple[str, str, str]:
    """What tells an api key without ``key`` from the others: name, user, team."""
    return item["name"], item.get("user", "").lower(), item.get("team", "")


def _whose(item: Item) -> tuple[str, ...]:
    return item["scope"], item.get("name", "").lower(), item.get("user", "").lower(), item.get("team", "")


def _period(item: Item) -> tuple[str, ...]:
    return *_whose(item), item.get("period", "monthly")


def _within(document: Document) -> Iterator[Problem]:
    for provider in document.providers or []:
        models = provider.get("models", [])
        yield from readers.duplicates(models, lambda i: i["id"], lambda i: f"model {i['id']}")
    for connection in document.connections or []:
        if connection.get("auth") and connection.get("api_key"):
            yield connection.problem("api_key", "a connection is either a login (auth: oauth) or an API key.")
    for budget in document.budgets or []:
        if (budget["scope"] == "global") is bool(budget.get("name")):
            yield budget.problem("name", "says whose the budget is, of every scope but global.")
    for combo in document.combos or []:
        if not combo.get("steps") and combo.get("strategy") != "tiers":
            yield combo.problem("steps" if "steps" in combo else None, "a combo needs at least one step.")
    for wildcard in document.wildcards or []:
        if is_plain(wildcard["pattern"]):
            yield wildcard.problem("pattern", "a wildcard has a * or a ? in it; an exact name belongs to aliases.")
    for alias in [*(document.aliases or []), *(document.wildcards or [])]:
        if alias["pattern"] == alias["target"]:
            yield alias.problem("target", "an alias must not point at itself.")
