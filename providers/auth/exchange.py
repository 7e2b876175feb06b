"""Tokens that a stored secret is exchanged for: fetched when needed, kept until shortly before they expire.

One exchange serves everyone who waits for it. It goes over the gateway's own transport, by the connection's proxy and
under the address guard.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers.addresses import AddressRefused, check_url
from providers.auth.base import with_headers
from providers.transport.base import Outbound, Route, Timeouts, TransportError
from providers.transport.pools import Transports
from providers.wire.errors import Kind, UpstreamFailure
from providers.words import clean_words

LEAD_SECONDS = 120.0  # a token with less than this left is not used any more
SHORTEST_SECONDS = 30.0  # a token is kept at least so long, whatever its vendor says of it
LONGEST_REPLY = 256 * 1024  # bytes
TIMEOUTS = Timeouts(connect=5, write=10, first_byte=20, idle=10)
KINDS = {429: Kind.RATE_LIMITED, 402: Kind.QUOTA, 403: Kind.PERMISSION}


@dataclass(frozen=True, slots=True)
class Token:
    """``expires_at`` is Unix time. ``base_url``: where the vendor wants it used, "" as configured."""

    value: str = field(repr=False)
    expires_at: float
    base_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an exchange reaches its vendor, as the connection it is for."""

    proxy: str | None = field(default=None, repr=False)
    allow_private: bool = False
    transport: str = "fast"
    headers: tuple[tuple[bytes, bytes], ...] = ()  # protocol headers of the provider, our user agent


class Exchanged:
    """A credential whose token is fetched by :meth:`_fetch`. Its token outlives changes of the configuration.

    Any event loop may use it: tokens are plain values, and each loop that finds none fetches one.
    """

    __slots__ = ("__weakref__", "_clock", "_fetching", "_secrets", "_token", "_way")

    def __init__(self, way: Way, secrets: tuple[str, ...], *, clock: Callable[[], float] = time.time) -> None:
        self._way, self._clock = way, clock
        self._secrets = (*secrets, *filter(None, (way.proxy,)))  # never to be repeated in a message
        self._token: Token | None = None
        self._fetching: dict[asyncio.AbstractEventLoop, asyncio.Task[Token]] = {}

    @abstractmethod
    async def _fetch(self) -> Token:
        """A new token. Raises UpstreamFailure."""

    async def sign(self, request: Outbound) -> Outbound:
        token = self._token
        if token is None or self._clock() >= token.expires_at - LEAD_SECONDS:
            token = await self._renewed()
        return self._with(request, token)

    def _with(self, request: Outbound, token: Token) -> Outbound:
        return with_headers(request, (b"authorization", f"Bearer {token.value}".encode()))

    async def refused(self, request: Outbound) -> bool:
        """The token is given up and a new one fetched, unless that has happened meanwhile."""
        token = self._token
        if token is not None and (b"authorization", f"Bearer {token.value}".encode()) in request.headers:
            self._token = None
        if self._token is None:
            await self._renewed()
        return True

    async def _renewed(self) -> Token:
        """A new token, by the one exchange that is under way in this loop. A waiter that leaves does not end it."""
        loop = asyncio.get_running_loop()
        task = self._fetching.get(loop)
        if task is None:
            task = self._fetching[loop] = loop.create_task(self._take())
            task.add_done_callback(lambda done: (self._fetching.pop(loop, None), done.cancelled() or done.exception()))
        return await asyncio.shield(task)

    async def _take(self) -> Token:
        token = await self._fetch()
        lasting = max(token.expires_at, self._clock() + LEAD_SECONDS + SHORTEST_SECONDS)
        self._token = token = replace(token, expires_at=lasting)
        return token

    async def _ask(self, method: str, url: str, *headers: tuple[bytes, bytes], body: bytes = b"") -> dict[str, Any]:
        """The JSON object that a vendor answers. Raises UpstreamFailure, in words without secrets."""
        outbound = with_headers(self._outbound(method, url, body), (b"accept", b"application/json"), *headers)
        transports = Transports()
        try:
            reply = await transports.of(outbound.route, self._way.transport).send(outbound)
            try:
                status, raw = reply.status, await reply.read(LONGEST_REPLY)
            finally:
                await reply.aclose()
        except TransportError as wrong:
            raise UpstreamFailure(Kind.NETWORK, f"The token could not be fetched ({wrong.phase}).") from None
        finally:
            await transports.aclose()
        return self._answer(status, raw)

    def _outbound(self, method: str, url: str, body: bytes) -> Outbound:
        try:
            check_url(url, allow_private=self._way.allow_private)
        except AddressRefused as wrong:
            raise UpstreamFailure(Kind.AUTH, f"Where the token is fetched: {wrong}") from None
        parts = urlsplit(url)
        route = route_of(url, self._way.allow_private, self._way.proxy)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Outbound(method, target, self._way.headers, body, route, TIMEOUTS)

    def _answer(self, status: int, raw: bytes) -> dict[str, Any]:
        try:
            said = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = None
        if 200 <= status < 300 and isinstance(said, dict):
            return said
        if status >= 500 or status < 400:
            raise UpstreamFailure(Kind.SERVER, f"The token could not be fetched (HTTP {status}).", status=status)
        words = clean_words(_words(said), self._secrets)
        message = f"The credential was refused when its token was fetched: {words or f'HTTP {status}'}"
        raise UpstreamFailure(KINDS.get(status, Kind.AUTH), message, status=status)


def route_of(url: str, allow_private: bool, proxy: str | None) -> Route:
    """The route to a URL that ``check_url`` has passed."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Route(parts.scheme, parts.hostname or "", port, allow_private, proxy)


def _words(said: Any) -> str:
    """The vendor's words: OAuth's pair, an error object, a plain message."""
    if not isinstance(said, dict):
        return ""
    error = said.get("error_details") or said.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    more = said.get("error_description") or said.get("message")
    return ": ".join(text for text in (error, more) if isinstance(text, str) and text)


def no_token() -> UpstreamFailure:
    """The vendor answered well, and there is no token in it."""
    return UpstreamFailure(Kind.PROTOCOL, "The reply to the exchange of the credential holds no token.")
