"""Calls through proxies: they reach the target through the proxy, or not at all."""

import asyncio
import ssl
from collections.abc import Callable

import pytest
from peers import OK, SOON, Line, Peer, outbound, says, within

from providers.transport.base import Phase, Pool, TransportError

Opened = Callable[..., Pool]


async def pipe(line: Line, port: int, first: bytes = b"") -> None:
    """Join the client with the target until one of them leaves."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(copy(line.reader, writer), copy(reader, line.writer), return_exceptions=True)
    writer.close()


class HttpProxy:
    """CONNECT for TLS, the absolute form for the rest. Every name leads to `port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []

    async def __call__(self, line: Line) -> None:
        head = await line.reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if head.startswith(b"CONNECT "):
            await line.say(b"HTTP/1.1 200 Connected\r\n\r\n")
            await pipe(line, self.port)
        else:
            await pipe(line, self.port, head.replace(b"http://models.example", b"", 1))


class SocksProxy:
    """SOCKS5 with or without a password; every name leads to `port`."""

    def __init__(self, port: int, reply: int = 0) -> None:
        self.port, self.reply = port, reply
        self.asked: list[bytes] = []
        self.passwords: list[bytes] = []

    async def __call__(self, line: Line) -> None:
        read = line.reader.readexactly
        methods = await read((await read(2))[1])
        wants = 2 if 2 in methods else 0
        await line.say(bytes([5, wants]))
        if wants:
            user = await read((await read(2))[1])
            self.passwords.append(user + b":" + await read((await read(1))[0]))
            await line.say(b"\1\0")
        kind = (await read(4))[3]
        self.asked.append(await read((await read(1))[0]) if kind == 3 else b"address")
        await read(2)
        await line.say(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not self.reply:
            await pipe(line, self.port)


async def body(transport: Pool, route: object, **more: float) -> bytes:
    reply = await transport.send(outbound(route, **more))  # type: ignore[arg-type]
    return await reply.read(100)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_through_an_http_proxy(
    opened: Opened, encrypted: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with Peer(says(OK, keep=True), server_tls if encrypted else None) as target:
        proxy = HttpProxy(target.port)
        async with Peer(proxy) as server:
            address = f"http://user:secret@127.0.0.1:{server.port}"
            route = target.route(host="models.example", proxy=address, allow_private=False)
            transport = opened(route, "aiohttp", tls=client_tls)
            assert [await body(transport, route) for _ in range(2)] == [b"hello"] * 2
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in proxy.heads[0]
    assert proxy.heads[0].startswith(b"CONNECT models.example:" if encrypted else b"POST http://models.example")


async def test_through_an_encrypted_proxy(
    opened: Opened, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with Peer(says(OK), server_tls) as target:
        proxy = HttpProxy(target.port)
        async with Peer(proxy, server_tls) as server:
            route = target.route(host="models.example", proxy=f"https://127.0.0.1:{server.port}")
            assert await body(opened(route, "aiohttp", tls=client_tls), route) == b"hello"
    assert proxy.heads[0].startswith(b"CONNECT models.example:")


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", ["", "us%40er:sec%2Fret@"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_through_socks(
    opened: Opened,
    scheme: str,
    login: str,
    encrypted: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    async with Peer(says(OK, keep=True), server_tls if encrypted else None) as target:
        proxy = SocksProxy(target.port)
        async with Peer(proxy) as server:
            route = target.route(host="models.example", proxy=f"{scheme}://{login}127.0.0.1:{server.port}")
            transport = opened(route, "aiohttp", tls=client_tls)
            assert [await body(transport, route) for _ in range(2)] == [b"hello"] * 2
    assert proxy.asked == [b"models.example"]  # the name, for the proxy resolves it
    assert proxy.passwords == ([b"us@er:sec/ret"] if login else [])


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_dead_proxy_is_never_gone_around(
    opened: Opened, scheme: str, encrypted: bool, unused_tcp_port: int, server_tls: ssl.SSLContext
) -> None:
    async with Peer(says(OK), server_tls if encrypted else None) as target:
        route = target.route(proxy=f"{scheme}://user:secret@127.0.0.1:{unused_tcp_port}")
        with pytest.raises(TransportError) as caught:
            await body(opened(route, "aiohttp"), route)
        assert caught.value.phase is Phase.PROXY
        assert "secret" not in repr(caught.value) + caught.value.message
        assert not target.lines


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_proxy_that_refuses_is_a_proxy_failure(opened: Opened, encrypted: bool) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    async with Peer(says(OK)) as target, Peer(says(refusal)) as server, Peer(SocksProxy(0, 5)) as socks:
        for address in (f"http://u:secret@127.0.0.1:{server.port}", f"socks5://127.0.0.1:{socks.port}"):
            route = target.route(proxy=address, scheme="https" if encrypted else "http")
            with pytest.raises(TransportError) as caught:
                await body(opened(route, "aiohttp"), route)
            assert caught.value.phase is Phase.PROXY
            assert "secret" not in caught.value.message
        assert not target.lines


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_silent_proxy_is_a_proxy_failure_in_time(opened: Opened, scheme: str) -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    async with Peer(silent) as server:
        route = server.route(scheme="https", host="models.example", proxy=f"{scheme}://127.0.0.1:{server.port}")
        with pytest.raises(TransportError) as caught:
            await body(opened(route, "aiohttp"), route, connect=0.2)
        assert caught.value.phase is Phase.PROXY
        await within(SOON, server.arrived.wait())
        await within(SOON, server.lines[0].closed.wait())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_cancelling_within_the_proxy_closes_it(opened: Opened, scheme: str) -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    async with Peer(silent) as server:
        route = server.route(scheme="https", host="models.example", proxy=f"{scheme}://127.0.0.1:{server.port}")
        task = asyncio.create_task(body(opened(route, "aiohttp"), route))
        await within(SOON, server.arrived.wait())
        await asyncio.sleep(0.05)
        task.cancel()
        await within(SOON, server.lines[0].closed.wait())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "metadata.google.internal", "2130706433", "::1"])
async def test_the_guard_reads_the_target_of_a_proxied_call(opened: Opened, host: str) -> None:
    async with Peer(HttpProxy(1)) as server:
        route = server.route(host=host, proxy=f"http://127.0.0.1:{server.port}", allow_private=False)
        with pytest.raises(TransportError) as caught:
            await body(opened(route, "aiohttp"), route)
        assert caught.value.phase is Phase.ADDRESS
        assert not server.lines


async def test_a_proxy_may_not_be_a_metadata_address(opened: Opened) -> None:
    for scheme in ("http", "socks5"):
        async with Peer(says(OK)) as target:
            route = target.route(host="models.example", proxy=f"{scheme}://169.254.169.254:80")
            with pytest.raises(TransportError) as caught:
                await body(opened(route, "aiohttp"), route)
            assert caught.value.phase is Phase.ADDRESS
