"""The fast transport's own promises: parsing at any cut, its pool, its retry."""

import asyncio
import gzip
import random
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import OK, SOON, Line, Peer, outbound, says, within

from providers.transport.base import Phase, Reply, Route, TransportError
from providers.transport.connection import Connection
from providers.transport.fast import FastTransport
from providers.transport.request import host_header

Opened = Callable[..., FastTransport]
ROUTE = Route("http", "models.example", 80)
CANNED = [
    OK,
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX: a \t\r\nx:b\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"7\r\ndata: a\r\n10;x=y\r\n\n\ndata: [DONE]\n\n\r\n0\r\nT: z\r\n\r\n",
    b"\r\nHTTP/1.1 103 Early\r\nx-early: 1\r\n\r\nHTTP/1.1 429 \r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(gzip.compress(b"packed" * 9, mtime=0)), gzip.compress(b"packed" * 9, mtime=0)),
    b"HTTP/1.1 204 None\r\nx: 1\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nG\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and more",
]


class Wire(asyncio.Transport):
    """A socket without a network."""

    closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (1, 0)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert bytes(data).startswith(b"POST /v1/chat HTTP/1.1\r\nhost: models.example\r\n")

    def abort(self) -> None:
        self.closed = True


class Pool:
    kept = 0

    def released(self, connection: Connection) -> None:
        self.kept += 1

    def closed(self, connection: Connection) -> None:
        pass


def done(coroutine: Coroutine[Any, Any, bytes]) -> bytes:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return bytes(stop.value)
    raise AssertionError("it waits")


def played(pieces: list[bytes]) -> tuple[object, ...]:
    """What a reply that arrives in these pieces comes to."""
    loop, pool, wire = asyncio.new_event_loop(), Pool(), Wire()
    try:
        connection = Connection(loop, pool)
        connection.connection_made(wire)
        reply = connection.begin(outbound(ROUTE), b"POST /v1/chat HTTP/1.1\r\nhost: models.example\r\n\r\n")
        for piece in pieces:
            if not connection.gone:
                connection.data_received(piece)
        connection.eof_received()
        try:
            body, phase = done(reply.read(1000)), None
        except TransportError as error:
            body, phase = b"", error.phase
        return reply.status, reply.headers, body, phase, wire.closed
    finally:
        loop.close()


@pytest.mark.parametrize("said", CANNED)
def test_a_reply_does_not_depend_on_where_the_network_cuts(said: bytes) -> None:
    whole = played([said])
    for cut in range(len(said)):
        assert played([said[:cut], said[cut:]] if cut else [said]) == whole
    assert played([said[i : i + 1] for i in range(len(said))]) == whole


@given(st.sampled_from(CANNED), st.lists(st.integers(0, 300)))
def test_nor_on_how_often_it_cuts(said: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    assert played([said[a:b] for a, b in pairwise(edges)]) == played([said])


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_break_it(first: bytes, second: bytes) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        assert played([start + first, second])[-1]


def test_what_the_canned_replies_say() -> None:
    results = [played([said]) for said in CANNED]
    assert [(status, body, phase) for status, _, body, phase, _ in results] == [
        (200, b"hello", None),
        (200, b"data: a\n\ndata: [DONE]\n\n", None),
        (429, b"{}", None),
        (200, b"packed" * 9, None),
        (204, b"", None),
        (200, b"until the end", None),
        (200, b"", Phase.CUT),
        (200, b"", Phase.PROTOCOL),
        (200, b"hi", None),
    ]
    assert results[1][1] == {
        b"content-type": b"text/event-stream",
        b"x": b"a, b",
        b"transfer-encoding": b"chunked",
    }


async def say(transport: FastTransport, **more: Any) -> bytes:
    async with asyncio.timeout(10):
        reply = await transport.send(outbound(transport.route, **more))
        return await reply.read(1000)


@pytest.mark.parametrize(
    "said",
    [
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nworse",
        OK + b"x",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_a_connection_that_is_not_clean_serves_nobody_else(opened: Opened, said: bytes) -> None:
    async with Peer(says(said, keep=True)) as peer:
        transport = opened(peer.route())
        assert [await say(transport) for _ in range(2)] == [b"hello"] * 2
        assert len(peer.lines) == 2


async def test_a_connection_that_speaks_unasked_is_closed(opened: Opened) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await asyncio.sleep(0.05)
        await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await line.gone()

    async with Peer(script) as peer:
        transport = opened(peer.route())
        assert await say(transport) == b"hello"
        await within(SOON, peer.lines[0].closed.wait())
        assert await say(transport) == b"hello"


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 2"])
async def test_only_a_dead_kept_connection_is_replaced_and_only_once(opened: Opened, last_words: bytes) -> None:
    asked = 0

    async def script(line: Line) -> None:
        nonlocal asked
        for answer in (OK, last_words) if line is peer.lines[0] else (b"",):
            await line.request()
            asked += 1
            await line.say(answer)

    async with Peer(script) as peer:
        transport = opened(peer.route())
        assert await say(transport) == b"hello"
        with pytest.raises(TransportError) as caught:
            await say(transport)
        assert caught.value.phase is Phase.CUT
        assert asked == (2 if last_words else 3)
        assert transport.in_flight == 0


async def test_a_new_connection_that_ends_at_once_is_not_retried(opened: Opened) -> None:
    async def script(line: Line) -> None:
        line.writer.transport.abort()

    async with Peer(script) as peer:
        transport = opened(peer.route())
        with pytest.raises(TransportError) as caught:
            await say(transport)
        assert caught.value.phase is Phase.CUT
        assert len(peer.lines) == 1
        assert transport.in_flight == 0


async def test_the_connection_used_last_is_used_first_and_rests_are_bounded(opened: Opened) -> None:
    by: list[int] = []

    async def script(line: Line) -> None:
        while True:
            await line.request()
            by.append(peer.lines.index(line))
            await asyncio.sleep(0.02)
            await line.say(OK)

    async with Peer(script) as peer:
        transport = opened(peer.route(), max_idle=3)
        await asyncio.gather(*(say(transport) for _ in range(6)))
        assert len(peer.lines) == 6
        by.clear()
        for _ in range(4):
            await say(transport)
        assert len(set(by)) == 1
        await asyncio.gather(*(say(transport) for _ in range(4)))
        assert len(peer.lines) == 7  # three were kept


async def test_a_connection_at_rest_is_closed_in_time(opened: Opened) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.gone()

    async with Peer(script) as peer:
        transport = opened(peer.route(), idle_expiry=0.1)
        assert await say(transport) == b"hello"
        assert not peer.lines[0].closed.is_set()
        await within(SOON, peer.lines[0].closed.wait())


async def test_waiters_are_served_in_order_and_a_cancelled_one_passes_its_turn_on(opened: Opened) -> None:
    order: list[bytes] = []

    async def script(line: Line) -> None:
        while True:
            head, _ = await line.request()
            order.append(head.split(b" ")[1])
            await asyncio.sleep(0.02)
            await line.say(OK)

    async with Peer(script) as peer:
        transport = opened(peer.route(), max_connections=1)
        calls = []
        for number in range(6):
            calls.append(asyncio.create_task(say(transport, target=f"/{number}")))
            await asyncio.sleep(0)
        calls[2].cancel()
        results = await within_all(calls)
        assert order == [b"/0", b"/1", b"/3", b"/4", b"/5"]
        assert [isinstance(result, bytes) for result in results] == [True, True, False, True, True, True]
        assert len(peer.lines) == 1
        assert transport.in_flight == 0


async def within_all(calls: list[asyncio.Task[bytes]]) -> list[bytes | BaseException]:
    async with asyncio.timeout(SOON):
        return await asyncio.gather(*calls, return_exceptions=True)


async def test_a_turn_given_to_one_who_just_left_goes_to_the_next(opened: Opened) -> None:
    async with Peer(says(OK, keep=True)) as peer:
        transport = opened(peer.route(), max_connections=1)
        first = await transport.send(outbound(peer.route()))
        assert await first.read(10) == b"hello"
        calls = [asyncio.create_task(say(transport)) for _ in range(8)]
        for call in calls:
            if not call.done():
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.sleep(0.001)
        await within_all(calls)
        assert await say(transport) == b"hello"
        assert transport.in_flight == 0


async def test_a_failed_connect_gives_its_slot_to_the_next(opened: Opened, unused_tcp_port: int) -> None:
    transport = opened(Route("http", "127.0.0.1", unused_tcp_port, allow_private=True), max_connections=1)
    calls = [asyncio.create_task(say(transport)) for _ in range(4)]
    assert all(isinstance(result, TransportError) for result in await within_all(calls))
    assert transport.in_flight == 0


async def test_a_refusal_before_the_request_is_written_is_read(opened: Opened) -> None:
    async def script(line: Line) -> None:
        await line.reader.readuntil(b"\r\n\r\n")
        await line.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        await line.gone()

    async with Peer(script) as peer:
        transport = opened(peer.route())
        reply = await transport.send(outbound(peer.route(), body=bytes(20_000_000)))
        assert (reply.status, await reply.read(10)) == (413, b"large")
        assert transport.in_flight == 0


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" * 9000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"t: u\r\n" * 90000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;" + b"x" * 300_000,
        b"HTTP/1.1 200 " + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 30000 + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc",
    ],
)
async def test_floods_and_tricks_end(opened: Opened, said: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        for start in range(0, len(said), 20_000):
            await line.say(said[start : start + 20_000])
        await line.gone()

    async with Peer(script) as peer:
        with pytest.raises(TransportError) as caught:
            await say(opened(peer.route()))
        assert caught.value.phase is Phase.PROTOCOL


async def test_a_whole_reply_frees_its_connection_before_it_is_read(opened: Opened) -> None:
    async with Peer(says(OK, keep=True)) as peer:
        transport = opened(peer.route())
        replies: list[Reply] = []
        for _ in range(3):
            replies.append(await transport.send(outbound(peer.route())))
            await asyncio.sleep(0.01)
        assert len(peer.lines) == 1
        assert [await reply.read(10) for reply in replies] == [b"hello"] * 3


async def test_requests_make_no_tasks(opened: Opened) -> None:
    async with Peer(says(OK, keep=True)) as peer:
        transport = opened(peer.route())
        assert await say(transport) == b"hello"
        before = asyncio.all_tasks()
        reply = await transport.send(outbound(peer.route()))
        assert asyncio.all_tasks() == before
        assert await reply.read(10) == b"hello"


@pytest.mark.parametrize("seed", range(4))
async def test_no_disorder_loses_a_slot_or_mixes_replies(opened: Opened, seed: int) -> None:
    die = random.Random(seed)

    async def script(line: Line) -> None:
        while True:
            head, _ = await line.request()
            target = head.split(b" ")[1]
            said = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(target), target)
            await asyncio.sleep(die.choice([0, 0, 0.001, 0.01]))
            cut = die.choice([len(said)] * 5 + [0, 9, len(said) - 2])
            await line.say(said[:cut])
            if cut < len(said) or die.random() < 0.1:
                return

    async def call(number: int) -> None:
        target = f"/{seed}/{number}"
        try:
            async with asyncio.timeout(die.choice([5, 5, 0, 0.001, 0.01])):
                assert await say(transport, target=target) == target.encode()
        except (TransportError, TimeoutError):
            pass

    async with Peer(script) as peer:
        transport = opened(peer.route(), max_connections=4, max_idle=2)
        for batch in range(10):
            await asyncio.gather(*(call(batch * 30 + number) for number in range(30)))
        assert transport.in_flight == 0
        async with asyncio.timeout(SOON):
            while sum(not line.writer.is_closing() for line in peer.lines) > 2:
                await asyncio.sleep(0.01)


def test_the_host_header_is_as_short_as_it_may_be() -> None:
    assert host_header(Route("https", "models.example", 443)) == b"models.example"
    assert host_header(Route("https", "models.example", 80)) == b"models.example:80"
    assert host_header(Route("http", "2001:db8::1", 8080)) == b"[2001:db8::1]:8080"
    assert host_header(Route("http", "bücher.example", 80)) == b"xn--bcher-kva.example"
