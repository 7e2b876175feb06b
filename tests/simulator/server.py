"""The simulator: a server on a loopback port that plays a script and keeps what it received."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from types import TracebackType
from typing import Self

from .acts import Act, chat
from .delivery import deliver
from .formats import ALL, FORMATS, of_request
from .sockets import BadHttp, Connection
from .types import Ask, Format, Received, Reply, Rules

BAD_HTTP = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
Default = Act | Callable[[Ask], Act]


class Script:
    """The acts for the next requests, in order. May be extended from any thread, also while it is played."""

    def __init__(self) -> None:
        self._acts: deque[Act] = deque()

    def plays(self, *acts: Act) -> Self:
        self._acts.extend(acts)
        return self

    @property
    def left(self) -> int:
        """Acts that no request has asked for yet."""
        return len(self._acts)

    def forget(self) -> None:
        self._acts.clear()

    def take(self) -> Act | None:
        return self._acts.popleft() if self._acts else None


class Simulator(Script):
    """One vendor. `async with Simulator() as upstream:` serves on `upstream.url` until the block ends.

    format: a row of FORMATS, or "all", which chooses by path, as one vendor with many doors. keys: credentials it
    accepts (None: any, or none). models: names it serves (None: any, and `listed` is what its model list shows).
    strict: refuse unknown fields and wrong types as the vendor does; extras: more fields it knows. default: the act,
    or what chooses one, when no script has any left. A request that is refused (bad path, key or body) uses up no act.
    """

    def __init__(
        self,
        *,
        format: str = "openai_chat",
        keys: Collection[str] | None = None,
        models: Collection[str] | None = None,
        listed: Collection[str] = ("sim-large", "sim-small"),
        strict: bool = True,
        extras: Collection[str] = (),
        default: Default | None = None,
        port: int = 0,
    ) -> None:
        super().__init__()
        self.requests: list[Received] = []
        self.port = port
        self.default: Default = default or chat()
        self._format = None if format == ALL else FORMATS[format]
        self._keys = keys
        self._rules = Rules(strict, extras, models, listed)
        self._scripts: dict[tuple[str, str], Script] = {}
        self._connections: set[Connection] = set()
        self._busy = 0
        self._watchers: set[asyncio.Event] = set()
        self._handed_out = 0
        self._bugs: list[Exception] = []

    def for_key(self, key: str) -> Script:
        """The script for requests with this credential; goes before those of paths and the common one."""
        return self._scripts.setdefault(("key", key), Script())

    def for_path(self, path: str) -> Script:
        """The script for requests to this path (`/v1/models`); goes before the common one."""
        return self._scripts.setdefault(("path", path), Script())

    @property
    def url(self) -> str:
        """The base URL as a vendor documents it, with its version segment; of all formats: `root`."""
        return self.root + (self._format.prefix if self._format else "")

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        """Requests received so far, refused ones included."""
        return len(self.requests)

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def next_request(self, timeout: float = 10.0) -> Received:
        """The first request that this has not returned yet, once it has arrived. Raises TimeoutError."""
        await self._until(lambda: self.count > self._handed_out, timeout)
        self._handed_out += 1
        return self.requests[self._handed_out - 1]

    async def idle(self, timeout: float = 10.0) -> None:
        """Return when no request is being answered. Raises TimeoutError."""
        await self._until(lambda: self._busy == 0, timeout)

    async def no_connections(self, timeout: float = 10.0) -> None:
        """Return when every client connection is closed. Raises TimeoutError."""
        await self._until(lambda: not self._connections, timeout)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop at once. Raises a bug of an act or of its own, unless another error is under way."""
        self._server.close()
        tasks = [connection.task for connection in self._connections]
        for connection in set(self._connections):
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._bugs and kind is None:
            raise self._bugs[0]

    async def _until(self, true: Callable[[], bool], timeout: float) -> None:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            async with asyncio.timeout(timeout):
                while not true():
                    changed.clear()
                    await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed.set()

    def _connected(self) -> Connection:
        return Connection(self._serve)

    async def _serve(self, wire: Connection) -> None:
        """One connection, request after request."""
        self._connections.add(wire)
        try:
            while await self._answer(wire, await wire.request()):
                pass
            await wire.hang_up()
        except BadHttp:
            await wire.send(BAD_HTTP)
            await wire.hang_up()
        except Exception as bug:
            self._bugs.append(bug)
            wire.abort()
            raise
        finally:
            self._connections.discard(wire)
            self._tell()

    async def _answer(self, wire: Connection, received: Received) -> bool:
        format = self._format or of_request(received)
        received.key = format.key(received)
        self.requests.append(received)
        self._busy += 1
        self._tell()
        try:
            reply, act = self._reply(received, format)
            reusable = await deliver(reply, act.delivery, wire, received)
            return reusable and (received.header("connection") or "").lower() != "close"
        finally:
            self._busy -= 1
            if wire.gone and not received.answered:
                received.client_gone.set()
            self._tell()

    def _reply(self, received: Received, format: Format) -> tuple[Reply, Act]:
        reply, act = self._said(received, format)
        name = format.request_id
        if not name or reply.raw is not None or name in dict(reply.headers):
            return reply, act
        return replace(reply, headers=((name, f"req_sim{self.count:06d}"), *reply.headers)), act

    def _said(self, received: Received, format: Format) -> tuple[Reply, Act]:
        default = chat()
        operation = format.operation(received.method, received.path)
        if self._keys is not None and received.key not in self._keys:
            return format.error_reply(format.bad_key), default
        if operation is None:
            return format.error_reply(format.unknown_path), default
        if refusal := format.refusal(operation, received, self._rules):
            return format.error_reply(refusal), default
        ask = Ask(received, operation, format, self._rules, self.count)
        act = self._next_act(received) or (self.default if isinstance(self.default, Act) else self.default(ask))
        return act.say(ask), act

    def _next_act(self, received: Received) -> Act | None:
        scripts = (
            self._scripts.get(("key", received.key or "")),
            self._scripts.get(("path", received.path)),
            self,
        )
        return next((act for script in scripts if script and (act := script.take())), None)
