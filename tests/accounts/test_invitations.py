"""Links: single use, expiry, what their maker may still give, the first administrator."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from accounts import invitations, services
from accounts.invitations import Gone
from accounts.models import Invitation, Membership, Role, User, digest
from accounts.permissions import is_site_admin
from accounts.services import Refused
from accounts.tasks import clear_expired
from tests.accounts.conftest import PASSWORD

NEW = {"email": "new@example.com", "name": "New", "password": PASSWORD}


def test_only_the_hash_of_a_token_is_stored(boss) -> None:
    row, token = invitations.create(by=boss)
    stored = Invitation.objects.filter(pk=row.pk).values().get()
    assert stored["token_hash"] == digest(token)
    assert token not in str(stored)


def test_a_newcomer_gets_account_and_membership_and_is_signed_in(owner, red, client) -> None:
    _row, token = invitations.create(by=owner, team=red, role=Role.VIEWER)
    page = client.get(f"/accounts/invitation/{token}/")
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    reply = client.post(f"/accounts/invitation/{token}/", NEW)
    assert reply.status_code == 302
    user = User.objects.get(email="new@example.com")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.name == "New"
    assert (user.is_superuser, user.is_staff) == (False, False)
    assert Membership.objects.get(user=user).role == Role.VIEWER
    again = client.get(f"/accounts/invitation/{token}/")
    assert again.status_code == 410
    assert "used already" in again.content.decode()


def test_a_weak_password_uses_nothing_up(owner, red, client) -> None:
    row, token = invitations.create(by=owner, team=red)
    reply = client.post(f"/accounts/invitation/{token}/", {**NEW, "password": "password"})
    assert reply.status_code == 200
    assert "too common" in reply.content.decode()
    row.refresh_from_db()
    assert row.is_open
    assert not User.objects.filter(email="new@example.com").exists()


def test_an_address_in_the_invitation_cannot_be_exchanged(boss, red, client) -> None:
    _row, token = invitations.create(by=boss, team=red, email="wanted@example.com")
    client.post(f"/accounts/invitation/{token}/", NEW)
    assert User.objects.filter(email="wanted@example.com").exists()
    assert not User.objects.filter(email="new@example.com").exists()
    assert EmailAddress.objects.get(email="wanted@example.com").verified


def test_an_owners_word_does_not_prove_an_address(owner, red, client) -> None:
    _row, token = invitations.create(by=owner, team=red, email="wanted@example.com")
    client.post(f"/accounts/invitation/{token}/", NEW)
    assert not EmailAddress.objects.get(email="wanted@example.com").verified


def test_a_taken_address_is_told_to_sign_in(owner, mate, red, client) -> None:
    row, token = invitations.create(by=owner, team=red)
    reply = client.post(f"/accounts/invitation/{token}/", {**NEW, "email": "Mate@example.com"})
    assert "already" in reply.content.decode()
    row.refresh_from_db()
    assert row.is_open
    mate.refresh_from_db()
    assert mate.check_password(PASSWORD)


def test_somebody_signed_in_joins_the_team(owner, outsider, red, as_) -> None:
    _row, token = invitations.create(by=owner, team=red, role=Role.OWNER)
    browser = as_(outsider)
    assert "outsider@example.com" in browser.get(f"/accounts/invitation/{token}/").content.decode()
    assert browser.post(f"/accounts/invitation/{token}/").status_code == 302
    assert Membership.objects.get(user=outsider, team=red).role == Role.OWNER


def test_joining_again_changes_no_role(owner, mate, red) -> None:
    _row, token = invitations.create(by=owner, team=red, role=Role.VIEWER)
    invitations.accept_as(token, mate)
    assert Membership.objects.get(user=mate).role == Role.MEMBER


def test_an_invitation_for_somebody_else_is_refused(owner, outsider, red, as_) -> None:
    row, token = invitations.create(by=owner, team=red, email="other@example.com")
    reply = as_(outsider).post(f"/accounts/invitation/{token}/")
    assert "another e-mail address" in reply.content.decode()
    row.refresh_from_db()
    assert row.is_open


@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_and_expired_links(owner, red, client, method) -> None:
    _row, token = invitations.create(by=owner, team=red)
    unknown = getattr(client, method)("/accounts/invitation/never-made/", NEW)
    assert unknown.status_code == 404
    assert "unknown" in unknown.content.decode()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    late = getattr(client, method)(f"/accounts/invitation/{token}/", NEW)
    assert late.status_code == 410
    assert "expired" in late.content.decode()
    assert not User.objects.filter(email="new@example.com").exists()


def test_the_stored_hash_is_no_token(owner, red, client) -> None:
    row, _token = invitations.create(by=owner, team=red)
    assert client.get(f"/accounts/invitation/{row.token_hash}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_people_with_one_link_one_gets_in(owner, red) -> None:
    _row, token = invitations.create(by=owner, team=red)
    gate, made, gone = threading.Barrier(2), [], []

    def take(email: str) -> None:
        gate.wait()
        try:
            made.append(invitations.accept(token, email=email, name="", password=PASSWORD))
        except Gone:
            gone.append(email)
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(f"{n}@example.com",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(gone)) == (1, 1)
    assert User.objects.count() == 2


@pytest.mark.parametrize("what", [{"team": "blue"}, {"team": None}, {"team": "red", "site_administrator": True}])
def test_owners_invite_into_their_teams_only(owner, outsider, red, blue, what) -> None:
    teams = {"red": red, "blue": blue, None: None}
    with pytest.raises(Refused):
        invitations.create(by=owner, **{**what, "team": teams[what["team"]]})


@pytest.mark.parametrize("who", ["mate", "outsider"])
def test_others_invite_nobody(request, red, who) -> None:
    with pytest.raises(Refused):
        invitations.create(by=request.getfixturevalue(who), team=red)


@pytest.mark.parametrize("days", [0, 91])
def test_validity_has_bounds(boss, days) -> None:
    with pytest.raises(Refused):
        invitations.create(by=boss, days=days)


def test_an_invitation_ends_with_its_makers_rights(boss, owner, red, client, person) -> None:
    _row, token = invitations.create(by=owner, team=red)
    services.set_role(Membership.objects.get(user=owner), Role.MEMBER, by=boss)
    assert client.post(f"/accounts/invitation/{token}/", NEW).status_code == 410
    second = person("second@example.com", admin=True)
    _row, token = invitations.create(by=second, site_administrator=True)
    services.set_active(second, False)
    with pytest.raises(Gone):
        invitations.accept(token, **NEW)
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


# -- the first administrator -------------------------------------------------------------------------------------------
def test_the_first_link_makes_an_administrator_once(db, client) -> None:
    link = invitations.first_administrator_link("http://127.0.0.1:20128/")
    assert link is not None
    assert link.startswith("http://127.0.0.1:20128/accounts/invitation/")
    assert client.post(link.removeprefix("http://127.0.0.1:20128"), NEW).status_code == 302
    user = User.objects.get()
    assert is_site_admin(user)
    assert user.is_staff
    assert invitations.first_administrator_link("http://x") is None


def test_a_later_start_replaces_the_link(db, client) -> None:
    first = invitations.first_administrator_link("")
    second = invitations.first_administrator_link("")
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


def test_the_first_link_ends_when_there_is_an_administrator(db, client) -> None:
    link = invitations.first_administrator_link("")
    services.ensure_initial_administrator("first@example.com", PASSWORD)
    assert client.post(link, NEW).status_code == 410
    assert User.objects.count() == 1


def test_a_deactivated_administrator_does_not_count(boss) -> None:
    User.objects.update(is_active=False)
    assert invitations.first_administrator_link("") is not None


def test_old_invitations_and_sessions_are_cleared(boss, client) -> None:
    client.force_login(boss)
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    _old, _new = invitations.create(by=boss)[0], invitations.create(by=boss)[0]
    Invitation.objects.filter(pk=_old.pk).update(expires_at=timezone.now() - timedelta(days=31))
    assert clear_expired() == 1
    assert Invitation.objects.get().pk == _new.pk
    assert not Session.objects.exists()
