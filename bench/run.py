"""The table: `python -m bench.run`. Rows on one core, the mock and the load on another, interleaved."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from . import bodies, cpu, load
from .report import table
from .running import Process, answers, start
from .systems import ROOT, ROWS, Missing, Place, System, free_port, given

WARM_UP = 1.0  # seconds
SETTLE = 1.2  # seconds after a load, for what is written later (usage records) to be counted


@dataclass
class Row:
    """One system under test and what was measured, a list per figure: one value a repeat."""

    name: str
    system: System
    process: Process | None = None
    background: str | None = None
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **figures: float) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def uses(self) -> tuple[cpu.Use, cpu.Use]:
        """What the serving processes and the others have used so far."""
        if self.process is None:
            return cpu.Use(), cpu.Use()
        self.process.check()
        port = urlsplit(self.system.url).port or 80
        serving, others = cpu.split(self.process.pid, port, self.background)
        return cpu.total(serving), cpu.total(others)

    def medians(self) -> dict[str, float]:
        """One value a figure; failures are summed, since a median would hide them."""
        return {name: (sum if name == "failed" else median)(values) for name, values in self.figures.items()}


def measure(row: Row, kind: str, options: argparse.Namespace) -> None:
    """One repeat of one kind of load."""
    target = load.Target(row.system.url, row.system.headers)
    before, before_others = row.uses()
    if kind == "streams":
        body = bodies.stream(row.system.stream_model)
        done = load.streams(target, body, count=options.stream_count, timeout=60)
    else:
        body = {"small": bodies.small, "large": bodies.large}[kind](row.system.model)
        done = load.requests(target, body, seconds=options.seconds, connections=options.connections)
    time.sleep(SETTLE if row.process else 0)
    after, after_others = row.uses()
    units = max(1, done.chunks if kind == "streams" else done.requests)
    row.note(
        **{
            f"{kind}_rate": done.rate,
            f"{kind}_cpu": (after.cpu - before.cpu) / units,
            f"{kind}_other_cpu": (after_others.cpu - before_others.cpu) / units,
            f"{kind}_p50": done.p50,
            f"{kind}_p99": done.p99,
            "failed": done.failed,
        }
    )


def build(
    names: Sequence[str], upstream: str, folder: Path, options: argparse.Namespace
) -> tuple[list[Row], list[str]]:
    """The rows that can be measured here, and why the others cannot."""
    commands = dict(given.split("=", 1) for given in options.command)
    rows, missing = [], []
    for name in (*names, *commands):
        place = Place(folder / name, upstream, free_port(), options.python, commands.get(name, ""))
        place.folder.mkdir()
        try:
            rows.append(Row(name, ROWS.get(name, given)(place), background=options.classify))
        except Missing as why:
            missing.append(f"{name}: {why}")
    return rows, missing


def bring_up(rows: list[Row], folder: Path, cores: set[int], running: ExitStack, starts: int) -> list[str]:
    """Start every row (its last start stays); returns why some did not, and drops those."""
    failed = []
    for row in [row for row in rows if row.system.command]:
        try:
            for number in range(starts):
                process, seconds = start(row.system, cores, folder / f"{row.name}.log")
                row.note(first_answer=seconds)
                if number < starts - 1:
                    process.__exit__(None, None, None)
            row.process = running.enter_context(process)
        except Missing as why:
            rows.remove(row)
            failed.append(f"{row.name}: {why}")
    return failed


def bench(options: argparse.Namespace, folder: Path, running: ExitStack) -> tuple[list[Row], list[str]]:
    cores = sorted(os.sched_getaffinity(0))
    under_test, loading = {cores[0]}, {cores[-1]}
    os.sched_setaffinity(0, loading)
    port = free_port()
    mock = (sys.executable, "-m", "bench.mock_upstream", "--port", str(port))
    running.enter_context(Process(mock, cores=loading, log=folder / "mock.log", env={}, cwd=ROOT))
    wait_for(System(f"http://127.0.0.1:{port}/v1/chat/completions"))
    names = list(dict.fromkeys(["direct", *options.rows.split(",")]))
    rows, missing = build(names, f"http://127.0.0.1:{port}/v1", folder, options)
    missing += bring_up(rows, folder, under_test, running, 3 if "start" in options.kinds else 1)
    time.sleep(SETTLE)
    for row in rows:
        row.note(idle=row.uses()[0].pss, idle_other=row.uses()[1].pss)
    kinds = [kind for kind in ("small", "large", "streams") if kind in options.kinds]
    for row in rows if kinds else ():
        target = load.Target(row.system.url, row.system.headers)
        load.requests(target, bodies.small(row.system.model), seconds=WARM_UP, connections=options.connections)
    for _ in range(options.repeats):
        for kind in kinds:
            for row in rows:
                measure(row, kind, options)
    for row in rows:
        row.note(loaded=row.uses()[0].pss)
    return rows, missing


def wait_for(system: System) -> None:
    end = time.monotonic() + 20
    while not answers(system):
        if time.monotonic() > end:
            raise SystemExit("the mock upstream did not start")
        time.sleep(0.02)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    for kind in ("small", "large", "streams", "start"):
        parser.add_argument(f"--{kind}", action="append_const", dest="kinds", const=kind, help="only what is named")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument(
        "--command",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more row: any proxy; {port} and {upstream} are filled in",
    )
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter beside which `omniroute` is installed"
    )
    parser.add_argument("--classify", help="a serving process whose command line contains this is background")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="per load")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--stream-count", type=int, default=200)
    options = parser.parse_args(arguments)
    options.kinds = options.kinds or ["small", "large", "streams", "start"]
    return options


def main() -> None:
    options = parse(None)
    for ended_by in (signal.SIGINT, signal.SIGTERM):  # both leave through the `with` blocks, which end the children
        signal.signal(ended_by, lambda number, frame: sys.exit(128 + number))
    if len(os.sched_getaffinity(0)) < 2:
        print("Only one core: the load and the system under test share it; CPU figures hold, rates do not.")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as running:
        rows, missing = bench(options, Path(folder), running)
        print(table({row.name: row.medians() for row in rows}))
        for why in missing:
            print(f"\nNot measured: {why}")


if __name__ == "__main__":
    main()
