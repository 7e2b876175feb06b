"""What the management API does with providers, connections, keys, requests, combos, aliases and switches."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Membership, Role, Team, User, digest
from analytics.models import UsageRecord
from providers import catalogue, connections
from providers.models import Connection, Provider, ProviderModel, QuotaWindow
from providers.probe import Probe
from routing import health
from routing.board import News
from routing.models import ApiKey, Combo, GatewaySettings
from routing.snapshot import Switches

pytestmark = pytest.mark.django_db
SECRET = "gsk-this-must-never-be-shown"
ACME = {"id": "acme", "name": "Acme", "base_url": "https://acme.example/v1"}


class Api:
    """One person's view of the API."""

    def __init__(self, user: User) -> None:
        self.user, self.client = user, APIClient()
        self.client.force_login(user)

    def __call__(self, verb: str, path: str, body: object = None, status: int = 200) -> Any:
        reply = getattr(self.client, verb)(f"/api/v1/{path}", body, **({} if verb == "get" else {"format": "json"}))
        assert reply.status_code == status, (reply.status_code, reply.content)
        assert SECRET not in reply.content.decode()
        return reply.json() if reply.content else None


@pytest.fixture
def team() -> Team:
    return Team.objects.create(name="Red")


@pytest.fixture
def admin() -> Api:
    catalogue.sync()
    return Api(User.objects.create_superuser("admin@example.com"))


def person(name: str, team: Team | None = None, role: Role = Role.MEMBER) -> Api:
    user = User.objects.create_user(f"{name}@example.com")
    if team is not None:
        Membership.objects.create(team=team, user=user, role=role)
    return Api(user)


# -- providers -----------------------------------------------------------------------------------------------
def test_catalogue_providers_show_what_is_in_force(admin: Api) -> None:
    shown = admin("get", "providers/openai/")
    entry = catalogue.entries()["openai"]
    assert (shown["custom"], shown["base_url"], shown["name"], shown["overridden"]) == (
        False,
        entry.base_url,
        entry.name,
        [],
    )
    assert {row["id"] for row in admin("get", "providers/?page_size=500")["results"]} == set(catalogue.entries())


def test_an_override_is_made_and_taken_back(admin: Api) -> None:
    shown = admin("patch", "providers/openai/", {"base_url": "https://proxy.example/v1", "enabled": False})
    assert (shown["base_url"], shown["overridden"], shown["enabled"]) == (
        "https://proxy.example/v1",
        ["base_url"],
        False,
    )
    shown = admin("patch", "providers/openai/", {"base_url": ""})
    assert (shown["base_url"], shown["overridden"]) == (catalogue.entries()["openai"].base_url, [])


def test_a_custom_provider_lives_and_dies(admin: Api) -> None:
    made = admin("post", "providers/", ACME | {"operations": {"rerank": "/rerank"}}, status=201)
    assert made["custom"] and made["format"] == "openai_chat" and made["alias"] == "acme" and made["problem"] is None
    admin("patch", "providers/acme/", {"operations": {}, "any_model": True})
    row = Provider.objects.get(id="acme")
    assert row.operations == {} and row.any_model is True
    admin("delete", "providers/acme/", status=204)
    assert not Provider.objects.filter(id="acme").exists()


def test_a_catalogue_provider_is_not_deleted(admin: Api) -> None:
    error = admin("delete", "providers/openai/", status=409)["error"]
    assert "enabled to false" in error["message"] and Provider.objects.filter(id="openai").exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": "http://127.0.0.1:1/v1"}, "base_url"),
        ({"base_url": "file:///etc/passwd"}, "base_url"),
        ({"base_url": "http://169.254.169.254/", "allow_private_network": True}, "base_url"),
        ({"id": "openai"}, "id"),
        ({"alias": "groq"}, "alias"),
        ({"format": "soap"}, "format"),
        ({"operations": {"dance": "/x"}}, "operations"),
        ({"base_url": None}, "base_url"),
        ({"id": "No Slug"}, "id"),
        ({"tier": "gold"}, "tier"),
    ],
)
def test_a_provider_that_cannot_be_is_refused(change: dict[str, object], field: str, admin: Api) -> None:
    error = admin("post", "providers/", ACME | change, status=400)["error"]
    assert list(error["fields"]) == [field] and not Provider.objects.filter(id="acme").exists()


def test_effective_models_and_overrides(admin: Api) -> None:
    admin("post", "providers/", ACME, status=201)
    row = admin(
        "post", "provider-models/", {"provider": "acme", "model_id": "org/big", "input_price": "0.5"}, status=201
    )
    (model,) = admin("get", "providers/acme/models/")["results"]
    assert (model["id"], model["input_price"], model["price_source"], model["enabled"]) == (
        "org/big",
        "0.500000",
        "override",
        True,
    )
    admin("patch", f"provider-models/{row['id']}/", {"enabled": False, "context": 1000, "capabilities": ["tools"]})
    (model,) = admin("get", "providers/acme/models/")["results"]
    assert (model["enabled"], model["context"], model["capabilities"]) == (False, 1000, ["tools"])
    admin("post", "provider-models/", {"provider": "acme", "model_id": "org/big"}, status=400)
    assert admin("get", "provider-models/?provider=openai")["results"] == []
    admin("delete", f"provider-models/{row['id']}/", status=204)
    assert not ProviderModel.objects.exists()


# -- connections ---------------------------------------------------------------------------------------------
def test_secrets_go_in_and_never_come_out(admin: Api) -> None:
    body = {"provider": "groq", "name": "main", "secret": SECRET, "proxy": f"http://u:{SECRET}@proxy.example:1"}
    made = admin("post", "connections/", body, status=201)
    assert (made["has_secret"], made["proxy"], made["problem"]) == (True, "groq/main", None)
    assert not {"secret", "origin", "uid"} & set(made)
    admin("get", "connections/")
    admin("get", f"connections/{made['id']}/")
    row = Connection.objects.get()
    assert connections.secret_of(row) == SECRET and connections.proxy_of(row) == f"http://u:{SECRET}@proxy.example:1"


def test_a_patch_leaves_the_secret_unless_it_names_it(admin: Api) -> None:
    made = admin("post", "connections/", {"provider": "groq", "name": "main", "secret": SECRET}, status=201)
    path = f"connections/{made['id']}/"
    assert (
        admin("patch", path, {"priority": 7})["has_secret"]
        and connections.secret_of(Connection.objects.get()) == SECRET
    )
    admin("patch", path, {"secret": "another", "name": "other"})
    row = Connection.objects.get()
    assert (connections.secret_of(row), row.name, row.priority) == ("another", "other", 7)
    assert admin("patch", path, {"secret": None})["has_secret"] is False


def test_a_moved_provider_needs_its_secrets_again(admin: Api) -> None:
    admin("post", "providers/", ACME, status=201)
    made = admin("post", "connections/", {"provider": "acme", "name": "main", "secret": SECRET}, status=201)
    admin("patch", "providers/acme/", {"base_url": "https://evil.example/v1"})
    assert "changed" in admin("get", f"connections/{made['id']}/")["problem"]
    assert admin("patch", f"connections/{made['id']}/", {"secret": "new-one"})["problem"] is None


def test_a_disabled_connection_says_so(admin: Api) -> None:
    made = admin(
        "post", "connections/", {"provider": "groq", "name": "main", "secret": SECRET, "enabled": False}, status=201
    )
    assert made["enabled"] is False and "disabled" in made["problem"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"secret": f"{SECRET}\nInjected: yes"}, "secret"),
        ({"secret": [SECRET]}, "secret"),
        ({"secret": {"a": SECRET}}, "secret"),
        ({"proxy": f"gopher://{SECRET}"}, "proxy"),
        ({"proxy": f"http://u:{SECRET}@"}, "proxy"),
        ({"priority": -1}, "priority"),
        ({"provider": "nobody"}, "provider"),
        ({"provider": None}, "provider"),
        ({"name": ""}, "name"),
        ({"name": "taken"}, "name"),
    ],
)
def test_a_refused_connection_is_not_stored_nor_repeated(change: dict[str, object], field: str, admin: Api) -> None:
    Connection.objects.create(provider_id="groq", name="taken")
    error = admin("post", "connections/", {"provider": "groq", "name": "main"} | change, status=400)["error"]
    assert field in error["fields"] and Connection.objects.count() == 1


def test_a_refused_change_is_taken_back_as_a_whole(admin: Api) -> None:
    row = Connection.objects.create(provider_id="groq", name="main")
    Connection.objects.create(provider_id="groq", name="taken")
    admin("patch", f"connections/{row.pk}/", {"name": "other", "secret": "a\nb"}, status=400)
    admin("patch", f"connections/{row.pk}/", {"name": "taken"}, status=400)
    row.refresh_from_db()
    assert row.name == "main" and row.secret is None


def test_connections_are_tested(admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(*_: object) -> Probe:
        return Probe(ok=False, message="401: no such key", latency_ms=12, models=("m",))

    monkeypatch.setattr("providers.connections.probe", answers)
    row = Connection(provider_id="groq", name="main")
    connections.set_secret(row, SECRET)
    row.save()
    told = admin("post", f"connections/{row.pk}/test/")
    assert told == {"ok": False, "message": "401: no such key", "latency_ms": 12, "models": ["m"]}
    shown = admin("get", f"connections/{row.pk}/")
    assert (shown["test_ok"], shown["test_message"], shown["test_latency_ms"]) == (False, "401: no such key", 12)
    admin("get", f"connections/{row.pk}/test/", status=405)


# -- client keys ---------------------------------------------------------------------------------------------
def test_a_key_is_shown_once(admin: Api) -> None:
    made = admin(
        "post", "keys/", {"name": "laptop", "models": ["openai/*"], "expires_at": "2040-01-01T00:00:00Z"}, status=201
    )
    row = ApiKey.objects.get()
    assert row.key_hash == digest(made["key"]) and made["last4"] == made["key"][-4:] and row.owner == admin.user
    shown = admin("get", f"keys/{row.pk}/")
    assert "key" not in shown and "key_hash" not in shown and shown["models"] == ["openai/*"]
    changed = admin("patch", f"keys/{row.pk}/", {"name": "desk", "models": ["*"], "enabled": False, "expires_at": None})
    assert (changed["name"], changed["models"], changed["enabled"], changed["expires_at"]) == (
        "desk",
        ["*"],
        False,
        None,
    )
    admin("delete", f"keys/{row.pk}/", status=204)
    assert not ApiKey.objects.exists()


def test_owner_and_team_are_fixed(admin: Api, team: Team) -> None:
    made = admin("post", "keys/", {"name": "k"}, status=201)
    for name in ("owner", "team"):
        assert name in admin("patch", f"keys/{made['id']}/", {name: None}, status=400)["error"]["fields"]


@pytest.mark.parametrize(
    ("role", "for_team", "for_other", "expected"),
    [
        (None, False, False, 201),
        (None, True, False, 400),
        (Role.VIEWER, False, False, 201),
        (Role.VIEWER, True, False, 403),
        (Role.MEMBER, True, False, 201),
        (Role.MEMBER, True, True, 403),
        (Role.OWNER, True, False, 201),
        (Role.OWNER, True, True, 201),
        (Role.OWNER, False, True, 403),
    ],
)
def test_who_makes_keys_for_whom(role: Role | None, for_team: bool, for_other: bool, expected: int, team: Team) -> None:
    mate = person("mate", team)
    api = person("asker", team if role else None, role or Role.MEMBER)
    body = {"name": "k"} | ({"team": team.pk} if for_team else {}) | ({"owner": mate.user.pk} if for_other else {})
    api("post", "keys/", body, status=expected)
    assert ApiKey.objects.count() == (expected == 201)


def test_other_peoples_ids_look_like_none_at_all(team: Team) -> None:
    hidden = person("hidden", team)
    api = person("asker")
    for name, pk in (("owner", hidden.user.pk), ("team", team.pk)):
        real = api("post", "keys/", {"name": "k", name: pk}, status=400)["error"]["fields"][name][0]
        none = api("post", "keys/", {"name": "k", name: 987654}, status=400)["error"]["fields"][name][0]
        assert real.replace(str(pk), "#") == none.replace("987654", "#")


@pytest.mark.parametrize(
    ("role", "own", "teams", "stranger"),
    [(None, 200, 404, 404), (Role.VIEWER, 200, 404, 404), (Role.MEMBER, 200, 404, 404), (Role.OWNER, 200, 200, 404)],
)
def test_somebody_elses_key_is_a_404_by_every_verb(
    role: Role | None, own: int, teams: int, stranger: int, team: Team, admin: Api
) -> None:
    api = person("asker", team if role else None, role or Role.MEMBER)
    mate = person("mate", team)
    rows = {
        "own": ApiKey.objects.create(name="own", key_hash="1", owner=api.user),
        "team": ApiKey.objects.create(name="team", key_hash="2", owner=mate.user, team=team),
        "stranger": ApiKey.objects.create(name="stranger", key_hash="3", owner=admin.user),
    }
    for name, expected in (("own", own), ("team", teams), ("stranger", stranger)):
        path = f"keys/{rows[name].pk}/"
        api("get", path, status=expected)
        api("patch", path, {"enabled": False}, status=expected)
        admin("get", path)
    listed = {row["name"] for row in api("get", "keys/")["results"]}
    assert listed == {name for name, status in (("own", own), ("team", teams), ("stranger", stranger)) if status == 200}
    for name, expected in (("own", own), ("team", teams), ("stranger", stranger)):
        api("delete", f"keys/{rows[name].pk}/", status=204 if expected == 200 else 404)
    assert ApiKey.objects.filter(name="stranger", enabled=True).exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"models": "*"}, "models"),
        ({"models": ["a b"]}, "models"),
        ({"models": [1.5, {}]}, "models.1"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": " "}, "name"),
        ({"key": "x" * 40}, "key"),
    ],
)
def test_a_key_that_cannot_be_is_refused(change: dict[str, object], field: str, admin: Api) -> None:
    fields = admin("post", "keys/", {"name": "k"} | change, status=400)["error"]["fields"]
    assert any(name.startswith(field.partition(".")[0]) for name in fields) and not ApiKey.objects.exists()


# -- requests ------------------------------------------------------------------------------------------------
def record(number: int, **columns: Any) -> UsageRecord:
    given = {
        "started_at": datetime(2026, 1, 1, number % 24, tzinfo=UTC),
        "status": 200,
        "result": "ok",
        "latency_ms": 5,
    }
    given |= {
        "operation": "chat",
        "client_format": "openai_chat",
        "provider": "groq",
        "model": "m",
        "requested_model": "fast",
    }
    return UsageRecord.objects.create(request_id=f"req-{number}", **(given | columns))


def test_the_log_is_paged_without_counting(admin: Api, django_assert_num_queries: Any) -> None:
    for number in range(5):
        record(number)
    first = admin("get", "requests/?page_size=2")
    assert [row["request_id"] for row in first["results"]] == ["req-4", "req-3"] and "count" not in first
    record(99)  # meanwhile
    second = admin("get", first["next"].partition("/api/v1/")[2])
    assert [row["request_id"] for row in second["results"]] == ["req-2", "req-1"]
    with django_assert_num_queries(3):  # session, person, rows
        admin("get", "requests/?page_size=2")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("result=failed", {2}),
        ("provider=groq", {1, 2}),
        ("model=big", {3}),
        ("model=fast", {1, 2, 3}),
        ("key=7", {1}),
        ("key=0", set()),
        ("since=2026-01-01T02:00:00Z", {2, 3}),
        ("until=2026-01-01T02:00:00Z", {1}),
        ("provider=groq&result=ok", {1}),
        ("model=", {1, 2, 3}),
    ],
)
def test_filters(query: str, expected: set[int], admin: Api) -> None:
    record(1, key_id=7)
    record(2, result="failed")
    record(3, provider="acme", model="big")
    assert {int(row["request_id"][4:]) for row in admin("get", f"requests/?{query}")["results"]} == expected


@pytest.mark.parametrize("query", ["result=maybe", "key=x", "key=-1", f"key={10**30}", "since=yesterday"])
def test_bad_filters_are_refused(query: str, admin: Api) -> None:
    error = admin("get", f"requests/?{query}", status=400)["error"]
    assert list(error["fields"]) == [query.partition("=")[0]]


def test_people_see_their_own_requests_and_owners_their_teams(admin: Api, team: Team) -> None:
    member, owner, stranger = person("member", team), person("owner", team, Role.OWNER), person("stranger")
    record(1, user_id=member.user.pk, team_id=team.pk)
    record(2, user_id=stranger.user.pk)
    record(3)
    for api, expected in ((admin, {1, 2, 3}), (member, {1}), (owner, {1}), (stranger, {2})):
        assert {int(row["request_id"][4:]) for row in api("get", "requests/")["results"]} == expected
        for number in (1, 2, 3):
            api("get", f"requests/req-{number}/", status=200 if number in expected else 404)
    admin("delete", "requests/req-1/", status=405)


# -- combos, aliases, switches -------------------------------------------------------------------------------
def test_a_combo_takes_short_and_long_steps(admin: Api) -> None:
    made = admin(
        "post",
        "combos/",
        {"name": "c", "strategy": "weighted", "steps": ["a/b", {"model": "c/d", "weight": 2}]},
        status=201,
    )
    steps = [{"model": "a/b", "weight": 1}, {"model": "c/d", "weight": 2}]
    assert made["steps"] == steps
    assert admin("patch", f"combos/{made['id']}/", {"enabled": False})["steps"] == steps
    assert admin("patch", f"combos/{made['id']}/", {"steps": ["x/y"]})["steps"] == [{"model": "x/y", "weight": 1}]
    assert admin("get", f"combos/{made['id']}/")["steps"] == [{"model": "x/y", "weight": 1}]
    admin("delete", f"combos/{made['id']}/", status=204)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": []},
        {"steps": None},
        {"steps": "a"},
        {"steps": [[]]},
        {"steps": [{"model": 1}]},
        {"steps": [{"model": "a", "wait": 1}]},
        {"steps": [{"model": "a", "weight": True}]},
        {"steps": [{"model": "a", "weight": 101}]},
        {"steps": ["a b"]},
        {"steps": ["c"]},
        {"steps": ["deep"]},
        {"strategy": "best"},
        {"name": "a b"},
        {"name": "deep"},
    ],
)
def test_a_combo_that_cannot_be_is_refused(change: dict[str, object], admin: Api) -> None:
    for name, step in (("deepest", "x/y"), ("deeper", "deepest"), ("deep", "deeper")):
        admin("post", "combos/", {"name": name, "steps": [step]}, status=201)
    error = admin("post", "combos/", {"name": "c", "steps": ["a/b"]} | change, status=400)["error"]
    assert next(iter(error["fields"])).partition(".")[0] in change and Combo.objects.count() == 3


def test_a_loop_made_by_a_change_is_refused(admin: Api) -> None:
    first = admin("post", "combos/", {"name": "a", "steps": ["x/y"]}, status=201)
    admin("post", "combos/", {"name": "b", "steps": ["a"]}, status=201)
    admin("patch", f"combos/{first['id']}/", {"steps": ["b"]}, status=400)
    assert admin("get", f"combos/{first['id']}/")["steps"] == [{"model": "x/y", "weight": 1}]


def test_aliases(admin: Api) -> None:
    made = admin("post", "aliases/", {"pattern": "gpt-*", "target": "openai/gpt-4o"}, status=201)
    assert admin("patch", f"aliases/{made['id']}/", {"target": "groq/x"})["target"] == "groq/x"
    for change in ({"pattern": "gpt-*"}, {"target": "a/*"}, {"pattern": "a b"}, {"pattern": "z", "target": "z"}):
        admin("post", "aliases/", {"pattern": "q", "target": "r"} | change, status=400)
    admin("delete", f"aliases/{made['id']}/", status=204)


def test_switches(admin: Api) -> None:
    assert admin("get", "settings/") == {
        **asdict(Switches()),
        "address_mode": "block",
        "ledger_days": 400,
        "notice": "",
    }
    for change in ({"breaker_failures": 0}, {"connection_strategy": "best"}, {"max_attempts": 51}):
        admin("patch", "settings/", change, status=400)
    assert admin("patch", "settings/", {"circuit_breaker": False, "notice": "Hello"})["notice"] == "Hello"
    assert GatewaySettings.load().circuit_breaker is False and GatewaySettings.objects.count() == 1


def test_a_key_made_now_does_not_expire_at_once(admin: Api) -> None:
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    assert admin("post", "keys/", {"name": "k", "expires_at": soon}, status=201)["expires_at"] is not None


def test_permissions_of_keys_and_teams(admin: Api, team: Any) -> None:
    made = admin(
        "post", "keys/", {"name": "k", "combos": ["fast"], "providers": ["openai"], "endpoints": ["chat"]}, status=201
    )
    shown = admin("get", f"keys/{made['id']}/")
    assert (shown["combos"], shown["providers"], shown["endpoints"]) == (["fast"], ["openai"], ["chat"])
    admin("patch", f"keys/{made['id']}/", {"endpoints": ["dancing"]}, status=400)
    assert admin("patch", f"keys/{made['id']}/", {"combos": None})["combos"] is None
    access = admin("post", "team-access/", {"team": team.pk, "models": ["openai/*"]}, status=201)
    assert access == {"team": team.pk, "models": ["openai/*"], "combos": None, "providers": [], "endpoints": []}
    admin("delete", f"team-access/{team.pk}/", status=204)


def test_a_combo_without_steps_is_for_tiers_only(admin: Api) -> None:
    admin("post", "combos/", {"name": "a", "strategy": "priority"}, status=400)
    made = admin("post", "combos/", {"name": "a", "strategy": "tiers", "sticky": 1, "grants_steps": False}, status=201)
    assert made["steps"] == [] and made["grants_steps"] is False
    admin("patch", f"combos/{made['id']}/", {"strategy": "random"}, status=400)


def test_health_is_seen_and_lifted(admin: Api) -> None:
    news = [News("acme", "", "breaker", "", 5, time.time() + 30, "", time.time())]
    health.store([*news, News("#7", "m", "rest", "auth", 0, time.time() + 100, "bad key", time.time())])
    rows = admin("get", "health/")
    assert [(row["key"], row["kind"], row["words"]) for row in rows] == [
        ("rest #7 m", "auth", "bad key"), ("breaker acme", "", ""),
    ]  # fmt: skip
    assert admin("post", "health/reset/", {"keys": ["breaker acme"]}) == {"lifted": 1}
    assert admin("post", "health/reset/", {}) == {"lifted": 1} and admin("get", "health/") == []


def test_a_preview_says_what_would_happen(admin: Api, make_provider: Any, make_key: Any) -> None:
    connection = make_provider("acme", "http://127.0.0.1:9/v1", keys=("a", "b"), input_price="2").connections.first()
    health.store([News(f"#{connection.pk}", "", "rest", "auth", 0, time.time() + 100, "", time.time())])
    found = admin("post", "preview/", {"model": "acme/large"})
    assert [(row["connection"], row["why"]) for row in found["candidates"]] == [("c1", "auth"), ("c2", None)]
    assert found["candidates"][1]["input_price"] == "2.0000000000" and found["refusal"] is None
    make_key("narrow", patterns=["beta/*"])
    key = ApiKey.objects.get(name="narrow")
    assert admin("post", "preview/", {"model": "acme/large", "key": key.pk})["refusal"]["code"] == "model_not_allowed"
    admin("post", "preview/", {"model": "x", "key": 999}, status=400)


# -- proxies -------------------------------------------------------------------------------------------------
def test_a_proxy_lives_and_dies(admin: Api) -> None:
    body = {"name": "eu", "url": f"http://u:{SECRET}@10.0.0.1:3128", "is_global": True}
    made = admin("post", "proxies/", body, status=201)
    assert (made["address"], made["scheme"], made["is_global"]) == ("10.0.0.1:3128", "http", True)
    other = admin("post", "proxies/", {"name": "us", "url": "socks5h://10.0.0.2", "is_global": True}, status=201)
    assert admin("get", f"proxies/{made['id']}/")["is_global"] is False
    row = admin("post", "connections/", {"provider": "groq", "name": "main", "secret": SECRET}, status=201)
    path = f"connections/{row['id']}/"
    assert admin("get", path)["proxy_in_force"] == {"level": "global", "name": "us", "address": "10.0.0.2:1080"}
    admin("patch", "providers/groq/", {"proxy": "eu"})
    assert admin("get", path)["proxy_in_force"]["level"] == "provider"
    assert admin("patch", path, {"proxy": "direct"})["proxy_in_force"]["address"] is None
    assert admin("patch", path, {"proxy": "nowhere"}, status=400)["error"]["fields"]["proxy"]
    assert admin("patch", f"proxies/{other['id']}/", {"url": "ftp://x"}, status=400)["error"]["fields"]["url"]
    admin("delete", f"proxies/{made['id']}/", status=409)
    admin("patch", "providers/groq/", {"proxy": None})
    admin("delete", f"proxies/{made['id']}/", status=204)
    assert not admin("post", f"proxies/{other['id']}/test/", {})["ok"]


def test_lists_of_proxied_connections_ask_once_for_all(admin: Api, django_assert_max_num_queries: Any) -> None:
    admin("post", "proxies/", {"name": "eu", "url": "http://10.0.0.1:1"}, status=201)
    for number in range(4):
        admin("post", "connections/", {"provider": "groq", "name": f"n{number}", "proxy": "eu"}, status=201)
    with django_assert_max_num_queries(20):
        admin("get", "connections/")


# -- quotas --------------------------------------------------------------------------------------------------
def test_quotas_are_listed_and_asked_for_again(admin: Api) -> None:
    made = admin("post", "connections/", {"provider": "groq", "name": "main", "secret": SECRET}, status=201)
    asked = admin("post", f"connections/{made['id']}/quota/", {})
    assert asked == {"ok": False, "message": "This provider tells nothing of quotas when asked.", "windows": []}
    QuotaWindow.objects.create(
        connection_id=made["id"],
        window="day",
        family="m",
        used_percent=25,
        measured_at=timezone.now(),
        source="headers",
    )
    found = admin("get", "quotas/?provider=groq")["results"]
    assert [(row["window"], row["used_percent"], row["provider"], row["plan"]) for row in found] == [
        ("day", 25.0, "groq", "")
    ]
    assert admin("get", f"quotas/?connection={made['id'] + 1}")["count"] == 0
    admin("post", "quotas/", {}, status=405)


# -- teams and tags of connections -------------------------------------------------------------------------------
def test_connections_have_tags_and_a_team_and_are_found_by_them(admin: Api, team: Team) -> None:
    admin("post", "providers/", ACME, status=201)
    red = {"provider": "acme", "name": "red", "secret": SECRET, "team": team.pk, "tags": ["EU", "paid", "eu"]}
    made = admin("post", "connections/", red, status=201)
    assert (made["team"], made["tags"]) == (team.pk, ["eu", "paid"])
    other = admin("post", "connections/", {"provider": "acme", "name": "all"}, status=201)
    assert (other["team"], other["tags"]) == (None, [])

    def names(query: str) -> list[str]:
        return [row["name"] for row in admin("get", f"connections/?{query}")["results"]]

    assert names(f"team={team.pk}") == names("tag=EU") == ["red"] and names("tag=none") == []
    assert names("provider=acme") == ["red", "all"]
    admin("patch", f"connections/{other['id']}/", {"enabled": False, "tags": ["old"]})
    assert names("enabled=true") == ["red"] and names("enabled=false&tag=old") == ["all"]
    error = admin("patch", f"connections/{other['id']}/", {"tags": ["two words"]}, status=400)["error"]
    assert list(error["fields"]) == ["tags"]
    assert admin("patch", f"connections/{made['id']}/", {"team": None})["team"] is None
