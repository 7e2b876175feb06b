"""The same protocol over aiohttp: for proxies and SOCKS, and for servers the fast transport cannot take."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from providers import addresses
from providers.transport import body, request
from providers.transport.aio_connector import by_socks, connector
from providers.transport.aio_failure import RAISED, failure, unanswered
from providers.transport.base import Outbound, Phase, Reply, Route, Timeouts, TransportError

HEAD_LIMIT = 65536  # bytes of a reply's line or header
SLICE = 65536  # bytes of a request's body written at once
AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
FAREWELLS: set[asyncio.Task[None]] = set()  # the event loop itself holds its tasks only weakly


class Progress:
    """How far one request has come; moves its deadline from phase to phase."""

    def __init__(self, timeouts: Timeouts, limit: asyncio.Timeout, connecting: Phase, sliced: bool) -> None:
        self.phase = connecting
        self.reused = False
        self.timeouts = timeouts
        self._limit = limit
        self._sliced = sliced

    def enter(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def slices(self, data: bytes) -> AsyncIterator[bytes]:
        """A large body as aiohttp takes it: it asks for the next slice when the last one has gone."""
        for start in range(0, len(data), SLICE):
            self.enter(Phase.WRITE, self.timeouts.write)
            yield data[start : start + SLICE]
        self.enter(Phase.FIRST_BYTE, self.timeouts.first_byte)

    def headers_sent(self) -> None:
        if not self._sliced:
            self.enter(Phase.FIRST_BYTE, self.timeouts.first_byte)


async def _on_reuse(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.reused = True


async def _on_headers_sent(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.headers_sent()


class AioReply:
    """base.Reply over an aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float, owner: "AioTransport") -> None:
        self.status = response.status
        self.headers: dict[bytes, bytes] = {}
        for name, value in response.raw_headers:
            earlier = self.headers.get(name.lower())
            self.headers[name.lower()] = value if earlier is None else earlier + b", " + value
        self._response = response
        self._idle = idle
        self._owner: AioTransport | None = owner
        bare = response.method == "HEAD" or response.status in (204, 304)
        self._decoder = None if bare else body.decoder(self.headers)

    def chunks(self) -> AsyncIterator[bytes]:
        raw = self._raw()
        return raw if self._decoder is None else body.decoded(raw, self._decoder)

    async def _raw(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while True:
                async with asyncio.timeout(self._idle):
                    data = await content.readany()
                if not data:
                    break
                yield data
        except TimeoutError:
            words = f"the upstream fell silent for {self._idle:g} s within its reply"
            raise TransportError(Phase.IDLE, words) from None
        except (aiohttp.ClientError, OSError) as error:
            raise failure(error, Phase.CUT) from error
        finally:
            self.end()

    async def read(self, limit: int) -> bytes:
        return await body.gathered(self, limit)

    async def aclose(self) -> None:
        self.end()

    def end(self) -> None:
        """Give the connection back after a whole reply, close it otherwise; tell the transport once."""
        if not self._response.content.at_eof():
            self._response.close()
        if self._owner is not None:
            owner, self._owner = self._owner, None
            owner.ended(self)


class AioTransport:
    """Sends requests to one route through aiohttp, by the route's proxy where it has one, never around it."""

    def __init__(self, route: Route, *, tls: ssl.SSLContext | None = None, max_connections: int = 512) -> None:
        self.route = route
        self._tls = tls
        self._max = max_connections
        self._client: aiohttp.ClientSession | None = None
        self._asking = 0  # requests whose head is not there yet
        self._replies: set[AioReply] = set()
        self._retired = self._shut = False

    @property
    def in_flight(self) -> int:
        return self._asking + len(self._replies)

    async def send(self, outbound: Outbound) -> Reply:
        """See base.Transport. A kept connection that turns out to be dead is replaced once."""
        if outbound.route != self.route:
            raise TransportError(Phase.ADDRESS, "the request is for another route")
        if self._shut:
            raise TransportError(Phase.CONNECT, "the transport was closed")
        self._guard()
        request.head(outbound, b"")
        self._asking += 1
        try:
            reply = await self._sent(outbound, again=True)
            self._replies.add(reply)
            return reply
        finally:
            self._asking -= 1
            self._leave_when_done()

    async def aclose(self) -> None:
        self._shut = True
        for reply in list(self._replies):
            reply.end()
        await self._leave()

    def retire(self) -> None:
        self._retired = True
        self._leave_when_done()

    def ended(self, reply: AioReply) -> None:
        """One reply is read or closed."""
        self._replies.discard(reply)
        self._leave_when_done()

    def _leave_when_done(self) -> None:
        if self._retired and not self.in_flight and self._client is not None:
            task = asyncio.get_running_loop().create_task(self._leave())
            FAREWELLS.add(task)
            task.add_done_callback(FAREWELLS.discard)

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _guard(self) -> None:
        """What no resolver sees: literal addresses, and with a proxy every name."""
        try:
            if self.route.proxy is not None:
                addresses.check_name(self.route.host, allow_private=self.route.allow_private)
                addresses.check_name(str(urlsplit(self.route.proxy).hostname or ""), allow_private=True)
            elif addresses.literal(self.route.host, self.route.port):
                addresses.check_name(self.route.host, allow_private=self.route.allow_private)
        except addresses.AddressRefused as refused:
            raise TransportError(Phase.ADDRESS, str(refused)) from None

    async def _sent(self, outbound: Outbound, again: bool) -> AioReply:
        connecting = Phase.PROXY if self.route.proxy else Phase.CONNECT
        sliced = len(outbound.body) > SLICE
        stale = False
        try:
            async with asyncio.timeout(outbound.timeouts.connect) as limit:
                progress = Progress(outbound.timeouts, limit, connecting, sliced)
                response = await self._asked(outbound, progress, sliced)
        except TimeoutError:
            raise TransportError(progress.phase, f"{self.route.host} did not answer in time") from None
        except RAISED as error:
            stale = again and progress.reused and unanswered(error)
            if not stale:
                shown = None if self.route.proxy else error  # it can hold the proxy's credentials
                raise failure(error, progress.phase) from shown
        if stale:
            return await self._sent(outbound, again=False)
        return self._replied(response, outbound)

    def _replied(self, response: aiohttp.ClientResponse, outbound: Outbound) -> AioReply:
        try:
            if self.route.proxy is not None and response.status == 407:
                raise TransportError(Phase.PROXY, "the proxy wants other credentials")
            return AioReply(response, outbound.timeouts.idle, self)
        except TransportError:
            response.close()
            raise

    async def _asked(self, outbound: Outbound, progress: Progress, sliced: bool) -> aiohttp.ClientResponse:
        if self._client is None:
            self._client = self._session()
        route = self.route
        host = f"[{route.host}]" if ":" in route.host else route.host
        headers: CIMultiDict[str] = CIMultiDict()
        for name, value in outbound.headers:
            headers.add(name.decode("ascii"), value.decode())
        headers.setdefault("Accept-Encoding", "identity")
        if sliced:
            headers["Content-Length"] = str(len(outbound.body))
        return await self._client.request(
            outbound.method,
            URL(f"{route.scheme}://{host}:{route.port}{outbound.target}", encoded=True),
            data=progress.slices(outbound.body) if sliced else outbound.body or None,
            headers=headers,
            skip_auto_headers=AUTOMATIC,
            allow_redirects=False,
            proxy=None if by_socks(route) else route.proxy,
            trace_request_ctx=progress,
        )

    def _session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_on_reuse)
        trace.on_request_headers_sent.append(_on_headers_sent)
        return aiohttp.ClientSession(
            connector=connector(self.route, self._tls, self._max),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None, connect=None),
            auto_decompress=False,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            trace_configs=[trace],
        )
