"""The management API's people: keys and scopes, what one sees, what one may change, every verb."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import management_keys, services
from accounts.models import Invitation, ManagementKey, Membership, Role, Team, User
from accounts.services import Refused
from tests.accounts.conftest import PASSWORD


def api(client: Client, method: str, path: str, data: object = None, **headers: str):
    if method == "get":
        return client.get(f"/api/v1/{path}", headers=headers)
    return getattr(client, method)(f"/api/v1/{path}", data, content_type="application/json", headers=headers)


def bearer(user: User, *scopes: str, **more: object) -> dict[str, str]:
    return {"authorization": f"Bearer {management_keys.create(user, 'test', scopes, **more)[1]}"}


# -- keys --------------------------------------------------------------------------------------------------------------
def test_a_key_is_stored_as_a_hash(boss) -> None:
    row, text = management_keys.create(boss, "ci", ["write", "read"])
    assert text.startswith("omni-mgmt-")
    assert (row.scopes, row.last4) == (["read", "write"], text[-4:])
    assert text not in str(ManagementKey.objects.values().get())


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "admin"]])
def test_scopes_are_checked(boss, scopes) -> None:
    with pytest.raises(Refused):
        management_keys.create(boss, "ci", scopes)


def test_scopes_follow_the_method(boss, client) -> None:
    reads, writes = bearer(boss, "read"), bearer(boss, "write")
    assert api(client, "get", "teams/", **reads).status_code == 200
    assert api(client, "post", "teams/", {"name": "Green"}, **reads).status_code == 403
    assert api(client, "post", "teams/", {"name": "Green"}, **writes).status_code == 201
    assert api(client, "get", "teams/", **writes).status_code == 403
    assert api(client, "delete", f"teams/{Team.objects.get().pk}/", **reads).status_code == 403


@pytest.mark.parametrize(
    "spoil",
    [
        {"enabled": False},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
)
def test_stopped_keys_open_nothing(boss, client, spoil) -> None:
    headers = bearer(boss, "read")
    ManagementKey.objects.update(**spoil)
    assert api(client, "get", "teams/", **headers).status_code == 401


def test_a_key_stops_with_its_user(boss, mate, client) -> None:
    headers = bearer(mate, "read")
    assert api(client, "get", "teams/", **headers).status_code == 200
    services.set_active(mate, False)
    assert api(client, "get", "teams/", **headers).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-omni-" + "x" * 43},
        {"authorization": "Bearer omni-mgmt-" + "x" * 43},
        {"authorization": "Bearer"},
        {"authorization": "Basic Ym9zczp4"},
        {"x-api-key": "sk-omni-" + "x" * 43},
    ],
)
def test_anything_else_is_a_401_with_a_challenge(boss, client, headers) -> None:
    for path in ("users/", "teams/", "memberships/", "invitations/", "management-keys/"):
        reply = api(client, "get", path, **headers)
        assert reply.status_code == 401
        assert reply["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_key_is_not_rescued_by_a_session(boss, as_) -> None:
    assert api(as_(boss), "get", "users/", authorization="Bearer sk-omni-wrong").status_code == 401


def test_last_use_is_written_once_a_minute(boss, client, django_assert_num_queries) -> None:
    headers = bearer(boss, "read")
    api(client, "get", "teams/", **headers)
    first = ManagementKey.objects.get().last_used_at
    assert first is not None
    api(client, "get", "teams/", **headers)
    assert ManagementKey.objects.get().last_used_at == first
    ManagementKey.objects.update(last_used_at=first - timedelta(seconds=61))
    api(client, "get", "teams/", **headers)
    assert ManagementKey.objects.get().last_used_at > first - timedelta(seconds=61)


def test_sessions_need_the_csrf_token(boss) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(boss)
    assert api(browser, "post", "teams/", {"name": "Green"}).status_code == 403
    assert not Team.objects.exists()


def test_keys_by_api_are_shown_once_and_no_stronger_than_their_maker(boss, client) -> None:
    soon = timezone.now() + timedelta(days=1)
    headers = bearer(boss, "write", expires_at=soon)
    wanted = {"name": "child", "scopes": ["read", "write"], "expires_at": soon.isoformat()}
    assert api(client, "post", "management-keys/", wanted, **headers).status_code == 403
    wanted["scopes"] = ["write"]
    for ends in (None, (soon + timedelta(days=1)).isoformat()):
        assert api(client, "post", "management-keys/", {**wanted, "expires_at": ends}, **headers).status_code == 403
    made = api(client, "post", "management-keys/", wanted, **headers)
    assert made.status_code == 201
    text = made.json()["key"]
    assert management_keys.holder(text).user == boss
    both = bearer(boss, "read", "write")
    shown = api(client, "get", f"management-keys/{made.json()['id']}/", **both)
    assert text not in shown.content.decode()
    assert "key_hash" not in shown.json()


def test_a_disabled_key_stays_disabled(mate, as_) -> None:
    row, _text = management_keys.create(mate, "mine", ["read"])
    path = f"management-keys/{row.pk}/"
    assert api(as_(mate), "patch", path, {"enabled": False}).status_code == 200
    assert api(as_(mate), "patch", path, {"scopes": ["write"], "user": 1}).status_code == 400
    row.refresh_from_db()
    assert (row.enabled, row.scopes, row.user) == (False, ["read"], mate)
    assert api(as_(mate), "patch", path, {"enabled": True}).status_code == 400


def test_a_key_is_its_users_own_matter(boss, owner, mate, as_) -> None:
    row, _text = management_keys.create(mate, "mine", ["read"])
    for verb in ("get", "patch", "delete"):
        assert api(as_(owner), verb, f"management-keys/{row.pk}/", {"name": "x"}).status_code == 404
    assert api(as_(boss), "delete", f"management-keys/{row.pk}/").status_code == 204


# -- users -------------------------------------------------------------------------------------------------------------
def test_people_see_themselves_and_their_teammates(owner, mate, outsider, boss, as_) -> None:
    def seen(user: User) -> set[str]:
        return {row["email"] for row in api(as_(user), "get", "users/").json()["results"]}

    assert seen(mate) == {"owner@example.com", "mate@example.com"}
    assert len(seen(boss)) == 4
    assert api(as_(mate), "get", f"users/{outsider.pk}/").status_code == 404
    assert "password" not in api(as_(mate), "get", f"users/{mate.pk}/").json()


@pytest.mark.parametrize("change", [{"is_superuser": True}, {"email": "x@example.com"}, {"is_active": False}])
def test_nobody_raises_themselves_or_their_teammates(owner, mate, as_, change) -> None:
    browser = as_(owner)
    before = list(User.objects.order_by("pk").values())
    for target in (owner, mate):
        reply = api(browser, "patch", f"users/{target.pk}/", {"name": "N", **change})
        assert reply.status_code == 403
    assert list(User.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "extra", [{"is_staff": True}, {"id": 1}, {"date_joined": "2000-01-01T00:00:00Z"}, {"groups": [1]}]
)
def test_other_fields_are_not_there(mate, as_, extra) -> None:
    browser = as_(mate)
    before = User.objects.values().get(pk=mate.pk)
    api(browser, "patch", f"users/{mate.pk}/", extra)
    assert User.objects.values().get(pk=mate.pk) == before


def test_a_name_is_ones_own(owner, mate, as_) -> None:
    assert api(as_(mate), "patch", f"users/{mate.pk}/", {"name": "Mate"}).json()["name"] == "Mate"
    assert api(as_(owner), "patch", f"users/{mate.pk}/", {"name": "Other"}).status_code == 403


def test_administrators_make_change_and_remove_people(boss, as_, client) -> None:
    browser = as_(boss)
    made = api(browser, "post", "users/", {"email": "New@Example.com", "name": "New", "password": PASSWORD})
    assert made.status_code == 201
    assert made.json()["email"] == "new@example.com"
    assert "password" not in made.json()
    client.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD})
    assert "_auth_user_id" in client.session
    path = f"users/{made.json()['id']}/"
    changed = api(browser, "patch", path, {"email": "newer@example.com", "is_superuser": True})
    assert (changed.json()["email"], changed.json()["is_superuser"]) == ("newer@example.com", True)
    assert User.objects.get(email="newer@example.com").is_staff
    assert api(browser, "patch", path, {"password": "another long one"}).status_code == 400
    assert api(browser, "delete", path).status_code == 204


@pytest.mark.parametrize(
    "data",
    [{"email": "mate@example.com"}, {"email": "x@example.com", "password": "password"}, {"email": "nothing"}, {}, []],
)
def test_bad_people_are_a_400(boss, mate, as_, data) -> None:
    assert api(as_(boss), "post", "users/", data).status_code == 400
    assert User.objects.count() == 2


def test_members_make_and_remove_nobody(owner, mate, as_) -> None:
    assert api(as_(owner), "post", "users/", {"email": "x@example.com"}).status_code == 403
    assert api(as_(owner), "delete", f"users/{mate.pk}/").status_code == 403
    assert User.objects.count() == 2


def test_the_last_administrator_stays(boss, as_) -> None:
    for verb, data in (("patch", {"is_active": False}), ("patch", {"is_superuser": False}), ("delete", None)):
        reply = api(as_(boss), verb, f"users/{boss.pk}/", data)
        assert reply.status_code == 400
        assert "last active site administrator" in reply.content.decode()


# -- teams and memberships ---------------------------------------------------------------------------------------------
def test_teams_by_role(boss, owner, mate, outsider, red, as_) -> None:
    for user, verb, data, expected in (
        (mate, "patch", {"name": "X"}, 403),
        (outsider, "patch", {"name": "X"}, 404),
        (owner, "patch", {"name": "Crimson"}, 200),
        (owner, "delete", None, 403),
        (boss, "delete", None, 204),
    ):
        assert api(as_(user), verb, f"teams/{red.pk}/", data).status_code == expected
    assert api(as_(owner), "post", "teams/", {"name": "Mine"}).status_code == 403


def test_nobody_writes_themselves_into_a_team_or_up(owner, mate, outsider, red, blue, as_) -> None:
    own = Membership.objects.get(user=mate)
    browser = as_(mate)
    assert api(browser, "patch", f"memberships/{own.pk}/", {"role": "owner"}).status_code == 403
    assert api(browser, "patch", f"memberships/{own.pk}/", {"team": blue.pk, "user": owner.pk}).status_code == 400
    assert api(browser, "post", "memberships/", {"team": blue.pk, "user": mate.pk}).status_code == 400
    assert api(browser, "post", "memberships/", {"team": red.pk, "user": owner.pk}).status_code == 403
    theirs = Membership.objects.get(user=outsider)
    for verb in ("get", "patch", "delete"):
        assert api(browser, verb, f"memberships/{theirs.pk}/", {"role": "viewer"}).status_code == 404
    own.refresh_from_db()
    assert (own.role, own.team) == (Role.MEMBER, red)


def test_owners_manage_their_team_and_no_other(boss, owner, mate, outsider, red, blue, as_) -> None:
    browser = as_(owner)
    path = f"memberships/{Membership.objects.get(user=mate).pk}/"
    assert api(browser, "patch", path, {"role": "viewer", "team": blue.pk}).status_code == 400
    assert api(browser, "patch", path, {"role": "viewer", "user": outsider.pk}).status_code == 400
    assert api(browser, "patch", path, {"role": "viewer"}).json()["role"] == "viewer"
    probe = api(browser, "post", "memberships/", {"team": red.pk, "user": outsider.pk})
    nobody = api(browser, "post", "memberships/", {"team": red.pk, "user": 10**6})
    assert probe.status_code == nobody.status_code == 400
    assert probe.content.decode().replace(str(outsider.pk), "N") == nobody.content.decode().replace(str(10**6), "N")
    assert api(browser, "patch", path, {"role": "emperor"}).status_code == 400
    assert api(browser, "delete", path).status_code == 204
    last = Membership.objects.get(user=owner)
    assert api(browser, "delete", f"memberships/{last.pk}/").status_code == 400
    assert api(as_(boss), "post", "memberships/", {"team": red.pk, "user": outsider.pk}).json()["role"] == "member"
    again = api(as_(boss), "post", "memberships/", {"team": red.pk, "user": outsider.pk})
    assert again.status_code == 400


# -- invitations -------------------------------------------------------------------------------------------------------
def test_an_invitation_shows_its_link_once(owner, red, as_, client) -> None:
    browser = as_(owner)
    made = api(browser, "post", "invitations/", {"team": red.pk, "email": "x@example.com", "days": 2})
    assert made.status_code == 201
    link = made.json()["link"]
    assert client.get(link).status_code == 200
    shown = api(browser, "get", f"invitations/{made.json()['id']}/")
    assert link.split("/")[-2] not in shown.content.decode()
    assert "token_hash" not in shown.json()
    assert api(browser, "delete", f"invitations/{made.json()['id']}/").status_code == 204
    assert client.get(link).status_code == 404


def test_the_link_is_under_the_public_address(boss, as_, settings) -> None:
    settings.PUBLIC_URL = "https://ai.example.com"
    link = api(as_(boss), "post", "invitations/", {}).json()["link"]
    assert link.startswith("https://ai.example.com/accounts/invitation/")


def test_owners_invite_no_administrators_and_into_no_other_team(owner, mate, outsider, red, blue, as_) -> None:
    for user, data, expected in (
        (owner, {"team": red.pk, "site_administrator": True}, 403),
        (owner, {}, 403),
        (owner, {"team": blue.pk}, 400),
        (owner, {"team": red.pk, "days": 1000}, 400),
        (mate, {"team": red.pk}, 403),
        (mate, {"team": red.pk, "role": "owner"}, 403),
    ):
        assert api(as_(user), "post", "invitations/", data).status_code == expected, data
    assert not Invitation.objects.exists()


def test_invitations_are_their_owners(boss, owner, mate, outsider, red, as_) -> None:
    made = api(as_(boss), "post", "invitations/", {"team": red.pk}).json()
    for user, expected in ((mate, 404), (outsider, 404), (owner, 200)):
        assert api(as_(user), "get", f"invitations/{made['id']}/").status_code == expected
    high = api(as_(boss), "post", "invitations/", {"team": red.pk, "site_administrator": True}).json()
    assert api(as_(owner), "delete", f"invitations/{high['id']}/").status_code == 404
    assert api(as_(boss), "patch", f"invitations/{high['id']}/", {"role": "owner"}).status_code == 405
