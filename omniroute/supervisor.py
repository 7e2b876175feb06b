"""The parent process: forks the workers, restarts what falls over, and leaves nothing behind when it ends.

It runs no thread and no event loop, so forking is safe at any time. Children sit in its process group but heed SIGTERM
only; the terminal's Ctrl-C reaches them through the parent.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

log = logging.getLogger(__name__)

GIVE_UP_AFTER, WITHIN = 5, 30.0  # crashes of an essential job, in seconds
LONGEST_PAUSE = 10.0
HURRIED = 5.0  # seconds children get after the second Ctrl-C
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class Job:
    """One child: ``run(ready)`` returns its exit code. ``grace``: seconds it may take to end after SIGTERM."""

    name: str
    run: Callable[[Callable[[], None]], int]
    grace: float
    essential: bool = False
    pid: int | None = None
    due: float = 0.0  # monotonic time of the next start while there is no process
    ready_pipe: int | None = None
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=GIVE_UP_AFTER))

    def pause(self, now: float) -> float:
        """Seconds to wait before another start: none after the first crash, then doubling from a fifth."""
        recent = sum(1 for moment in self.crashes if now - moment < 2 * WITHIN)
        return 0.0 if recent <= 1 else min(LONGEST_PAUSE, 0.1 * 2.0 ** (recent - 1))


class Supervisor:
    """Runs jobs until a signal ends them or an essential one keeps crashing."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        ready: Callable[[], None],
        stopping: Callable[[], None],
        ended: Callable[[int], None],
    ) -> None:
        """``ready`` is called once all essential jobs said they are; ``stopping`` before children are told to end;
        ``ended`` with the process id of every child that has ended."""
        self._jobs = list(jobs)
        self._waiting_for = {job.name for job in jobs if job.essential}
        self._on_ready, self._on_stopping, self._on_end = ready, stopping, ended
        self._stops = 0  # how often we were asked to end
        self._told = 0
        self._deadline = float("inf")
        self._failed = False

    def run(self) -> int:
        """0 after a signal, 1 when an essential job crashed too often. No child is left when it returns."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup is obeyed
                signal.signal(number, self._signalled)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        if threading.active_count() > 1:
            log.warning("Threads run in the parent and will be missing in its children: %s", threading.enumerate())
        gc.collect()
        gc.freeze()
        while not self._finished():
            self._start_due()
            self._wait(wake_read)
            self._reap()
            self._stop_if_asked()
        return 1 if self._failed else 0

    def _signalled(self, number: int, frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stops += 1

    def _finished(self) -> bool:
        return bool(self._told) and all(job.pid is None for job in self._jobs)

    # -- starting ---------------------------------------------------------------------------------------------------
    def _start_due(self) -> None:
        now = time.monotonic()
        for job in self._jobs:
            if job.pid is None and not self._told and not self._stops and now >= job.due:
                self._start(job)

    def _start(self, job: Job) -> None:
        read, write = os.pipe()
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # none may hit the child in its parent's clothes
        job.pid = os.fork()
        if job.pid == 0:
            os.close(read)
            _be_child(job, parent, lambda: _say_ready(write))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(write)
        job.ready_pipe = read

    # -- watching ---------------------------------------------------------------------------------------------------
    def _wait(self, wake_read: int) -> None:
        """Until a signal, a word from a child, or the next thing to do."""
        pipes = [job.ready_pipe for job in self._jobs if job.ready_pipe is not None]
        moments = [job.due for job in self._jobs if job.pid is None and not self._told]
        if self._told:
            moments.append(self._deadline)
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        readable, _, _ = select.select([wake_read, *pipes], [], [], timeout)
        if wake_read in readable:
            os.read(wake_read, 4096)
        for job in self._jobs:
            if job.ready_pipe in readable and job.ready_pipe is not None:
                self._heard(job, os.read(job.ready_pipe, 1))

    def _heard(self, job: Job, word: bytes) -> None:
        assert job.ready_pipe is not None
        os.close(job.ready_pipe)
        job.ready_pipe = None
        if word and job.name in self._waiting_for:
            self._waiting_for.discard(job.name)
            if not self._waiting_for:
                self._on_ready()

    def _reap(self) -> None:
        """Collect every dead child, ours and those of helpers such as the browser's launcher."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = next((job for job in self._jobs if job.pid == pid), None)
            if job is not None:
                self._on_end(pid)
                self._ended(job, os.waitstatus_to_exitcode(status))

    def _ended(self, job: Job, code: int) -> None:
        job.pid = None
        if self._told or self._stops:
            return
        now = time.monotonic()
        job.crashes.append(now)
        job.due = now + job.pause(now)
        crashes = [m for other in self._jobs if other.essential for m in other.crashes if now - m < WITHIN]
        if job.essential and len(crashes) >= GIVE_UP_AFTER:
            log.error("%s ended %d times within %d seconds: giving up", job.name, len(crashes), int(WITHIN))
            self._failed = True
            self._stops += 1
            return
        log.error("%s ended unexpectedly (%s); starting it again", job.name, _cause(code))

    # -- stopping ---------------------------------------------------------------------------------------------------
    def _stop_if_asked(self) -> None:
        now = time.monotonic()
        running = [job for job in self._jobs if job.pid is not None]
        if self._stops and not self._told:
            self._on_stopping()
            self._deadline = now + max((job.grace for job in running), default=0.0)
            self._tell(running, signal.SIGTERM)
        elif self._stops > 1 and self._told == 1:
            self._deadline = min(self._deadline, now + HURRIED)
            self._tell(running, signal.SIGTERM)
        elif self._told and now >= self._deadline:
            self._tell(running, signal.SIGKILL)
            self._deadline = now + HURRIED

    def _tell(self, jobs: Sequence[Job], number: signal.Signals) -> None:
        self._told += 1
        for job in jobs:
            if job.pid is not None:
                os.kill(job.pid, number)


def _be_child(job: Job, parent: int, ready: Callable[[], None]) -> NoReturn:
    """The child's whole life; never returns into the parent's code."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        die_with(parent)
        code = job.run(ready)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        log.exception("%s failed", job.name)
    finally:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)


def _say_ready(pipe: int) -> None:
    os.write(pipe, b".")
    os.close(pipe)


def die_with(parent: int) -> None:
    """End this process at once when ``parent`` does, even by SIGKILL: by the kernel on Linux, elsewhere by a thread."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
        ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, int(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
