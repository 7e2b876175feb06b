"""People in the Django admin: the services' rules hold there, secrets are shown once."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.test import Client

from accounts import identity, management_keys
from accounts.models import IdentityProvider, Invitation, ManagementKey, Membership, Team, User
from providers.fields import reveal
from tests.accounts.conftest import PASSWORD

INLINE = {"memberships-INITIAL_FORMS": 0, "memberships-TOTAL_FORMS": 0}


@pytest.fixture
def browser(boss) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.mark.parametrize("model", ["user", "team", "invitation", "managementkey", "identityprovider"])
def test_lists_and_forms_open(browser, boss, owner, model) -> None:
    management_keys.create(boss, "ci", ["read"])
    for page in ("", "add/"):
        assert browser.get(f"/admin/accounts/{model}/{page}").status_code == 200


def test_a_row_is_called_as_it_is_written(browser, mate) -> None:
    page = browser.get(f"/admin/accounts/user/{mate.pk}/change/").content.decode()
    assert mate.email in page
    assert mate.email.capitalize() not in page


def test_only_our_people_are_in_the_admin(db) -> None:
    theirs = {"EmailAddress", "SocialApp", "SocialToken", "SocialAccount", "Authenticator", "Group"}
    assert not theirs & {model.__name__ for model in admin.site._registry}


@pytest.mark.parametrize("who", ["owner", "mate"])
def test_members_do_not_enter(request, as_, who) -> None:
    assert as_(request.getfixturevalue(who)).get("/admin/accounts/user/").status_code == 302


def test_a_person_made_by_hand_can_sign_in(browser, client) -> None:
    data = {"email": "New@example.com", "name": "New", "first_password": PASSWORD}
    assert browser.post("/admin/accounts/user/add/", data).status_code == 302
    client.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD})
    assert "_auth_user_id" in client.session
    assert not User.objects.get(email="new@example.com").is_superuser


@pytest.mark.parametrize("data", [{"first_password": "password"}, {"email": "MATE@example.com"}])
def test_a_refused_person_is_not_made(browser, mate, data) -> None:
    before = User.objects.count()
    data = {"email": "new@example.com", "name": "", "first_password": PASSWORD, **data}
    assert browser.post("/admin/accounts/user/add/", data, follow=True).status_code == 200
    assert User.objects.count() == before


def test_changes_go_through_the_services(browser, boss, mate) -> None:
    path = f"/admin/accounts/user/{mate.pk}/change/"
    assert browser.get(path).status_code == 200
    browser.post(path, {"email": "other@example.com", "name": "M", "is_active": "on", "is_superuser": "on"})
    mate.refresh_from_db()
    assert (mate.email, mate.is_staff, mate.is_superuser) == ("other@example.com", True, True)
    assert list(mate.emailaddress_set.values_list("email", flat=True)) == ["other@example.com"]


def test_the_last_administrator_stays_by_every_way(browser, boss) -> None:
    path = f"/admin/accounts/user/{boss.pk}"
    told = browser.post(f"{path}/change/", {"email": boss.email, "name": "x"}, follow=True)
    assert "last active site administrator" in told.content.decode()
    told = browser.post(f"{path}/delete/", {"post": "yes"}, follow=True)
    assert "last active site administrator" in told.content.decode()
    for action in ("deactivate", "delete_selected"):
        browser.post("/admin/accounts/user/", {"action": action, "_selected_action": [boss.pk], "post": "yes"})
    boss.refresh_from_db()
    assert (boss.is_active, boss.is_superuser, boss.name) == (True, True, "")


def test_an_administrator_sets_a_password(browser, mate, client) -> None:
    client.post("/accounts/login/", {"login": "mate@example.com", "password": PASSWORD})
    new = "another long pass phrase"
    data = {"password1": new, "password2": new, "usable_password": "true"}
    assert browser.post(f"/admin/accounts/user/{mate.pk}/password/", data).status_code == 302
    assert client.get("/dashboard/people/").status_code == 302, "the old session goes on"
    client.post("/accounts/login/", {"login": "mate@example.com", "password": new})
    assert client.get("/dashboard/people/").status_code == 200


def test_teams_with_their_members(browser, mate) -> None:
    data = {"name": "Green", **INLINE, "memberships-TOTAL_FORMS": 1, "memberships-0-user": mate.pk}
    browser.post("/admin/accounts/team/add/", {**data, "memberships-0-role": "owner"})
    assert Membership.objects.get(team=Team.objects.get(name="Green")).user == mate


def test_an_invitation_shows_its_link_once(browser, red, client) -> None:
    reply = browser.post(
        "/admin/accounts/invitation/add/", {"email": "", "team": red.pk, "role": "member"}, follow=True
    )
    (link,) = re.findall(r"http://testserver(/accounts/invitation/[\w-]+/)", reply.content.decode())
    assert client.get(link).status_code == 200
    assert link not in browser.get("/admin/accounts/invitation/").content.decode()
    assert Invitation.objects.get().created_by.email == "boss@example.com"


def test_a_management_key_is_shown_once_and_is_ones_own(browser, boss) -> None:
    data = {"name": "ci", "scopes": ["read"], "expires_at_0": "", "expires_at_1": ""}
    reply = browser.post("/admin/accounts/managementkey/add/", data, follow=True)
    (key,) = set(re.findall(r"omni-mgmt-[\w-]{43}", reply.content.decode()))
    row = management_keys.holder(key)
    assert (row.user, row.scopes) == (boss, ["read"])
    path = f"/admin/accounts/managementkey/{row.pk}/change/"
    assert browser.get(path).status_code == 200
    browser.post(path, {"name": "ci", "scopes": ["read", "write"], "user": 999})
    row.refresh_from_db()
    assert (row.enabled, row.scopes, row.user) == (False, ["read"], boss)
    assert ManagementKey.objects.count() == 1


def test_an_identity_providers_secret_goes_in_only(browser) -> None:
    data = {
        "name": "Corp",
        "slug": "corp",
        "server_url": "https://id.example.com/",
        "client_id": "omni",
        "enabled": "on",
    }
    browser.post("/admin/accounts/identityprovider/add/", {**data, "client_secret": "hush-hush"})
    row = IdentityProvider.objects.get()
    assert reveal(row, "client_secret") == "hush-hush"
    assert row.server_url == "https://id.example.com"
    path = f"/admin/accounts/identityprovider/{row.pk}/change/"
    (shown,) = re.findall(r'<input type="password" name="client_secret"[^>]*>', browser.get(path).content.decode())
    assert "border" in shown  # without the theme's classes it could not be seen
    assert "hush-hush" not in browser.get(path).content.decode()
    browser.post(path, {**data, "name": "Corporation"})
    row.refresh_from_db()
    assert (row.name, reveal(row, "client_secret")) == ("Corporation", "hush-hush")
    told = browser.post(path, {**data, "server_url": "https://other.example.com"}, follow=True)
    assert "enter its client secret" in told.content.decode()
    row.refresh_from_db()
    assert row.server_url == "https://id.example.com"


@pytest.mark.parametrize(
    "url", ["http://id.example.com", "ftp://x", "https://user:pw@x.example", "https://x/?a=b", "nothing", "https://["]
)
def test_issuers_are_checked(db, url) -> None:
    with pytest.raises(identity.Refused):
        identity.check_issuer(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/realm/", "http://localhost:8080/realm", "http://[::1]:1/realm"])
def test_issuers_on_this_machine_may_lack_tls(url) -> None:
    assert identity.check_issuer(url) == url.rstrip("/")
