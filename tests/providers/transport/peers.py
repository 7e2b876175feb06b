"""Small servers on raw sockets that say exactly what a test tells them to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from providers.transport.base import Outbound, Route, Timeouts

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
SOON = 4.0  # seconds; at once on a machine that stands still now and then, and before any time-out that is not set


class Line:
    """One accepted connection, as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.closed = asyncio.Event()

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request. Raises IncompleteReadError when there is none."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head, await self.reader.readexactly(int(length[0].split(b":")[1]) if length else 0)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Return when the client has closed its end."""
        with suppress(ConnectionError, ssl.SSLError):
            while await self.reader.read(65536):
                pass
        self.closed.set()


Script = Callable[[Line], Awaitable[None]]


class Peer:
    """A server on a free port of 127.0.0.1 that plays its script for every connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script, self.tls = script, tls
        self.lines: list[Line] = []
        self.arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, limit=2**20)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for line in self.lines:
            if not line.writer.is_closing():
                line.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self.lines.append(line)
        self.arrived.set()
        try:
            await self.script(line)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            line.closed.set()
        finally:
            writer.close()

    def route(self, **more: object) -> Route:
        values = {"scheme": "https" if self.tls else "http", "host": "127.0.0.1", "allow_private": True}
        return Route(port=self.port, **(values | more))  # type: ignore[arg-type]


def says(*pieces: bytes, keep: bool = False) -> Script:
    """Answer one request with these pieces, then close; with `keep`, answer every request and keep the line."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            for piece in pieces:
                await line.say(piece)
            if not keep:
                return

    return script


def then_silent(*pieces: bytes) -> Script:
    """Answer with these pieces and say nothing more until the client leaves."""

    async def script(line: Line) -> None:
        await line.request()
        for piece in pieces:
            await line.say(piece)
        await line.gone()

    return script


def outbound(
    route: Route,
    method: str = "POST",
    target: str = "/v1/chat",
    body: bytes = b"{}",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),),
    **timeouts: float,
) -> Outbound:
    return Outbound(method, target, headers, body, route, Timeouts(**timeouts))


async def within(seconds: float, awaitable: Awaitable[object]) -> None:
    await asyncio.wait_for(awaitable, seconds)
