"""All transports of one event loop: a pool per route, beyond a bound the longest unused are closed."""

import ssl
from collections.abc import Collection

from providers.transport.base import Pool, Route, Transport
from providers.transport.fast import FastTransport


class Transports:
    """Hands out the transport of a route. Make it inside the event loop that uses it, and only there.

    `tls` replaces the system's certificates.
    """

    def __init__(self, *, max_routes: int = 256, tls: ssl.SSLContext | None = None) -> None:
        self._max = max_routes
        self._tls = tls
        self._pools: dict[tuple[Route, bool], Pool] = {}  # in order of use, the longest unused first
        self._leaving: list[Pool] = []  # forgotten, with requests still under way

    def of(self, route: Route, kind: str) -> Transport:
        """The transport for a route; kind "fast" or "aiohttp". A route with a proxy always goes by aiohttp.

        More than `max_routes` pools exist only while all of them have requests under way.
        """
        key = (route, kind == "fast" and route.proxy is None)
        pool = self._pools.pop(key, None)
        if pool is None:
            self._make_room()
            pool = FastTransport(route, tls=self._tls) if key[1] else self._compatible(route)
        self._pools[key] = pool
        return pool

    def _compatible(self, route: Route) -> Pool:
        from providers.transport.aio import AioTransport  # aiohttp: 9 MB and 0.15 s that most installations never need

        return AioTransport(route, tls=self._tls)

    def _make_room(self) -> None:
        surplus = len(self._pools) + 1 - self._max
        for key in [key for key, pool in self._pools.items() if surplus > 0 and not pool.in_flight][:surplus]:
            self._pools.pop(key).retire()

    async def forget(self, keep: Collection[Route]) -> None:
        """Close the pools of all other routes; their running requests end normally."""
        for key in [key for key in self._pools if key[0] not in keep]:
            pool = self._pools.pop(key)
            pool.retire()
            self._leaving.append(pool)
        self._leaving = [pool for pool in self._leaving if pool.in_flight]

    async def aclose(self) -> None:
        """Close everything, running requests too."""
        pools = [*self._pools.values(), *self._leaving]
        self._pools.clear()
        self._leaving.clear()
        for pool in pools:
            await pool.aclose()
