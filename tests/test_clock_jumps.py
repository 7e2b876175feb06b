"""The clock of the machine jumps under the real program: what is counted in seconds does not notice."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests import simulator as sim
from tests.omniroute.programs import Program, run
from tests.routing.state.servers import missing
from tests.test_money_job import COSTS_A_DOLLAR, FILE, KEY, STEADY_KEY, ask, upstream

__all__ = ["upstream"]

HOUR, DAY = 3600, 86_400
MORE = """
cache: {idempotency_seconds: 600}
budgets: [{scope: key, name: ci, period: daily, limit_usd: 2, time_zone: UTC}]
limits: [{scope: key, name: steady, requests_per_minute: 4}]
"""


class Clock:
    """The wall clock of a program that runs under libfaketime; its monotonic clock is the real one."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            missing("libfaketime")
        self._file = folder / "offset"
        self.set(0)
        self.variables = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: float) -> None:
        """So far ahead of the real time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+f}\n")
        os.replace(fresh, self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def started(data_dir: Path, clock: Clock, upstream: Any) -> Program:
    file = data_dir.parent / "omniroute.yaml"
    switches = FILE.replace("connection_cooldown: false", "connection_cooldown: true")
    file.write_text(switches.format(url=upstream.url, key=KEY, steady=STEADY_KEY, keys="", more=MORE))
    done = run(data_dir, "apply", str(file))
    assert done.returncode == 0, done.stderr
    return Program(data_dir, "serve", "--no-open", **clock.variables)


def until_noon() -> float:
    """Of tomorrow (UTC): far from both ends of a day."""
    return 1.5 * DAY - time.time() % DAY


def test_what_is_counted_in_seconds_does_not_notice(data_dir: Path, clock: Clock, upstream: Any) -> None:
    once = {"idempotency-key": "one"}
    with started(data_dir, clock, upstream) as program:
        address = program.address()
        assert [ask(address, STEADY_KEY, model="acme/free").status_code for _ in range(5)] == [200] * 4 + [429]
        first = ask(address, headers=once)
        assert first.status_code == 200
        upstream.plays(sim.status(429, retry_after=300))
        assert ask(address).status_code == 429
        count = upstream.count
        for jump in (HOUR, -HOUR, DAY, -DAY, 0):
            clock.set(jump)
            limited = ask(address, STEADY_KEY, model="acme/free")
            assert limited.json()["error"]["code"] == "rate_limit_exceeded"
            assert 1 <= int(limited.headers["retry-after"]) <= 61
            again = ask(address, headers=once)
            assert again.json() == first.json() and again.headers["x-omniroute-idempotent"] == "true"
            resting = ask(address)
            assert resting.json()["error"]["code"] == "all_connections_resting"
            assert 1 <= int(resting.headers["retry-after"]) <= 300
        assert upstream.count == count
        assert program.stop() == 0


def test_a_day_of_a_budget_is_the_clocks(data_dir: Path, clock: Clock, upstream: Any) -> None:
    upstream.default = sim.chat("x", usage=COSTS_A_DOLLAR)
    noon = until_noon()
    clock.set(noon)
    with started(data_dir, clock, upstream) as program:
        address = program.address()

        def spent_until_refused() -> int:
            count = 0
            while (reply := ask(address)).status_code == 200:
                count += 1
            assert reply.json()["error"]["code"] == "budget_exceeded"
            assert 0 < int(reply.headers["retry-after"]) <= DAY + 1
            return count

        assert spent_until_refused() == 2
        clock.set(noon + DAY)
        assert spent_until_refused() == 2, "another day"
        clock.set(noon)
        assert spent_until_refused() == 0, "the day before is spent"
        clock.set(noon + DAY)
        assert spent_until_refused() == 0, "and the other one too"
        assert program.stop() == 0
    with sqlite3.connect(data_dir / "omniroute.sqlite3") as database:
        days = database.execute("SELECT date(at), sum(units) FROM analytics_ledgerline GROUP BY 1").fetchall()
        costs = database.execute(
            "SELECT date(started_at), sum(cost_usd) FROM analytics_usagerecord GROUP BY 1"
        ).fetchall()
    assert [units for _, units in days] == [2 * 10**10] * 2
    assert [(day, cost * 10**10) for day, cost in costs] == days
