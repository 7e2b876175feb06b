"""One pool per route, bounded, closed when its route is gone."""

import asyncio

from peers import OK, SOON, Line, Peer, outbound, says, then_silent, within

from providers.transport.aio import AioTransport
from providers.transport.base import Route
from providers.transport.fast import FastTransport
from providers.transport.pools import Transports


async def test_one_pool_per_route_and_kind() -> None:
    transports = Transports()
    first = Route("http", "a.example", 80)
    assert isinstance(transports.of(first, "fast"), FastTransport)
    assert isinstance(transports.of(first, "aiohttp"), AioTransport)
    assert transports.of(first, "fast") is transports.of(Route("http", "a.example", 80), "fast")
    assert transports.of(first, "fast") is not transports.of(Route("http", "a.example", 81), "fast")
    assert transports.of(first, "fast") is not transports.of(Route("http", "a.example", 80, True), "fast")
    proxied = Route("http", "a.example", 80, proxy="http://p.example:3128")
    assert isinstance(transports.of(proxied, "fast"), AioTransport)
    assert transports.of(proxied, "fast") is transports.of(proxied, "aiohttp")
    await transports.aclose()


async def test_the_longest_unused_idle_pool_makes_room(kind: str) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.gone()

    async with Peer(script) as peer, Peer(then_silent(OK[:-1])) as busy:
        transports = Transports(max_routes=2)
        running = await transports.of(busy.route(), kind).send(outbound(busy.route()))
        idle = transports.of(peer.route(), kind)
        assert await (await idle.send(outbound(peer.route()))).read(10) == b"hello"
        transports.of(Route("http", "third.example", 80), kind)
        await within(SOON, peer.lines[0].closed.wait())
        assert not busy.lines[0].closed.is_set()
        assert transports.of(peer.route(), kind) is not idle
        await running.aclose()
        await transports.aclose()


async def test_forgetting_closes_the_idle_and_lets_the_running_end(kind: str) -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK[:-1])
        await go.wait()
        await line.say(OK[-1:])
        await line.gone()

    async with Peer(says(OK, keep=True)) as kept, Peer(script) as gone:
        transports = Transports()
        transport = transports.of(kept.route(), kind)
        await (await transport.send(outbound(kept.route()))).read(10)
        reply = await transports.of(gone.route(), kind).send(outbound(gone.route()))
        await transports.forget([kept.route()])
        assert transports.of(kept.route(), kind) is transport
        go.set()
        assert await reply.read(10) == b"hello"
        await within(SOON, gone.lines[0].closed.wait())
        await transports.aclose()


async def test_closing_reaches_forgotten_pools_as_well(kind: str) -> None:
    async with Peer(then_silent(OK[:-1])) as peer:
        transports = Transports()
        await transports.of(peer.route(), kind).send(outbound(peer.route()))
        await transports.forget([])
        assert not peer.lines[0].closed.is_set()
        await transports.aclose()
        await within(SOON, peer.lines[0].closed.wait())
