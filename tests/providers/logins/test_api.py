"""Logins through the management API, and their reference in the declarative file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from omniroute.declarative import apply, export
from omniroute.declarative.document import BadDocument
from providers.models import Connection, LoginAttempt
from tests.omniroute.test_api_resources import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(vendors: Any, admin_user: Any) -> Api:
    return Api(admin_user)


def begin(api: Api, status: int = 201, **said: Any) -> Any:
    return api("post", "logins/", {"provider": "claude", "method": "browser", "accept_terms": True, **said}, status)


def test_a_login_from_begin_to_end(api: Api, vendors: Any) -> None:
    login = begin(api)
    page = httpx.get(login["shown"]["url"]).text
    address = page.split('id="yes" href="')[1].split('"')[0].replace("&amp;", "&")
    assert urlsplit(address).hostname == "platform.claude.com"
    done = api("post", f"logins/{login['uid']}/finish/", {"pasted": address})
    assert done["status"] == "done"
    shown = api("get", f"connections/{done['connection']}/")
    assert shown["login"]["email"] == "ada@example.com" and shown["login"]["state"] == "good"
    assert not shown["has_secret"] and shown["problem"] is None
    assert api("post", f"connections/{done['connection']}/renew/")["login"]["state"] == "good"
    assert vendors.accounts.asked == 1 and LogEntry.objects.count() == 1
    assert "eyJ" not in str(shown) and "refresh-" not in str(shown)


def test_an_answer_ends_only_the_login_it_belongs_to(api: Api, vendors: Any) -> None:
    first, second = begin(api), begin(api)
    page = httpx.get(first["shown"]["url"]).text
    address = page.split('id="yes" href="')[1].split('"')[0].replace("&amp;", "&")
    wrong = api("post", f"logins/{second['uid']}/finish/", {"pasted": address}, 400)
    assert "another login" in wrong["error"]["fields"]["pasted"][0]
    assert not Connection.objects.exists() and vendors.accounts.asked == 0
    assert {api("get", f"logins/{each['uid']}/")["status"] for each in (first, second)} == {"open"}
    assert api("post", f"logins/{first['uid']}/finish/", {"pasted": address})["status"] == "done"


def test_a_device_login_is_looked_at(api: Api, vendors: Any) -> None:
    login = begin(api, provider="github", method="device")
    vendors.agree(login["shown"]["code"])
    LoginAttempt.objects.update(ask_at=timezone.now())
    assert api("get", f"logins/{login['uid']}/")["status"] == "done"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"accept_terms": False}, "accept_terms"),
        ({"method": "magic"}, "method"),
        ({"provider": "qwen", "method": "device"}, "provider"),
        ({"provider": "nobody"}, "provider"),
        ({"proxy": "ftp://x"}, "proxy"),
        ({"proxy": "http://169.254.169.254:80"}, "proxy"),
        ({"provider": "kiro", "method": "organization", "start_url": "http://x", "region": "us-east-1"}, "start_url"),
        (
            {"provider": "kiro", "method": "organization", "start_url": "https://x.awsapps.com/start", "region": "Ulm"},
            "region",
        ),
    ],
)
def test_what_is_refused(api: Api, said: dict[str, Any], field: str) -> None:
    assert list(begin(api, 400, **said)["error"]["fields"]) == [field]
    assert not LoginAttempt.objects.exists() and not LogEntry.objects.exists()


def test_another_persons_login_is_not_there(api: Api, vendors: Any) -> None:
    from accounts.models import User

    login = begin(api)
    other = Api(User.objects.create_superuser("eve@example.com"))
    other("get", f"logins/{login['uid']}/", status=404)
    other("post", f"logins/{login['uid']}/finish/", {"pasted": "a#b"}, 404)


def test_the_file_refers_to_logins_and_round_trips(vendors: Any, logged_in: Any) -> None:
    logged_in("claude")
    text = export.export(with_secrets=True)
    assert "auth: oauth" in text and "eyJ" not in text and "refresh-" not in text
    assert apply.apply(text, prune=True).changes == ()
    assert Connection.objects.get().grant.generation == 1


def test_a_reference_waits_for_somebody_to_log_in(vendors: Any) -> None:
    text = "version: 1\nconnections:\n  - {provider: claude, name: team, auth: oauth, priority: 3}\n"
    apply.apply(text)
    row = Connection.objects.get()
    assert row.priority == 3 and row.secret is None
    assert "auth: oauth" in export.export()


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ("{provider: claude, name: a, auth: oauth, api_key: k}", "either a login"),
        ("{provider: claude, name: a, auth: basic}", "must be one of oauth"),
    ],
)
def test_what_a_reference_cannot_be(vendors: Any, connection: str, says: str) -> None:
    with pytest.raises(BadDocument) as wrong:
        apply.apply(f"version: 1\nconnections:\n  - {connection}\n")
    assert any(says in str(problem) for problem in wrong.value.problems)


# -- the opening text -----------------------------------------------------------------------------------------------
def test_the_opening_text_is_switched_and_written_into_the_audit(api: Api, vendors: Any, logged_in: Any) -> None:
    path = f"connections/{logged_in('claude').connection_id}/"
    shown = api("get", path)
    assert (shown["preamble"], shown["adds_preamble"]) == ("", False)
    assert "nothing to add" in str(api("patch", path, {"adds_preamble": True}, 400))
    assert api("patch", path, {"preamble": "Hello.", "adds_preamble": True})["adds_preamble"] is True
    api("patch", path, {"preamble": "Good day."})
    api("patch", path, {"adds_preamble": False})
    said = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert said == ["Turned the opening system text on.", "Turned the opening system text off."]


def test_only_where_the_vendor_wants_an_opening_text(api: Api, vendors: Any, logged_in: Any) -> None:
    path = f"connections/{logged_in('codex').connection_id}/"
    assert "wants no opening text" in str(api("patch", path, {"preamble": "Hello."}, 400))


def test_the_file_sets_the_opening_text_and_gets_it_back(vendors: Any, logged_in: Any, db: None) -> None:
    connection = logged_in("claude").connection
    line = "{provider: claude, name: ada@example.com, auth: oauth, adds_preamble: true%s}"
    said = "version: 1\nconnections:\n  - " + line
    with pytest.raises(BadDocument, match="nothing to add"):
        apply.apply(said % "")
    apply.apply(said % ', preamble: "Hello.\\nAgain."')
    connection.refresh_from_db()
    assert (connection.preamble, connection.adds_preamble) == ("Hello.\nAgain.", True)
    written = export.export()
    assert apply.apply(written).changes == ()
    connection.delete()  # elsewhere, nobody has logged in yet
    apply.apply(written)
    made = Connection.objects.get()
    assert made.preamble == "Hello.\nAgain." and made.adds_preamble
    without = "version: 1\nconnections: [{provider: claude, name: ada@example.com, auth: oauth%s}]"
    assert apply.apply(without % "").changes == ()  # as files of earlier programs, which do not know it
    apply.apply(without % ', adds_preamble: false, preamble: ""')
    made.refresh_from_db()
    assert (made.preamble, made.adds_preamble) == ("", False)
