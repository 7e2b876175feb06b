"""Answers in Redis, for several processes. Away or slow (200 ms), it is a miss; then nobody asks for five seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from routing.gateway.replay.kept import Kept, decode, encode

log = logging.getLogger(__name__)
INDEX = "omniroute:cache"  # sorted set: "key size" by when it ends
PREFIX = f"{INDEX}:"
TIMEOUT, PAUSE = 0.2, 5.0  # seconds
AWAY = (RedisError, OSError, TimeoutError)


class Pause:
    """True for some seconds after Redis was away: it is not asked then. ``then``: what comes of it, for the log."""

    def __init__(self, then: str, seconds: float = PAUSE) -> None:
        self._then, self._seconds, self._until = then, seconds, 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, wrong: Exception) -> None:
        if not self:
            log.warning("Redis is away, %s: %s", self._then, wrong)
        self._until = time.monotonic() + self._seconds


class SharedShelf:
    """``name`` parts it from other shelves of the same Redis, which may take ``timeout`` seconds; after it was away it
    is not asked for ``pause`` seconds."""

    def __init__(self, url: str, name: str = INDEX, timeout: float = TIMEOUT, pause: float = PAUSE) -> None:
        self._index, self._prefix = name, f"{name}:"
        self._redis: Any = Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        self._entries = 1000
        self._pause = Pause("nothing is found in the cache", pause)

    def bound(self, entries: int, size: int) -> None:
        """Redis bounds its memory itself (``maxmemory``); here answers are counted."""
        self._entries = entries

    async def get(self, key: str) -> Kept | None:
        if self._pause:
            return None
        try:
            raw = await self._redis.get(self._prefix + key)
            return decode(raw) if raw is not None else None
        except AWAY as wrong:
            self._pause.begin(wrong)
        except msgspec.MsgspecError:  # of another version
            pass
        return None

    async def put(self, key: str, kept: Kept, seconds: float) -> bool:
        if self._pause:
            return False
        raw, now = encode(kept), time.time()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(self._prefix + key, raw, px=max(1, int(seconds * 1000)))
                pipe.zadd(self._index, {f"{key} {len(raw)}": now + seconds})
                pipe.zremrangebyscore(self._index, "-inf", now)
                pipe.zcard(self._index)
                *_, count = await pipe.execute()
            if count > self._entries:
                await self._shrink(count - self._entries)
        except AWAY as wrong:
            self._pause.begin(wrong)
            return False
        return True

    def sweep(self, flushed: Mapping[str, float]) -> None:
        """What was flushed is not given again; it goes when its time is over, or at once when all is flushed."""

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _shrink(self, over: int) -> None:
        """Those that end first go."""
        gone = await self._redis.zpopmin(self._index, over)
        if gone:
            await self._redis.unlink(*(self._prefix + member.split(b" ")[0].decode() for member, _ in gone))
