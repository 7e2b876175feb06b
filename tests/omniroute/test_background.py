"""The background process: tasks come through, by both brokers, and what the clock runs exists."""

from __future__ import annotations

import os
import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from tests.omniroute.programs import Program

WORKER = str(Path(__file__).with_name("background_worker.py"))
REDIS = "redis://127.0.0.1:6379/5"
ANOTHER = "redis://127.0.0.1:6379/4"  # its workers would take the tasks of others out of the same queue


def _redis_answers() -> bool:
    try:
        socket.create_connection(("127.0.0.1", 6379), timeout=1).close()
    except OSError:
        return False
    return True


needs_redis = pytest.mark.skipif(not _redis_answers() and not os.environ.get("CI"), reason="no Redis on 127.0.0.1:6379")


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, id="files"),
        pytest.param({"REDIS_URL": REDIS}, id="redis", marks=[pytest.mark.services, needs_redis]),
    ],
)
def test_a_task_goes_round(installed: Path, variables: dict[str, str]) -> None:
    with Program(installed, "work", script=WORKER, **variables) as worker:
        worker.wait_for("takes tasks")
        with Program(installed, "send", "hello from afar", script=WORKER, **variables) as sender:
            assert sender.end() == 0, sender.output
        worker.wait_for("said hello from afar")
        assert worker.stop(signal.SIGTERM) == 0
    assert "WARNING" not in worker.output


def test_every_row_of_the_beat_is_a_task() -> None:
    from omniroute.celery import BEAT, app

    app.loader.import_default_modules()
    assert {row.task for row in BEAT} <= set(app.tasks)
    assert len({row.task for row in BEAT}) == len(BEAT)
    assert app.conf.beat_schedule.keys() == {row.task for row in BEAT}


@pytest.mark.services
@needs_redis
def test_several_workers_share_redis(installed: Path) -> None:
    with Program(installed, "--no-open", "--workers", "2", REDIS_URL=ANOTHER) as program:
        program.address()
        assert len(program.children()) == 3
        assert program.stop() == 0
    assert "unexpectedly" not in program.output


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
def test_what_ran_in_the_future_is_due(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was ahead and went back: no task waits for it to come round again."""
    from omniroute.celery import BEAT, app

    now = app.now()  # stands still: twenty past three does not come in between
    monkeypatch.setattr(app, "now", lambda: now)
    for row in BEAT:
        when = app.conf.beat_schedule[row.task]["schedule"]
        assert when.is_due(when.now() + timedelta(hours=hours)).is_due, row.task
        assert not when.is_due(when.now()).is_due
        assert type(when)(*when.__reduce__()[1]).is_due(when.now() + timedelta(hours=hours)).is_due
