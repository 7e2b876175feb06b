"""Signing in through an identity provider: by subject, by invitation, never by a claimed address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.db import connection
from django.test import Client

from accounts import identity, invitations, services
from accounts.models import IdentityProvider, Membership, Role, User
from tests.accounts.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, running

PROVEN = {"sub": "s-1", "email": "New@example.com", "email_verified": True, "name": "New Person"}


@pytest.fixture
def issuer(db):
    with running() as issuer:
        row = IdentityProvider(name="Corp", slug="corp", server_url=issuer.url, client_id=CLIENT_ID)
        identity.save(row, CLIENT_SECRET)
        yield issuer


def sign_in(client: Client, issuer: Issuer, process: str = "login", **claims: object):
    """The whole dance: our login address, the provider's page (skipped), our callback."""
    issuer.claims = claims
    start = client.post(f"/accounts/oidc/corp/login/?process={process}")
    assert start["Location"].startswith(f"{issuer.url}/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(start["Location"]).query).items()}
    assert asked["redirect_uri"] == "http://testserver/accounts/oidc/corp/login/callback/"
    assert asked["code_challenge_method"] == "S256"
    issuer.challenge = asked["code_challenge"]
    return client.get("/accounts/oidc/corp/login/callback/", {"code": "c", "state": asked["state"]})


def who(client: Client) -> str | None:
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).email if pk else None


def test_the_sign_in_page_offers_enabled_providers(issuer, client) -> None:
    assert "/accounts/oidc/corp/login/" in client.get("/accounts/login/").content.decode()
    IdentityProvider.objects.update(enabled=False)
    assert "/accounts/oidc/" not in client.get("/accounts/login/").content.decode()
    assert client.post("/accounts/oidc/corp/login/").status_code == 404


@pytest.mark.django_db
def test_an_address_that_no_database_looks_for_is_not_there(client, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert identity.apps("co\0rp") == []
    assert client.get("/accounts/oidc/co%00rp/login/").status_code == 404


def test_starting_needs_a_post(issuer, client) -> None:
    page = client.get("/accounts/oidc/corp/login/")
    assert page.status_code == 200
    assert "Corp" in page.content.decode()


def test_without_an_invitation_nobody_new_comes_in(issuer, client) -> None:
    reply = sign_in(client, issuer, **PROVEN)
    assert "by invitation" in reply.content.decode()
    assert who(client) is None
    assert not User.objects.exists()


def test_who_is_invited_comes_in_and_comes_back(issuer, owner, red, client) -> None:
    row, _token = invitations.create(by=owner, team=red, email="new@example.com", role=Role.VIEWER)
    assert sign_in(client, issuer, **PROVEN).status_code == 302
    assert who(client) == "new@example.com"
    user = User.objects.get(email="new@example.com")
    assert (user.name, user.has_usable_password(), user.is_superuser) == ("New Person", False, False)
    assert Membership.objects.get(user=user).role == Role.VIEWER
    row.refresh_from_db()
    assert row.accepted_at is not None
    again = Client()
    sign_in(again, issuer, **{**PROVEN, "email": "renamed@example.com"})
    assert who(again) == "new@example.com", "the subject counts, not the address"
    assert not SocialToken.objects.exists()


@pytest.mark.parametrize(
    "claim", [{"email_verified": False}, {"email_verified": "false"}, {"email_verified": "true"}, {}]
)
def test_an_unproven_address_uses_no_invitation(issuer, owner, red, client, claim) -> None:
    row, _token = invitations.create(by=owner, team=red, email="new@example.com")
    sign_in(client, issuer, sub="s-1", email="new@example.com", **claim)
    assert who(client) is None
    row.refresh_from_db()
    assert row.is_open
    assert User.objects.count() == 1


def test_an_administrators_invitation_needs_its_link(issuer, boss, client) -> None:
    invitations.create(by=boss, email="new@example.com", site_administrator=True)
    sign_in(client, issuer, **PROVEN)
    assert who(client) is None


@pytest.mark.parametrize("invited", [False, True])
def test_an_existing_account_is_not_taken_over_by_address(issuer, owner, mate, red, client, invited) -> None:
    if invited:
        invitations.create(by=owner, team=red, email="mate@example.com")
    reply = sign_in(client, issuer, **{**PROVEN, "email": "mate@example.com"})
    assert reply["Location"] == "/accounts/login/"
    assert "connect this identity" in client.get("/accounts/login/").content.decode()
    assert who(client) is None
    assert not SocialAccount.objects.exists()


def test_its_owner_connects_an_account_and_uses_it(issuer, mate, as_) -> None:
    browser = as_(mate)
    sign_in(browser, issuer, "connect", sub="s-9", email="elsewhere@example.com")
    assert SocialAccount.objects.get().user == mate
    other = Client()
    sign_in(other, issuer, sub="s-9")
    assert who(other) == "mate@example.com"


def test_the_deactivated_do_not_come_in_by_another_door(issuer, mate, as_) -> None:
    sign_in(as_(mate), issuer, "connect", sub="s-9")
    services.set_active(mate, False)
    other = Client()
    sign_in(other, issuer, sub="s-9")
    assert who(other) is None


def test_a_forged_state_is_refused(issuer, client) -> None:
    reply = client.get("/accounts/oidc/corp/login/callback/", {"code": "c", "state": "forged"})
    assert reply.status_code in (200, 401)
    assert who(client) is None
    assert not issuer.asked


def test_a_broken_provider_is_a_page_not_a_failure(issuer, client) -> None:
    issuer.challenge = ""
    start = client.post("/accounts/oidc/corp/login/")
    state = parse_qs(urlsplit(start["Location"]).query)["state"][0]
    reply = client.get("/accounts/oidc/corp/login/callback/", {"code": "c", "state": state})
    assert reply.status_code in (200, 401)
    assert who(client) is None


def test_another_issuer_does_not_inherit_connections(issuer, mate, as_) -> None:
    sign_in(as_(mate), issuer, "connect", sub="s-9")
    row = IdentityProvider.objects.get()
    row.server_url = "https://other.example.com"
    with pytest.raises(identity.Refused, match="client secret"):
        identity.save(row)
    assert SocialAccount.objects.exists()
    identity.save(row, "new secret of the other one")
    assert not SocialAccount.objects.exists()


def test_a_provider_without_a_secret_may_move(db) -> None:
    row = IdentityProvider(name="Corp", slug="corp", server_url="https://a.example.com", client_id=CLIENT_ID)
    identity.save(row)
    row.server_url = "https://b.example.com/"
    identity.save(row)
    assert IdentityProvider.objects.get().server_url == "https://b.example.com"


def test_a_removed_provider_takes_its_connections_along(issuer, mate, as_) -> None:
    sign_in(as_(mate), issuer, "connect", sub="s-9")
    identity.delete(IdentityProvider.objects.get())
    assert not SocialAccount.objects.exists()


def test_an_unreadable_secret_leaves_the_page_standing(issuer, client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_identityprovider SET client_secret = 'og1.00000000.AAAA'")
    page = client.get("/accounts/login/")
    assert page.status_code == 200
    assert "/accounts/oidc/" not in page.content.decode()


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": None}, 502),
        ({"sub": ""}, 502),
        ({"sub": 7}, 502),
        ({}, 502),
        ({"sub": "1", "email": 5}, 502),
        ({"sub": "1", "email": ["x"], "email_verified": True}, 200),
        ({"sub": "1", "email": "x"}, 200),
    ],
)
def test_odd_claims_are_a_page(issuer, client, claims, status) -> None:
    assert sign_in(client, issuer, **claims).status_code == status
    assert who(client) is None
    assert not User.objects.exists()


def test_a_provider_that_is_away_is_told(issuer, client) -> None:
    IdentityProvider.objects.update(server_url="http://127.0.0.1:1")
    reply = client.post("/accounts/oidc/corp/login/")
    assert reply.status_code == 502
    assert "did not confirm" in reply.content.decode()
    assert client.get("/accounts/login/").status_code == 200
