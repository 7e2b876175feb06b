"""The preview says what the gateway then does, for whoever asks, and takes nothing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Membership, Role, Team, User
from analytics import ledger
from analytics.models import LedgerLine
from providers.models import Connection
from routing import keys, publish
from routing.combos import Step, store_sound
from routing.models import ApiKey, Budget, Combo, GatewaySettings, IpRule, Limit, Policy, TeamAccess
from routing.state import Claim, Shared, Slot, Window
from tests import simulator as sim
from tests.routing.conftest import Client, same_day


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Any:
    make_provider("acme", upstream.url, alias="ac", input_price="0", output_price="1000")
    client = Client(gateway, make_key())
    gateway.settle()
    yield client
    client.http.close()


def previewed(by: User, status: int = 200, **asked: Any) -> Any:
    api = APIClient()
    api.force_login(by)
    reply = api.post("/api/v1/preview/", {"model": "acme/large", **asked}, format="json")
    assert reply.status_code == status, reply.content
    return reply.json()


def boss() -> User:
    return User.objects.create_superuser("boss@example.com")


def used_up(**whose: Any) -> Budget:
    same_day()
    row = Budget.objects.create(limit_usd=Decimal("0.5"), period="daily", **whose)
    ledger.adjust(row.pk, Decimal("0.5"), "used up", timezone.now())
    return row


def spend_key() -> None:
    used_up(scope="key", api_key=ApiKey.objects.get())


def spend_team() -> None:
    team = Team.objects.create(name="Red")
    ApiKey.objects.update(team=team)
    used_up(scope="team", team=team)


def spend_provider() -> None:
    used_up(scope="provider", provider_id="acme")


def spend_everything() -> None:
    used_up(scope="global")


def too_dear() -> None:
    """4,096 tokens of an answer without a limit would cost more than is left."""
    Budget.objects.create(limit_usd=Decimal("4"), period="total", scope="key", api_key=ApiKey.objects.get())


def switch_off() -> None:
    ApiKey.objects.update(enabled=False)


def end() -> None:
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def stop_owner() -> None:
    ApiKey.objects.update(owner=User.objects.create_user("gone@example.com", is_active=False))


def only_embeddings() -> None:
    ApiKey.objects.update(endpoints=["embeddings"])


def teams_embeddings() -> None:
    team = Team.objects.create(name="Red")
    ApiKey.objects.update(team=team)
    TeamAccess.objects.create(team=team, endpoints=["embeddings"])


@pytest.mark.parametrize(
    "change",
    [
        spend_key, spend_team, spend_provider, spend_everything, too_dear,
        switch_off, end, stop_owner, only_embeddings, teams_embeddings,
    ],
)  # fmt: skip
def test_it_refuses_as_the_gateway_does(client: Client, upstream: Any, change: Any) -> None:
    admin, key = boss(), ApiKey.objects.get()
    assert previewed(admin, key=key.pk)["refusal"] is None
    change()
    publish.bump()
    client.gateway.settle()
    found = previewed(admin, key=key.pk)["refusal"]
    refused = client.chat()
    assert found is not None and refused.status_code == found["status"] >= 400
    assert (found["code"], found["message"]) == (refused.json()["error"]["code"], refused.json()["error"]["message"])
    if "retry-after" in refused.headers:
        assert abs(found["retry_after"] - int(refused.headers["retry-after"])) < 5
    assert upstream.count == 0


def test_it_says_which_candidates_a_budget_keeps_away(client: Client, make_provider: Any, upstream: Any) -> None:
    make_provider("beta", upstream.url)  # unpriced
    make_provider("flat", upstream.url, tier="free")
    store_sound(Combo(name="all", strategy="priority"), [Step("acme/large"), Step("beta/large"), Step("flat/large")])
    spend_key()
    found = previewed(boss(), model="all", key=ApiKey.objects.get().pk)
    whys = [(row["provider"], row["why"]) for row in found["candidates"]]
    assert whys == [("acme", "budget_exceeded"), ("beta", "model_without_price"), ("flat", None)]
    assert 0 < found["candidates"][0]["seconds"] <= 86400 and found["candidates"][1]["seconds"] is None
    assert found["refusal"] is None, "somebody can be asked"


def test_looking_takes_nothing(client: Client) -> None:
    key = ApiKey.objects.get()
    Budget.objects.create(limit_usd=Decimal("5"), period="total", scope="key", api_key=key)
    Limit.objects.create(api_key=key, requests_per_minute=1)
    client.gateway.settle()
    admin = boss()
    assert [previewed(admin, key=key.pk)["refusal"] for _ in range(5)] == [None] * 5
    assert client.chat(max_tokens=4000).status_code == 200, "neither the limit nor the budget was touched"
    assert LedgerLine.objects.exclude(kind="settle").count() == 0


# -- what holds for the caller ----------------------------------------------------------------------------------------
def same_refusal(found: Any, refused: Any) -> None:
    assert found is not None and refused.status_code == found["status"]
    assert (found["code"], found["message"]) == (refused.json()["error"]["code"], refused.json()["error"]["message"])
    if "retry-after" in refused.headers:
        assert abs(found["retry_after"] - int(refused.headers["retry-after"])) < 5


@pytest.mark.parametrize(
    "figures", [{"requests_per_minute": 2}, {"tokens_per_minute": 6000}], ids=["requests", "tokens"]
)
@pytest.mark.parametrize("model", ["acme/large", "acme/none"])
def test_a_reached_limit_refuses(client: Client, upstream: Any, figures: Any, model: str) -> None:
    """As the gateway does: also a request for something that is not there."""
    upstream.plays(*[sim.chat("x", usage=sim.Tokens(1000, 1998))] * 2)
    admin, key = boss(), ApiKey.objects.get()
    Limit.objects.create(api_key=key, **figures)
    client.gateway.settle()
    for number in range(2):
        assert client.chat().status_code == 200
        client.gateway.records(number + 1)
    found = previewed(admin, model=model, key=key.pk)
    same_refusal(found["refusal"], client.chat(model=model))
    counts = "requests_per_minute" in figures or model == "acme/large"  # who is not there takes no tokens
    assert found["refusal"]["code"] == ("rate_limit_exceeded" if counts else "model_not_found")
    assert len(found["candidates"]) == (model == "acme/large")
    (level,) = found["limits"]
    used = 2 if "requests_per_minute" in figures else 5996
    assert (level["whose"], level["used"], level["left"]) == ("key 'test'", used, level["limit"] - used)
    assert 0 < level["reset_seconds"] <= 61


def test_requests_that_run_are_counted(client: Client, upstream: Any) -> None:
    admin, key, team = boss(), ApiKey.objects.get(), Team.objects.create(name="Red")
    ApiKey.objects.update(team=team)
    Limit.objects.create(api_key=key, requests_per_minute=50)
    Limit.objects.create(team=team, parallel=1)
    client.gateway.settle()
    act = sim.chat("x").hold()
    upstream.plays(act)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.chat)
        upstream.next_request()
        found = previewed(admin, key=key.pk)
        same_refusal(found["refusal"], client.chat())
        act.release()
        assert running.result(20).status_code == 200
    rows = [(row["whose"], row["kind"], row["used"], row["left"]) for row in found["limits"]]
    assert rows == [("key 'test'", "requests", 1, 49), ("team 'Red'", "parallel", 1, 0)]
    client.gateway.records(2)
    assert previewed(admin, key=key.pk)["refusal"] is None
    assert [row["used"] for row in previewed(admin, team=team.pk, user=admin.pk)["limits"]] == [0]


def test_who_may_not_come_in_is_told_that_and_not_of_limits(client: Client) -> None:
    admin, key = boss(), ApiKey.objects.get()
    Limit.objects.create(api_key=key, requests_per_minute=1)
    client.gateway.settle()
    assert client.chat().status_code == 200
    switch_off()
    publish.bump()
    client.gateway.settle()
    same_refusal(previewed(admin, key=key.pk)["refusal"], client.chat())


def test_addresses(client: Client, upstream: Any) -> None:
    admin, key = boss(), ApiKey.objects.get()
    limit, ban = GatewaySettings.objects.get(), timezone.now() + timedelta(hours=1)
    here = {"key": key.pk, "address": "127.0.0.1"}
    limit.requests_per_address = 2
    limit.save()
    client.gateway.settle()
    assert [client.chat().status_code for _ in range(2)] == [200, 200]
    found = previewed(admin, **here)
    same_refusal(found["refusal"], client.chat())
    assert [(row["whose"], row["used"], row["left"]) for row in found["limits"]] == [("this address", 2, 0)]
    assert previewed(admin, key=key.pk, address="::ffff:192.0.2.1")["limits"][0]["used"] == 0
    assert previewed(admin, key=key.pk)["limits"] == [] and previewed(admin, key=key.pk)["refusal"] is None
    for row in (IpRule(network="127.0.0.0/8", reason="tests"), IpRule(network="127.0.0.1", until=ban)):
        row.save()
        client.gateway.settle()
        same_refusal(previewed(admin, **here)["refusal"], client.chat())
    assert previewed(admin, key=key.pk, address="192.0.2.1")["refusal"] is None
    assert list(previewed(admin, 400, key=key.pk, address="nowhere")["error"]["fields"]) == ["address"]


def test_addresses_are_for_who_may_see_their_rules(client: Client) -> None:
    ada = User.objects.create_user("ada@example.com")
    fields = previewed(ada, 400, user=ada.pk, address="127.0.0.1")["error"]["fields"]
    assert fields == {"address": ["You may not see the rules for addresses."]}


def test_budgets_stand_beside_what_they_keep_away(client: Client, make_provider: Any, upstream: Any) -> None:
    make_provider("flat", upstream.url, tier="free")
    store_sound(Combo(name="all", strategy="priority"), [Step("acme/large"), Step("flat/large")])
    same_day()
    admin, key = boss(), ApiKey.objects.get()
    Budget.objects.create(scope="global", period="total", limit_usd=Decimal("50"), hard=False)
    Budget.objects.create(scope="provider", provider_id="acme", period="total", limit_usd=Decimal("9"))
    mine = Budget.objects.create(scope="key", api_key=key, period="daily", limit_usd=Decimal("5"))
    client.gateway.settle()
    act = sim.chat("x", usage=sim.Tokens(0, 1000)).hold()
    upstream.plays(act)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.chat, max_tokens=2000)
        upstream.next_request()
        found = previewed(admin, model="all", key=key.pk)
        act.release()
        assert running.result(20).status_code == 200
    assert found["refusal"] is None and [row["why"] for row in found["candidates"]] == ["budget_exceeded", None]
    rows = {row["whose"]: row for row in found["budgets"]}
    assert list(rows) == ["key 'test'", "everybody", "provider 'acme'"]
    row = rows["key 'test'"]
    figures = [Decimal(row[f"{name}_usd"]) for name in ("limit", "spent", "reserved", "left")]
    assert figures == [5, 0, 2, 3]
    assert (row["id"], row["hard"], row["used_up"], row["keeps_away"]) == (mine.pk, True, False, ["acme/large"])
    assert row["begin"] < timezone.now().isoformat() < row["end"]
    assert rows["everybody"]["keeps_away"] == rows["provider 'acme'"]["keeps_away"] == []
    assert rows["everybody"]["end"] is None


def test_figures_of_budgets_are_for_who_may_see_them(client: Client) -> None:
    ada, team = User.objects.create_user("ada@example.com"), Team.objects.create(name="Red")
    Membership.objects.create(user=ada, team=team, role=Role.MEMBER)
    used_up(scope="team", team=team)
    Budget.objects.create(scope="user", user=ada, period="total", limit_usd=Decimal("9"))
    found = {row["whose"]: row for row in previewed(ada, user=ada.pk, team=team.pk)["budgets"]}
    assert Decimal(found["user 'ada@example.com'"]["left_usd"]) == 9
    hidden = found["team 'Red'"]
    assert {hidden[f"{name}_usd"] for name in ("limit", "spent", "reserved", "left")} == {None}
    assert hidden["used_up"] and hidden["keeps_away"] == ["acme/large"]
    assert {row["whose"] for row in previewed(boss())["budgets"]} == set()


def test_policies_that_hold(client: Client) -> None:
    admin, key, team = boss(), ApiKey.objects.get(), Team.objects.create(name="Red")
    ApiKey.objects.update(team=team)
    other, _text = keys.create(name="other")
    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("guard", {"mode": "block"}, {}),
        ("guard", {"mode": "warn"}, {"team": team}),
        ("system_prompt", {"before": "Be brief."}, {}),
        ("system_prompt", {"before": "Be kind."}, {"api_key": key}),
        ("max_tokens", {"mode": "nonsense"}, {"api_key": key}),
        ("redaction", {}, {"api_key": other}),
    ]
    for kind, settings, whose in rows:
        Policy.objects.create(kind=kind, settings=settings, **whose)
    Policy.objects.create(kind="redaction", enabled=False)
    shown = [(row["kind"], row["scope"], row["name"]) for row in previewed(admin, key=key.pk)["policies"]]
    assert shown == [("guard", "team", "Red"), ("system_prompt", "key", "test"), ("system_prompt", "all", "")]
    live = next(iter(caller for caller in publish.build().callers.values() if caller.key_id == key.pk))
    assert [rule.kind for rule in live.policies] == [kind for kind, _, _ in shown]
    nobody = [(row["kind"], row["scope"]) for row in previewed(admin)["policies"]]
    assert nobody == [("guard", "all"), ("system_prompt", "all")]


@pytest.mark.services
def test_what_counts_in_other_processes_counts_here(client: Client, own_redis: Any) -> None:
    """Two states of one Redis stand for two web processes."""
    gateway = client.gateway.runtime.gateway
    loop = client.gateway.runtime._loop
    admin, key = boss(), ApiKey.objects.get()
    row = Limit.objects.create(api_key=key, requests_per_minute=5, parallel=2)
    client.gateway.settle()
    here, there = Shared(own_redis.url, timeout=5), Shared(own_redis.url, timeout=5)

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    for state in (here, there):
        do(state.start())
    before, gateway.purses.state = gateway.purses.state, here
    try:
        claim = Claim("x", (Window(f"r:key:{key.pk}", 5, 4),), (Slot(f"p:key:{key.pk}", 2),))
        assert do(there.take(claim)).why is None
        shown = [(level["kind"], level["used"], level["left"]) for level in previewed(admin, key=key.pk)["limits"]]
        assert shown == [("requests", 4, 1), ("parallel", 1, 1)]
        api = APIClient()
        api.force_login(admin)
        for place in (f"/api/v1/limits/{row.pk}/", "/api/v1/limits/"):
            told = api.get(place).json()
            standing = (told["results"][0] if "results" in told else told)["standing"]
            assert 0 < standing["requests"].pop("reset_seconds") <= 61
            assert standing["requests"] == {"limit": 5, "used": 4, "left": 1} and standing["tokens"] is None
            assert standing["parallel"] == {"limit": 2, "used": 1, "left": 1, "reset_seconds": None}
    finally:
        gateway.purses.state = before
        for state in (here, there):
            do(state.aclose())


# -- whom it is for ---------------------------------------------------------------------------------------------------
def test_a_user_without_a_key(client: Client) -> None:
    admin = boss()
    ada, team = User.objects.create_user("ada@example.com"), Team.objects.create(name="Red")
    Membership.objects.create(user=ada, team=team, role=Role.MEMBER)
    TeamAccess.objects.create(team=team, model_patterns=["other/*"])
    assert previewed(admin, user=ada.pk)["refusal"] is None
    assert previewed(admin, user=ada.pk, team=team.pk)["refusal"]["code"] == "model_not_allowed"
    used_up(scope="user", user=ada)
    assert previewed(admin, user=ada.pk)["refusal"]["code"] == "budget_exceeded"
    assert previewed(ada, user=ada.pk)["refusal"]["message"].startswith("The daily budget of user 'ada@example.com'")
    assert previewed(admin)["refusal"] is None
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert previewed(admin, user=ada.pk)["refusal"]["status"] == 401


def test_teams_own_connections_are_for_their_users(client: Client) -> None:
    admin, team = boss(), Team.objects.create(name="Red")
    Connection.objects.update(team=team)
    assert previewed(admin, user=admin.pk)["refusal"]["code"] == "no_connection_for_key"
    assert previewed(admin, user=admin.pk, team=team.pk)["refusal"] is None


def test_who_may_look_for_whom(client: Client) -> None:
    ada, bob = User.objects.create_user("ada@example.com"), User.objects.create_user("bob@example.com")
    team = Team.objects.create(name="Red")
    Membership.objects.create(user=ada, team=team, role=Role.OWNER)
    Membership.objects.create(user=bob, team=team, role=Role.VIEWER)
    key, _text = keys.create(name="bobs", owner=bob, team=team)

    def fields(by: User, **asked: Any) -> list[str]:
        return list(previewed(by, 400, **asked)["error"]["fields"])

    assert previewed(bob, user=bob.pk)["candidates"] and previewed(bob, key=key.pk, user=bob.pk)["candidates"]
    assert previewed(ada, user=bob.pk, team=team.pk)["candidates"], "she makes keys for her team's people"
    assert fields(bob) == ["key"]
    assert fields(bob, user=ada.pk) == ["user"] == fields(ada, user=bob.pk)
    assert fields(bob, user=bob.pk, team=team.pk) == ["team"], "viewers make no keys for a team"
    assert fields(bob, key=ApiKey.objects.get(owner=None).pk) == ["key"]
    assert fields(bob, user=999) == ["user"] and fields(bob, key=key.pk, user=ada.pk) == ["user"]
    other = Team.objects.create(name="Blue")
    assert fields(bob, user=bob.pk, team=other.pk) == ["team"]
    assert fields(boss(), key=key.pk, team=other.pk) == ["team"]


def test_what_cannot_be_asked(client: Client) -> None:
    admin = boss()
    assert previewed(admin, 400, surprise=1)["error"]["fields"] == {"surprise": ["There is no such field."]}
    assert list(previewed(admin, 400, operation="nonsense")["error"]["fields"]) == ["operation"]
    assert previewed(admin, 400, user="ada")["error"]["fields"].keys() == {"user"}


def test_operations(client: Client, make_provider: Any, upstream: Any) -> None:
    make_provider("claude", upstream.url, format="anthropic")
    admin, key = boss(), ApiKey.objects.get()
    ApiKey.objects.update(endpoints=["embeddings", "count"])
    used_up(scope="key", api_key=key)
    assert previewed(admin, key=key.pk, operation="count")["refusal"] is None, "counting costs nothing"
    Budget.objects.all().delete()
    assert previewed(admin, key=key.pk, operation="embeddings")["refusal"] is None
    none = previewed(admin, key=key.pk, operation="embeddings", model="claude/large")["refusal"]
    assert (none["status"], none["code"]) == (400, "unsupported_operation")
