"""The real program as a process: started, listened to line by line, ended."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds; how long a line or an end may take on a busy machine


def surroundings(data_dir: Path, **variables: str) -> dict[str, str]:
    """The environment of a program: nothing of the test run's own installation."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT), "PORT": "0", **variables}


def run(data_dir: Path, *words: str, patience: float = PATIENCE, **variables: str) -> subprocess.CompletedProcess[str]:
    """``omniroute WORDS`` to its end, within ``patience`` seconds."""
    command = [sys.executable, "-m", "omniroute", *words]
    return subprocess.run(
        command, env=surroundings(data_dir, **variables), cwd=ROOT, capture_output=True, text=True, timeout=patience
    )


class Program:
    """A running ``omniroute serve`` (or another script); stdout and stderr in one stream of lines."""

    def __init__(self, data_dir: Path, *words: str, script: str | None = None, **variables: str) -> None:
        command = [sys.executable, *(["-m", "omniroute"] if script is None else [script]), *words]
        self.process = subprocess.Popen(
            command,
            env=surroundings(data_dir, PYTHONUNBUFFERED="1", **variables),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        self.output = ""
        self._read = 0  # how far wait_for has looked

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()  # its children end with it
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next match in the output."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.compile(pattern).search(self.output, self._read)) is None:
            assert self._listen(deadline), f"{pattern!r} never came; the output was:\n{self.output}"
        self._read = found.end()
        return found

    def address(self) -> str:
        """Where it says it runs, once it does."""
        return self.wait_for(r"OmniRoute is running on (http://\S+)")[1]

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; returns the exit code. All it said is in ``output``."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self._listen(deadline):
            pass
        return self.process.wait(PATIENCE)

    def _listen(self, deadline: float) -> bool:
        readable, _, _ = select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))
        word = os.read(self._pipe, 65536) if readable else b""
        self.output += word.decode()
        return bool(word)


def until(true: Callable[[], object]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came"
        threading.Event().wait(0.02)


def connections_to(port: int, pid: int) -> int:
    """How many TCP connections a process has open to a port."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it may be closed while we look
            links.append(os.readlink(fd))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(row[2].endswith(f":{port:04X}") and row[3] == established and row[9] in inodes for row in rows)


def watch(pids: list[int]) -> list[int]:
    """Handles that become readable when these processes end."""
    return [os.pidfd_open(pid) for pid in pids]


def all_ended(handles: list[int], within: float = PATIENCE) -> bool:
    deadline = time.monotonic() + within
    try:
        return all(select.select([h], [], [], max(0.0, deadline - time.monotonic()))[0] for h in handles)
    finally:
        for handle in handles:
            os.close(handle)


def picture(folder: Path) -> dict[str, tuple[int, str]]:
    """Every path below with its mode and content: what must not change when a start is refused."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }
