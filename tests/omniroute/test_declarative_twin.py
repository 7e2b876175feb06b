"""What the management API takes, the declarative file takes: whatever a field was set to, the export is applied."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.test import APIClient

from accounts.api_serializers import TeamSerializer
from accounts.models import Team, User
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import export
from providers import catalogue
from providers.api.connections import ConnectionSerializer
from providers.api.models import ProviderModelSerializer
from providers.api.providers import ProviderSerializer
from providers.api.proxies import ProxySerializer
from routing import keys
from routing.api.keys import KeySerializer, TeamAccessSerializer
from routing.api.names import AliasSerializer, ComboSerializer
from routing.api.resilience import SettingsSerializer
from routing.api.shaping import CacheSettingsSerializer, PolicySerializer
from routing.api.spending import BudgetSerializer, IpRuleSerializer, LimitSerializer

pytestmark = pytest.mark.django_db

NUMBERS = [-1, 0, 1, 99, 101, 60_001, 2**31 - 1, 2**31, 10**14, 10**30]
AMOUNTS = ["-1", "0", "0.000001", "0.0000001", "99999999", "99999999.999999", "100000000", "999999999.999999", "1e30"]
TEXTS = [
    "plain", "x y", "x" * 30, "y" * 100, "z" * 101, "a\nb", "a\tb", "a\x07b", "a\x85b", "a\u2028b", "\ufeffa", "ä 😀",
    "../up", "${HOME}", "$${", "- : {}", "0x1F", "1.5", "null", "yes", "~", "#no", '"', "'", "*",
    "a*b?", "direct", "https://x.example", "%41", "\\", "Europe/Berlin", "10.0.0.0/8", "2030-01-01",
]  # fmt: skip
LISTS = [[], ["x y"], ["a\x07"], [""], ["*"], ["nobody-knows"], ["${X}"], ["groq"], ["chat"], ["a\u2028b"], ["v" * 260]]
TABLES = [{}, {"a": "b"}, {"tokens": 5}, {"chat": "/x"}, {"chat": "/a\x07b"}, {"headers": {"X-A": "a\x07${b}"}}]

Body = dict[str, Any]
numbers = itertools.count()


def _unique(**body: Any) -> Callable[[], Body]:
    def made() -> Body:
        mark = str(next(numbers))
        return {name: value.replace("#", mark) if isinstance(value, str) else value for name, value in body.items()}

    return made


# Address → its serializer, and a body that is accepted, with whatever must be unique made anew.
PLACES: dict[str, tuple[type[Any], Callable[[], Body]]] = {
    "proxies": (ProxySerializer, _unique(name="p#", url="http://p.example:1")),
    "providers": (ProviderSerializer, _unique(id="acme#", base_url="https://acme#.example/v1")),
    "provider-models": (ProviderModelSerializer, _unique(provider="groq", model_id="m#")),
    "connections": (ConnectionSerializer, _unique(provider="groq", name="c#", secret="gsk-#")),
    "combos": (ComboSerializer, _unique(name="c#", steps=["groq/x"])),
    "aliases": (AliasSerializer, _unique(pattern="a#", target="groq/x")),
    "teams": (TeamSerializer, _unique(name="t#")),
    "keys": (KeySerializer, _unique(name="k#")),
    "ip-rules": (IpRuleSerializer, _unique(network="10.0.0.#", action="block")),
    "policies": (PolicySerializer, _unique(kind="system_prompt", settings={"before": "x"})),
    "limits": (LimitSerializer, _unique(team=0, parallel=1)),
    "budgets": (BudgetSerializer, _unique(scope="global", limit_usd="1")),
    "team-access": (TeamAccessSerializer, _unique(team=0)),
    "settings": (SettingsSerializer, dict),
    "cache-settings": (CacheSettingsSerializer, dict),
}


SINGLE = ("settings", "cache-settings")


def _values(field: Any) -> list[Any]:
    match field:
        case serializers.ChoiceField():
            return list(field.choices)
        case serializers.BooleanField():
            return [True, False]
        case serializers.IntegerField():
            return NUMBERS
        case serializers.DecimalField():
            return AMOUNTS
        case serializers.DateTimeField():
            return ["2030-01-01T00:00:00.123456Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"]
        case serializers.ListField():
            return LISTS
        case serializers.DictField() | serializers.JSONField():
            return TABLES
        case serializers.CharField():
            return TEXTS
    return []


def _fields() -> Iterator[tuple[str, str]]:
    for place, (serializer, _body) in PLACES.items():
        for name, field in serializer().fields.items():
            if not field.read_only and _values(field):
                yield place, name


@pytest.fixture
def api() -> APIClient:
    catalogue.sync()
    client = APIClient()
    client.force_login(User.objects.create_superuser("admin@example.com"))
    return client


def _accepted(api: APIClient, place: str, name: str) -> list[Any]:
    """The values that the API takes in the field, each of them stored, in rows of their own where there are several."""
    serializer, body = PLACES[place]
    found = []
    for value in _values(serializer().fields[name]):
        if place in SINGLE:
            reply = api.patch(f"/api/v1/{place}/", {name: value}, format="json")
            if reply.status_code == 200:
                found.append(value)
            continue
        given = body() | {name: value}
        if given.get("team") == 0:
            given["team"] = Team.objects.create(name=f"T{next(numbers)}").pk
        if place in ("policies", "budgets"):
            owner, _text = keys.create(name=f"k{next(numbers)}")
            given |= {"key": owner.pk} if place == "policies" else {"scope": "key", "api_key": owner.pk}
        if place == "combos" and name == "steps" and value:
            given["name"] = f"s{next(numbers)}"
        reply = api.post(f"/api/v1/{place}/", given, format="json")
        assert reply.status_code in (201, 400), (place, name, value, reply.content)
        if reply.status_code == 201:
            found.append(value)
    return found


def _round(place: str, name: str, value: Any) -> None:
    try:
        changes = apply(export(with_secrets=True), prune=True).changes
    except BadDocument as bad:
        raise AssertionError(f"{place}.{name} = {value!r}: {bad}") from None
    assert changes == (), (place, name, value, [str(change) for change in changes])


@pytest.mark.parametrize("place", PLACES)
def test_the_file_takes_what_the_api_takes(place: str, api: APIClient) -> None:
    names = [name for each, name in _fields() if each == place]
    assert names
    kind = PLACES[place][0].Meta.model._default_manager
    before = list(kind.values_list("pk", flat=True))
    taken = {}
    for name in names:
        taken[name] = _accepted(api, place, name)
        if place not in SINGLE:
            _round(place, name, taken[name])
            kind.exclude(pk__in=before).delete()  # so that no document becomes long
        for value in dict.fromkeys([*taken[name][:1], *taken[name][-1:]]) if place in SINGLE else ():
            assert api.patch(f"/api/v1/{place}/", {name: value}, format="json").status_code == 200
            _round(place, name, value)
    assert any(taken.values()), taken
