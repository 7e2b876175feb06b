"""The preview says what the gateway then does, for whoever asks, and takes nothing."""

from __future__ import annotations

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
from routing.models import ApiKey, Budget, Combo, Limit, TeamAccess
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
