"""Budgets made, changed and deleted on their pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics import ledger
from providers import catalogue
from routing import keys
from routing.models import Budget

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_day")]
NEW = "/dashboard/budgets/new/"
SAID = {
    "limit_usd": "12.5",
    "period": "weekly",
    "time_zone": "Asia/Tokyo",
    "hard": "on",
    "notify_at": "70",
    "enabled": "on",
}


@pytest.fixture
def admin(admin_user: Any, client: Client) -> Client:
    client.force_login(admin_user)
    return client


def errors(reply: Any) -> dict[str, list[str]]:
    assert reply.status_code == 200
    return {name: [str(error) for error in found] for name, found in reply.context["form"].errors.items()}


def test_a_budget_for_everything_it_can_be_for(admin: Client, team: Any, member: Any) -> None:
    catalogue.sync()
    key, _ = keys.create(name="ci")
    whose = [f"key:{key.pk}", f"user:{member.pk}", f"team:{team.pk}", "provider:openai", "tier:api_key", "global"]
    page = admin.get(f"{NEW}?for=team:{team.pk}").content.decode()
    assert f'<option value="team:{team.pk}" selected' in page
    assert "tier:subscription" not in page and "tier:free" not in page
    for one in whose:
        assert admin.post(NEW, SAID | {"whose": one}).status_code == 302, one
    found = [(row.scope, row.subject) for row in Budget.objects.order_by("id")]
    assert [scope for scope, _subject in found] == ["key", "user", "team", "provider", "tier", "global"]
    assert found[2:] == [("team", "Research"), ("provider", "openai"), ("tier", "api_key"), ("global", "")]
    row = Budget.objects.first()
    assert row is not None
    assert (row.limit_usd, row.period, row.time_zone, row.hard, row.notify_at) == (
        Decimal("12.5"), "weekly", "Asia/Tokyo", True, 70,
    )  # fmt: skip


def test_every_choice_has_a_name(admin: Client) -> None:
    catalogue.sync()
    choices = dict(dict(admin.get(NEW).context["form"].fields["whose"].choices)["Provider"])
    assert choices["provider:openai"] == "OpenAI" and all(choices.values())
    assert list(choices.values()) == sorted(choices.values(), key=str.lower)


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"whose": ""}, "whose", "Say whose budget it is."),
        ({"whose": "team:999"}, "whose", "There is no such choice any more."),
        ({"limit_usd": "-1"}, "limit_usd", "greater than or equal to 0"),
        ({"limit_usd": "much"}, "limit_usd", "Enter a number."),
        ({"time_zone": "Mars/Base"}, "time_zone", "Mars/Base is no time zone"),
        ({"notify_at": "101"}, "notify_at", "less than or equal to 100"),
        ({"period": "hourly"}, "period", "hourly is not one of the available choices"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(admin: Client, said: Any, field: str, words: str) -> None:
    found = errors(admin.post(NEW, SAID | {"whose": "global"} | said))
    assert list(found) == [field] and words in found[field][0]
    assert not Budget.objects.exists()


def test_one_budget_of_a_kind_for_each_period(admin: Client, team: Any) -> None:
    for one in ("global", f"team:{team.pk}"):
        assert admin.post(NEW, SAID | {"whose": one}).status_code == 302
        assert list(errors(admin.post(NEW, SAID | {"whose": one}))) == ["period"]
        assert admin.post(NEW, SAID | {"whose": one, "period": "daily"}).status_code == 302
    other = Budget.objects.get(scope="team", period="daily")
    assert list(errors(admin.post(reverse("analytics_budgets:edit", args=[other.pk]), SAID))) == ["period"]


def test_changed_but_not_given_away_and_deleted(admin: Client, team: Any) -> None:
    row = Budget.objects.create(scope="team", team=team, period="monthly", limit_usd=1)
    edit = reverse("analytics_budgets:edit", args=[row.pk])
    assert "Research" in admin.get(edit).content.decode()
    said = {"limit_usd": "3", "period": "monthly", "time_zone": "UTC", "notify_at": "", "whose": "global"}
    assert admin.post(edit, said).status_code == 302
    row.refresh_from_db()
    assert (row.scope, row.team, row.limit_usd, row.hard, row.notify_at, row.enabled) == (
        "team", team, 3, False, None, False,
    )  # fmt: skip
    delete = reverse("analytics_budgets:delete", args=[row.pk])
    assert admin.get(delete).status_code == 200 and Budget.objects.exists()
    assert admin.post(delete).status_code == 302 and not Budget.objects.exists()


def test_only_site_administrators_set_budgets(client: Client, team: Any, member: Any) -> None:
    team.memberships.update(role="owner")
    row = Budget.objects.create(scope="team", team=team, limit_usd=1)
    client.force_login(member)
    page = client.get("/dashboard/budgets/").content.decode()
    assert "Research" in page and NEW not in page
    assert f"/{row.pk}/change/" not in page and f"/{row.pk}/delete/" not in page
    for place in (NEW, f"/dashboard/budgets/{row.pk}/change/", f"/dashboard/budgets/{row.pk}/delete/"):
        assert (client.get(place).status_code, client.post(place, SAID).status_code) == (403, 403)
    assert Budget.objects.get().limit_usd == 1


def test_all_budgets_that_hold_for_a_key_on_its_page(client: Client, team: Any, member: Any, admin_user: Any) -> None:
    key, _ = keys.create(name="ci", owner=member, team=team)
    bare, _ = keys.create(name="bare")
    made = [
        Budget.objects.create(scope=scope, limit_usd=1000 + number, **whose)
        for number, (scope, whose) in enumerate(
            [("key", {"api_key": key}), ("user", {"user": member}), ("team", {"team": team}), ("global", {})]
        )
    ]
    Budget.objects.create(scope="key", api_key=bare, limit_usd=2000)
    Budget.objects.create(scope="user", user=admin_user, limit_usd=2001)
    Budget.objects.create(scope="global", period="daily", limit_usd=2002, enabled=False)
    ledger.adjust(made[0].pk, Decimal(250), "", timezone.now())
    ledger.adjust(made[3].pk, Decimal(1003), "", timezone.now())

    client.force_login(admin_user)
    page = client.get(f"/dashboard/keys/{key.pk}/").content.decode()
    assert [f"${1000 + n:,}.00" in page for n in range(4)] == [True] * 4
    assert "$250.00" in page and "$750.00" in page and "$2,00" not in page
    assert f"{NEW}?for=key:{key.pk}" in page
    other = client.get(f"/dashboard/keys/{bare.pk}/").content.decode()
    assert "$2,000.00" in other and "$1,003.00" in other and "$1,001.00" not in other and "$2,001.00" not in other

    client.force_login(member)  # of the team, but not its owner
    page = client.get(f"/dashboard/keys/{key.pk}/").content.decode()
    assert ["$1,000.00" in page, "$1,001.00" in page, "$1,002.00" in page, "$1,003.00" in page] == [
        True, True, False, False,
    ]  # fmt: skip
    assert page.count("Its figures are for others to see.") == 2 and "used up" in page
