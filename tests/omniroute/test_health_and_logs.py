"""Probes that tell the truth, and log lines that can be read by people and machines."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from omniroute import health, logs


class Reply:
    """What an ASGI callable sent."""

    def __init__(self) -> None:
        self.status = 0
        self.body: dict[str, Any] = {}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        if message["type"] == "http.response.body":
            self.body = json.loads(message["body"])


async def ask(application: Any) -> Reply:
    reply = Reply()
    await application({"type": "http"}, None, reply.send)
    return reply


# -- health -----------------------------------------------------------------------------------------------------------
async def test_alive() -> None:
    reply = await ask(health.healthz)
    assert (reply.status, reply.body) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
async def test_ready_when_everything_is_there() -> None:
    reply = await ask(health.Readiness(lambda: True))
    assert (reply.status, reply.body) == (200, {"status": "ready"})


@pytest.mark.django_db(transaction=True)
async def test_not_ready_without_a_snapshot_and_while_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_draining", True)
    reply = await ask(health.Readiness(lambda: False))
    assert reply.status == 503
    assert reply.body["reasons"] == ["draining", "no configuration snapshot yet"]


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_not_applied_is_trouble() -> None:
    assert health.database_trouble() is None
    row = MigrationRecorder(connection).migration_qs.get(app="routing", name="0001_initial")
    row.delete()
    try:
        assert health.database_trouble() == "migrations are not applied"
    finally:
        row.save(force_insert=True)


async def test_a_database_that_is_away_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    now = 1000.0

    def away() -> str:
        asked.append(1)
        return "the database cannot be reached"

    monkeypatch.setattr(health, "database_trouble", away)
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now))
    ready = health.Readiness(lambda: True)
    for _ in range(5):
        reply = await ask(ready)
        assert (reply.status, reply.body["reasons"]) == (503, ["the database cannot be reached"])
    assert asked == [1]
    now += health.REMEMBERED
    await ask(ready)
    assert asked == [1, 1]


# -- logs -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def configured() -> Any:
    """logs.configure, undone afterwards."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers), {name: logging.getLogger(name).level for name in logs.QUIET})
    yield logs.configure
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def test_json_lines_carry_request_id_extras_and_traceback(configured: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configured("INFO", "json")
    token = logs.request_id.set("req-1")
    try:
        raise RuntimeError("boom\nand more")
    except RuntimeError:
        logging.getLogger("routing").exception("It %s", "failed", extra={"provider": "acme"})
    finally:
        logs.request_id.reset(token)
    (line,) = capsys.readouterr().err.splitlines()
    row = json.loads(line)
    assert row["time"].endswith("Z")
    assert (row["level"], row["logger"], row["message"]) == ("ERROR", "routing", "It failed")
    assert (row["request_id"], row["provider"]) == ("req-1", "acme")
    assert "RuntimeError: boom" in row["exception"]


def test_text_lines_show_the_request_id_a_caller_gives(configured: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configured("INFO", "text")
    logging.getLogger("routing").warning("Slow", extra={"request_id": "req-2", "ms": 12})
    logging.getLogger("routing").debug("not shown")
    logging.getLogger("celery.worker").info("not shown either")
    line = capsys.readouterr().err
    assert line.endswith("Z WARNING routing [req-2] Slow ms=12\n")
    assert line.count("\n") == 1
