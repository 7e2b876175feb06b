"""The rules about people: last administrator, last owner, addresses, sessions."""

from __future__ import annotations

import threading

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from accounts import services
from accounts.models import Membership, Role, User
from accounts.permissions import is_site_admin, owned_team_ids, team_ids, users_visible_to
from accounts.services import Refused
from tests.accounts.conftest import PASSWORD


@pytest.mark.parametrize(
    "change",
    [
        lambda user: services.set_active(user, False),
        lambda user: services.set_site_administrator(user, False),
        services.delete_user,
    ],
)
def test_the_last_active_site_administrator_stays(boss, person, change) -> None:
    asleep = person("asleep@example.com", admin=True)
    services.set_active(asleep, False)
    with pytest.raises(Refused, match="last active"):
        change(boss)
    boss.refresh_from_db()
    assert is_site_admin(boss)
    services.set_active(asleep, True)
    change(boss)
    assert not User.objects.filter(pk=boss.pk, is_active=True, is_superuser=True).exists()


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_demote_each_other_at_once(person) -> None:
    pair = [person("a@example.com", admin=True), person("b@example.com", admin=True)]
    gate, refused = threading.Barrier(2), []

    def demote(user: User) -> None:
        gate.wait()
        try:
            services.set_site_administrator(user, False)
        except Refused:
            refused.append(user)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=(user,)) for user in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert User.objects.filter(is_superuser=True).count() == 1


def test_several_changes_come_together_or_not_at_all(boss) -> None:
    with pytest.raises(Refused):
        services.change_user(boss, name="New", is_superuser=False)
    assert User.objects.get(pk=boss.pk).name == ""


def test_who_is_deactivated_is_signed_out_everywhere(boss, mate, as_) -> None:
    browser, other = as_(mate), as_(boss)
    assert browser.get("/dashboard/people/").status_code == 200
    services.set_active(mate, False)
    assert browser.get("/dashboard/people/").status_code == 302
    services.set_active(mate, True)
    assert browser.get("/dashboard/people/").status_code == 302, "an old session came back to life"
    assert other.get("/dashboard/people/").status_code == 200


def test_a_changed_address_replaces_the_old_one(mate, client) -> None:
    services.set_email(mate, "New@Example.com", verified=True)
    assert list(EmailAddress.objects.filter(user=mate).values_list("email", flat=True)) == ["new@example.com"]
    old = client.post("/accounts/login/", {"login": "mate@example.com", "password": PASSWORD})
    assert old.status_code == 200
    assert "_auth_user_id" not in client.session
    client.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(mate.pk)


@pytest.mark.parametrize("email", ["MATE@example.com", "second@example.com", "no address"])
def test_addresses_are_unique_and_addresses(mate, email) -> None:
    EmailAddress.objects.create(user=mate, email="second@example.com")
    with pytest.raises(Refused):
        services.create_user(email=email, password=PASSWORD)
    assert User.objects.count() == 1


def test_weak_passwords_are_refused(db) -> None:
    with pytest.raises(Refused, match="too common"):
        services.create_user(email="x@example.com", password="password")


def test_initial_administrator_only_while_there_is_none(db, client) -> None:
    assert services.ensure_initial_administrator("First@Example.com", PASSWORD) is True
    assert services.ensure_initial_administrator("second@example.com", PASSWORD) is False
    assert User.objects.get().is_staff
    client.post("/accounts/login/", {"login": "first@example.com", "password": PASSWORD})
    assert "_auth_user_id" in client.session


def test_initial_administrator_promotes_an_existing_person(mate) -> None:
    assert services.ensure_initial_administrator("mate@example.com", PASSWORD + "!")
    mate.refresh_from_db()
    assert is_site_admin(mate)
    assert mate.check_password(PASSWORD + "!")


# -- teams ----------------------------------------------------------------------------------------------------------
def test_a_team_keeps_its_last_owner_unless_a_site_administrator_decides(boss, owner, mate, red) -> None:
    own = Membership.objects.get(user=owner)
    with pytest.raises(Refused, match="needs an owner"):
        services.set_role(own, Role.VIEWER, by=owner)
    with pytest.raises(Refused, match="needs an owner"):
        services.remove_member(own, by=owner)
    services.set_role(Membership.objects.get(user=mate), Role.OWNER, by=owner)
    services.remove_member(own, by=owner)
    services.remove_member(Membership.objects.get(user=mate), by=boss)
    assert not red.memberships.exists()


def test_only_owners_of_this_team_manage_it(owner, mate, outsider, red) -> None:
    theirs = Membership.objects.get(user=mate)
    for stranger in (mate, outsider):
        with pytest.raises(Refused):
            services.set_role(theirs, Role.OWNER, by=stranger)
        with pytest.raises(Refused):
            services.add_member(red, outsider, Role.OWNER, by=stranger)
    with pytest.raises(Refused):
        services.remove_member(theirs, by=outsider)
    services.remove_member(theirs, by=mate)
    assert red.memberships.count() == 1


def test_the_inactive_and_strangers_have_no_team(owner, red) -> None:
    assert team_ids(owner) == owned_team_ids(owner) == {red.pk}
    services.set_active(owner, False)
    assert team_ids(owner) == owned_team_ids(owner) == team_ids(AnonymousUser()) == frozenset()
    assert not is_site_admin(AnonymousUser())


def test_a_member_sees_teammates_only_once_each(owner, mate, outsider, boss, blue) -> None:
    Membership.objects.create(user=owner, team=blue)
    assert set(users_visible_to(mate)) == {owner, mate}
    assert list(users_visible_to(owner)) == [mate, outsider, owner]
    assert users_visible_to(boss).count() == 4


def test_forgotten_second_factors_are_gone(mate) -> None:
    Authenticator.objects.create(user=mate, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert services.reset_second_factors(mate) == 1
    assert not Authenticator.objects.exists()
