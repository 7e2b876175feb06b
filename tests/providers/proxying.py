"""Real proxies on loopback: HTTP CONNECT and SOCKS5, with credentials, each in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import threading
from typing import Self


class ProxyServer:
    """Joins whoever knows the credentials with ``127.0.0.1:port``, whatever name is asked for. ``kind``: "http" or
    "socks5"; ``silent`` takes connections and never says a word, ``babble`` is what it says to all of them instead.
    ``asked``: the targets as the client named them."""

    def __init__(
        self,
        port: int,
        kind: str = "http",
        *,
        login: str = "user:pa%40ss",
        tls: ssl.SSLContext | None = None,
        silent: bool = False,
        babble: bytes = b"",
    ) -> None:
        self.target, self.kind, self.tls, self.silent = port, kind, tls, silent
        self.login, self.babble = login, babble
        self.user, _, self.password = login.replace("%40", "@").partition(":")
        self.asked: list[str] = []
        self.refused = 0

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else self.kind
        return f"{scheme}://{self.login}@127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)

    async def _shut(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.silent:
                await reader.read()
            elif self.babble:
                await reader.read(1)
                writer.write(self.babble)
            else:
                await (self._http if self.kind == "http" else self._socks)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode())
        if b"proxy-authorization: basic " + wanted.lower() not in head.lower():
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        self.asked.append(target.decode())
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await self._join(reader, writer)
        else:
            place = b"/".join(target.split(b"/", 3)[:3])
            own = re.search(rb"proxy-authorization:[^\r]*\r\n", head, re.IGNORECASE)
            await self._join(reader, writer, head.replace(place, b"", 1).replace(own[0] if own else b"", b""))

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = reader.readexactly
        if 2 not in await read((await read(2))[1]):
            self.refused += 1
            writer.write(b"\5\xff")
            return
        writer.write(b"\5\2")
        user = await read((await read(2))[1])
        password = await read((await read(1))[0])
        if (user, password) != (self.user.encode(), self.password.encode()):
            self.refused += 1
            writer.write(b"\1\1")
            return
        writer.write(b"\1\0")
        kind = (await read(4))[3]
        name = (await read((await read(1))[0])).decode() if kind == 3 else "an address"
        if kind != 3:
            await read(4 if kind == 1 else 16)
        port = int.from_bytes(await read(2), "big")
        self.asked.append(f"{name}:{port}")
        writer.write(b"\5\0\0\1\0\0\0\0\0\0")
        await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b"") -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        far_writer.write(first)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)
        far_writer.close()
