"""Services of the caches: flush them, and say how full they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from routing.gateway.replay.shared import INDEX, PREFIX, TIMEOUT
from routing.gateway.replay.shelf import LIVE
from routing.models import CacheFlush


@dataclass(frozen=True, slots=True)
class Fill:
    """How full the cache is. ``where``: memory or redis; ``away``: Redis cannot be asked."""

    where: str
    entries: int = 0
    bytes: int = 0
    away: bool = False


def flush(*, key: int | None = None, model: str = "") -> None:
    """Forget all answers, those of a client key, or those to a model's name; every process within a second."""
    subject = f"key:{key}" if key is not None else f"model:{model}" if model else ""
    CacheFlush.objects.update_or_create(subject=subject, defaults={"at": time.time()})
    if not subject:
        CacheFlush.objects.exclude(subject="").delete()  # older than this one
        _empty_redis()


def fill() -> Fill:
    """Without Redis the figures are this process's."""
    if not settings.REDIS_URL:
        return Fill("memory", sum(map(len, LIVE)), sum(shelf.size for shelf in LIVE))
    try:
        with _redis() as redis:
            members = redis.zrangebyscore(INDEX, time.time(), "+inf")
    except (RedisError, OSError):
        return Fill("redis", away=True)
    return Fill("redis", len(members), sum(int(member.split(b" ")[1]) for member in members))


def _empty_redis() -> None:
    if not settings.REDIS_URL:
        return
    try:
        with _redis() as redis:
            keys = [PREFIX + member.split(b" ")[0].decode() for member in redis.zrange(INDEX, 0, -1)]
            for start in range(0, len(keys), 500):
                redis.unlink(*keys[start : start + 500])
            redis.delete(INDEX)
    except (RedisError, OSError):
        return  # what it holds is not given any more, and goes by itself


def _redis() -> Any:
    return Redis.from_url(str(settings.REDIS_URL), socket_timeout=5 * TIMEOUT, socket_connect_timeout=5 * TIMEOUT)
