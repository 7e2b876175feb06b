"""Where questions are found by their meaning: bounded, forgetful, and in Redis the same for every process."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from routing.gateway.replay import index, shared_index
from routing.gateway.replay.index import MemoryIndex, Row, nearest, packed
from routing.gateway.replay.shared_index import PAGE, SCOPES, STREAM, SharedIndex, hashed
from tests.routing.state.servers import OwnRedis


def row(key: str, numbers: tuple[float, ...] = (1.0, 0.0), place: str = "p", until: float = 2**40) -> Row:
    vector = packed(numbers)
    assert vector is not None
    return Row(place, ("|",), vector, key, until)


def keys(rows: Any) -> list[str]:
    return [each.key for each in rows]


# -- vectors ----------------------------------------------------------------------------------------------------------
@pytest.fixture(params=["numpy", "plain"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(index, "arrays", lambda: None)
    else:
        pytest.importorskip("numpy")


def test_the_nearest_come_first_and_what_is_too_far_not_at_all(arithmetic: None) -> None:
    rows = [row("far", (0, 1)), row("near", (1, 0.1)), row("other size", (1, 0, 0)), row("same", (2, 0))]
    rows += [row("near", (1, 0.2)), row("apart", (-1, 0))]
    vector = packed((1, 0))
    assert vector is not None
    assert nearest(vector, rows, 0.95) == ["same", "near"]
    assert nearest(vector, rows, 1.0) == ["same"]
    assert nearest(vector, [], 0.9) == []
    assert nearest(vector, [row(str(n)) for n in range(9)], 0.9) == ["0", "1", "2"]


def test_a_byte_a_number_keeps_angles(arithmetic: None) -> None:
    die = random.Random(7)
    one = [die.gauss(0, 1) for _ in range(1536)]
    other = [number + die.gauss(0, 0.3) for number in one]
    cosine = sum(a * b for a, b in zip(one, other, strict=True))
    cosine /= math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    vector, found = packed(one), [row("k", tuple(other))]
    assert vector is not None and len(vector) == 1536
    assert nearest(vector, found, cosine - 0.0005) == ["k"]
    assert nearest(vector, found, cosine + 0.0005) == []


@pytest.mark.parametrize("numbers", [[], [0.0, 0.0], [math.inf, 1.0]])
def test_what_has_no_direction_is_no_vector(numbers: list[float]) -> None:
    assert packed(numbers) is None


# -- in memory --------------------------------------------------------------------------------------------------------
async def test_the_oldest_of_a_caller_goes_and_what_is_over() -> None:
    now = 100.0
    known = MemoryIndex(lambda: now)
    for number in range(4):
        await known.add("a", row(str(number), place="pq"[number % 2], until=200 + number), 3)
    assert [keys(known.near("a", place)) for place in "pq"] == [["2"], ["1", "3"]]
    assert known.near("b", "p") == ()
    now = 202.0
    assert [keys(known.near("a", place)) for place in "pq"] == [[], ["3"]]
    await known.aclose()
    assert known.near("a", "q") == ()


async def test_callers_are_bounded_by_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_SCOPES", 2)
    known = MemoryIndex()
    for scope in ("a", "b"):
        await known.add(scope, row("k"), 9)
    known.near("a", "p")
    await known.add("c", row("k"), 9)
    assert [bool(known.near(scope, "p")) for scope in "abc"] == [True, False, True]
    monkeypatch.setattr(index, "MOST_BYTES", 1)
    await known.add("d", row("k"), 9)
    assert [bool(known.near(scope, "p")) for scope in "abcd"] == [False, False, False, True]


# -- in Redis ---------------------------------------------------------------------------------------------------------
TIMEOUT = 2.5  # seconds: a server that stands still for a while with the whole machine is not away


@pytest.fixture
def shared_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[OwnRedis], SharedIndex]:
    monkeypatch.setattr(shared_index, "TIMEOUT", TIMEOUT)
    return lambda own: SharedIndex(own.url)


@pytest.fixture
def server(own_redis: OwnRedis) -> Iterator[redis.Redis]:
    with own_redis.client() as client:
        yield client


@pytest.fixture
def one(shared_by: Callable[[OwnRedis], SharedIndex], own_redis: OwnRedis) -> SharedIndex:
    return shared_by(own_redis)


@pytest.fixture
def other(shared_by: Callable[[OwnRedis], SharedIndex], own_redis: OwnRedis) -> SharedIndex:
    return shared_by(own_redis)


async def found(shared: SharedIndex, scope: str = "key:1", most: int = 1000) -> list[str]:
    assert await shared.catch_up(scope, most)
    return keys(shared.near(scope, "p"))


@pytest.mark.services
async def test_every_process_knows_what_one_was_asked(
    server: redis.Redis, one: SharedIndex, other: SharedIndex
) -> None:
    until = time.time() + 60
    await one.add("key:1", row("a", until=until), 1000)
    assert [await found(one), await found(other)] == [["a"], ["a"]]
    await other.add("key:1", row("b", until=until), 1000)
    assert [await found(one), await found(other)] == [["a", "b"], ["a", "b"]]
    assert await found(one, "key:2") == []
    assert 0 < server.ttl(STREAM + hashed("key:1")) <= 60
    assert b"key" not in b"".join(server.keys(f"{STREAM}*"))
    for shared in (one, other):
        await shared.aclose()


@pytest.mark.services
async def test_a_process_that_comes_late_reads_all_of_it_and_skips_what_it_cannot_read(
    server: redis.Redis, one: SharedIndex, other: SharedIndex
) -> None:
    until = time.time() + 60
    for number in range(PAGE + 5):
        await one.add("key:1", row(str(number), until=until), 1000)
    server.xadd(STREAM + hashed("key:1"), {"q": b"\xc1"})
    server.xadd(STREAM + hashed("key:1"), {"other": b"1"})
    await one.add("key:1", row("last", until=until), 1000)
    assert await found(other) == [*map(str, range(PAGE + 5)), "last"]
    for shared in (one, other):
        await shared.aclose()


@pytest.mark.services
async def test_streams_and_their_number_are_bounded(
    server: redis.Redis, one: SharedIndex, other: SharedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_index, "MOST_SCOPES", 2)
    now = time.time()
    for number, scope in enumerate(("key:1", "key:1", "key:1", "key:2", "key:3")):
        await one.add(scope, row(str(number), until=now + 60 + number), 2)
    assert server.exists(STREAM + hashed("key:1")) == 0 and server.zcard(SCOPES) == 2
    await one.add("key:2", row("5", until=now + 80), 2)
    await one.add("key:2", row("6", until=now + 80), 2)
    assert server.xlen(STREAM + hashed("key:2")) == 2 and await found(other, "key:2", 2) == ["5", "6"]
    for shared in (one, other):
        await shared.aclose()


@pytest.mark.services
async def test_flushing_empties_it(
    own_redis: OwnRedis,
    server: redis.Redis,
    one: SharedIndex,
    other: SharedIndex,
    settings: Any,
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from asgiref.sync import sync_to_async

    from routing import caching

    monkeypatch.setattr(caching, "TIMEOUT", TIMEOUT)
    settings.REDIS_URL = own_redis.url
    await one.add("key:1", row("a", until=time.time() + 60), 9)
    assert await found(one) == ["a"]
    await sync_to_async(caching._empty_redis)()
    assert server.keys(f"{STREAM}*") == [] and not server.exists(SCOPES)
    assert await found(other) == []
    one.clear()  # as a process does that hears of it
    assert await found(one) == []
    for shared in (one, other):
        await shared.aclose()


@pytest.mark.services
async def test_away_is_a_miss_at_once_and_back_again_later(shared_by: Callable[[OwnRedis], SharedIndex]) -> None:
    own = OwnRedis()
    own.start()
    try:
        shared = shared_by(own)
        await shared.add("key:1", row("a", until=time.time() + 60), 9)
        assert await found(shared) == ["a"]
        own.pause()
        assert not await shared.catch_up("key:1", 9)
        began = time.monotonic()
        assert not await shared.catch_up("key:1", 9)
        await shared.add("key:1", row("b"), 9)
        assert time.monotonic() - began < TIMEOUT, "nobody waits for it again"
        own.go_on()
        shared._pause._until = 0.0  # five seconds go by
        assert await found(shared) == ["a"]
        await shared.aclose()
    finally:
        own.stop()
