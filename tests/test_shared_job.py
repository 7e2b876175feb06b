"""What two real web processes over a real Redis hold together: paces, what providers told, and requests sent twice."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import simulator as sim
from tests.omniroute.programs import Program, run, until
from tests.prepared import prepared
from tests.routing.state.servers import OwnRedis
from tests.test_money_job import HELLO, KEY

pytestmark = pytest.mark.services
PROVIDER = """
  - {{id: {id}, format: openai_chat, base_url: "{url}", allow_private_network: true, models: [large]}}"""
CONNECTION = """
  - {{provider: {id}, name: main, api_key: "sk-{id}"{pace}}}"""
FILE = """
version: 1
providers:{providers}
connections:{connections}
api_keys: [{{name: ci, key: {key}}}]
settings: {{circuit_breaker: false, connection_cooldown: false}}
resilience: {{queue_seconds: {patience}}}
cache: {{idempotency_seconds: 600}}
"""
PACES = {"free": "", "one": "max_concurrent: 1", "two": "max_concurrent: 2", "ten": "requests_per_minute: 10"}
PACES["three"] = "max_concurrent: 3, requests_per_minute: 100000"


class Pair:
    """The running program: two web processes, of which one can be made deaf so that the other one is asked. Providers
    are named by their pace."""

    def __init__(self, program: Program, redis: OwnRedis, upstream: Any) -> None:
        self.program, self.address, self.redis, self.upstream = program, program.address(), redis, upstream

        self.background = program.children()[2]  # children are told the eldest first

    @property
    def workers(self) -> list[int]:
        found: list[int] = []

        def three() -> bool:  # one that was killed is replaced
            found[:] = self.program.children()
            return len(found) == 3

        until(three)
        return [pid for pid in found if pid != self.background]

    @property
    def client(self) -> Any:
        return self.redis.client()

    def ask(self, name: str = "free", headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        body = {"model": f"{name}/large", "messages": HELLO, **fields}
        said = {"authorization": f"Bearer {KEY}", "connection": "close", **(headers or {})}
        return httpx.post(f"{self.address}/v1/chat/completions", json=body, headers=said, timeout=60, verify=False)

    def kill(self, number: int) -> None:
        """Returns when it is no child any more, so that nobody takes it for a worker."""
        pid = self.workers[number]
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in self.program.children())

    @contextmanager
    def only(self, number: int) -> Iterator[None]:
        """New connections go to this one."""
        other = self.workers[1 - number]
        os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(other, signal.SIGCONT)


@contextmanager
def serving(folder: Path, migrated_file: Path, patience: int, script: str | None = None) -> Iterator[Pair]:
    data_dir = prepared(folder / "data", migrated_file)
    redis = OwnRedis()
    redis.start()
    with sim.SimulatorThread() as upstream:
        text = FILE.format(
            providers="".join(PROVIDER.format(id=name, url=upstream.url) for name in PACES),
            connections="".join(
                CONNECTION.format(id=name, pace=f", {pace}" if pace else "") for name, pace in PACES.items()
            ),
            key=KEY,
            patience=patience,
        )
        (folder / "omniroute.yaml").write_text(text)
        done = run(data_dir, "apply", str(folder / "omniroute.yaml"))
        assert done.returncode == 0, done.stderr
        variables = {"REDIS_URL": redis.url, "REDIS_TIMEOUT_MS": "10000"}
        with Program(data_dir, "serve", "--no-open", "--workers", "2", script=script, **variables) as program:
            yield Pair(program, redis, upstream)
    redis.stop()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Pair]:
    with serving(tmp_path_factory.mktemp("patient"), migrated_file, 60) as pair:
        yield pair


@pytest.fixture
def pair(patient: Pair) -> Pair:
    patient.client.flushall()
    return patient


# -- paces -------------------------------------------------------------------------------------------------------------
def test_ten_a_minute_are_ten(tmp_path: Path, migrated_file: Path) -> None:
    with serving(tmp_path, migrated_file, patience=0) as pair, ThreadPoolExecutor(30) as pool:
        codes = [reply.status_code for reply in pool.map(lambda _: pair.ask("ten"), range(30))]
        for number in (0, 1):
            with pair.only(number):
                codes.append(pair.ask("ten").status_code)
        assert codes.count(200) == pair.upstream.count == 10
        assert set(codes) == {200, 429}


def test_two_at_once_are_two_and_everybody_has_a_turn(pair: Pair) -> None:
    acts, before, client = [sim.hold() for _ in range(12)], pair.upstream.count, pair.client
    pair.upstream.for_key("sk-two").plays(*acts)
    with ThreadPoolExecutor(12) as pool:
        asked = []
        for number in (0, 1):
            with pair.only(number):
                asked.append(pool.submit(pair.ask, "two"))
                until(lambda: pair.upstream.count == before + len(asked))
        asked += [pool.submit(pair.ask, "two") for _ in range(10)]
        until(lambda: client.keys("omniroute:l:*"))
        for number, act in enumerate(acts):
            assert pair.upstream.count - before == min(number + 2, 12)
            act.release()
            until(lambda: pair.upstream.count - before >= min(number + 3, 12))  # noqa: B023 - asked at once
        assert {each.result(60).status_code for each in asked} == {200}
    until(lambda: not client.keys("omniroute:a:*"))


def test_what_a_killed_worker_had_running_is_free_again(pair: Pair) -> None:
    pair.upstream.for_key("sk-one").plays(sim.hold())
    before, client = pair.upstream.count, pair.client
    with ThreadPoolExecutor(2) as pool:
        with pair.only(0):
            lost = pool.submit(pair.ask, "one")
            until(lambda: pair.upstream.count > before)
        pair.kill(0)
        assert isinstance(lost.exception(60), httpx.TransportError)
        waiting = pool.submit(pair.ask, "one")
        until(lambda: client.keys("omniroute:l:*"))
        [running] = client.keys("omniroute:a:*")
        [(holder, lapses)] = client.zrange(running, 0, -1, withscores=True)
        assert 0 < lapses - client.time()[0] <= 61 and pair.upstream.count == before + 1
        client.zincrby(running, -61, holder)  # a minute goes by
        assert waiting.result(60).status_code == 200


def test_what_a_provider_told_a_worker_is_there_for_the_other(pair: Pair) -> None:
    told = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "50s"}
    pair.upstream.for_key("sk-free").plays(sim.chat("a").headers(**told))
    assert pair.ask().status_code == 200
    until(lambda: pair.client.zcard("omniroute:learned"))
    [(what, until_then)] = pair.client.zrange("omniroute:learned", 0, -1, withscores=True)
    assert what.endswith(b" large") and 0 < until_then - pair.client.time()[0] <= 51


# -- the same request again --------------------------------------------------------------------------------------------
@pytest.fixture
def keyed() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(8)}


def asked_twice(
    pair: Pair, pool: ThreadPoolExecutor, keyed: dict[str, str], **fields: Any
) -> list[Future[httpx.Response]]:
    """The first at one worker; the second, while that runs, at the other. A worker that is stopped cannot say that it
    lives: what it has claimed is held for it meanwhile."""
    before = pair.upstream.count
    with pair.only(0):
        first = pool.submit(pair.ask, headers=keyed, **fields)
        until(lambda: pair.upstream.count > before)
    with pair.only(1):
        claimed_longer(pair)
        looked = pair.client.info("commandstats").get("cmdstat_pttl", {}).get("calls", 0)
        second = pool.submit(pair.ask, headers=keyed, **fields)
        until(lambda: pair.client.info("commandstats").get("cmdstat_pttl", {}).get("calls", 0) > looked)
    return [first, second]


def claimed_longer(pair: Pair) -> None:
    """The only claim is held for a minute now, or until its worker renews it."""
    [name] = pair.client.keys("omniroute:i:*")
    assert pair.client.pexpire(name, 60_000)


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_waits_at_another_worker(pair: Pair, keyed: dict[str, str], stream: bool) -> None:
    act, before = sim.chat("once").hold(), pair.upstream.count
    pair.upstream.for_key("sk-free").plays(act)
    with ThreadPoolExecutor(2) as pool:
        asked = asked_twice(pair, pool, keyed, stream=stream)
        with pair.only(1):
            claimed_longer(pair)
            other = pair.ask(headers=keyed, stream=stream, temperature=1)
            assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
        act.release()
        replies = [each.result(30) for each in asked]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert replies[0].content == replies[1].content and b"once" in replies[0].content
        assert "x-omniroute-idempotent" not in replies[0].headers
        assert replies[1].headers["x-omniroute-idempotent"] == "true"
    assert pair.upstream.count == before + 1


def test_an_answer_is_given_again_at_another_worker(pair: Pair, keyed: dict[str, str]) -> None:
    before = pair.upstream.count
    with pair.only(0):
        replies = [pair.ask(headers=keyed)]
        [name] = pair.client.keys("omniroute:i:*")
        until(lambda: pair.client.hget(name, "w") == b"done")  # the client has it a moment before
    with pair.only(1):
        replies.append(pair.ask(headers=keyed))
    assert replies[0].content == replies[1].content and pair.upstream.count == before + 1


def test_a_failure_is_told_at_another_worker_and_then_forgotten(pair: Pair, keyed: dict[str, str]) -> None:
    act, before = sim.status(400).hold(), pair.upstream.count
    pair.upstream.for_key("sk-free").plays(act)
    with ThreadPoolExecutor(2) as pool:
        asked = asked_twice(pair, pool, keyed)
        act.release()
        assert [each.result(30).status_code for each in asked] == [400, 400]
    assert pair.upstream.count == before + 1
    with pair.only(1):
        assert pair.ask(headers=keyed).status_code == 200


def test_a_killed_first_is_followed_by_the_second(pair: Pair, keyed: dict[str, str]) -> None:
    pair.upstream.for_key("sk-free").plays(sim.hold())
    before, client = pair.upstream.count, pair.client
    with ThreadPoolExecutor(2) as pool:
        first, second = asked_twice(pair, pool, keyed)
        [name] = client.keys("omniroute:i:*")
        until(lambda: client.pttl(name) <= 10_000)  # it has just been renewed
        pair.kill(0)
        assert isinstance(first.exception(60), httpx.TransportError)
        assert 0 < client.pttl(name) <= 10_000 and not second.done()
        client.pexpire(name, 1)  # ten seconds go by
        assert second.result(60).status_code == 200
    assert pair.upstream.count == before + 2


# -- while Redis has its troubles --------------------------------------------------------------------------------------
def test_redis_stopped_paused_and_emptied_costs_nobody_an_error(pair: Pair) -> None:
    stop, codes, run = threading.Event(), [], secrets.token_hex(4)

    def client(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            key = {"idempotency-key": f"{run} {count // 3}"} if number % 2 else {}
            codes.append(pair.ask("three", key).status_code)

    def more(number: int = 12) -> None:
        wanted = len(codes) + number
        until(lambda: len(codes) >= wanted)

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(client, number) for number in range(6)]
        try:
            more()
            pair.client.flushall()
            more()
            pair.client.script_flush()
            more()
            pair.redis.pause()
            threading.Event().wait(0.5)
            pair.redis.go_on()
            more()
            pair.redis.stop()
            more()
            pair.redis.start()
            more()
        finally:
            stop.set()
        for each in clients:
            each.result(60)
    assert set(codes) == {200}
    assert "Traceback" not in pair.program.output
