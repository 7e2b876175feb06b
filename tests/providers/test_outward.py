"""The control plane's HTTP client and proxies that do not do their part."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from providers import outward
from tests.providers.proxying import ProxyServer


async def asked(proxy: str) -> httpx.Response:
    """What comes of a call whose own patience is far beyond the time to connect."""
    timeout = httpx.Timeout(300, connect=0.1)
    async with (
        asyncio.timeout(30),
        outward.client("http://acme.example", {}, allow_private=True, proxy=proxy, timeout=timeout) as client,
    ):
        return await client.get("/")


async def test_a_silent_socks_proxy_has_the_time_to_connect_and_no_more() -> None:
    with ProxyServer(1, "socks5", silent=True) as proxy, pytest.raises(httpx.ConnectTimeout):
        await asked(proxy.url)


@pytest.mark.parametrize(
    "babble",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\5", b"\5\2\1", b"\4\0"],
    ids=["http", "half a word", "more than was asked", "another version"],
)
async def test_what_is_no_socks_proxy_is_a_proxy_error(babble: bytes) -> None:
    with ProxyServer(1, "socks5", babble=babble) as proxy, pytest.raises(httpx.ProxyError):
        await asked(proxy.url)


async def test_credentials_that_socks_cannot_carry_are_a_proxy_error() -> None:
    with ProxyServer(1, "socks5", login=f"user:{'x' * 256}") as proxy, pytest.raises(httpx.ProxyError, match="255"):
        await asked(proxy.url)
