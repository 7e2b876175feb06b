"""No setting without a reader: a change of any column of the configuration changes what the engine reads.

Every column of every model whose changes are published is changed in turn, and the snapshot must differ. A column that
works elsewhere is named in ELSEWHERE with the module that reads it, and must be found in that module's code. A new
column, or a new model in ``publish.WATCHED``, fails here until something reads it.

To be in the snapshot is not to be read: what the engine's code never asks of it is found as well, by OWNERS.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.db import models
from django.utils import timezone

from accounts.models import Membership, Team, User
from providers.models import Connection, Grant, Provider, ProviderModel, Proxy
from routing import combos, keys, publish, snapshot
from routing.models import (
    Alias,
    ApiKey,
    Budget,
    CacheFlush,
    CacheSettings,
    Combo,
    ComboStep,
    GatewaySettings,
    IpRule,
    Limit,
    Policy,
    TeamAccess,
)
from routing.snapshot import Snapshot

pytestmark = pytest.mark.django_db

# Rows of people, whose rights are the concern of the tests of accounts; and logins, which renewals write.
NOT_SET_HERE = (User, Team, Membership, Grant)
# Column → the module that reads it, where the snapshot does not hold it.
ELSEWHERE = {
    "Connection.created_at": "providers.api.connections",
    "Connection.tags": "providers.api.connections",
    "Proxy.name": "providers.proxies",
    "Proxy.note": "providers.api.proxies",
    "Proxy.scheme": "providers.proxies",
    "ApiKey.last4": "routing.api.keys",
    "ApiKey.created_at": "routing.api.keys",
    "GatewaySettings.notice": "omniroute.pages",
    "GatewaySettings.ledger_days": "analytics.closing",
    "Budget.notify_at": "analytics.budgets",
    "IpRule.created_at": "routing.api.spending",
}
# Values for columns where another of the same type would not do; a function gives several columns at once.
CHANGES: Mapping[str, Any] = {
    "Provider.format": "anthropic",
    "Provider.base_url": "http://127.0.0.1:10/v1",
    "Provider.operations": {"chat": "/talk"},
    "Provider.overrides": {"headers": {"x-one": "1"}},
    "Provider.strategy": "random",
    "ProviderModel.capabilities": ["vision"],
    "Connection.direct": True,
    "Connection.preamble": lambda: {"preamble": "Hello.", "adds_preamble": True},
    "Connection.adds_preamble": lambda: {"preamble": "Hello.", "adds_preamble": True},
    "Connection.parameters": {"region": "eu"},
    "ApiKey.endpoints": ["speech"],
    "TeamAccess.endpoints": ["speech"],
    "GatewaySettings.connection_strategy": "random",
    "Policy.settings": {"tokens": 6},
    "CacheFlush.at": 5.0,
    # A limit or budget is of one: another's takes the place of the first's.
    "Limit.user": lambda: {"api_key": None, "user": User.objects.get(email="one@example.com")},
    "Limit.team": lambda: {"api_key": None, "team": Team.objects.get(name="Research")},
    "Budget.scope": lambda: {"api_key": None, "scope": "tier", "tier": "free"},
    "Budget.user": lambda: {"api_key": None, "scope": "user", "user": User.objects.get(email="one@example.com")},
    "Budget.team": lambda: {"api_key": None, "scope": "team", "team": Team.objects.get(name="Research")},
    "Budget.provider": lambda: {"api_key": None, "scope": "provider", "provider": Provider.objects.get(pk="acme")},
    "Budget.tier": lambda: {"api_key": None, "scope": "tier", "tier": "api_key"},
    "Budget.time_zone": "Europe/Berlin",
    "IpRule.network": "10.0.0.0/8",
    "IpRule.until": lambda: {"until": timezone.now() + timedelta(days=1)},
}


def now() -> Snapshot:
    """What the engine reads, so that two of the same configuration are equal."""
    return replace(publish.build(), version=0, built_at=0.0)


def columns(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """All that somebody can set: no identities, nothing that is only noted (translations count as one)."""
    for field in model._meta.concrete_fields:
        translated = getattr(field, "translated_field", None) is not None
        identity = field.primary_key or isinstance(field, models.UUIDField)
        if not identity and field.name not in publish.IRRELEVANT and not translated:
            yield field


def another(field: models.Field[Any, Any], value: Any) -> Any:
    """Another value of the column's kind."""
    match field:
        case models.BooleanField():
            return not value
        case models.DecimalField():
            return Decimal("7.5")
        case models.IntegerField():
            return (value or 0) + 3
        case models.DateTimeField():
            return timezone.now() - timedelta(days=1)
        case models.ForeignKey():
            return field.related_model._default_manager.exclude(pk=getattr(value, "pk", None)).order_by("pk").last()
        case models.JSONField():
            return ["other/*"]
        case models.CharField() if field.choices:
            return next(choice for choice, _label in field.choices if choice not in (value, ""))
        case _:
            return f"{value or ''}x"


def reads(module: str, name: str) -> bool:
    """Whether the module's code has the name, as an attribute, a name or a text of its own."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return name in found


def unread(row: models.Model, changes: Mapping[str, Any]) -> list[str]:
    """The columns whose change nobody would notice. The row is put back after each."""
    found = []
    for name, value in changes.items():
        label = f"{type(row).__name__}.{name}"
        before = now()
        given = value() if callable(value) else {name: value}
        kept = {each: getattr(row, each, None) for each in given}
        for each, wanted in given.items():
            setattr(row, each, wanted)
        row.save()
        changed = now() != before
        for each, wanted in kept.items():
            setattr(row, each, wanted)
        row.save()
        if not changed and not (label in ELSEWHERE and reads(ELSEWHERE[label], name)):
            found.append(label)
    return found


@pytest.fixture
def rows(make_provider: Any) -> dict[type[models.Model], models.Model]:
    """One row of each model, in use: what changes in it must show."""
    proxy = Proxy(name="out", url="http://127.0.0.1:3128", enabled=True)
    proxy.save()
    second = Proxy(name="other", url="http://127.0.0.1:3129", enabled=True)
    second.save()
    make_provider("acme", "http://127.0.0.1:9/v1", input_price="1", output_price="2", alias="ac")
    make_provider("beta", "http://127.0.0.1:9/v1", alias="be")
    make_provider("gamma", "http://127.0.0.1:9/v1", models=(), keys=())
    acme = Provider.objects.get(pk="acme")
    acme.proxy = proxy
    acme.save()
    combo = Combo(name="fast")
    combos.store(combo, [combos.Step("acme/large"), combos.Step("beta/large")])
    team = Team.objects.create(name="Research")
    Team.objects.create(name="Sales")
    owner = User.objects.create_user("one@example.com", "correct horse battery")
    User.objects.create_user("two@example.com", "correct horse battery")
    key, _text = keys.create(name="ci", team=team, owner=owner)
    keys.create(name="other", owner=owner)
    other = Combo(name="slow")
    combos.store(other, [combos.Step("beta/large")])
    return {
        Provider: acme,
        ProviderModel: ProviderModel.objects.get(provider=acme),
        Connection: Connection.objects.get(provider=acme),
        Proxy: proxy,
        ApiKey: key,
        Combo: combo,
        ComboStep: combo.steps.order_by("position").first(),
        Alias: Alias.objects.create(pattern="quick", target="fast"),
        GatewaySettings: GatewaySettings(),
        TeamAccess: TeamAccess.objects.create(team=team, providers=["acme"]),
        Policy: Policy.objects.create(kind="max_tokens", settings={"tokens": 5}),
        CacheSettings: CacheSettings(),
        CacheFlush: CacheFlush(subject="model:acme/large", at=1.0),
        Limit: Limit.objects.create(api_key=key, requests_per_minute=5),
        Budget: Budget.objects.create(scope="key", api_key=key, limit_usd=Decimal(5)),
        IpRule: IpRule.objects.create(network="203.0.113.7/32"),
    }


@pytest.mark.parametrize(
    "model", [model for model in publish.WATCHED if model not in NOT_SET_HERE], ids=lambda m: m.__name__
)
def test_every_setting_has_a_reader(model: type[models.Model], rows: dict[Any, models.Model]) -> None:
    assert model in rows, f"give a row of {model.__name__} that is in use"
    row = rows[model]
    changes = {
        field.name: CHANGES.get(f"{model.__name__}.{field.name}", another(field, getattr(row, field.name)))
        for field in columns(model)
    }
    assert unread(row, changes) == []


def test_nothing_changed_is_nothing_seen(rows: dict[Any, models.Model]) -> None:
    """Or every change would seem to be read."""
    assert now() == now()


def test_a_column_without_a_reader_is_found(rows: dict[Any, models.Model]) -> None:
    assert unread(rows[Combo], {"sparkle": 1, "sticky": 9}) == ["Combo.sparkle"]


def test_a_named_reader_must_really_read(rows: dict[Any, models.Model], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ELSEWHERE, "Combo.sparkle", "routing.models")
    assert unread(rows[Combo], {"sparkle": 1}) == ["Combo.sparkle"]
    assert reads("omniroute.pages", "notice") and not reads("omniroute.pages", "sparkle")


def test_no_name_in_the_tables_is_stale() -> None:
    known = {f"{model.__name__}.{field.name}" for model in publish.WATCHED for field in model._meta.concrete_fields}
    assert set(ELSEWHERE) <= known and set(CHANGES) <= known


# What the engine calls a value of each class of the snapshot that settings are copied into.
OWNERS: Mapping[type[Any], set[str]] = {
    snapshot.Switches: {"switches", "_switches"},
    snapshot.Caching: {"caching"},
    snapshot.Limit: {"limit"},
    snapshot.Budget: {"budget"},
    snapshot.Caller: {"caller", "_caller"},
    snapshot.Access: {"access"},
    snapshot.Combo: {"combo"},
    snapshot.Step: {"step"},
}
ENGINE = ("gateway", "strategies", "state")  # packages of routing, and these of its modules:
MODULES = ("board", "breakers", "names", "pace", "plan", "reserves", "resolve", "rests", "sessions")


@cache
def asked() -> frozenset[tuple[str, str]]:
    """(owner, name) of everything that the engine's code reads off something: ``switches.max_attempts``."""
    root = Path(inspect.getfile(snapshot)).parent
    files = [path for package in ENGINE for path in (root / package).rglob("*.py")]
    files += [root / f"{module}.py" for module in MODULES]
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                match node.value:
                    case ast.Name(id=owner) | ast.Attribute(attr=owner):
                        found.add((owner, node.attr))
    return frozenset(found)


def unasked(owners: set[str], names: set[str]) -> set[str]:
    return names - {name for owner, name in asked() if owner in owners}


@pytest.mark.parametrize("kind", OWNERS, ids=lambda kind: kind.__name__)
def test_the_engine_asks_for_everything_that_is_published(kind: type[Any]) -> None:
    names = {field.name for field in fields(kind)}
    assert unasked(OWNERS[kind], names) == set()
    assert unasked(OWNERS[kind], names | {"sparkle"}) == {"sparkle"}
