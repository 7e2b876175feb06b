"""The pages of a login: the restriction is read first, everything is audited, nobody gets in the way of others."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from providers import proxies
from providers.logins import listener
from providers.models import Connection, Grant, LoginAttempt, Provider, Proxy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendors(transactional_db: None, vendors: Any) -> Any:
    return vendors


@pytest.fixture
def ada(admin_user: Any) -> Client:
    client = Client(HTTP_HOST="127.0.0.1:20128")
    client.force_login(admin_user)
    return client


def begin(client: Client, provider: str, method: str = "browser", **said: str) -> LoginAttempt:
    reply = client.post(f"/dashboard/providers/{provider}/login/", {"method": method, "accept": "on", **said})
    assert reply.status_code == 302, reply.content.decode()
    return LoginAttempt.objects.get(uid=reply["location"].rstrip("/").rpartition("/")[2])


def back(attempt: LoginAttempt, answer: str = "yes") -> str:
    """The address the vendor sends the browser to."""
    page = httpx.get(attempt.shown["url"]).text
    return page.split(f'id="{answer}" href="')[1].split('"')[0].replace("&amp;", "&")


def test_nothing_begins_before_the_restriction_is_accepted(vendors: Any, ada: Client) -> None:
    page = ada.get("/dashboard/providers/claude/login/").content.decode()
    assert "The vendor restricts use outside its own programs." in page
    refused = ada.post("/dashboard/providers/claude/login/", {"method": "browser"})
    assert refused.status_code == 200 and not LoginAttempt.objects.exists() and not LogEntry.objects.exists()
    begin(ada, "claude")
    (note,) = LogEntry.objects.all()
    assert "Accepted the restriction of Claude" in note.change_message and note.user.email == "admin@example.com"


def test_the_browser_comes_back_to_us(vendors: Any, ada: Client) -> None:
    attempt = begin(ada, "claude")
    parts = urlsplit(back(attempt))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "http://localhost:20128/callback"
    onward = Client(HTTP_HOST="localhost:20128").get(
        f"{parts.path}?{parts.query}"
    )  # another name of this machine: no session there
    assert onward.status_code == 302 and onward["location"].startswith(attempt.origin + "/dashboard/")
    done = ada.get(onward["location"].removeprefix(attempt.origin))
    assert done.status_code == 302 and done["location"] == "/dashboard/providers/claude/"
    page = ada.get("/dashboard/providers/claude/").content.decode()
    assert "ada@example.com" in page and "valid until" in page and "Log in again" in page
    assert not re.search(r"eyJ\w{20,}|refresh-\d", page)


@pytest.mark.parametrize("provider", ["gemini-cli", "antigravity"])
def test_the_browser_comes_back_by_another_name_of_this_machine(vendors: Any, ada: Client, provider: str) -> None:
    """The dashboard is used at 127.0.0.1, the vendor knows localhost only, and a session is not shared by the two."""
    attempt = begin(ada, provider)
    parts = urlsplit(back(attempt))
    assert parts.hostname == "localhost"
    onward = Client(HTTP_HOST=parts.netloc).get(f"{parts.path}?{parts.query}")
    assert onward["location"].startswith(attempt.origin)
    ada.get(onward["location"].removeprefix(attempt.origin))
    assert Grant.objects.get().email == "ada@example.com"


def test_the_vendors_fixed_port_is_open_while_a_login_is(vendors: Any, ada: Client) -> None:
    attempt = begin(ada, "codex")
    address = back(attempt)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    ada.get(f"/dashboard/providers/logins/{attempt.uid}/")
    assert httpx.get(address.replace("state=", "state=x")).status_code == 404
    onward = httpx.get(address)
    assert onward.status_code == 302
    assert ada.get(onward.headers["location"].removeprefix(attempt.origin)).status_code == 302
    assert Grant.objects.get().account_id == "acc-1"
    thread = listener._running[vendors.codex_port]
    thread.join(10)
    assert not thread.is_alive()  # nobody logs in any more: the port is closed


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_pasting_the_final_address(vendors: Any, ada: Client, answer: str) -> None:
    attempt = begin(ada, "codex")
    page = f"/dashboard/providers/logins/{attempt.uid}/"
    assert "address" in ada.post(page, {"pasted": "nonsense"}).content.decode()
    reply = ada.post(page, {"pasted": back(attempt, answer)})
    assert reply.status_code == (302 if answer == "yes" else 400)
    assert Connection.objects.count() == (answer == "yes")
    if answer == "no":
        assert "refused" in reply.content.decode() and "Begin again" in reply.content.decode()


def test_another_browser_cannot_finish_it(vendors: Any, ada: Client, admin_user: Any) -> None:
    attempt = begin(ada, "claude")
    query = urlsplit(back(attempt)).query
    other = Client(HTTP_HOST="127.0.0.1:20128")
    other.force_login(admin_user)
    reply = other.get(f"/dashboard/providers/logins/callback/?{query}")
    assert reply.status_code == 400 and "another browser" in reply.content.decode()
    assert other.get(f"/dashboard/providers/logins/{attempt.uid}/").status_code == 400
    assert other.post(f"/dashboard/providers/logins/{attempt.uid}/status/").status_code == 403
    assert not Connection.objects.exists()


def test_a_device_is_followed(vendors: Any, ada: Client) -> None:
    attempt = begin(ada, "github", "device")
    status = f"/dashboard/providers/logins/{attempt.uid}/status/"
    assert ada.post(status).json() == {"status": "open", "message": ""}
    vendors.agree(attempt.shown["code"])
    LoginAttempt.objects.update(ask_at=timezone.now())
    assert ada.post(status).json()["status"] == "done"
    assert Grant.objects.get().email == "ada"


def test_members_cannot_log_in_for_the_gateway(vendors: Any, member: Any) -> None:
    client = Client()
    client.force_login(member)
    assert client.get("/dashboard/providers/claude/login/").status_code == 403
    assert client.post("/dashboard/providers/claude/login/", {"method": "browser", "accept": "on"}).status_code == 403


def test_the_proxy_of_a_login_is_its_connections(vendors: Any, ada: Client) -> None:
    """Every call goes through it: a proxy that is not there is an error, never a direct call."""
    away = proxies.save(Proxy(name="away"), "http://127.0.0.1:9")
    begin = {"method": "device", "accept": "on", "proxy": "away"}
    failed = ada.post("/dashboard/providers/github/login/", begin).content.decode()
    assert "could not be reached" in failed and vendors.calls == []
    away.enabled = False
    proxies.save(away)
    failed = ada.post("/dashboard/providers/github/login/", begin).content.decode()
    assert "The proxy away is switched off" in failed and vendors.calls == []


def test_a_login_goes_the_way_of_its_provider_unless_it_says_otherwise(vendors: Any, ada: Client) -> None:
    Provider.objects.filter(pk="github").update(proxy=proxies.save(Proxy(name="away"), "http://127.0.0.1:9"))
    begin = {"method": "device", "accept": "on"}
    failed = ada.post("/dashboard/providers/github/login/", begin).content.decode()
    assert "could not be reached" in failed and vendors.calls == []
    assert ada.post("/dashboard/providers/github/login/", begin | {"proxy": "direct"}).status_code == 302
    assert vendors.calls


def test_a_login_leaves_its_proxy_with_the_connection_it_makes(vendors: Any, ada: Client) -> None:
    proxies.save(Proxy(name="wide", is_global=True), "http://127.0.0.1:9")
    query = urlsplit(back(begin(ada, "claude", proxy="direct"))).query
    assert ada.get(f"/dashboard/providers/logins/callback/?{query}").status_code == 302
    made = Connection.objects.get()
    assert made.direct and made.proxy is None


def test_an_ended_login_is_shown_everywhere(vendors: Any, ada: Client, logged_in: Any) -> None:
    grant = logged_in("claude")
    grant.state, grant.message = Grant.State.ENDED, "No such token."
    grant.save()
    assert "login needed" in ada.get("/dashboard/providers/").content.decode()
    page = ada.get("/dashboard/providers/claude/").content.decode()
    assert "login needed" in page and "No such token." in page
    assert "needs a new login" in ada.get("/dashboard/").content.decode()


def test_renewing_by_hand(vendors: Any, ada: Client, logged_in: Any) -> None:
    grant = logged_in("claude")
    assert ada.post(f"/dashboard/providers/connections/{grant.connection_id}/renew/").status_code == 302
    assert Grant.objects.get().generation == 2


def test_the_opening_text_is_a_switch_with_the_restriction_beside_it(vendors: Any, ada: Client, logged_in: Any) -> None:
    grant = logged_in("claude")
    page = f"/dashboard/providers/connections/{grant.connection_id}/opening/"
    assert "limited or closed" in ada.get(page).content.decode()
    assert "nothing to add" in ada.post(page, {"adds_preamble": "on"}).content.decode()
    assert ada.post(page, {"adds_preamble": "on", "preamble": "Hello."}).status_code == 302
    assert (
        Connection.objects.get().adds_preamble and LogEntry.objects.filter(change_message__contains="opening").exists()
    )
    other = logged_in("codex")
    assert ada.get(f"/dashboard/providers/connections/{other.connection_id}/opening/").status_code == 404


def test_the_audit_is_read_only(vendors: Any, ada: Client) -> None:
    begin(ada, "claude")
    page = ada.get("/admin/admin/logentry/")
    assert page.status_code == 200 and "Accepted the restriction" in page.content.decode()
    assert ada.get("/admin/admin/logentry/add/").status_code == 403
    row = LogEntry.objects.get()
    assert ada.post(f"/admin/admin/logentry/{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("form", ["new", "several"])
def test_a_provider_that_takes_no_key_has_no_form_for_one(vendors: Any, ada: Client, form: str) -> None:
    reply = ada.get(f"/dashboard/providers/claude/connections/{form}/")
    assert (reply.status_code, reply["location"]) == (302, "/dashboard/providers/claude/")
    Provider.objects.create(id="acme", format="openai_chat", base_url="https://acme.example/v1")
    assert ada.get(f"/dashboard/providers/acme/connections/{form}/").status_code == 200
