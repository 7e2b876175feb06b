"""Kept answers in Redis: seen by every process, gone in time, and a miss while Redis is away."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import redis

from routing.gateway.replay.kept import Kept
from routing.gateway.replay.shared import INDEX, PREFIX, SharedShelf

URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/6")
KEPT = Kept(kind="whole", content_type=b"application/json", body=b"{}", headers=((b"a", b"b"),), at=1.0, usd="0.5")


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(URL)
    try:
        client.ping()
    except redis.RedisError as away:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Redis: {away}")
    client.delete(INDEX, *client.keys(f"{PREFIX}*"))
    yield client
    client.delete(INDEX, *client.keys(f"{PREFIX}*"))
    client.close()


@pytest.mark.services
async def test_another_process_finds_it(server: redis.Redis) -> None:
    one, other = SharedShelf(URL), SharedShelf(URL)
    await one.put("k", KEPT, 60)
    assert await other.get("k") == KEPT
    assert await other.get("l") is None
    assert 0 < server.ttl(f"{PREFIX}k") <= 60
    for shelf in (one, other):
        await shelf.aclose()


@pytest.mark.services
async def test_it_is_bounded(server: redis.Redis) -> None:
    shelf = SharedShelf(URL)
    shelf.bound(2, 0)
    for seconds, name in ((10, "a"), (30, "b"), (20, "c")):
        await shelf.put(name, KEPT, seconds)
    assert [await shelf.get(name) is not None for name in "abc"] == [False, True, True]
    await shelf.aclose()


@pytest.mark.services
def test_flushing_empties_it(server: redis.Redis, db: None, settings: object) -> None:
    import asyncio

    from routing import caching

    settings.REDIS_URL = URL  # type: ignore[attr-defined]

    async def fill() -> None:
        shelf = SharedShelf(URL)
        await shelf.put("a", KEPT, 60)
        await shelf.aclose()

    asyncio.run(fill())
    assert (caching.fill().where, caching.fill().entries) == ("redis", 1)
    assert caching.fill().bytes > 0
    caching.flush()
    assert caching.fill().entries == 0
    assert server.keys(f"{PREFIX}*") == []


async def test_away_is_a_miss_and_nobody_waits_for_it_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        shelf = SharedShelf(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert await shelf.get("k") is None
        silent.settimeout(5)
        silent.accept()[0].close()
        await shelf.put("k", KEPT, 60)
        assert await shelf.get("k") is None
        silent.settimeout(0.05)
        with pytest.raises(TimeoutError):
            silent.accept()
        await shelf.aclose()
