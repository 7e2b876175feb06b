"""kill -9 of one of two web processes while providers work on its requests: what is counted, held, and let go."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from routing.state.base import LEASE
from tests import simulator as sim
from tests.omniroute.programs import PATIENCE, Program, connections_to
from tests.routing.state.servers import OwnRedis
from tests.test_main_job import LATEST, in_journal, services
from tests.test_money_job import COSTS_A_DOLLAR, STEADY_KEY, Job, ask, redis_server, until, upstream

__all__ = ["redis_server", "services", "upstream"]

pytestmark = pytest.mark.services
A_DOLLAR = 10**10  # units


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("services")["DATABASE_URL"])


class Steady:
    """A client without limits that asks one request after the other, all the time. ``told``: (begun, request id)."""

    def __init__(self, address: str) -> None:
        self.told: list[tuple[float, str]] = []
        self._address, self._stop = address, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Steady:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def goes_on(self) -> None:
        so_far = len(self.told)
        until(lambda: len(self.told) >= so_far + 10)

    def _ask(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            with suppress(httpx.TransportError):
                reply = ask(self._address, STEADY_KEY, model="acme/free")
                assert reply.status_code == 200, reply.text
                self.told.append((begun, reply.headers["x-request-id"]))


class Crowd:
    """Requests for a held model, sent at once."""

    def __init__(self, upstream: Any, pool: ThreadPoolExecutor, address: str, count: int) -> None:
        self._upstream = upstream
        self.asked: list[Future[httpx.Response]] = [pool.submit(ask, address) for _ in range(count)]
        until(lambda: len(self.dispatched) + sum(each.done() for each in self.asked) >= count)

    @property
    def dispatched(self) -> list[Any]:
        return [each for each in self._upstream.requests if each.json["model"] == "large"]

    def codes(self) -> list[int]:
        """Of those that were answered; 0: the connection was lost."""
        return [0 if each.exception(PATIENCE) else each.result().status_code for each in self.asked]


def holding(held: sim.Act, count: int) -> Callable[[sim.Ask], sim.Act]:
    """The first ``count`` requests for the model that costs wait; everything after is answered at once."""
    left = [held] * count

    def act(ask: sim.Ask) -> sim.Act:
        if ask.received.json["model"] != "large":
            return sim.chat("x")
        return left.pop() if left else sim.chat("x", usage=COSTS_A_DOLLAR)

    return act


def kill_one(program: Program, upstream: Any) -> float:
    """Of the two web processes the one that more waits for; returns when."""
    victim = max(program.children()[:2], key=lambda pid: connections_to(upstream.port, pid))
    os.kill(victim, signal.SIGKILL)
    at = time.monotonic()
    program.wait_for(r"web \d ended unexpectedly \(signal SIGKILL\); starting it again")
    return at


def lapse(redis: Any) -> None:
    """As if a lease had passed: what nobody renews is over."""
    for key in redis.keys("omniroute:*"):
        if redis.type(key) == b"zset":
            for member in redis.zrange(key, 0, -1):
                redis.zincrby(key, -LEASE - 1, member)


def test_on_a_budget_for_five(data_dir: Path, redis_server: OwnRedis, upstream: Any, database: str) -> None:
    more = "budgets: [{scope: key, name: ci, period: total, limit_usd: 5}]"
    job = Job(data_dir, redis_server.url, upstream, more, database=database)
    held = sim.chat("x", usage=COSTS_A_DOLLAR).hold()
    upstream.default = holding(held, 5)
    with job.start() as program, ThreadPoolExecutor(40) as pool:
        address = program.address()
        with Steady(address) as steady:
            steady.goes_on()
            crowd = Crowd(upstream, pool, address, 40)
            running = len(crowd.dispatched)
            assert 1 <= running <= 5
            older = written_down(job, steady)
            killed_at = kill_one(program, upstream)
            steady.goes_on()  # the other process answers
            held.release()
            codes = crowd.codes()
            lost = codes.count(0)
            assert lost >= 1 and codes.count(200) == running - lost and codes.count(429) == 40 - running
            spent = running - lost
            while (reply := ask(address)).status_code == 200:
                spent += 1
            assert reply.json()["error"]["code"] == "budget_exceeded"
            assert spent == 5 - lost, "what the killed process had reserved is still held"
            lapse(redis_server.client())
            while (reply := ask(address)).status_code == 200:
                spent += 1
            assert reply.json()["error"]["code"] == "budget_exceeded"
            steady.goes_on()
        assert program.stop() == 0
    gone = [each for each in crowd.dispatched if each.client_gone]
    assert (spent, len(gone), len(crowd.dispatched)) == (5, lost, 5 + lost)
    assert job.totals() == (5 * A_DOLLAR, 5 * A_DOLLAR, 5)
    kept(job, steady, older, killed_at)


def written_down(job: Job, steady: Steady) -> set[str]:
    """The ids of all that was acknowledged by now, once they are on disk, which takes a second at most on a machine
    that does not stand still."""
    told, begun = {id for _, id in steady.told}, time.monotonic()
    stored = "SELECT request_id FROM analytics_usagerecord"
    while not told <= in_journal(job.data_dir) | {id for (id,) in job.rows(stored)}:
        assert time.monotonic() < begun + LATEST, "they are not written down"
        threading.Event().wait(0.02)
    return told


def kept(job: Job, steady: Steady, older: set[str], killed_at: float) -> None:
    """No request that was acknowledged a while before is missing, none is there twice."""
    stored = [request_id for (request_id,) in job.rows("SELECT request_id FROM analytics_usagerecord")]
    assert len(stored) == len(set(stored))
    assert older | {id for begun, id in steady.told if begun > killed_at} <= set(stored)


def test_on_a_limit_of_ten(data_dir: Path, redis_server: OwnRedis, upstream: Any, database: str) -> None:
    more = "limits: [{scope: key, name: ci, requests_per_minute: 10}]"
    job = Job(data_dir, redis_server.url, upstream, more, database=database)
    held = sim.chat("x").hold()
    upstream.default = holding(held, 10)
    with job.start() as program, ThreadPoolExecutor(60) as pool:
        address = program.address()
        with Steady(address) as steady:
            steady.goes_on()
            crowd = Crowd(upstream, pool, address, 60)
            until(lambda: job.rows("SELECT count(*) FROM analytics_usagerecord WHERE result = 'refused'") == [(50,)])
            older = written_down(job, steady)
            killed_at = kill_one(program, upstream)
            steady.goes_on()
            assert ask(address).json()["error"]["code"] == "rate_limit_exceeded", "they were made, and count"
            held.release()
            codes = crowd.codes()
            lost = codes.count(0)
            assert lost >= 1 and (codes.count(200), codes.count(429)) == (10 - lost, 50)
        assert program.stop() == 0
    assert len(crowd.dispatched) == 10 and sum(map(bool, (each.client_gone for each in crowd.dispatched))) == lost
    results = dict(job.rows("SELECT result, count(*) FROM analytics_usagerecord WHERE key_name = 'ci' GROUP BY result"))
    assert results == {"ok": 10 - lost, "refused": 51}
    kept(job, steady, older, killed_at)


def test_on_ten_at_the_same_time(data_dir: Path, redis_server: OwnRedis, upstream: Any) -> None:
    job = Job(data_dir, redis_server.url, upstream, "limits: [{scope: key, name: ci, parallel: 10}]")
    held = sim.chat("x").hold()
    upstream.default = holding(held, 10)
    with job.start() as program, ThreadPoolExecutor(60) as pool:
        address = program.address()
        crowd = Crowd(upstream, pool, address, 60)
        assert len(crowd.dispatched) == 10
        kill_one(program, upstream)
        held.release()
        codes = crowd.codes()
        lost = codes.count(0)
        assert lost >= 1 and (codes.count(200), codes.count(429)) == (10 - lost, 50)
        redis = redis_server.client()
        (slots,) = redis.keys("omniroute:p:*")
        until(lambda: redis.zcard(slots) == lost)  # the killed process's own
        lapse(redis)
        again = sim.chat("x").hold()
        upstream.default = holding(again, 10)
        crowd = Crowd(upstream, pool, address, 60)
        assert len(crowd.dispatched) == 20, "ten more at once"
        again.release()
        assert program.stop() == 0
