"""How aiohttp connects to one route: guarded and pinned addresses, HTTP and SOCKS proxies."""

import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp_socks import ProxyConnector
from python_socks import ProxyType

from providers.transport.base import Phase, Route, TransportError
from providers.transport.dial import Resolved, default_tls, resolved

SOCKS = ("socks5", "socks5h")  # either way the proxy resolves the name
SOCKS_PORT = 1080


class GuardedResolver(AbstractResolver):
    """Hands aiohttp the checked addresses of one route, so that it connects to those and no other."""

    def __init__(self, route: Route) -> None:
        self._route = route

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, address in await self._found(host, port)
        ]

    async def _found(self, host: str, port: int) -> Resolved:
        if self._route.proxy is None:
            return await resolved(self._route)
        try:  # the host is the proxy's own: an administrator put it there, often inside the network
            return await resolved(Route(self._route.scheme, host, port, allow_private=True))
        except TransportError as error:
            raise TransportError(Phase.PROXY, f"the proxy: {error}") from None

    async def close(self) -> None:
        """Nothing is held."""


def connector(route: Route, tls: ssl.SSLContext | None, limit: int) -> aiohttp.BaseConnector:
    """What makes the connections of one route: through SOCKS, or to checked addresses."""
    options: dict[str, Any] = {
        "limit": limit,
        "keepalive_timeout": 30.0,
        "use_dns_cache": False,
        "ssl": tls or default_tls(),
    }
    if not by_socks(route):
        return aiohttp.TCPConnector(resolver=GuardedResolver(route), **options)
    proxy = urlsplit(str(route.proxy))
    return ProxyConnector(
        host=str(proxy.hostname),
        port=proxy.port or SOCKS_PORT,
        proxy_type=ProxyType.SOCKS5,
        username=unquote(proxy.username or ""),
        password=unquote(proxy.password or ""),
        rdns=True,
        **options,
    )


def by_socks(route: Route) -> bool:
    return route.proxy is not None and route.proxy.partition(":")[0] in SOCKS
