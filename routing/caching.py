"""Services of the caches: flush them, and say how full they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from redis import Redis
from redis.exceptions import RedisError

from providers.wire.errors import Refusal
from routing import publish
from routing.gateway.replay.shared import INDEX, PREFIX, TIMEOUT
from routing.gateway.replay.shared_index import SCOPES, STREAM
from routing.gateway.replay.shelf import LIVE
from routing.models import CacheFlush
from routing.names import Leaf, Node, find


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


def model_fault(name: str) -> str | None:
    """Why a name cannot stand for the embeddings model, as the configuration is now; None when it can. One whose
    provider only lacks a connection now can."""
    try:
        node = find(publish.build(), name)
    except Refusal as refusal:
        if refusal.code == "ambiguous_model":
            return _("Several providers have “%(name)s”; write provider/model.") % {"name": name}
        return None if refusal.status == 503 else _("There is no model “%(name)s”.") % {"name": name}
    if any(map(_embeds, _leaves(node))):
        return None
    return _("“%(name)s” makes no embeddings.") % {"name": name}


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
        return
    for child, _weight in node.children:
        yield from _leaves(child)


def _embeds(leaf: Leaf) -> bool:
    """Whether its provider embeds, and nothing says that the model is for something else. Of operators' own models
    only their names are known."""
    model = leaf.provider.entry.models.get(leaf.model)
    other = model is not None and not model.own and model.operation != "embeddings"
    return leaf.provider.speaking(leaf.model).has("embeddings") and not other


def _empty_redis() -> None:
    if not settings.REDIS_URL:
        return
    try:
        with _redis() as redis:
            keys = [PREFIX + member.split(b" ")[0].decode() for member in redis.zrange(INDEX, 0, -1)]
            for start in range(0, len(keys), 500):
                redis.unlink(*keys[start : start + 500])
            redis.delete(INDEX)
            if scopes := redis.zrange(SCOPES, 0, -1):
                redis.unlink(*(STREAM + name.decode() for name in scopes))
            redis.delete(SCOPES)
    except (RedisError, OSError):
        return  # what it holds is not given any more, and goes by itself


def _redis() -> Any:
    return Redis.from_url(str(settings.REDIS_URL), socket_timeout=5 * TIMEOUT, socket_connect_timeout=5 * TIMEOUT)
