"""CPU seconds and memory of a process and its descendants, from /proc (Linux)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True)
class Use:
    """What processes have used: CPU seconds (user and system) since their start; memory in MB (PSS) now."""

    cpu: float = 0.0
    pss: float = 0.0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.cpu + other.cpu, self.pss + other.pss)


def tree(root: int) -> list[int]:
    """The living process ids below root, root first."""
    parents = {pid: _stat(pid)[1] for pid in _pids()}
    found = [root] if root in parents else []
    for parent in found:
        found += [pid for pid, its_parent in parents.items() if its_parent == str(parent)]
    return found


def use(pid: int) -> Use:
    """Of one process; nothing for one that has ended."""
    fields = _stat(pid)
    if not fields[0]:
        return Use()
    return Use((int(fields[11]) + int(fields[12])) / TICK, _pss(pid))


def split(root: int, port: int, background: str | None) -> tuple[list[int], list[int]]:
    """The tree as (serving, other): those that hold the listening socket of the port, but for command lines
    that contain `background` and for a parent that only keeps the socket for its children; and the rest.
    """
    inodes = _listening(port)
    pids = tree(root)
    serving = [pid for pid in pids if inodes & set(_sockets(pid)) and not (background and background in command(pid))]
    if len(serving) > 1 and root in serving:
        serving.remove(root)
    return serving, [pid for pid in pids if pid not in serving]


def total(pids: list[int]) -> Use:
    return sum((use(pid) for pid in pids), Use())


def command(pid: int) -> str:
    """The command line, words parted by spaces; empty for one that has ended."""
    return _read(PROC / str(pid) / "cmdline").replace("\0", " ")


def group(pid: int) -> int | None:
    """The process group; None for one that has ended."""
    fields = _stat(pid)
    return int(fields[2]) if fields[2] else None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (the name may contain anything); blank when it ended."""
    text = _read(PROC / str(pid) / "stat")
    return text.rpartition(")")[2].split() or [""] * 13


def _pss(pid: int) -> float:
    rows = _read(PROC / str(pid) / "smaps_rollup").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


def _listening(port: int) -> set[str]:
    """The inodes of sockets in state LISTEN on a TCP port."""
    rows = [row.split() for name in ("tcp", "tcp6") for row in _read(PROC / "net" / name).splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}


def _sockets(pid: int) -> Iterator[str]:
    try:
        links = [os.readlink(entry) for entry in (PROC / str(pid) / "fd").iterdir()]
    except OSError:  # it ended while we looked
        return
    yield from (link[8:-1] for link in links if link.startswith("socket:["))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended while we looked
        return ""
