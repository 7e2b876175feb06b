"""What both transports promise, on real sockets."""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import Callable

import pytest
from peers import OK, SOON, Line, Peer, outbound, says, then_silent, within

from providers.transport.base import Phase, Pool, Route, TransportError

Opened = Callable[..., Pool]
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def named(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """Let every name resolve to these addresses."""

    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> list[tuple[object, ...]]:
        found = [host] if host[0].isdigit() else ips  # uvloop asks for literal addresses too
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo, raising=False)


async def read(transport: Pool, **request: object) -> bytes:
    reply = await transport.send(outbound(transport.route, **request))  # type: ignore[attr-defined,arg-type]
    return await reply.read(1000)


async def failing(transport: Pool, **request: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await read(transport, **request)
    assert transport.in_flight == 0
    return caught.value


async def test_the_request_arrives_as_it_was_written(kind: str, opened: Opened) -> None:
    heads: list[bytes] = []

    async def script(line: Line) -> None:
        head, body = await line.request()
        heads.extend((head, body))
        await line.say(OK)

    async with Peer(script) as peer:
        route = peer.route()
        headers = ((b"authorization", b"Bearer abc"), (b"x-name", "Zoë".encode()))
        reply = await opened(route, kind).send(
            outbound(route, target="/v1/a%2Fb?q=%20x", body=b'{"a":1}', headers=headers)
        )
        assert (reply.status, await reply.read(100)) == (200, b"hello")
    lines = heads[0].lower().rstrip().split(b"\r\n")
    assert heads[0].startswith(b"POST /v1/a%2Fb?q=%20x HTTP/1.1\r\n")
    assert sorted(lines[1:]) == sorted(
        [
            b"host: 127.0.0.1:%d" % peer.port,
            b"authorization: bearer abc",
            b"x-name: zo\xc3\xab",
            b"accept-encoding: identity",
            b"content-length: 7",
        ]
    )
    assert heads[1] == b'{"a":1}'


@pytest.mark.parametrize("size", [0, 65536, 65537, 3_000_000])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_bodies_of_any_size_arrive_whole(
    kind: str,
    opened: Opened,
    size: int,
    encrypted: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    async def script(line: Line) -> None:
        while True:
            _, body = await line.request()
            digest = b"%08x" % zlib.crc32(body)
            await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n" + digest)

    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    async with Peer(script, server_tls if encrypted else None) as peer:
        transport = opened(peer.route(), kind, tls=client_tls)
        for _ in range(2):
            reply = await transport.send(outbound(peer.route(), body=body))
            assert await reply.read(100) == b"%08x" % zlib.crc32(body)
        assert len(peer.lines) == 1


async def test_a_connection_is_kept_and_cookies_and_redirects_are_not(kind: str, opened: Opened) -> None:
    heads: list[bytes] = []

    async def script(line: Line) -> None:
        while True:
            heads.append((await line.request())[0])
            await line.say(
                b"HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
                b"content-length: 2\r\n\r\nhi"
            )

    async with Peer(script) as peer:
        transport = opened(peer.route(), kind)
        for _ in range(3):
            reply = await transport.send(outbound(peer.route()))
            assert reply.status == 307
            assert reply.headers[b"set-cookie"] == b"a=1, b=2"
            assert await reply.read(10) == b"hi"
            await reply.aclose()
            await reply.aclose()
        assert len(peer.lines) == 1
        assert len(heads) == 3
        assert not any(b"cookie" in head.lower() or b"elsewhere" in head for head in heads)
        assert transport.in_flight == 0


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\nto the", b" end"], b"to the end"),
        ([b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nold"], b"old"),
        ([CHUNKED + b"3\r\nabc\r\n", b"2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n"], b"abcde"),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK], b"hello"),
        ([b"HTTP/1.1 200\r\ncontent-length:5 \r\n\r\nhello"], b"hello"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], b""),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"], b""),
    ],
)
async def test_every_framing_is_read(kind: str, opened: Opened, said: list[bytes], body: bytes) -> None:
    async with Peer(says(*said)) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route()))
        assert await reply.read(100) == body
        assert b"link" not in reply.headers


async def test_head_has_no_body(kind: str, opened: Opened) -> None:
    async with Peer(then_silent(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route(), method="HEAD", body=b""))
        assert reply.headers[b"content-length"] == b"500"
        assert await reply.read(100) == b""


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(b"packed " * 40, mtime=0)),
        ("gzip", gzip.compress(b"packed " * 20, mtime=0) + gzip.compress(b"packed " * 20, mtime=0)),
        ("deflate", zlib.compress(b"packed " * 40)),
        ("deflate", raw_deflate(b"packed " * 40)),
    ],
)
async def test_a_reply_packed_unasked_is_unpacked(kind: str, opened: Opened, name: str, packed: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with Peer(says(head + packed[:1], packed[1:9], packed[9:])) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route()))
        assert await reply.read(1000) == b"packed " * 40
        assert not {b"content-encoding", b"content-length"} & set(reply.headers)


async def test_what_unpacks_to_too_much_is_stopped_early(kind: str, opened: Opened) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    async with Peer(says(head + bomb)) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route()))
        async for piece in reply.chunks():
            assert len(piece) <= 65536
            break
        await reply.aclose()
    async with Peer(says(head + bomb)) as peer:
        assert (await failing(opened(peer.route(), kind))).phase is Phase.TOO_LARGE


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        (b"", Phase.CUT),
        (b"HTTP/1.1 200 OK\r\ncontent-", Phase.CUT),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", Phase.CUT),
        (CHUNKED + b"5\r\nhello\r\n", Phase.CUT),
        (CHUNKED + b"5\r\nhel", Phase.CUT),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"abc" * 50, mtime=0)[:20], Phase.CUT),
        (b"garbage\r\n\r\n", Phase.PROTOCOL),
        (b"<html>502</html>", Phase.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx", Phase.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + b"not packed" * 9, Phase.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", Phase.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", Phase.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001, Phase.TOO_LARGE),
    ],
)
async def test_damage_has_its_phase(kind: str, opened: Opened, said: bytes, phase: Phase) -> None:
    async with Peer(says(said)) as peer:
        assert (await failing(opened(peer.route(), kind))).phase is phase


async def test_a_chunk_that_is_none_is_a_protocol_error(kind: str, opened: Opened) -> None:
    async with Peer(then_silent(CHUNKED + b"5\r\nhello\r\nzz\r\n")) as peer:
        error = await failing(opened(peer.route(), kind))
        assert error.phase in ({Phase.PROTOCOL} if kind == "fast" else {Phase.PROTOCOL, Phase.CUT})


async def test_what_arrived_before_the_cut_is_read_first(kind: str, opened: Opened) -> None:
    async with Peer(says(CHUNKED + b"5\r\nhello\r\n")) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route()))
        pieces = reply.chunks()
        assert await anext(pieces) == b"hello"
        with pytest.raises(TransportError):
            await anext(pieces)


async def test_silence_has_its_phase(kind: str, opened: Opened) -> None:
    async with Peer(then_silent()) as peer:
        error = await failing(opened(peer.route(), kind), first_byte=0.1)
        assert error.phase is Phase.FIRST_BYTE
        await within(SOON, peer.arrived.wait())
        await within(SOON, peer.lines[0].closed.wait())
    async with Peer(then_silent(CHUNKED + b"2\r\nhi\r\n")) as peer:
        error = await failing(opened(peer.route(), kind), idle=0.1)
        assert error.phase is Phase.IDLE
        await within(SOON, peer.lines[0].closed.wait())


async def test_a_peer_that_takes_no_request_is_a_write_failure(kind: str, opened: Opened) -> None:
    leave = asyncio.Event()

    async def script(line: Line) -> None:
        line.writer.transport.pause_reading()
        await leave.wait()

    async with Peer(script) as peer:
        error = await failing(opened(peer.route(), kind), body=bytes(30_000_000), write=0.2, first_byte=9.0)
        assert error.phase is Phase.WRITE
        leave.set()


async def test_a_slow_peer_that_takes_the_request_in_steps_is_waited_for(kind: str, opened: Opened) -> None:
    async def script(line: Line) -> None:
        await line.reader.readuntil(b"\r\n\r\n")
        for _ in range(6):
            line.writer.transport.pause_reading()
            await asyncio.sleep(0.6)
            line.writer.transport.resume_reading()
            await line.reader.readexactly(4_000_000)
        await line.say(OK)

    async with Peer(script) as peer:
        reply = await opened(peer.route(), kind).send(outbound(peer.route(), body=bytes(24_000_000), write=2.5))
        assert await reply.read(10) == b"hello"


async def test_refused_and_unresolved(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    closed = Route("http", "127.0.0.1", unused_tcp_port, allow_private=True)
    assert (await failing(opened(closed, kind))).phase is Phase.CONNECT
    named(monkeypatch)
    assert (await failing(opened(Route("http", "nowhere.example", 80), kind))).phase is Phase.DNS


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.8", "::1", "169.254.169.254", "64:ff9b::7f00:1"])
async def test_the_guard_refuses_literal_addresses(kind: str, opened: Opened, host: str) -> None:
    error = await failing(opened(Route("http", host, 80), kind))
    assert error.phase is Phase.ADDRESS
    assert host in error.message


async def test_the_guard_refuses_what_a_name_resolves_to(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Peer(says(OK)) as peer:
        named(monkeypatch, "93.184.216.34", "127.0.0.1")
        assert (await failing(opened(Route("http", "mixed.example", peer.port), kind))).phase is Phase.ADDRESS
        assert not peer.lines


async def test_a_name_is_pinned_and_sent_as_host_and_in_tls(
    kind: str,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    names: list[str | None] = []
    heads: list[bytes] = []
    server_tls.sni_callback = lambda _, name, __: names.append(name)

    async def script(line: Line) -> None:
        while True:
            heads.append((await line.request())[0])
            await line.say(OK)

    async with Peer(script, server_tls) as peer:
        named(monkeypatch, "127.0.0.1")
        route = peer.route(host="models.example")
        transport = opened(route, kind, tls=client_tls)
        for _ in range(2):
            assert await (await transport.send(outbound(route))).read(10) == b"hello"
        assert names == ["models.example"]
        assert b"host: models.example:%d\r\n" % peer.port in heads[0].lower()
        named(monkeypatch, "127.0.0.1")
        other = peer.route(host="others.example")
        assert (await failing(opened(other, kind, tls=client_tls))).phase is Phase.TLS


async def test_an_unknown_authority_is_a_tls_failure(kind: str, opened: Opened, server_tls: ssl.SSLContext) -> None:
    async with Peer(says(OK), server_tls) as peer:
        assert (await failing(opened(peer.route(), kind))).phase is Phase.TLS

    async def no_tls(line: Line) -> None:
        await line.say(b"HTTP/1.1 400 no\r\n\r\n")

    async with Peer(no_tls) as plain:
        assert (await failing(opened(plain.route(scheme="https"), kind))).phase is Phase.TLS


async def test_a_second_address_is_tried(kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Peer(says(OK)) as peer:
        named(monkeypatch, "127.0.0.9", "127.0.0.1")  # nobody listens at the first
        route = peer.route(host="two.example")
        assert await (await opened(route, kind).send(outbound(route))).read(10) == b"hello"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, CHUNKED + b"2\r\nhi\r\n"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_cancelling_closes_the_socket_at_once(
    kind: str,
    opened: Opened,
    said: bytes,
    encrypted: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    async with Peer(then_silent(said), server_tls if encrypted else None) as peer:
        transport = opened(peer.route(), kind, tls=client_tls)

        async def call() -> None:
            reply = await transport.send(outbound(peer.route()))
            async for _ in reply.chunks():
                pass

        task = asyncio.create_task(call())
        await within(SOON, peer.arrived.wait())
        await asyncio.sleep(0.1)
        task.cancel()
        await within(SOON, peer.lines[0].closed.wait())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.in_flight == 0


async def test_cancelling_during_the_handshake_closes_the_socket(
    kind: str, opened: Opened, client_tls: ssl.SSLContext
) -> None:
    async def script(line: Line) -> None:
        await line.gone()  # reads the hello and never answers

    async with Peer(script) as peer:
        transport = opened(peer.route(scheme="https"), kind, tls=client_tls)
        task = asyncio.create_task(transport.send(outbound(transport.route)))  # type: ignore[attr-defined]
        await within(SOON, peer.arrived.wait())
        await asyncio.sleep(0.05)
        task.cancel()
        await within(SOON, peer.lines[0].closed.wait())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.in_flight == 0
        error = await failing(opened(peer.route(scheme="https"), kind, tls=client_tls), connect=2.0)
        assert error.phase is (Phase.TLS if kind == "fast" else Phase.CONNECT)
        async with asyncio.timeout(SOON):
            while len(peer.lines) < 2:
                await asyncio.sleep(0.01)
        await within(SOON, peer.lines[1].closed.wait())


async def test_closing_an_unread_reply_closes_the_socket(kind: str, opened: Opened) -> None:
    async with Peer(then_silent(CHUNKED + b"2\r\nhi\r\n")) as peer:
        transport = opened(peer.route(), kind)
        reply = await transport.send(outbound(peer.route()))
        await reply.aclose()
        await reply.aclose()
        await within(SOON, peer.lines[0].closed.wait())
        assert transport.in_flight == 0


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_slow_reader_stops_the_peer(
    kind: str,
    opened: Opened,
    encrypted: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    sent = 0
    whole = 40_000_000

    async def script(line: Line) -> None:
        nonlocal sent
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % whole)
        while sent < whole:
            await line.say(bytes(100_000))
            sent += 100_000

    async with Peer(script, server_tls if encrypted else None) as peer:
        reply = await opened(peer.route(), kind, tls=client_tls).send(outbound(peer.route(), idle=2.0))
        before = -1
        while not sent or sent != before:
            before = sent
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.1)  # longer than the idle time-out: it is the reader who waits
        assert 0 < sent < whole / 2
        assert sum([len(piece) async for piece in reply.chunks()]) == whole


async def test_requests_beyond_the_bound_wait_and_give_up_in_time(kind: str, opened: Opened) -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await go.wait()
            await line.say(OK)

    async with Peer(script) as peer:
        transport = opened(peer.route(), kind, max_connections=2)

        async def call(connect: float) -> bytes:
            reply = await transport.send(outbound(peer.route(), connect=connect))
            return await reply.read(10)

        calls = [asyncio.create_task(call(5)) for _ in range(5)]
        await within(SOON, peer.arrived.wait())
        with pytest.raises(TransportError) as caught:
            await call(0.1)
        assert caught.value.phase is Phase.CONNECT
        go.set()
        assert await asyncio.gather(*calls) == [b"hello"] * 5
        assert len(peer.lines) == 2
        assert transport.in_flight == 0


async def test_a_kept_connection_that_dies_with_the_next_request_is_replaced(kind: str, opened: Opened) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        if line is peer.lines[0]:
            await line.request()  # and closes without a word

    async with Peer(script) as peer:
        transport = opened(peer.route(), kind)
        for _ in range(2):
            assert await read(transport) == b"hello"
        assert len(peer.lines) == 2


async def test_a_kept_connection_closed_by_the_peer_fails_no_request(kind: str, opened: Opened) -> None:
    async with Peer(says(OK)) as peer:  # closes after each reply, although it did not say so
        transport = opened(peer.route(), kind)
        for pause in (0, 0.02, 0, 0.02):
            reply = await transport.send(outbound(peer.route()))
            assert await reply.read(10) == b"hello"
            await asyncio.sleep(pause)
        assert len(peer.lines) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"headers": ((b"x", b"a\r\nevil: 1"),)},
        {"headers": ((b"x\n", b"a"),)},
        {"headers": ((b"Content-Length", b"3"),)},
        {"headers": ((b"transfer-encoding", b"chunked"),)},
        {"headers": ((b"host", b"elsewhere"),)},
        {"target": "/a b"},
        {"target": "/a\r\nx: y"},
        {"target": "http://elsewhere/"},
        {"method": "GET / HTTP/1.1\r\nx:"},
    ],
)
async def test_nothing_breaks_out_of_the_request(kind: str, opened: Opened, change: dict[str, object]) -> None:
    async with Peer(says(OK)) as peer:
        assert (await failing(opened(peer.route(), kind), **change)).phase is Phase.PROTOCOL
        assert not peer.lines


async def test_a_request_for_another_route_is_not_sent(kind: str, opened: Opened) -> None:
    async with Peer(says(OK)) as peer, Peer(says(OK)) as other:
        with pytest.raises(TransportError) as caught:
            await opened(peer.route(), kind).send(outbound(other.route()))
        assert caught.value.phase is Phase.ADDRESS
        assert not peer.lines + other.lines


async def test_retiring_lets_running_requests_end(kind: str, opened: Opened) -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await line.say(CHUNKED + b"2\r\nhi\r\n")
        await go.wait()
        await line.say(b"0\r\n\r\n")
        await line.gone()

    async with Peer(script) as peer:
        transport = opened(peer.route(), kind)
        reply = await transport.send(outbound(peer.route()))
        transport.retire()
        assert transport.in_flight == 1
        go.set()
        assert await reply.read(10) == b"hi"
        await within(SOON, peer.lines[0].closed.wait())
        assert transport.in_flight == 0


async def test_closing_ends_everything(kind: str, opened: Opened) -> None:
    async with Peer(then_silent(CHUNKED + b"2\r\nhi\r\n")) as peer:
        transport = opened(peer.route(), kind)
        reply = await transport.send(outbound(peer.route()))
        reading = asyncio.create_task(reply.read(100))
        await asyncio.sleep(0.05)
        await transport.aclose()
        await within(SOON, peer.lines[0].closed.wait())
        with pytest.raises(TransportError):
            await within(SOON, reading)
        with pytest.raises(TransportError):
            await transport.send(outbound(peer.route()))
    async with Peer(then_silent()) as peer:
        transport = opened(peer.route(), kind)
        asking = asyncio.create_task(transport.send(outbound(peer.route())))
        await asyncio.sleep(0.05)
        await transport.aclose()
        with pytest.raises(TransportError):
            await within(SOON, asking)


def test_nothing_secret_shows() -> None:
    route = Route("https", "models.example", 443, proxy="http://user:hunter2@proxy.example:8080")
    shown = repr(outbound(route, headers=((b"authorization", b"Bearer hunter2"),), body=b"hunter2"))
    assert "models.example" in shown
    assert "hunter2" not in shown + str(route)
