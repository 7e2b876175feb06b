"""Sign-in by allauth: closed sign-up, TOTP, recovery codes, passkeys, limits that cool off, mail or none."""

from __future__ import annotations

import re
import time

import pyotp
import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import PASSWORD


def sign_in(client: Client, email: str = "mate@example.com", password: str = PASSWORD):
    return client.post("/accounts/login/", {"login": email, "password": password})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_sign_in_by_address_in_any_case(mate, client) -> None:
    assert sign_in(client, "MATE@Example.com").status_code == 302
    assert signed_in(client)


def test_wrong_password_and_unknown_address_look_the_same(mate, client) -> None:
    wrong, unknown = sign_in(client, password="nope"), sign_in(client, "nobody@example.com")
    assert wrong.context["form"].non_field_errors() == unknown.context["form"].non_field_errors()
    assert not signed_in(client)


@pytest.mark.parametrize("method", ["get", "post"])
def test_sign_up_is_closed(db, client, method) -> None:
    data = {"email": "x@example.com", "password1": PASSWORD, "password2": PASSWORD}
    for path in ("/accounts/signup/", "/accounts/3rdparty/signup/"):
        page = getattr(client, method)(path, data)
        assert "by invitation" in page.content.decode()
    assert not User.objects.exists()


def test_the_page_names_every_language_and_its_direction(db, client, settings) -> None:
    page = client.get("/accounts/login/").content.decode()
    for code, own_name in settings.LANGUAGES:
        assert f'value="{code}"' in page
        assert own_name in page
    assert 'dir="ltr"' in page
    client.cookies["omniroute_language"] = "ar"
    assert 'dir="rtl"' in client.get("/accounts/login/").content.decode()


def test_the_admin_sends_strangers_to_our_sign_in(mate, as_, client) -> None:
    reply = client.get("/admin/login/?next=/admin/")
    assert reply.status_code == 302
    assert reply["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    data = {"username": "mate@example.com", "password": PASSWORD}
    assert client.post("/admin/login/", data).status_code == 302
    assert not signed_in(client)
    assert as_(mate).get("/admin/login/").status_code == 403


def test_the_admins_own_password_page_is_ours(boss, as_) -> None:
    reply = as_(boss).get("/admin/password_change/")
    assert (reply.status_code, reply["Location"]) == (302, "/accounts/password/change/")


# -- second factors -------------------------------------------------------------------------------------------------
def confirm(client: Client) -> None:
    """Second factors are changed by somebody who has just given the password again."""
    assert client.get("/accounts/2fa/totp/activate/")["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})


def activate_totp(client: Client) -> pyotp.TOTP:
    """Only with the test's own clock: by the real one the code may be over before it is looked at."""
    confirm(client)
    page = client.get("/accounts/2fa/totp/activate/")
    totp = pyotp.TOTP(page.context["form"].secret)
    reply = client.post("/accounts/2fa/totp/activate/", {"code": totp.at(int(time.time()))})
    assert reply.status_code == 302, reply.content.decode()
    return totp


def test_totp_is_asked_and_its_secret_lies_sealed(mate, client, clock) -> None:
    sign_in(client)
    totp = activate_totp(client)
    stored = Authenticator.objects.get(user=mate, type=Authenticator.Type.TOTP)
    assert totp.secret not in str(stored.data)
    assert stored.data["secret"].startswith("og1.")
    other = Client()
    assert sign_in(other)["Location"] == "/accounts/2fa/authenticate/"
    assert not signed_in(other)
    clock(60)  # a code works once
    other.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not signed_in(other)
    assert other.post("/accounts/2fa/authenticate/", {"code": totp.at(int(time.time()))}).status_code == 302
    assert signed_in(other)


def test_a_recovery_code_works_once(mate, client, clock) -> None:
    sign_in(client)
    activate_totp(client)
    seed = Authenticator.objects.get(user=mate, type=Authenticator.Type.RECOVERY_CODES)
    code = seed.wrap().get_unused_codes()[0]
    assert code in client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert "og1." in str(seed.data)
    for expected in (True, False):
        other = Client()
        sign_in(other)
        other.post("/accounts/2fa/authenticate/", {"code": code})
        assert signed_in(other) is expected


def test_passkeys_are_offered_and_can_be_registered(mate, client) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert 'id="passkey_login"' in page
    challenge = client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"}).json()
    assert challenge["request_options"]["publicKey"]["challenge"]
    sign_in(client)
    confirm(client)
    page = client.get("/accounts/2fa/webauthn/add/")
    assert page.status_code == 200
    options = page.context["js_data"]["creation_options"]["publicKey"]
    assert options["user"]["name"] == "mate@example.com"
    assert options["rp"]["id"] == "testserver"
    bad = client.post("/accounts/2fa/webauthn/add/", {"name": "key", "credential": "{}"})
    assert bad.status_code == 200
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("path", ["password/change/", "email/", "2fa/", "2fa/webauthn/", "3rdparty/"])
def test_account_pages_are_in_the_dashboard(mate, client, settings, path) -> None:
    settings.MAIL_ENABLED = True
    sign_in(client)
    page = client.get(f"/accounts/{path}", follow=True)
    assert page.status_code == 200
    assert 'class="o-tabs"' in page.content.decode()


# -- limits ---------------------------------------------------------------------------------------------------------
def test_failures_for_one_account_cool_off_by_themselves(mate, client, clock) -> None:
    for _ in range(5):
        assert sign_in(client, password="nope").status_code == 200
    stopped = sign_in(client)
    assert stopped.status_code == 429
    assert 290 <= int(stopped["Retry-After"]) <= 300
    assert "5 minutes" in stopped.content.decode()
    assert not signed_in(client)
    clock(int(stopped["Retry-After"]) + 1)
    assert sign_in(client).status_code == 302
    assert signed_in(client)


def test_other_accounts_are_not_stopped(mate, boss, client, clock) -> None:
    for _ in range(6):
        sign_in(client, password="nope")
    assert sign_in(client, "boss@example.com").status_code == 302


def test_failures_from_one_address_over_many_accounts(mate, client, clock) -> None:
    for number in range(10):
        assert sign_in(client, f"{number}@example.com").status_code == 200
    assert sign_in(client).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="10.1.2.3")).status_code == 302


def test_a_forwarded_header_does_not_buy_attempts(mate, client, clock) -> None:
    replies = [
        client.post(
            "/accounts/login/",
            {"login": f"{number}@example.com", "password": "x"},
            headers={"x-forwarded-for": f"10.0.0.{number}"},
        ).status_code
        for number in range(12)
    ]
    assert replies[-1] == 429


def test_too_many_sign_ins_tell_when_to_return(mate, clock) -> None:
    for _ in range(30):
        sign_in(Client())
    stopped = sign_in(Client())
    assert stopped.status_code == 429
    assert 1 <= int(stopped["Retry-After"]) <= 60
    clock(61)
    assert sign_in(Client()).status_code == 302


def test_codes_cannot_be_guessed_without_end(mate, client, clock) -> None:
    sign_in(client)
    activate_totp(client)
    other = Client()
    sign_in(other)
    replies = [other.post("/accounts/2fa/authenticate/", {"code": f"{n:06}"}) for n in range(12)]
    assert not signed_in(other)
    assert replies[0].status_code == 200
    assert replies[-1].status_code == 429
    assert int(replies[-1]["Retry-After"]) > 0


# -- mail -----------------------------------------------------------------------------------------------------------
def test_without_mail_nothing_is_pretended(mate, client) -> None:
    for method in (client.get, client.post):
        page = method("/accounts/password/reset/", {"email": "mate@example.com"})
        assert "sends no mail" in page.content.decode()
    sign_in(client)
    page = client.post("/accounts/email/", {"email": "other@example.com", "action_add": ""})
    assert "sends no mail" in page.content.decode()
    assert "o-tabs" in page.content.decode()  # within the dashboard, as the other pages of one's account
    page = client.get("/accounts/reauthenticate/")
    assert "/accounts/reauthenticate/code/" not in page.content.decode()
    assert not mail.outbox


def test_with_mail_a_password_is_reset_by_link(mate, client, settings) -> None:
    settings.MAIL_ENABLED = True
    client.post("/accounts/password/reset/", {"email": "mate@example.com"})
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", mail.outbox[0].body)
    form = client.get(link, follow=True)
    new = "another long pass phrase"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert sign_in(Client(), password=new).status_code == 302
    assert sign_in(Client()).status_code == 200


def test_with_mail_an_unproven_address_waits(person, client, settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION, settings.MAIL_ENABLED = "mandatory", True
    user = person("mate@example.com")
    user.emailaddress_set.update(verified=False)
    assert sign_in(client)["Location"] == "/accounts/confirm-email/"
    assert not signed_in(client)
    assert mail.outbox[0].to == ["mate@example.com"]
