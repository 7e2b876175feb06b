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
PREFIX = "omniroute:cache:"
INDEX = "omniroute:cache"  # sorted set: "key size" by when it ends
TIMEOUT, PAUSE = 0.2, 5.0  # seconds
AWAY = (RedisError, OSError, TimeoutError)


class SharedShelf:
    def __init__(self, url: str) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._entries = 1000
        self._until = 0.0  # monotonic: until then nobody asks

    def bound(self, entries: int, size: int) -> None:
        """Redis bounds its memory itself (``maxmemory``); here answers are counted."""
        self._entries = entries

    async def get(self, key: str) -> Kept | None:
        if time.monotonic() < self._until:
            return None
        try:
            raw = await self._redis.get(PREFIX + key)
            return decode(raw) if raw is not None else None
        except AWAY as wrong:
            self._rest(wrong)
        except msgspec.MsgspecError:  # of another version
            pass
        return None

    async def put(self, key: str, kept: Kept, seconds: float) -> None:
        if time.monotonic() < self._until:
            return
        raw, now = encode(kept), time.time()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(PREFIX + key, raw, px=max(1, int(seconds * 1000)))
                pipe.zadd(INDEX, {f"{key} {len(raw)}": now + seconds})
                pipe.zremrangebyscore(INDEX, "-inf", now)
                pipe.zcard(INDEX)
                *_, count = await pipe.execute()
            if count > self._entries:
                await self._shrink(count - self._entries)
        except AWAY as wrong:
            self._rest(wrong)

    def sweep(self, flushed: Mapping[str, float]) -> None:
        """What was flushed is not given again; it goes when its time is over, or at once when all is flushed."""

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _shrink(self, over: int) -> None:
        """Those that end first go."""
        gone = await self._redis.zpopmin(INDEX, over)
        if gone:
            await self._redis.unlink(*(PREFIX + member.split(b" ")[0].decode() for member, _ in gone))

    def _rest(self, wrong: Exception) -> None:
        if self._until <= time.monotonic():
            log.warning("Redis is away, nothing is found in the cache: %s", wrong)
        self._until = time.monotonic() + PAUSE
