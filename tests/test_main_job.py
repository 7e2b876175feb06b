"""The main job with the real program: configured by a file, asked by the official SDK, killed and restarted."""

from __future__ import annotations

import re
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import psycopg
import pytest

from tests import simulator as sim
from tests.omniroute.programs import Program, all_ended, run, watch
from tests.prepared import postgres_database, postgres_url
from tests.routing.state.servers import OwnRedis

KEY = "sk-omni-for-automation-0123456789abcdef"
FILE = """
version: 1
providers:
  - id: acme
    alias: ac
    format: openai_chat
    base_url: {url}
    allow_private_network: true
    models: [{{id: large, input_price: 1, output_price: 2}}]
connections: [{{provider: acme, name: main, api_key: "${{ACME_KEY}}"}}]
api_keys: [{{name: ci, key: "${{CI_KEY}}", models: ["*"]}}]
"""
LATEST = 10.0  # seconds; what is promised for one second, on a busy machine that stands still now and then
HELLO: Any = [{"role": "user", "content": "Say hello"}]


@pytest.fixture
def upstream() -> Iterator[Any]:
    with sim.SimulatorThread() as simulator:
        yield simulator


def configure(data_dir: Path, folder: Path, url: str, **variables: str) -> None:
    file = folder / "omniroute.yaml"
    file.write_text(FILE.format(url=url))
    done = run(data_dir, "apply", str(file), CI_KEY=KEY, ACME_KEY="upstream-secret", **variables)
    assert done.returncode == 0, done.stderr


def sdk(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0, timeout=20)


def request_ids(data_dir: Path) -> list[str]:
    with sqlite3.connect(data_dir / "omniroute.sqlite3") as database:
        return [row[0] for row in database.execute("SELECT request_id FROM analytics_usagerecord")]


def in_journal(data_dir: Path) -> set[str]:
    """The ids of requests that wait on disk for the database. To be asked before the database: from here they go
    there."""
    found: set[str] = set()
    for file in (data_dir / "outbox").glob("*.jsonl"):
        with suppress(FileNotFoundError):  # all of it is stored
            found |= set(re.findall(r'"request_id":"([^"]+)"', file.read_text()))
    return found


def test_installed_configured_asked_and_stopped(tmp_path: Path, upstream: Any) -> None:
    data_dir = tmp_path / "data"
    configure(data_dir, tmp_path, upstream.url)
    with Program(data_dir, "serve", "--no-open") as program:
        client = sdk(program.address())
        words = [
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(model="acme/large", messages=HELLO, stream=True)
        ]
        assert "".join(words)
        assert [model.id for model in client.models.list()] == ["ac/large"]
        held = sim.chat("the rest of it").hold(after=2)
        upstream.plays(held)
        stream = client.chat.completions.create(model="acme/large", messages=HELLO, stream=True)
        running = iter(stream)
        first = next(running)
        program.process.send_signal(signal.SIGTERM)
        held.release()
        rest = [chunk.choices[0].delta.content or "" for chunk in running]
        assert (first.choices[0].delta.content or "") + "".join(rest) == "the rest of it"
        assert program.end() == 0
    assert len(request_ids(data_dir)) == 2
    with sqlite3.connect(data_dir / "omniroute.sqlite3") as database:
        tokens, cost = database.execute(
            "SELECT sum(output_tokens), sum(cost_usd) FROM analytics_usagerecord"
        ).fetchone()
    assert tokens > 0
    assert cost > 0


def test_kill_dash_nine_loses_no_request_older_than_a_second_and_doubles_none(
    tmp_path: Path, data_dir: Path, upstream: Any
) -> None:
    configure(data_dir, tmp_path, upstream.url)
    acknowledged: list[str] = []
    stop = threading.Event()

    def ask(address: str) -> None:
        with httpx.Client(base_url=f"{address}/v1", headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http:
            while not stop.is_set():
                with suppress(httpx.TransportError):
                    reply = http.post("/chat/completions", json={"model": "acme/large", "messages": HELLO})
                    acknowledged.append(reply.headers["x-request-id"])

    with Program(data_dir, "serve", "--no-open") as program, ThreadPoolExecutor(4) as pool:
        address = program.address()
        workers = [pool.submit(ask, address) for _ in range(4)]
        while len(acknowledged) < 200:
            assert not any(worker.done() for worker in workers)
            stop.wait(0.01)
        old_enough = set(acknowledged)
        begun = time.monotonic()
        stop.wait(1.0)  # what the promise is about: a second passes, under load
        while not old_enough <= in_journal(data_dir) | set(request_ids(data_dir)):
            assert time.monotonic() < begun + LATEST, "they are not written down"
            stop.wait(0.05)
        ended = watch([program.process.pid, *program.children()])
        program.process.kill()
        stop.set()
        assert all_ended(ended)
    with Program(data_dir, "serve", "--no-open") as again:
        again.address()
        assert again.stop() == 0
    stored = request_ids(data_dir)
    assert len(stored) == len(set(stored))
    assert old_enough <= set(stored)


# -- several workers on PostgreSQL and Redis ---------------------------------------------------------------------------
@pytest.fixture
def services(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A migrated database and a Redis of this test's own, or a skip with the reason; never a skip under CI."""
    own = OwnRedis()
    try:
        with postgres_database(request.getfixturevalue("migrated_database")) as name:
            own.start()
            yield {"DATABASE_URL": postgres_url(name), "REDIS_URL": own.url}
    finally:
        own.stop()


@pytest.mark.services
def test_two_workers_share_one_configuration_and_count_every_request(
    tmp_path: Path, data_dir: Path, upstream: Any, services: dict[str, str]
) -> None:
    configure(data_dir, tmp_path, upstream.url, **services)
    with Program(data_dir, "serve", "--no-open", "--workers", "2", **services) as program:
        address = program.address()

        def ask(_: int) -> str:
            return httpx.post(
                f"{address}/v1/chat/completions",
                json={"model": "acme/large", "messages": HELLO},
                headers={"authorization": f"Bearer {KEY}"},
                timeout=60,
            ).headers["x-request-id"]

        with ThreadPoolExecutor(8) as pool:
            answered = set(pool.map(ask, range(100)))
        gone = run(data_dir, "apply", str(without_keys(tmp_path)), "--prune", CI_KEY=KEY, ACME_KEY="x", **services)
        assert gone.returncode == 0, gone.stderr
        revoked_at = time.monotonic()
        threading.Event().wait(2.0)  # the promise: revoked everywhere within two seconds

        def see(_: int) -> int:
            return httpx.get(f"{address}/v1/models", headers={"x-api-key": KEY}, timeout=60).status_code

        seen: set[int] = set()
        while seen != {401}:
            assert time.monotonic() < revoked_at + LATEST, "a worker still takes the key"
            with ThreadPoolExecutor(8) as pool:
                seen = set(pool.map(see, range(20)))
        assert program.stop() == 0
    with psycopg.connect(services["DATABASE_URL"]) as database:
        stored = [row[0] for row in database.execute("SELECT request_id FROM analytics_usagerecord")]
    assert len(stored) == 100
    assert set(stored) == answered


def without_keys(folder: Path) -> Path:
    file = folder / "no-keys.yaml"
    file.write_text("version: 1\napi_keys: []\n")
    return file
