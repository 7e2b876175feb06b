"""One client's connection on a raw asyncio protocol: whole requests in, exactly the told bytes out."""

import asyncio
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import cast

from .moments import Moment
from .types import Received

REQUEST_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<target>/\S*) HTTP/1\.1")
HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00\n\r]*?)[ \t]*")
LINGER_ZERO = struct.pack("ii", 1, 0)


class BadHttp(Exception):
    """The client sent what HTTP/1.1 does not allow."""


class Connection(asyncio.Protocol):
    """Reads requests for `serve`, and cancels it as soon as the client has gone."""

    def __init__(self, serve: Callable[["Connection"], Awaitable[None]]) -> None:
        self.gone = Moment()  # the client closed or broke the connection
        self.closed = Moment()  # it is over, whoever ended it
        self._serve = serve
        self._inbox = bytearray()
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._hung_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.task = asyncio.ensure_future(self._serve(self))

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        self._news.set()

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, error: Exception | None) -> None:
        self._client_left()
        self.closed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _client_left(self) -> None:
        if not self._hung_up:
            self.gone.set()
            self.task.cancel()

    async def request(self) -> Received:
        """The next request. Raises BadHttp. Cancelled when the client leaves instead of asking."""
        head = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        line = REQUEST_LINE.fullmatch(head[0])
        fields = [HEADER.fullmatch(row) for row in head[1:]]
        if line is None or None in fields:
            raise BadHttp(f"malformed head: {head[0][:80]!r}")
        headers = tuple((row["name"], row["value"]) for row in fields if row)
        path, _, query = line["target"].partition("?")
        body = await self._body({name.lower(): value for name, value in headers}, headers)
        return Received(line["method"], path, query, headers, body, time.monotonic(), self.closed)

    async def _body(self, named: dict[str, str], headers: tuple[tuple[str, str], ...]) -> bytes:
        """Refuses what request smuggling lives on: two lengths, or a length and a transfer encoding."""
        lengths = [name for name, _ in headers if name.lower() in ("content-length", "transfer-encoding")]
        if len(lengths) > 1 or "host" not in named:
            raise BadHttp("no host" if "host" not in named else "more than one body length")
        if named.get("expect", "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "transfer-encoding" in named:
            if named["transfer-encoding"].lower() != "chunked":
                raise BadHttp("unknown transfer encoding")
            return await self._chunked()
        if not (length := named.get("content-length", "0")).isdigit():
            raise BadHttp("content-length is no number")
        return await self._exactly(int(length))

    async def _chunked(self) -> bytes:
        body = bytearray()
        while True:
            line = (await self._until(b"\r\n")).partition(b";")[0]
            if not re.fullmatch(rb"[0-9a-fA-F]+", line):
                raise BadHttp("malformed chunk size")
            body += await self._exactly(int(line, 16))
            if await self._until(b"\r\n") != b"":
                raise BadHttp("malformed chunk end, or trailers")
            if int(line, 16) == 0:
                return bytes(body)

    async def _until(self, mark: bytes) -> bytes:
        while (end := self._inbox.find(mark)) < 0:
            await self._more()
        return self._take(end + len(mark))[:end]

    async def _exactly(self, count: int) -> bytes:
        while len(self._inbox) < count:
            await self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        data = bytes(self._inbox[:count])
        del self._inbox[:count]
        return data

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def send(self, data: bytes) -> None:
        """Write, and wait while the client reads too slowly."""
        self._transport.write(data)
        await self._writable.wait()

    async def hang_up(self, *, reset: bool = False) -> None:
        """Close after all was sent; `reset`: with a TCP reset, which eats what the client has not read."""
        while self._transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        self._hung_up = True
        if reset:
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """End everything at once: the simulator stops."""
        self._hung_up = True
        self.task.cancel()
        self._transport.abort()
