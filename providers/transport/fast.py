"""HTTP/1.1 without what a model call does not need: no cookies, redirects or proxies; one pool per route."""

import asyncio
import ssl
from collections import deque

from providers.transport import request
from providers.transport.base import Outbound, Phase, Reply, Route, Timeouts, TransportError
from providers.transport.connection import Connection
from providers.transport.dial import default_tls, dial


class FastTransport:
    """Sends requests to one route over kept connections. Belongs to the event loop it is made in.

    At most `max_connections` are open; further requests wait in line, as long as their connect time-out.
    At most `max_idle` are kept for `idle_expiry` seconds; the one used last is used first.
    """

    def __init__(
        self,
        route: Route,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 512,
        max_idle: int = 64,
        idle_expiry: float = 30.0,
    ) -> None:
        if route.proxy:
            raise ValueError("a route with a proxy needs the aiohttp transport")
        self.route = route
        self._tls = (tls or default_tls()) if route.scheme == "https" else None
        self._host = request.host_header(route)
        self._max, self._max_idle, self._idle_expiry = max_connections, max_idle, idle_expiry
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._slots = 0  # connections open, being opened, or promised to a waiter
        self._retired = self._shut = False

    @property
    def in_flight(self) -> int:
        return self._slots - len(self._idle) + len(self._waiters)

    async def send(self, outbound: Outbound) -> Reply:
        """See base.Transport. A kept connection that turns out to be dead is replaced once, by a new one."""
        if outbound.route is not self.route and outbound.route != self.route:
            raise TransportError(Phase.ADDRESS, "the request is for another route")
        head = request.head(outbound, self._host)
        connection = self._idle.pop() if self._idle else await self._acquire(outbound.timeouts, fresh=False)
        reply = connection.begin(outbound, head)
        await reply.answered()
        if reply.stale:
            connection = await self._acquire(outbound.timeouts, fresh=True)
            reply = connection.begin(outbound, head)
            await reply.answered()
        return reply

    async def aclose(self) -> None:
        self._shut = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(TransportError(Phase.CONNECT, "the transport was closed"))
        self._waiters.clear()
        for connection in list(self._open):
            connection.lose("the transport was closed")

    def retire(self) -> None:
        self._retired = True
        for connection in list(self._idle):
            connection.close()

    async def _acquire(self, timeouts: Timeouts, fresh: bool) -> Connection:
        """A connection of one's own: a kept one (unless `fresh`), a new one, or the next to become free."""
        end = self._loop.time() + timeouts.connect
        while True:
            if self._idle and not fresh:
                return self._idle.pop()
            if self._slots < self._max:
                self._slots += 1
                return await self._opened(end)
            if self._idle:
                self._idle[0].close()
                continue
            given = await self._turn(end)
            if given is None:
                return await self._opened(end)
            if not fresh and not given.gone:
                return given
            given.close()

    async def _opened(self, end: float) -> Connection:
        """A new connection for a slot that is already taken."""
        try:
            seconds = end - self._loop.time()
            connection = await dial(self.route, seconds, self._tls, lambda: Connection(self._loop, self))
        except BaseException:
            self._freed()
            raise
        if connection.gone:
            self._freed()
            raise TransportError(Phase.CUT, f"{self.route.host} closed the connection at once")
        self._open.add(connection)
        if self._shut:
            connection.close()
            raise TransportError(Phase.CONNECT, "the transport was closed")
        return connection

    async def _turn(self, end: float) -> Connection | None:
        """Wait in line for a connection, or for a slot (None)."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        timer = self._loop.call_at(end, self._too_late, waiter)
        try:
            return await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._passed_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def _too_late(self, waiter: asyncio.Future[Connection | None]) -> None:
        if not waiter.done():
            words = f"all {self._max} connections to {self.route.host} are in use"
            waiter.set_exception(TransportError(Phase.CONNECT, words))

    def _passed_on(self, given: Connection | None) -> None:
        """Cancelled in the moment of its turn: the next one gets what it was given."""
        if given is None:
            self._freed()
        elif not given.gone:
            self.released(given)

    def _next(self, given: Connection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(given)
                return True
        return False

    def _freed(self) -> None:
        if not self._next(None):
            self._slots -= 1

    # what a connection tells

    def released(self, connection: Connection) -> None:
        """The connection is at rest and clean."""
        if self._retired or self._shut:
            connection.close()
            return
        connection.until(self._idle_expiry)
        if self._next(connection):
            return
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:
            self._idle[0].close()

    def closed(self, connection: Connection) -> None:
        """The connection is gone, whoever ended it."""
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:  # else it ended before it was anyone's, and its slot is looked after there
            self._open.discard(connection)
            self._freed()
