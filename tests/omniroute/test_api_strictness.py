"""The management API ignores nothing that is sent, and says of a row what its model says."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.test import APIClient

from accounts import management_keys
from accounts.models import Team, User
from omniroute.api_routes import router
from providers import catalogue, connections, strict
from providers.models import Connection, Provider, ProviderModel, Proxy
from routing import combos, health, keys
from routing.board import News
from routing.models import Alias, Budget, Combo, IpRule, Limit, Policy, TeamAccess

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    catalogue.sync()
    client = APIClient()
    client.force_login(User.objects.create_superuser("admin@example.com"))
    return client


def refusal(reply: Any, status: int = 400) -> dict[str, list[str]]:
    assert reply.status_code == status, (reply.status_code, reply.content)
    fields: dict[str, list[str]] = reply.json()["error"]["fields"]
    return fields


def post(api: APIClient, path: str, body: object) -> Any:
    return api.post(f"/api/v1/{path}", body, format="json")


def patch(api: APIClient, path: str, body: object) -> Any:
    return api.patch(f"/api/v1/{path}", body, format="json")


# -- nothing is ignored ------------------------------------------------------------------------------------------------
def rows() -> dict[str, Any]:
    """A row of each kind, by the first part of its address."""
    team, admin = Team.objects.create(name="Red"), User.objects.get()
    combo = Combo(name="always")
    combos.store(combo, [combos.Step("groq/x")])
    made: dict[str, Any] = {
        "combos": combo,
        "users": admin,
        "teams": team,
        "memberships": team.memberships.create(user=admin),
        "management-keys": management_keys.create(admin, "k", ["read"])[0],
        "provider-models": ProviderModel.objects.create(provider_id="groq", model_id="m"),
        "connections": Connection.objects.create(provider_id="groq", name="main"),
        "proxies": Proxy.objects.create(name="out", scheme="http", address="p.example:1"),
        "aliases": Alias.objects.create(pattern="fast", target="groq/x"),
        "keys": keys.create(name="ci")[0],
        "limits": Limit.objects.create(team=team, parallel=3),
        "budgets": Budget.objects.create(scope="team", team=team, limit_usd=5),
        "ip-rules": IpRule.objects.create(network="10.0.0.0/8"),
        "team-access": TeamAccess.objects.create(team=team),
        "policies": Policy.objects.create(kind="max_tokens", settings={"tokens": 5}),
    }
    return {name: row.pk for name, row in made.items()} | {"providers": "groq", "logins": "none"}


def writing() -> list[tuple[str, str]]:
    """(verb, path) of every address that takes a body, as the schema has them."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    found = [(verb, path) for path, verbs in paths.items() for verb in verbs if verb in ("post", "patch")]
    return [(verb, path) for verb, path in found if not path.startswith("/api/v1/logins/{")]  # needs a vendor


def test_an_unknown_field_is_refused_by_name_everywhere(api: APIClient) -> None:
    ids, silent, asked = rows(), [], writing()
    assert len(asked) > 45
    for verb, path in asked:
        address = re.sub(r"\{\w+\}", str(ids.get(path.split("/")[3], "")), path)
        reply = getattr(api, verb)(address, {"bogus": 1}, format="json")
        if reply.status_code != 400 or "bogus" not in reply.json()["error"]["fields"]:
            silent.append((verb, path, reply.status_code))
    assert silent == []


def test_every_serializer_that_reads_a_body_is_strict() -> None:
    assert router().registry  # all of them are loaded
    ours = ("accounts.", "providers.", "routing.", "analytics.")

    def below(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    found = {kind for kind in below(serializers.Serializer) if kind.__module__.startswith(ours)}
    wrong = [kind for kind in found if not issubclass(kind, strict._Strict) and not kind.__name__.endswith("Filters")]
    assert len(found) > 40 and wrong == []


def test_no_number_is_too_large_to_be_answered(api: APIClient) -> None:
    """Where an address names a row by its id, and where a filter does: more than a column holds."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    asked = []
    for path, verbs in paths.items():
        address = re.sub(r"\{\w+\}", "9" * 24, path)
        filters = [it["name"] for it in verbs.get("get", {}).get("parameters", ()) if it["in"] == "query"]
        asked += [f"{address}?{name}={2**63}" for name in filters]
        asked += [address] if address != path and "get" in verbs else []
    assert len(asked) > 70
    api.raise_request_exception = False
    assert [address for address in asked if api.get(address).status_code >= 500] == []


@pytest.mark.parametrize("body", [{"bogus": 1}, {"key": "a"}, {"provider": "acme"}, {"keys": []}, {"keys": None}])
def test_a_reset_that_says_something_else_lifts_nothing(body: dict[str, Any], api: APIClient) -> None:
    health.store([News("groq", "", "breaker", "", 5, time.time() + 30, "", time.time())])
    held = len(api.get("/api/v1/health/").json())
    assert set(refusal(post(api, "health/reset/", body))) == set(body)
    assert len(api.get("/api/v1/health/").json()) == held == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({"ids": []}, "ids"), ({"ids": [99999]}, "ids"), ({"ids": [10**30]}, "ids.0"), ({"provider": "zz"}, "provider")],
)
def test_tests_of_nothing_in_particular_are_refused(
    body: dict[str, Any], field: str, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(connections, "test_soon", lambda rows: asked.append(rows) or len(rows))
    mine = Connection.objects.create(provider_id="groq", name="main")
    assert list(refusal(post(api, "connections/test/", body))) == [field]
    other = {"ids": [mine.pk], "provider": "openai"}
    assert "openai" in str(refusal(post(api, "connections/test/", other))["ids"])
    assert asked == []
    good = {"ids": [mine.pk], "provider": "groq"}
    assert post(api, "connections/test/", good).json() == {"testing": 1}


# -- changes are judged by the model -----------------------------------------------------------------------------------
@pytest.mark.parametrize("whose", ["nobody", "team", "key"])
def test_a_policy_is_switched_off_and_on(whose: str, api: APIClient) -> None:
    owner = {"team": Team.objects.create(name="Red").pk} if whose == "team" else {}
    owner |= {"key": keys.create(name="ci")[0].pk} if whose == "key" else {}
    body = {"kind": "max_tokens", "settings": {"tokens": 5}, **owner}
    row = post(api, "policies/", body).json()["id"]
    for change in ({"enabled": False}, {"enabled": True}, {"settings": {"tokens": 7}}, body):
        assert patch(api, f"policies/{row}/", change).status_code == 200
    assert "There is a policy of this kind" in post(api, "policies/", body).json()["error"]["message"]
    other = post(api, "policies/", {**body, "kind": "thinking", "settings": {"mode": "auto"}})
    refusal(patch(api, f"policies/{other.json()['id']}/", {"kind": "max_tokens", "settings": {"tokens": 1}}))


def test_every_row_takes_back_what_it_shows(api: APIClient) -> None:
    """Each field that may be set, set to what it is: nothing may be in the way of a change."""
    ids = rows()
    for name in (set(ids) - {"users", "providers", "logins", "management-keys"}) | {"settings", "cache-settings"}:
        address = f"/api/v1/{name}/{ids[name]}/" if name in ids else f"/api/v1/{name}/"
        for field, value in api.get(address).json().items():
            reply = api.patch(address, {field: value}, format="json")
            fixed = "This field cannot be set here." in reply.content.decode()
            assert reply.status_code == 200 or fixed, (name, field, reply.content)


@pytest.mark.parametrize("body", [{"team": 1}, {"api_key": None}, {"user": 1}, {"scope": "key"}])
def test_whose_a_limit_or_a_budget_is_stays(body: dict[str, Any], api: APIClient) -> None:
    ids = rows()
    for name in ("limits", "budgets"):
        before = api.get(f"/api/v1/{name}/{ids[name]}/").json()
        assert set(refusal(patch(api, f"{name}/{ids[name]}/", body))) == set(body)
        assert api.get(f"/api/v1/{name}/{ids[name]}/").json() == before


def test_what_is_taken_is_said_so(api: APIClient) -> None:
    ids = rows()
    team = ids["teams"]
    day = post(api, "budgets/", {"scope": "team", "team": team, "period": "daily", "limit_usd": 1})
    rule = post(api, "ip-rules/", {"network": "192.0.2.0/24", "action": "block"})
    assert rule.json()["action"] == "block" and rule.json()["allow"] is False
    for verb, path, body, said in (
        ("patch", f"budgets/{day.json()['id']}", {"period": "monthly"}, "such a budget for this period"),
        ("post", "budgets", {"scope": "team", "team": team, "limit_usd": 1}, "such a budget for this period"),
        ("patch", f"ip-rules/{rule.json()['id']}", {"network": "10.1.2.3/8"}, "such a rule for this network"),
        ("post", "ip-rules", {"network": "10.0.0.0/8", "action": "block"}, "such a rule for this network"),
        ("post", "limits", {"team": team, "parallel": 1}, "already exists"),
        ("post", "team-access", {"team": team}, "already exists"),
        ("post", "aliases", {"pattern": "fast", "target": "b"}, "already exists"),
        ("post", "provider-models", {"provider": "groq", "model_id": "m"}, "already exists"),
    ):
        reply = {"post": post, "patch": patch}[verb](api, f"{path}/", body)
        refusal(reply)
        assert said in reply.json()["error"]["message"], (path, reply.content)


def test_the_words_of_the_file_are_the_apis(api: APIClient) -> None:
    team = Team.objects.create(name="Red")
    assert "scope" in refusal(post(api, "limits/", {"scope": "user", "team": team.pk, "parallel": 1}))
    made = post(api, "limits/", {"scope": "team", "team": team.pk, "parallel": 1})
    assert made.status_code == 201 and made.json()["scope"] == "team"
    assert post(api, "ip-rules/", {"network": "10.0.0.1", "action": "allow"}).json()["allow"] is True
    assert post(api, "ip-rules/", {"network": "10.0.0.2", "allow": True}).json()["action"] == "allow"
    assert "action" in refusal(post(api, "ip-rules/", {"network": "10.0.0.3", "allow": True, "action": "block"}))


# -- names that would never be found -----------------------------------------------------------------------------------
def test_keys_and_teams_name_providers_that_are_there(api: APIClient) -> None:
    Provider.objects.create(id="acme", base_url="https://acme.example/v1", format="openai_chat")
    team = Team.objects.create(name="Red")
    for path, body in (("keys", {"name": "ci"}), ("team-access", {"team": team.pk})):
        wrong = refusal(post(api, f"{path}/", {**body, "providers": ["groq", "gorq"]}))
        assert "gorq" in wrong["providers"][0]
        assert post(api, f"{path}/", {**body, "providers": ["groq", "acme"]}).status_code == 201
    key = api.get("/api/v1/keys/").json()["results"][0]["id"]
    Provider.objects.get(pk="acme").delete()
    kept = patch(api, f"keys/{key}/", {"providers": ["acme", "openai"]})
    assert kept.json()["providers"] == ["acme", "openai"]  # it was named before it went
    assert "gorq" in str(refusal(patch(api, f"keys/{key}/", {"providers": ["gorq"]})))


@pytest.mark.parametrize("name", ["../x", "a/../b", "a/b../c"])
def test_a_name_that_cannot_be_asked_for_is_refused(name: str, api: APIClient) -> None:
    assert "name" in refusal(post(api, "combos/", {"name": name, "steps": ["groq/x"]}))
    assert "pattern" in refusal(post(api, "aliases/", {"pattern": name, "target": "groq/x"}))


def test_nothing_is_added_to_what_has_ended(api: APIClient) -> None:
    assert "ended" in refusal(post(api, "provider-models/", {"provider": "iflow", "model_id": "m"}))["provider"][0]
