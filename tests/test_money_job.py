"""Money and limits with the real program: two web processes, Redis, and an end by kill -9 in the middle."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests import simulator as sim
from tests.omniroute.programs import Program, run, until
from tests.routing.state.servers import OwnRedis, Slow

pytestmark = pytest.mark.services
KEY = "sk-omni-for-automation-0123456789abcdef"
STEADY_KEY = "sk-omni-without-a-limit-0123456789abcdef"
HELLO: Any = [{"role": "user", "content": "Say hello"}]
COSTS_A_DOLLAR = sim.Tokens(10, 1000)
FILE = """
version: 1
providers:
  - id: acme
    format: openai_chat
    base_url: {url}
    allow_private_network: true
    models: [{{id: large, input_price: 0, output_price: 1000}}, {{id: free, input_price: 0, output_price: 0}}]
connections: [{{provider: acme, name: main, api_key: "upstream-secret"}}]
api_keys: [{{name: ci, key: {key}}}, {{name: steady, key: {steady}}}{keys}]
settings: {{circuit_breaker: false, connection_cooldown: false}}
{more}
"""


@pytest.fixture
def upstream() -> Iterator[Any]:
    with sim.SimulatorThread() as simulator:
        yield simulator


@pytest.fixture
def redis_server() -> Iterator[OwnRedis]:
    own = OwnRedis()
    own.start()
    yield own
    own.stop()


class Job:
    """The program with two web processes over one Redis, and clients on connections of their own. ``database``: the
    URL of a PostgreSQL database; none: SQLite. ``keys``: further client keys."""

    def __init__(
        self, data_dir: Path, redis_url: str, upstream: Any, more: str, *, database: str = "", keys: str = ""
    ) -> None:
        self.data_dir, self.redis_url, self.database = data_dir, redis_url, database
        self.variables = {"DATABASE_URL": database} if database else {}
        file = data_dir.parent / "omniroute.yaml"
        file.write_text(FILE.format(url=upstream.url, key=KEY, steady=STEADY_KEY, keys=keys, more=more))
        done = run(self.data_dir, "apply", str(file), **self.variables)
        assert done.returncode == 0, done.stderr

    def start(self, patience: int = 10_000) -> Program:
        """``patience``: milliseconds; long where the test is not about a slow Redis, for the machine may be busy."""
        variables = {"REDIS_URL": self.redis_url, "REDIS_TIMEOUT_MS": str(patience), **self.variables}
        return Program(self.data_dir, "serve", "--no-open", "--workers", "2", **variables)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if self.database:
            with psycopg.connect(self.database) as server:
                return server.execute(sql).fetchall()
        with sqlite3.connect(self.data_dir / "omniroute.sqlite3") as database:
            return database.execute(sql).fetchall()

    def totals(self) -> tuple[int, int, int]:
        """(units in the ledger, units in the usage rows, lines that spent)."""
        counted = "coalesce(sum(units), 0), count(CASE WHEN units > 0 THEN 1 END)"
        [(ledger, lines)] = self.rows(f"SELECT {counted} FROM analytics_ledgerline")
        costs = self.rows("SELECT cost_usd FROM analytics_usagerecord WHERE cost_usd IS NOT NULL")
        return int(ledger), round(sum(float(cost) for (cost,) in costs) * 10**10), lines


def ask(address: str, key: str = KEY, headers: Mapping[str, str] = {}, **fields: Any) -> httpx.Response:
    body = {"model": "acme/large", "messages": HELLO, "max_tokens": 1000, **fields}
    headers = {
        "authorization": f"Bearer {key}",
        "connection": "close",
        **headers,
    }  # another process may take the next one
    return httpx.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=60, verify=False)


def test_forty_at_once_on_a_budget_for_five(data_dir: Path, redis_server: OwnRedis, upstream: Any) -> None:
    job = Job(data_dir, redis_server.url, upstream, "budgets: [{scope: key, name: ci, period: total, limit_usd: 5}]")
    upstream.plays(*[sim.chat("x", usage=COSTS_A_DOLLAR)] * 100)
    with job.start() as program, ThreadPoolExecutor(40) as pool:
        address = program.address()
        codes = [reply.status_code for reply in pool.map(lambda _: ask(address), range(40))]
        assert codes.count(200) == upstream.count <= 5
        while (reply := ask(address)).status_code == 200:
            codes.append(200)
        assert reply.json()["error"]["code"] == "budget_exceeded"
        assert codes.count(200) == upstream.count == 5
        assert program.stop() == 0
    assert job.totals() == (5 * 10**10, 5 * 10**10, 5)


def test_sixty_at_once_on_a_limit_of_ten(data_dir: Path, redis_server: OwnRedis, upstream: Any) -> None:
    job = Job(data_dir, redis_server.url, upstream, "limits: [{scope: key, name: ci, requests_per_minute: 10}]")
    with job.start() as program, ThreadPoolExecutor(60) as pool:
        address = program.address()
        codes = [reply.status_code for reply in pool.map(lambda _: ask(address), range(60))]
        assert codes.count(200) == upstream.count == 10
        assert codes.count(429) == 50
        assert program.stop() == 0


def test_killed_in_the_middle_nothing_is_lost_doubled_or_exceeded(
    data_dir: Path, redis_server: OwnRedis, upstream: Any
) -> None:
    job = Job(data_dir, redis_server.url, upstream, "budgets: [{scope: key, name: ci, period: total, limit_usd: 60}]")
    upstream.plays(*[sim.chat("x", usage=COSTS_A_DOLLAR)] * 500)
    answered: list[str] = []
    stop = threading.Event()

    def client(address: str) -> None:
        while not stop.is_set():
            with suppress(httpx.TransportError):
                if (reply := ask(address)).status_code == 200:
                    answered.append(reply.headers["x-request-id"])
            if len(answered) >= 20:
                return

    with job.start() as program, ThreadPoolExecutor(4) as pool:
        address = program.address()
        clients = [pool.submit(client, address) for _ in range(4)]
        for each in clients:
            each.result(60)
        before = len(answered)
        known = "SELECT count(*) FROM analytics_ledgerline WHERE units > 0"
        while job.rows(known) != [(before,)]:  # what is older than a second is kept; younger ones are not asked for
            stop.wait(0.02)
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(20)
    redis_server.client().flushall()  # even then: the ledger is the truth
    with job.start() as program:
        address = program.address()
        while (reply := ask(address)).status_code == 200:
            answered.append(reply.headers["x-request-id"])
        assert reply.json()["error"]["code"] == "budget_exceeded"
        assert program.stop() == 0
    assert len(answered) == upstream.count == 60
    assert job.totals() == (60 * 10**10, 60 * 10**10, 60)
    assert {row[0] for row in job.rows("SELECT request_id FROM analytics_ledgerline WHERE units > 0")} == set(answered)


def test_redis_stops_and_comes_back(data_dir: Path, redis_server: OwnRedis, upstream: Any) -> None:
    more = "budgets: [{scope: key, name: ci, period: total, limit_usd: 2}]\n"
    more += "limits: [{scope: key, name: ci, requests_per_minute: 100}]"
    job = Job(data_dir, redis_server.url, upstream, more)
    upstream.plays(*[sim.chat("x", usage=COSTS_A_DOLLAR)] * 9)
    with job.start() as program:
        address = program.address()
        assert ask(address).status_code == 200
        redis_server.stop()
        codes = {(reply := ask(address)).status_code for _ in range(6)}
        assert (codes, reply.json()["error"]["code"]) == ({503}, "budget_unavailable")
        redis_server.start()
        while (reply := ask(address)).status_code == 503:
            threading.Event().wait(0.1)
        while reply.status_code == 200:
            reply = ask(address)
        assert reply.json()["error"]["code"] == "budget_exceeded"
        assert upstream.count == 2


def until_used_up(address: str) -> None:
    """What a late answer of Redis set aside is given back first: until then the budget is in use, not used up."""
    while "is used up" not in (reply := ask(address)).text:
        assert reply.status_code == 200 or reply.json()["error"]["code"] in ("budget_unavailable", "budget_exceeded")
        threading.Event().wait(0.05)
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "budget_exceeded")


def paid(upstream: Any) -> int:
    return sum(each.json["model"] == "large" for each in upstream.requests)


@pytest.mark.parametrize("how", ["paused", "slow", "too slow"])
def test_redis_does_not_answer_in_time(data_dir: Path, redis_server: OwnRedis, upstream: Any, how: str) -> None:
    """Hard budgets are closed, everybody else is answered, nobody waits for it twice; slow but in time is not away."""
    relay = Slow(redis_server.port)
    more = "budgets: [{scope: key, name: ci, period: total, limit_usd: 4}]\n"
    more += "limits: [{scope: key, name: steady, requests_per_minute: 1000}]"
    job = Job(data_dir, relay.url, upstream, more)
    upstream.default = sim.chat("x", usage=COSTS_A_DOLLAR)
    try:
        with job.start(patience=10_000 if how == "slow" else 4000) as program:
            address = program.address()
            assert [ask(address).status_code for _ in range(2)] == [200, 200]
            relay.delay = {"slow": 0.2, "too slow": 10.0}.get(how, 0.0)
            if how == "paused":
                redis_server.pause()
            if how == "slow":
                assert ask(address).status_code == 200
            else:
                ask(address), ask(address)  # either process finds it out
                until(lambda: {ask(address).status_code for _ in range(6)} == {503})
                assert ask(address).json()["error"]["code"] == "budget_unavailable"
            assert {ask(address, STEADY_KEY, model="acme/free").status_code for _ in range(6)} == {200}
            relay.delay = 0.0
            redis_server.go_on()
            until_used_up(address)
            assert paid(upstream) == 4
            assert program.stop() == 0
    finally:
        relay.close()
    ledger, _, lines = job.totals()
    assert (ledger, lines) == (4 * 10**10, 4)


def test_redis_is_emptied_again_and_again(data_dir: Path, redis_server: OwnRedis, upstream: Any) -> None:
    """Right after an answer as well, whose line is not in the ledger yet."""
    job = Job(data_dir, redis_server.url, upstream, "budgets: [{scope: key, name: ci, period: total, limit_usd: 6}]")
    upstream.default = sim.chat("x", usage=COSTS_A_DOLLAR)
    with job.start() as program:
        address = program.address()
        for answered in range(1, 4):
            assert ask(address).status_code == 200
            redis_server.client().flushall()
            assert ask(address, max_tokens=7000).status_code == 429, "and the ledger was loaded"
            until(lambda answered=answered: job.totals()[2] == answered)
        until_used_up(address)
        assert paid(upstream) == 6
        assert program.stop() == 0
    assert job.totals()[0] == 6 * 10**10
