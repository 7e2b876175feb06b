"""The control plane's HTTP client: tests, logins and quota calls go out through here, and no other way.

With a proxy, every call goes through it or fails; without one, to addresses the guard has seen. What the environment
says of proxies and certificates' owners (``HTTP_PROXY``, ``.netrc``) counts for nothing, and nothing is redirected.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from socksio import SOCKSError

from providers.addresses import check_name, resolve

TIMEOUT = httpx.Timeout(20, connect=5, write=10, pool=5)  # seconds


def client(
    base_url: str,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
    proxy: str | None,
    timeout: httpx.Timeout = TIMEOUT,
) -> httpx.AsyncClient:
    """A client for calls of one account. Its calls raise AddressRefused besides httpx's errors.

    ``allow_private`` speaks of the target; a proxy may be in the private network, an administrator put it there.
    """
    return httpx.AsyncClient(
        transport=Proxied(proxy, allow_private) if proxy else Pinned(allow_private),
        base_url=base_url,
        headers=dict(headers),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


class Pinned(httpx.AsyncBaseTransport):
    """Connects to the addresses the guard has seen and to no others: the URL's host becomes the address, the Host
    header and the name that TLS verifies stay."""

    def __init__(self, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.inner = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await resolve(url.host, port, allow_private=self.allow_private)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        for position, (_family, address) in enumerate(found, start=1):
            request.url = url.copy_with(host=str(address[0]))
            try:
                return await self.inner.handle_async_request(request)
            except httpx.ConnectError:
                if position == len(found):
                    raise
        raise AssertionError("resolve gives at least one address")

    async def aclose(self) -> None:
        await self.inner.aclose()


class Proxied(httpx.AsyncBaseTransport):
    """Goes through a proxy, which resolves the target's name; the guard sees that name, and where the proxy is."""

    def __init__(self, proxy: str, allow_private: bool) -> None:
        self.allow_private = allow_private
        parts = urlsplit(proxy)
        self.host, self.port = parts.hostname or "", parts.port or 80
        context = ssl.create_default_context()
        way = httpx.Proxy(proxy, ssl_context=context if parts.scheme == "https" else None)
        self.inner = httpx.AsyncHTTPTransport(verify=context, proxy=way, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check_name(request.url.host, allow_private=self.allow_private)
        await resolve(self.host, self.port, allow_private=True)
        async with joining(request):
            response = await self.inner.handle_async_request(request)
        if response.status_code == 407:
            await response.aclose()
            raise httpx.ProxyError("The proxy wants other credentials.")
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def joining(request: httpx.Request) -> AsyncIterator[None]:
    """Gives a SOCKS proxy the connect timeout for what is agreed with it, the target's connection included: httpcore
    waits for that without end, and says in its own dependency's words, or by an assertion, that it was not SOCKS."""
    seconds = request.extensions.get("timeout", {}).get("connect")
    try:
        async with asyncio.timeout(None) as limit:
            request.extensions = {**request.extensions, "trace": _bounding(limit, seconds)}
            yield
    except TimeoutError:
        raise httpx.ConnectTimeout("The proxy is silent.", request=request) from None
    except (SOCKSError, AssertionError):
        raise httpx.ProxyError("The proxy does not speak SOCKS5.", request=request) from None
    except OverflowError:
        raise httpx.ProxyError("SOCKS5 takes users and passwords of 255 bytes at most.", request=request) from None


def _bounding(limit: asyncio.Timeout, seconds: float | None) -> Any:
    """httpcore's ``trace``: the limit runs while a SOCKS proxy is being agreed with."""

    async def trace(event: str, _: object) -> None:
        if event == "socks.setup_socks5_connection.started" and seconds is not None:
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
        elif event == "socks.setup_socks5_connection.complete" and not limit.expired():
            limit.reschedule(None)

    return trace
