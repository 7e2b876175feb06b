"""Questions in Redis, for several processes: a stream per scope, which each process reads on from where it was.

The streams are bounded in length and end with what is kept; so is the number of scopes. Comparing is done in the
process: the vectors of one caller are few, and Redis needs no module for it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from routing.gateway.replay.index import MOST_SCOPES, MemoryIndex, Row
from routing.gateway.replay.shared import AWAY, TIMEOUT, Pause

SCOPES = "omniroute:meanings"  # sorted set: scopes (hashed) by when they end
STREAM = f"{SCOPES}:"
FIELD = b"q"
PAGE, PAGES = 200, 10  # rows read at once, and how often on one look-up; the rest is read on the next one
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Row).decode


class SharedIndex:
    def __init__(self, url: str) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._memory = MemoryIndex()
        self._pause = Pause("no question is found by its meaning")

    async def catch_up(self, scope: str, most: int) -> bool:
        if self._pause:
            return False
        try:
            for _ in range(PAGES):
                if await self._read_on(scope, most) < PAGE:
                    break
        except AWAY as wrong:
            self._pause.begin(wrong)
            return False
        return True

    def near(self, scope: str, place: str) -> Sequence[Row]:
        return self._memory.near(scope, place)

    async def add(self, scope: str, row: Row, most: int) -> None:
        """It is known here, as everywhere, once it is read."""
        if self._pause:
            return
        name, now = hashed(scope), time.time()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(STREAM + name, {FIELD: encode(row)}, maxlen=most, approximate=False)
                pipe.pexpireat(STREAM + name, int(row.until * 1000))
                pipe.zadd(SCOPES, {name: row.until})
                pipe.zremrangebyscore(SCOPES, "-inf", now)
                pipe.zcard(SCOPES)
                *_, count = await pipe.execute()
            if count > MOST_SCOPES:
                gone = await self._redis.zpopmin(SCOPES, count - MOST_SCOPES)
                await self._redis.unlink(*(STREAM + name.decode() for name, _ in gone))
        except AWAY as wrong:
            self._pause.begin(wrong)

    def clear(self) -> None:
        self._memory.clear()

    async def aclose(self) -> None:
        self.clear()
        await self._redis.aclose()

    async def _read_on(self, scope: str, most: int) -> int:
        """Learn one page; how many rows it had."""
        stream = STREAM + hashed(scope)
        last = self._memory.known(scope).last
        found = await self._redis.xread({stream: f"{last[0]}-{last[1]}"}, count=PAGE)
        rows = found[0][1] if found else []
        for name, fields in rows:
            self._learn(scope, name, fields, most)
        return len(rows)

    def _learn(self, scope: str, name: bytes, fields: dict[bytes, bytes], most: int) -> None:
        """Once, though several look-ups may read the same."""
        known, place = self._memory.known(scope), _place(name)
        if place <= known.last:
            return
        known.last = place
        try:
            row = decode(fields[FIELD])
        except (KeyError, msgspec.MsgspecError):  # of another version
            return
        self._memory.learn(scope, row, most)


def hashed(scope: str) -> str:
    """Addresses and keys' numbers are not shown to who looks into Redis."""
    return hashlib.sha256(scope.encode()).hexdigest()[:32]


def _place(name: bytes) -> tuple[int, int]:
    first, _, second = name.partition(b"-")
    return int(first), int(second)
