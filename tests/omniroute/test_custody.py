"""Where a secret may not show: a canary is planted by every door, then everything that is written down is searched."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connection as database
from django.test import Client, RequestFactory, override_settings
from django.views.debug import ExceptionReporter, get_exception_reporter_filter
from rest_framework.test import APIClient

from omniroute import logs
from omniroute.declarative.apply import apply
from omniroute.declarative.export import export
from providers import connections
from providers.models import Connection, Provider, Proxy
from tests.simulator import json_reply

pytestmark = pytest.mark.django_db
CANARY = "canary-7f3a-yellow-bird"
OTHER = "canary-proxy-password-99"
PROXY = f"http://user:{OTHER}@127.0.0.1:9"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that any logger says, as both of our formats write it."""
    text = StringIO()
    root, before = logging.getLogger(), logging.getLogger().level
    handlers = []
    for formatter in (logs.Text(), logs.Json()):
        handler = logging.StreamHandler(text)
        handler.setFormatter(formatter)
        root.addHandler(handler)
        handlers.append(handler)
    root.setLevel(logging.DEBUG)
    floors = {logging.getLogger(name): floor for name, floor in logs.QUIET.items()}
    levels = {logger: logger.level for logger in floors}
    for logger, floor in floors.items():
        logger.setLevel(max(floor, logging.DEBUG))  # as logs.configure does
    yield text
    root.setLevel(before)
    for logger, level in levels.items():
        logger.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


@pytest.fixture
def acme(make_provider: Any, upstream: Any) -> Provider:
    return make_provider("acme", upstream.url, keys=())


def silent(*texts: str) -> None:
    for text in texts:
        assert CANARY not in text and OTHER not in text


def test_a_secret_given_at_any_door_is_written_down_nowhere(
    acme: Provider, upstream: Any, admin_user: Any, log: StringIO
) -> None:
    upstream.plays(json_reply({"error": {"message": f"The key {CANARY} is not known."}}, 401))
    page, api = Client(), APIClient()
    page.force_login(admin_user)
    api.force_login(admin_user)
    form = {"secret": CANARY, "priority": "1", "enabled": "on", "proxy": "", "via": "", "tags": "", "team": ""}
    shown = [
        page.post("/dashboard/providers/acme/connections/new/", form | {"name": "by page"}),
        page.post("/dashboard/providers/acme/connections/new/", form | {"name": "", "secret": CANARY}),
        page.post("/dashboard/providers/acme/connections/several/", form | {"keys": f"several {CANARY}-2"}),
        page.post("/admin/providers/connection/add/", form | {"name": "by admin", "provider": "acme"}),
        page.post("/admin/providers/connection/add/", form | {"name": "", "provider": "acme"}),
        page.post("/dashboard/proxies/new/", {"name": "by page", "url": PROXY, "enabled": "on"}),
        page.post("/dashboard/proxies/new/", {"name": "", "url": PROXY}),
        page.post("/admin/providers/proxy/add/", {"name": "by admin", "url": PROXY, "enabled": "on"}),
    ]
    body = {"provider": "acme", "name": "by api", "secret": CANARY, "proxy": PROXY}
    shown += [
        api.post("/api/v1/connections/", body, format="json"),
        api.post("/api/v1/connections/", body | {"proxy": f"ftp://{OTHER}"}, format="json"),
        api.post("/api/v1/connections/", body | {"name": "spaced", "secret": f"{CANARY} x"}, format="json"),
        api.get("/api/v1/connections/"),
    ]
    document = f"connections: [{{provider: acme, name: by file, api_key: {CANARY}, proxy: '{PROXY}'}}]"
    plan = [str(change) for change in apply("version: 1\n" + document).changes]
    assert set(Connection.objects.values_list("name", flat=True)) == {
        "by page", "several", "by admin", "by api", "by file",
    }  # fmt: skip
    assert set(Proxy.objects.values_list("name", flat=True)) == {"by page", "by admin", "acme/by api", "acme/by file"}
    row = Connection.objects.get(name="by page")
    probe = connections.test(row)
    assert probe.message.startswith("HTTP 401: The key […]")
    for path in ("/dashboard/providers/acme/", f"/admin/providers/connection/{row.pk}/change/", "/admin/"):
        shown.append(page.get(path))
    assert page.get(f"/admin/providers/connection/{row.pk}/history/").status_code == 200
    silent(*(reply.content.decode() for reply in shown), *plan, repr(probe), repr(row), repr(vars(row)))
    dumped = StringIO()
    call_command("dumpdata", stdout=dumped, exclude=["contenttypes", "auth.permission"])
    entries = json.dumps(list(LogEntry.objects.values_list("object_repr", "change_message")))
    assert "by admin" in entries
    silent(export(), dumped.getvalue(), entries, log.getvalue())
    silent(*_cells())


def _cells() -> Iterator[str]:
    """Every table's every row, as the database has it."""
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")
            yield str(cursor.fetchall())


def test_a_task_in_the_queue_names_ids_only(acme: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import Celery

    from providers import tasks

    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"), "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }  # fmt: skip
    row = connections.add(acme, "main", CANARY, proxy=PROXY)
    app = Celery("t", broker="filesystem://localhost", set_as_current=False)
    app.conf.broker_transport_options = options
    app.send_task(tasks.test_connections.name, args=([row.pk],))
    (message,) = (tmp_path / "queue").iterdir()
    assert tasks.test_connections.name in message.read_text()
    silent(message.read_text())


def test_an_error_report_holds_names_and_no_values(acme: Provider) -> None:
    """Django's own report, of a failure while a secret is in the hands of several frames."""

    def fails(secret: str, **fields: Any) -> None:
        raise RuntimeError("something broke")

    request = RequestFactory().post("/x/", {"secret": CANARY, "proxy": PROXY}, headers={"authorization": CANARY})
    row = Connection(provider=acme, name="main", secret=CANARY)
    try:
        fails(row.secret, proxy=PROXY)
    except RuntimeError as wrong:
        for debug in (True, False):
            with override_settings(DEBUG=debug):
                reporter = ExceptionReporter(request, type(wrong), wrong, wrong.__traceback__)
                html, text = reporter.get_traceback_html(), reporter.get_traceback_text()
                assert "something broke" in html and "fails" in text and "secret" in html
                silent(html, text)
        assert type(get_exception_reporter_filter(request)).__name__ == "Discreet"


def test_one_row_that_cannot_be_opened_is_told_and_breaks_nothing(
    acme: Provider, admin_user: Any, upstream: Any
) -> None:
    good = connections.add(acme, "good", CANARY)
    bad = connections.add(acme, "bad", CANARY, proxy=PROXY)
    with database.cursor() as cursor:
        cursor.execute("UPDATE providers_connection SET secret = 'og1.00000000.AAAA' WHERE id = %s", [bad.pk])
    page, api = Client(), APIClient()
    page.force_login(admin_user)
    api.force_login(admin_user)
    told = "cannot be decrypted"
    listed = page.get("/admin/providers/connection/").content.decode()
    assert told in listed and "good" in listed and "ready" in listed
    assert told in page.get("/dashboard/providers/acme/").content.decode()
    assert page.get("/dashboard/providers/").status_code == 200
    for path in (f"/admin/providers/connection/{bad.pk}/change/", f"/dashboard/providers/connections/{bad.pk}/"):
        assert page.get(path).status_code == 200
    rows = {row["name"]: row for row in api.get("/api/v1/connections/").json()["results"]}
    assert told in rows["bad"]["problem"] and rows["good"]["problem"] is None
    assert [probe.ok for probe in connections.test_many(Connection.objects.order_by("pk"))] == [True, False]
    from routing.publish import build

    provider = build().providers["acme"]
    assert [link.name for link in provider.links] == ["good"] and told in provider.unusable["bad"]
    assert "bad" in export() and good.pk
    connections.set_secret(Connection.objects.get(pk=bad.pk), "entered-again")
    assert connections.secret_of(Connection.objects.get(pk=bad.pk)) == "entered-again"


# -- another address --------------------------------------------------------------------------------------------------
def by_page(page: Client, url: str) -> None:
    fields = {"name": "Acme", "alias": "", "format": "openai_chat", "tier": "api_key", "transport": "fast"}
    page.post(
        "/dashboard/providers/acme/change/",
        fields | {"base_url": url, "allow_private_network": "on", "model_ids": "large"},
    )


def by_admin(page: Client, url: str) -> None:
    fields = {"name": "Acme", "format": "openai_chat", "transport": "fast", "operations": "{}", "enabled": "on"}
    page.post("/admin/providers/provider/acme/change/", fields | {"base_url": url, "allow_private_network": "true"})


def by_api(page: Client, url: str) -> None:
    page.patch("/api/v1/providers/acme/", json.dumps({"base_url": url}), content_type="application/json")


def by_file(page: Client, url: str) -> None:
    given = f"{{id: acme, name: Acme, base_url: '{url}', allow_private_network: true, models: [large]}}"
    apply(f"version: 1\nproviders: [{given}]\nconnections: [{{provider: acme, name: main, priority: 2}}]")


@pytest.mark.parametrize("door", [by_page, by_admin, by_api, by_file])
def test_a_changed_address_never_gets_a_stored_secret(
    door: Any, acme: Provider, upstream: Any, admin_user: Any
) -> None:
    from routing.publish import build

    row = connections.add(acme, "main", CANARY)
    page = Client()
    page.force_login(admin_user)
    door(page, upstream.url.replace("127.0.0.1", "localhost"))
    assert Provider.objects.get(id="acme").base_url.startswith("http://localhost"), "the door did not open"
    assert not build().providers["acme"].links
    for way in ("connections/%d/test/", "acme/models/import/"):
        page.post("/dashboard/providers/" + (way % row.pk if "%" in way else way), {"connection": row.pk})
    page.post("/dashboard/providers/connections/test/", {"provider": "acme"})
    # Neither renaming nor switching makes the secret go along; giving it again does.
    by_page(page, upstream.url.replace("127.0.0.1", "localhost"))
    page.post(f"/dashboard/providers/connections/{row.pk}/", {"name": "renamed", "priority": "1", "enabled": "on"})
    assert Connection.objects.get().name == "renamed" and upstream.count == 0 and not build().providers["acme"].links
    page.post(
        f"/dashboard/providers/connections/{row.pk}/",
        {"name": "renamed", "priority": "1", "enabled": "on", "secret": CANARY},
    )
    assert len(build().providers["acme"].links) == 1
