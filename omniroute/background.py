"""The background process: a Celery worker with a pool of threads, and the beat as one more thread beside it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

THREADS = 4
WARM = 10  # seconds running tasks get to end after SIGTERM; what is cut short is run again or is due again

log = logging.getLogger(__name__)


def run(ready: Callable[[], None], data_dir: Path) -> int:
    """Work until SIGTERM. Returns the exit code; ``ready`` is called once tasks are taken."""
    # Celery's Django side would run every system check here and load all pages for it; CI and doctor check.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    from omniroute.celery import app

    worker = controller(app, ready)
    clock = beat(app, data_dir)
    signal.signal(signal.SIGTERM, lambda _, frame: stop(clock, frame))
    clock.start()
    try:
        worker.start()
    finally:
        clock.stop()  # waits until it has written down when each row last ran
    return int(worker.exitcode or 0)


def make_queue(data_dir: Path) -> None:
    """The folders of the broker without a server, and of the beat's memory; messages may name people."""
    for folder in (data_dir / "queue", data_dir / "queue" / "control"):
        folder.mkdir(mode=0o700, exist_ok=True)


def controller(app: Celery, ready: Callable[[], None]) -> Any:
    """A worker without Celery's banner, signal handlers, remote control, gossip and heartbeat."""
    return app.WorkController(
        pool_cls="threads",
        concurrency=THREADS,
        hostname="omniroute@local",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        ready_callback=lambda consumer: ready(),
        loglevel=logging.getLogger().level,
    )


def beat(app: Celery, data_dir: Path) -> Any:
    """The clock, as a thread. It remembers in a file when each row last ran, so a daily task survives restarts."""
    from celery.beat import EmbeddedService

    return EmbeddedService(app, thread=True, schedule_filename=str(data_dir / "queue" / "beat"))


def stop(clock: Any, interrupted: FrameType | None) -> None:
    """Take nothing new, let running tasks end; past WARM seconds the process is ended as it is."""
    from celery.exceptions import WorkerShutdown
    from celery.worker import state

    state.should_stop = os.EX_OK
    clock.service.stop()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(WARM)
    if interrupted is not None and interrupted.f_code.co_name == "drain_events":
        # The main thread sleeps between two looks at the queue: end the loop now instead of up to three seconds later.
        raise WorkerShutdown(os.EX_OK)
