"""The people pages and one's management keys: who sees what, and what a forged form can do."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts import invitations, management_keys
from accounts.models import Invitation, ManagementKey, Membership, Role, Team, User

PEOPLE = "/dashboard/people/"


def text(client: Client, path: str = PEOPLE) -> str:
    reply = client.get(path)
    assert reply.status_code == 200
    return reply.content.decode()


def test_strangers_are_sent_to_sign_in(db, client) -> None:
    for path in (PEOPLE, "/dashboard/account/keys/"):
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_each_sees_their_own(boss, owner, mate, outsider, red, blue, as_) -> None:
    page = text(as_(mate))
    assert "owner@example.com" in page
    assert "outsider@example.com" not in page
    assert "Invite somebody" not in page
    assert "/role/" not in page
    page = text(as_(owner))
    assert "Invite somebody" in page
    assert "New team" not in page
    assert "Site administrator" not in page
    assert "Blue" not in page
    page = text(as_(boss))
    assert all(word in page for word in ("Red", "Blue", "New team", "Everybody", "outsider@example.com"))


def test_an_invitation_link_is_shown_once_and_works(owner, red, as_, client) -> None:
    browser = as_(owner)
    reply = browser.post(PEOPLE + "invite/", {"team": red.pk, "role": "member", "days": 7})
    (link,) = re.findall(r"http://testserver(/accounts/invitation/[\w-]+/)", reply.content.decode())
    assert "no-store" in reply["Cache-Control"]
    assert client.get(link).status_code == 200
    assert link not in text(browser)


@pytest.mark.parametrize("forged", [{"site_administrator": "on"}, {"team": ""}, {"team": "blue"}, {"days": "1000"}])
def test_forged_invitations(owner, outsider, red, blue, as_, forged) -> None:
    forged = {name: blue.pk if value == "blue" else value for name, value in forged.items()}
    as_(owner).post(PEOPLE + "invite/", {"team": red.pk, "role": "member", "days": 7, **forged})
    assert not Invitation.objects.exclude(team=red, site_administrator=False).exists()


def test_members_invite_and_found_nothing(mate, red, as_) -> None:
    browser = as_(mate)
    assert browser.post(PEOPLE + "invite/", {"team": red.pk, "role": "owner", "days": 7}).status_code == 403
    assert browser.post(PEOPLE + "teams/add/", {"name": "Mine"}).status_code == 403
    assert not Invitation.objects.exists()
    assert Team.objects.count() == 1


def test_forged_role_changes(owner, mate, outsider, red, as_) -> None:
    own, theirs = Membership.objects.get(user=mate), Membership.objects.get(user=outsider)
    as_(mate).post(f"{PEOPLE}memberships/{own.pk}/role/", {"role": "owner"})
    assert as_(owner).post(f"{PEOPLE}memberships/{theirs.pk}/role/", {"role": "viewer"}).status_code == 404
    assert as_(owner).post(f"{PEOPLE}memberships/{theirs.pk}/remove/").status_code == 404
    as_(mate).post(f"{PEOPLE}memberships/{Membership.objects.get(user=owner).pk}/remove/")
    roles = dict(Membership.objects.values_list("user__email", "role"))
    assert roles == {
        "owner@example.com": Role.OWNER,
        "mate@example.com": Role.MEMBER,
        "outsider@example.com": Role.OWNER,
    }


def test_owners_change_roles_and_members_leave(owner, mate, as_) -> None:
    path = f"{PEOPLE}memberships/{Membership.objects.get(user=mate).pk}"
    reply = as_(owner).post(f"{path}/role/", {"role": "viewer"}, follow=True)
    assert "The change was saved" in reply.content.decode()
    assert Membership.objects.get(user=mate).role == Role.VIEWER
    as_(mate).post(f"{path}/remove/")
    assert not Membership.objects.filter(user=mate).exists()


def test_deactivation_is_the_administrators(boss, owner, mate, as_) -> None:
    assert as_(owner).post(f"{PEOPLE}users/{mate.pk}/active/", {"active": "0"}).status_code == 403
    as_(boss).post(f"{PEOPLE}users/{mate.pk}/active/", {"active": "0"})
    assert not User.objects.get(pk=mate.pk).is_active
    refused = as_(boss).post(f"{PEOPLE}users/{boss.pk}/active/", {"active": "0"}, follow=True)
    assert "last active site administrator" in refused.content.decode()


def test_withdrawing(boss, owner, outsider, red, as_, client) -> None:
    row, token = invitations.create(by=owner, team=red, email="x@example.com")
    assert "x@example.com" in text(as_(owner))
    assert as_(outsider).post(f"{PEOPLE}invitations/{row.pk}/withdraw/").status_code == 404
    as_(owner).post(f"{PEOPLE}invitations/{row.pk}/withdraw/")
    assert client.get(f"/accounts/invitation/{token}/").status_code == 404


def test_names_are_escaped(boss, red, person, as_) -> None:
    user = person("x@example.com", team=red)
    User.objects.filter(pk=user.pk).update(name="<script>alert(1)</script>")
    assert "<script>alert" not in text(as_(boss))


@pytest.mark.parametrize("path", ["invite/", "teams/add/", "memberships/1/role/", "users/1/active/"])
def test_changes_need_post_and_a_token(boss, as_, path) -> None:
    assert as_(boss).get(PEOPLE + path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss)
    assert strict.post(PEOPLE + path).status_code == 403


# -- management keys ---------------------------------------------------------------------------------------------------
def test_a_management_key_is_shown_once(mate, as_) -> None:
    browser = as_(mate)
    reply = browser.post("/dashboard/account/keys/", {"name": "ci", "scopes": ["read", "write"], "days": 30})
    (key,) = re.findall(r"omni-mgmt-[\w-]{43}", reply.content.decode())
    assert management_keys.holder(key).user == mate
    assert key not in text(browser, "/dashboard/account/keys/")


def test_only_ones_own_keys_are_disabled(boss, mate, as_) -> None:
    row, _key = management_keys.create(mate, "ci", ["read"])
    path = f"/dashboard/account/keys/{row.pk}/disable/"
    assert as_(boss).post(path).status_code == 404
    assert "ci" not in re.findall(r'o-strong">(\w+)<', text(as_(boss), "/dashboard/account/keys/"))
    as_(mate).post(path)
    assert not ManagementKey.objects.get().enabled


@pytest.mark.parametrize(
    "data", [{"name": "x"}, {"name": "x", "scopes": ["admin"]}, {"name": "x", "scopes": ["read"], "days": 0}]
)
def test_bad_keys_are_told(mate, as_, data) -> None:
    assert as_(mate).post("/dashboard/account/keys/", data).status_code == 200
    assert not ManagementKey.objects.exists()
