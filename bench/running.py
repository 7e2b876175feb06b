"""Processes of the bench: started on a core of their own, awaited, ended with all their children."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from . import cpu
from .bodies import small
from .systems import Missing, System, environment

START_LIMIT = 90.0  # seconds to the first answer
STOP_LIMIT = 20.0  # seconds to end after SIGTERM


class Process:
    """A command in a process group of its own, pinned to cores; ends with the `with` block."""

    def __init__(
        self, command: Sequence[str], *, cores: set[int], log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environment(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def log_end(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def check(self) -> None:
        """Raises Missing when it has ended."""
        if self._process.poll() is not None:
            raise Missing(f"it ended with {self._process.returncode}: {self.log_end()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """SIGTERM to the root, which ends its children; SIGKILL to what is left of them."""
        family = cpu.tree(self.pid)
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in family[1:]:
            if cpu.group(pid) == self.pid:
                os.kill(pid, signal.SIGKILL)


def start(system: System, cores: set[int], log: Path) -> tuple[Process, float]:
    """The running process and the seconds from its start to its first good answer. Raises Missing."""
    began = time.monotonic()
    process = Process(system.command, cores=cores, log=log, env=system.env, cwd=system.cwd)
    try:
        while not answers(system):
            process.check()
            if time.monotonic() - began > START_LIMIT:
                raise Missing(f"no answer within {START_LIMIT:g} s: {process.log_end()}")
            time.sleep(0.01)
    except BaseException:
        process.__exit__(None, None, None)
        raise
    return process, time.monotonic() - began


def answers(system: System) -> bool:
    """True when a small chat is answered with 200."""
    at = urlsplit(system.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=10)
    try:
        headers = {"content-type": "application/json", **system.headers}
        connection.request("POST", at.path, small(system.model), headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
