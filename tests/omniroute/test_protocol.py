"""The server's HTTP, over real sockets: what of uvicorn's we do in another way must not show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from omniroute.protocol import JOINED, Protocol

App = Callable[[Any, Any, Any], Awaitable[None]]
GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: here\r\nX-Mixed: Case\r\n\r\n"


@dataclass
class Peer:
    """A client's end of a connection, and the server's protocol behind it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    made: list[Protocol]
    writes: list[bytes]

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def says(self, request: bytes) -> bytes:
        self.writer.write(request)
        return await self.head()


@asynccontextmanager
async def serving(app: App, **settings: Any) -> AsyncIterator[Peer]:
    config = uvicorn.Config(app, http=Protocol, ws="none", lifespan="off", log_config=None, **settings)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    made: list[Protocol] = []
    writes: list[bytes] = []

    class Watched(Protocol):
        def connection_made(self, transport: Any) -> None:
            made.append(self)
            super().connection_made(Noting(transport, writes))

    server = await loop.create_server(
        lambda: Watched(config=config, server_state=state, app_state={}, _loop=loop), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield Peer(reader, writer, made, writes)
    finally:
        writer.close()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*state.tasks, return_exceptions=True)


class Noting:
    """A transport that notes what is written."""

    def __init__(self, transport: Any, writes: list[bytes]) -> None:
        self._transport, self._writes = transport, writes

    def write(self, data: bytes) -> None:
        self._writes.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def replying(*messages: dict[str, Any], status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        for message in messages:
            await send({"type": "http.response.body", **message})

    return app


async def test_head_and_body_leave_together() -> None:
    async with serving(replying({"body": b"hello"}, headers=[(b"Content-Length", b"5")])) as peer:
        assert await peer.says(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        assert await peer.reader.readexactly(5) == b"hello"
        assert len(peer.writes) == 1


async def test_a_large_body_is_not_copied_behind_its_head() -> None:
    body = b"x" * (JOINED + 1)
    async with serving(replying({"body": body}, headers=[(b"content-length", b"%d" % len(body))])) as peer:
        await peer.says(GET)
        assert await peer.reader.readexactly(len(body)) == body
        assert [len(data) for data in peer.writes][1:] == [len(body)]


async def test_a_stream_is_chunked_and_ends() -> None:
    pieces = ({"body": b"one", "more_body": True}, {"body": b"", "more_body": True}, {"body": b"two"})
    async with serving(replying(*pieces)) as peer:
        assert await peer.says(GET) == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        assert await peer.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_the_head_of_a_stream_waits_for_its_first_piece_only() -> None:
    more = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"late"})

    async with serving(app) as peer:
        assert b"chunked" in await peer.says(GET)  # while the app waits
        more.set()
        assert await peer.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


async def test_what_the_application_is_told() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async with serving(app, root_path="/root") as peer:
        await peer.says(GET)
        assert (seen["path"], seen["raw_path"], seen["query_string"]) == ("/root/a b", b"/root/a%20b", b"c=d")
        assert (b"x-mixed", b"Case") in seen["headers"] and seen["method"] == "GET"
        peer.writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n")
        assert await peer.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await peer.says(b"y" * 200_000) == b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n"
        assert await peer.reader.readexactly(200_000) == b"y" * 200_000


@pytest.mark.parametrize(
    ("request_line", "status", "expected"),
    [
        (b"HEAD / HTTP/1.1", 200, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nConnection: close", 200, b"content-length: 5\r\nconnection: close\r\n\r\nhello"),
        (b"GET / HTTP/1.0", 200, b"content-length: 5\r\nconnection: close\r\n\r\nhello"),
    ],
)
async def test_methods_and_versions(request_line: bytes, status: int, expected: bytes) -> None:
    async with serving(replying({"body": b"hello"}, status=status, headers=[(b"content-length", b"5")])) as peer:
        peer.writer.write(request_line + b"\r\n\r\n")
        if request_line.startswith(b"HEAD"):
            assert await peer.head() == expected
            assert await peer.says(b"HEAD / HTTP/1.1\r\n\r\n") == expected, "no body came between"
        else:
            assert (await peer.reader.read()).endswith(expected), "and the connection ends"


async def test_no_content_has_no_framing() -> None:
    async with serving(replying({}, status=204)) as peer:
        assert await peer.says(GET) == b"HTTP/1.1 204 No Content\r\n\r\n"
        assert await peer.says(GET) == b"HTTP/1.1 204 No Content\r\n\r\n", "on the same connection"


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    turns: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]
    began: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.append(scope["path"])
        await turns[len(began) - 1].wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with serving(app) as peer:
        peer.writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        turns[1].set()
        turns[0].set()
        assert [(await peer.head(), await peer.reader.readexactly(2))[1] for _ in range(2)] == [b"/1", b"/2"]
        assert began == ["/1", "/2"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-a", b"b\r\nset-cookie: c=d"),
        (b"x-a", b"b\nc"),
        (b"x-a", b"b\0c"),
        (b"x-a", b"b\x7fc"),
        (b"x a", b"b"),
        (b"x-a: b\r\nx-c", b"d"),
        (b"", b"b"),
    ],
)
async def test_a_header_that_would_break_out_is_never_written(
    name: bytes, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(replying({"body": b""}, headers=[(name, value)])) as peer:
        peer.writer.write(GET)
        assert await peer.reader.read() == b"", "the connection ends without a reply"
    assert "Exception in ASGI application" in caplog.text


@pytest.mark.parametrize("body", [b"hell", b"hello!"])
async def test_a_body_that_contradicts_its_length_ends_the_connection(body: bytes) -> None:
    async with serving(replying({"body": body}, headers=[(b"content-length", b"5")])) as peer:
        peer.writer.write(GET)
        assert not (await peer.reader.read()).endswith(b"\r\n\r\n" + b"hello")


async def test_a_reply_that_never_began_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    async with serving(app) as peer:
        assert (await peer.says(GET)).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


async def test_a_connection_at_rest_is_closed_and_a_busy_one_is_not() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(app) as peer:
        await peer.says(GET)
        [protocol] = peer.made
        peer.writer.write(b"GET /slow HTTP/1.1\r\n\r\n")
        while protocol.cycle.response_complete:
            await asyncio.sleep(0)
        protocol.timeout_keep_alive_handler()  # the timer set after the first reply, in the middle of the second
        go_on.set()
        assert (await peer.head()).startswith(b"HTTP/1.1 204")
        protocol.timeout_keep_alive_handler()  # too early
        assert (await peer.says(GET)).startswith(b"HTTP/1.1 204")
        protocol.timeout_keep_alive = 0
        protocol.timeout_keep_alive_handler()
        assert await peer.reader.read() == b""


async def test_who_waits_hears_that_the_client_left() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        told.set_result((await receive())["type"])

    async with serving(app) as peer:
        peer.writer.write(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        await peer.writer.drain()
        while not peer.made or peer.made[0].cycle is None or peer.made[0].cycle.more_body:
            await asyncio.sleep(0)
        peer.writer.transport.abort()
        assert await told == "http.disconnect"
