"""Limits and rules for addresses on their pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from routing import keys, levels, spending
from routing.models import ApiKey, Budget, IpRule, Limit

pytestmark = pytest.mark.django_db
FIGURES = {"requests_per_minute": "60", "tokens_per_minute": "", "parallel": "4"}
KEY = {"name": "ci", "patterns": "*"}
ADDRESSES = "/dashboard/addresses/"
LIMITS = "/dashboard/limits/"


@pytest.fixture
def admin(admin_user: Any, client: Client) -> Client:
    client.force_login(admin_user)
    return client


def errors(reply: Any) -> dict[str, list[str]]:
    assert reply.status_code == 200
    return {name: [str(error) for error in found] for name, found in reply.context["form"].errors.items()}


def figures() -> list[tuple[Any, ...]]:
    return [(row.scope, row.requests_per_minute, row.tokens_per_minute, row.parallel) for row in Limit.objects.all()]


def test_a_key_is_made_and_changed_with_its_limits(admin: Client) -> None:
    assert admin.post("/dashboard/keys/new/", KEY | FIGURES).status_code == 200
    place = f"/dashboard/keys/{ApiKey.objects.get().pk}/"
    assert figures() == [("key", 60, None, 4)]
    assert 'value="60"' in admin.get(place).content.decode()
    assert admin.post(place, KEY | FIGURES | {"tokens_per_minute": "9000", "parallel": ""}).status_code == 302
    assert figures() == [("key", 60, 9000, None)]
    assert list(errors(admin.post(place, KEY | FIGURES | {"parallel": "0"}))) == ["parallel"]
    assert list(errors(admin.post(place, KEY | FIGURES | {"tokens_per_minute": "9" * 12}))) == ["tokens_per_minute"]
    assert figures() == [("key", 60, 9000, None)]
    assert admin.post(place, KEY | dict.fromkeys(FIGURES, "")).status_code == 302
    assert figures() == []


def test_who_holds_a_key_reads_its_limits_and_does_not_set_them(client: Client, member: Any, team: Any) -> None:
    key, _ = keys.create(name="ci", owner=member, team=team)
    Limit.objects.create(api_key=key, requests_per_minute=77)
    Limit.objects.create(team=team, parallel=88)
    client.force_login(member)
    place = f"/dashboard/keys/{key.pk}/"
    page = client.get(place).content.decode()
    assert ">77<" in page and ">88<" in page and "name=requests_per_minute" not in page.replace('"', "")
    assert client.post(place, KEY | FIGURES).status_code == 302
    assert client.post("/dashboard/keys/new/", KEY | FIGURES).status_code == 200
    assert figures() == [("key", 77, None, None), ("team", None, None, 88)]
    for path in (f"teams/{team.pk}", f"users/{member.pk}"):
        assert client.get(f"/dashboard/people/{path}/limits/").status_code == 403
        assert client.post(f"/dashboard/people/{path}/limits/", FIGURES).status_code == 403


@pytest.mark.parametrize("scope", ["team", "user"])
def test_a_team_s_and_a_user_s(admin: Client, scope: str, member: Any, team: Any) -> None:
    row = {"team": team, "user": member}[scope]
    Budget.objects.create(scope=scope, period="weekly", limit_usd=1, **{scope: row})
    place = f"/dashboard/people/{scope}s/{row.pk}/limits/"
    assert place in admin.get("/dashboard/people/").content.decode()
    page = admin.get(place).content.decode()
    assert "Weekly" in page and f"?for={scope}:{row.pk}" in page
    assert list(errors(admin.post(place, FIGURES | {"requests_per_minute": "-1"}))) == ["requests_per_minute"]
    assert admin.post(place, FIGURES).status_code == 302
    assert figures() == [(scope, 60, None, 4)]
    assert (scope, row.pk) in spending.live_limits()
    assert admin.post(place, dict.fromkeys(FIGURES, "")).status_code == 302
    assert figures() == []


def test_all_limits_on_one_page(admin: Client, member: Any, team: Any) -> None:
    assert "No limit yet" in admin.get(LIMITS).content.decode()
    key, _ = keys.create(name="ci", owner=member)
    for whose in (f"key:{key.pk}", f"user:{member.pk}", f"team:{team.pk}"):
        assert admin.post(f"{LIMITS}new/", FIGURES | {"whose": whose}).status_code == 302
        again = errors(admin.post(f"{LIMITS}new/", FIGURES | {"whose": whose}))
        assert again == {"whose": ["There is no such choice any more."]}
    assert sorted(figures()) == [("key", 60, None, 4), ("team", 60, None, 4), ("user", 60, None, 4)]
    page = admin.get(LIMITS).content.decode()
    assert [name in page for name in ("ci (", member.email, "Research")] == [True] * 3 and page.count("60</bdi>") == 3
    for row in Limit.objects.all():
        assert admin.get(f"{LIMITS}{row.pk}/").status_code == 200
        assert admin.post(f"{LIMITS}{row.pk}/", FIGURES | {"requests_per_minute": "7"}).status_code == 302
    assert {row[1] for row in figures()} == {7}
    for row in Limit.objects.all():
        assert admin.get(f"{LIMITS}{row.pk}/delete/").status_code == 200
        assert admin.post(f"{LIMITS}{row.pk}/delete/").status_code == 302
    assert figures() == []


def test_limits_that_limit_nothing_are_not_made(admin: Client, team: Any) -> None:
    empty = dict.fromkeys(FIGURES, "")
    assert list(errors(admin.post(f"{LIMITS}new/", empty | {"whose": f"team:{team.pk}"}))) == ["__all__"]
    assert errors(admin.post(f"{LIMITS}new/", FIGURES | {"whose": ""})) == {"whose": ["Say whose limits they are."]}
    assert list(errors(admin.post(f"{LIMITS}new/", FIGURES | {"whose": "tier:cheap"}))) == ["whose"]
    assert not Limit.objects.exists()


def test_others_may_not_see_the_limits_of_all(client: Client, member: Any, team: Any) -> None:
    row = Limit.objects.create(team=team, parallel=1)
    client.force_login(member)
    for place in (LIMITS, f"{LIMITS}new/", f"{LIMITS}{row.pk}/", f"{LIMITS}{row.pk}/delete/"):
        assert (client.get(place).status_code, client.post(place, FIGURES).status_code) == (403, 403)
    assert figures() == [("team", None, None, 1)]


@pytest.mark.django_db(transaction=True)
def test_what_counts_now_stands_beside_the_limit(
    gateway: Any, upstream: Any, admin_user: Any, team: Any, make_provider: Any
) -> None:
    make_provider("acme", upstream.url)
    key, text = keys.create(name="ci", owner=admin_user, team=team)
    Limit.objects.create(api_key=key, requests_per_minute=60)
    Limit.objects.create(team=team, tokens_per_minute=9000, parallel=3)
    gateway.settle()
    with httpx.Client(base_url=gateway.root, headers={"Authorization": f"Bearer {text}"}) as caller:
        for _ in range(2):
            body = {"model": "acme/large", "messages": [{"role": "user", "content": "Hello"}]}
            assert caller.post("/v1/chat/completions", json=body).status_code == 200
    spent = sum(row.input_tokens + row.output_tokens for row in gateway.records(2))
    used = [
        {kind: level.used for kind, level in found.items()}
        for found in levels.of_rows(Limit.objects.order_by("pk")).values()
    ]
    assert used == [{"requests": 2}, {"tokens": spent, "parallel": 0}] and spent
    browser = Client()
    browser.force_login(admin_user)
    for place in (LIMITS, f"/dashboard/keys/{key.pk}/"):
        page = browser.get(place).content.decode()
        assert "2 / 60" in page and f"{spent} / 9,000" in page and "0 / 3" in page and "resets in" in page
    assert levels.of_rows(Limit.objects.filter(api_key=key))[Limit.objects.get(api_key=key).pk]["requests"].used == 2


def test_rules_for_addresses_are_added_and_deleted(admin: Client) -> None:
    assert "No rule yet" in admin.get(ADDRESSES).content.decode()
    end = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert (
        admin.post(
            ADDRESSES, {"network": "::ffff:203.0.113.7", "allow": "0", "until": end, "reason": "scans"}
        ).status_code
        == 302
    )
    assert admin.post(ADDRESSES, {"network": "10.1.2.3/8", "allow": "1"}).status_code == 302
    found = {row.network: (row.allow, row.until is not None, row.reason) for row in IpRule.objects.all()}
    assert found == {"203.0.113.7/32": (False, True, "scans"), "10.0.0.0/8": (True, False, "")}
    IpRule.objects.filter(reason="scans").update(until=timezone.now() - timedelta(seconds=1))
    page = admin.get(ADDRESSES).content.decode()
    assert "scans" in page and ">over<" in page and ">allowed<" in page and "for good" in page
    for row in IpRule.objects.all():
        assert admin.get(f"{ADDRESSES}{row.pk}/delete/").status_code == 405
        assert admin.post(f"{ADDRESSES}{row.pk}/delete/").status_code == 302
    assert not IpRule.objects.exists()


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"network": ""}, "network", "Name an address or a network."),
        ({"network": "10.0.0.0/99"}, "network", "This is no network"),
        ({"network": "10.9.9.9/8"}, "__all__", "such a rule"),
        ({"until": "2020-01-01T00:00"}, "until", "This moment is in the past."),
        ({"allow": "1", "until": "2090-01-01T00:00"}, "until", "Only a block can end."),
        ({"allow": "2"}, "allow", "2 is not one of the available choices"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(admin: Client, said: Any, field: str, words: str) -> None:
    IpRule.objects.create(network="10.0.0.0/8")
    found = errors(admin.post(ADDRESSES, {"network": "192.0.2.1", "allow": "0"} | said))
    assert list(found) == [field] and words in found[field][0]
    assert IpRule.objects.count() == 1


def test_others_may_not_see_rules_for_addresses(client: Client, member: Any) -> None:
    row = IpRule.objects.create(network="10.0.0.0/8")
    client.force_login(member)
    assert client.get(ADDRESSES).status_code == 403
    assert client.post(ADDRESSES, {"network": "192.0.2.1", "allow": "0"}).status_code == 403
    assert client.post(f"{ADDRESSES}{row.pk}/delete/").status_code == 403
    assert IpRule.objects.count() == 1
