"""PostgreSQL stops, or hangs, under two web processes that go on answering; what they did is in it once it is back.

OUTAGE_SECONDS: how long it is away; docs/operations.md tells what came of a minute.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import simulator as sim
from tests.routing.state.servers import OwnPostgres, OwnRedis
from tests.test_money_job import KEY, STEADY_KEY, Job, ask, redis_server, until, upstream

__all__ = ["redis_server", "upstream"]

pytestmark = pytest.mark.services
OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "3"))
A_CENT = sim.Tokens(10, 10)
FRESH_KEY = "sk-omni-not-asked-yet-0123456789abcdef0"
MORE = """
budgets:
  - {scope: key, name: ci, period: total, limit_usd: 1000}
  - {scope: key, name: fresh, period: total, limit_usd: 1000}
"""


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    own = OwnPostgres()
    try:
        own.start()
        yield own
    finally:
        own.remove()


class Load:
    """Two clients, one of them with a budget, each with ten requests a second; every answer is kept."""

    def __init__(self, address: str) -> None:
        self.told: list[tuple[float, float, int, str]] = []  # begun, seconds, status, request id
        self._address, self._stop = address, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(key,)) for key in (KEY, STEADY_KEY)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def codes(self) -> Counter[int]:
        return Counter(status for _, _, status, _ in self.told)

    def slowest(self) -> float:
        return max(seconds for _, seconds, _, _ in self.told)

    def _ask(self, key: str) -> None:
        while not self._stop.wait(0.1):
            begun = time.monotonic()
            reply = ask(self._address, key, max_tokens=10)
            seconds = time.monotonic() - begun
            self.told.append((begun, seconds, reply.status_code, reply.headers["x-request-id"]))


def page(address: str) -> int:
    return httpx.get(f"{address}/accounts/login/", timeout=60).status_code


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_it_is_away_for_a_while(
    data_dir: Path, redis_server: OwnRedis, upstream: Any, postgres: OwnPostgres, how: str
) -> None:
    keys = f", {{name: fresh, key: {FRESH_KEY}}}"
    job = Job(data_dir, redis_server.url, upstream, MORE, database=postgres.url, keys=keys)
    upstream.default = sim.chat("x", usage=A_CENT)
    with job.start() as program:
        address = program.address()
        with Load(address) as load:
            until(lambda: len(load.told) >= 10)
            postgres.stop() if how == "stopped" else postgres.pause()
            away_at = time.monotonic()
            refused = ask(address, FRESH_KEY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "budget_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            until(lambda: httpx.get(f"{address}/readyz", timeout=60).status_code == 503)
            threading.Event().wait(max(0.0, OUTAGE - (time.monotonic() - away_at)))
            until(lambda: len([begun for begun, *_ in load.told if begun > away_at]) > 10)
            assert {status for begun, _, status, _ in load.told if begun > away_at} == {200}
            postgres.start() if how == "stopped" else postgres.go_on()
            back_at = time.monotonic()
            until(lambda: ask(address, FRESH_KEY).status_code == 200)
            until(lambda: httpx.get(f"{address}/readyz", timeout=60).status_code == 200)
            ready_at = time.monotonic()
            until(lambda: len([begun for begun, *_ in load.told if begun > ready_at]) >= 10)
            assert set(load.codes()) == {200}
        answered = {request_id for *_, request_id in load.told}
        until(lambda: answered <= {id for (id,) in job.rows("SELECT request_id FROM analytics_usagerecord")})
        stored_at = time.monotonic()
        assert program.stop() == 0
    stored = [request_id for (request_id,) in job.rows("SELECT request_id FROM analytics_usagerecord")]
    assert len(stored) == len(set(stored)) and not list((job.data_dir / "outbox").glob("*.jsonl"))
    [(lines, spent)] = job.rows("SELECT count(*), sum(units) FROM analytics_ledgerline")
    [(rows, cost)] = job.rows(
        "SELECT count(*), sum(cost_usd) FROM analytics_usagerecord WHERE key_name <> 'steady' AND result = 'ok'"
    )
    assert (lines, spent) == (rows, cost * 10**10)
    print(
        f"{how} for {back_at - away_at:.0f} s: {load.codes()}, slowest {load.slowest():.2f} s, ready after "
        f"{ready_at - back_at:.1f} s, all stored after {stored_at - back_at:.1f} s"
    )
