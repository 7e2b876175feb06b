"""Kept answers in Redis: seen by every process, gone in time, and a miss while Redis is away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from providers.wire.errors import Refusal
from routing.gateway.replay import open_repeats
from routing.gateway.replay.elsewhere import Elsewhere, Job
from routing.gateway.replay.kept import Kept
from routing.gateway.replay.shared import PREFIX, SharedShelf
from routing.state import Errand, Stands
from tests.routing.state.servers import OwnRedis

TIMEOUT = 10  # seconds: a server that stands still for a while with the whole machine is not away
KEPT = Kept(kind="whole", content_type=b"application/json", body=b"{}", headers=((b"a", b"b"),), at=1.0, usd="0.5")


@pytest.fixture
def server(own_redis: OwnRedis) -> Iterator[redis.Redis]:
    with own_redis.client() as client:
        yield client


@pytest.mark.services
async def test_another_process_finds_it(own_redis: OwnRedis, server: redis.Redis) -> None:
    one, other = (SharedShelf(own_redis.url, timeout=TIMEOUT) for _ in range(2))
    await one.put("k", KEPT, 60)
    assert await other.get("k") == KEPT
    assert await other.get("l") is None
    assert 0 < server.ttl(f"{PREFIX}k") <= 60
    for shelf in (one, other):
        await shelf.aclose()


@pytest.mark.services
async def test_it_is_bounded(own_redis: OwnRedis) -> None:
    shelf = SharedShelf(own_redis.url, timeout=TIMEOUT)
    shelf.bound(2, 0)
    for seconds, name in ((10, "a"), (30, "b"), (20, "c")):
        await shelf.put(name, KEPT, seconds)
    assert [await shelf.get(name) is not None for name in "abc"] == [False, True, True]
    await shelf.aclose()


@pytest.mark.services
def test_flushing_empties_it(
    own_redis: OwnRedis, server: redis.Redis, db: None, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from routing import caching

    monkeypatch.setattr(caching, "TIMEOUT", TIMEOUT)
    settings.REDIS_URL = own_redis.url  # type: ignore[attr-defined]

    async def fill() -> None:
        shelf = SharedShelf(own_redis.url, timeout=TIMEOUT)
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


@pytest.mark.services
async def test_a_repeated_request_finds_its_answer_as_soon_as_redis_is_back() -> None:
    own = OwnRedis()
    try:
        own.start()
        repeats = open_repeats(own.url, TIMEOUT)
        assert repeats is not None
        own.stop()
        assert not await repeats.put("k", KEPT, 60)
        own.start()
        assert await repeats.put("k", KEPT, 60)
        assert await repeats.get("k") == KEPT
        await repeats.aclose()
    finally:
        own.stop()


class _Told:
    """Others who say in turn how it stands; a shelf that has nothing."""

    def __init__(self, *stands: Stands) -> None:
        self.stands = list(stands)

    async def claim(self, name: str, digest: str, waited: str) -> Errand:
        return Errand(self.stands.pop(0), "holder", left=5.0)

    async def get(self, key: str) -> None:
        return None


async def test_an_answer_that_went_with_its_redis_is_made_again() -> None:
    """Between "it is done" and the look for it Redis was emptied, or went: asked again it knows of nothing."""
    told: Any = _Told(Stands.DONE, Stands.MINE)
    assert isinstance(await Elsewhere(told, told).first("key:1", "again", "digest"), Job)


async def test_an_answer_that_is_not_kept_is_not_made_again() -> None:
    told: Any = _Told(Stands.DONE, Stands.DONE)
    with pytest.raises(Refusal) as refused:
        await Elsewhere(told, told).first("key:1", "again", "digest")
    assert (refused.value.status, refused.value.code) == (409, "idempotent_answer_not_kept")
