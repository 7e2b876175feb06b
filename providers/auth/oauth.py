"""The credential of a vendor's login: an access token that runs out, is renewed once for all who wait, and once after
a 401. Asks nothing of the database itself: ``renew`` does, in a thread."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from providers.auth.base import with_headers
from providers.transport.base import Outbound
from providers.wire.errors import Kind, UpstreamFailure

EARLY = 20.0  # seconds before its end from which a token is not sent any more
PAUSE = 5.0  # seconds in which a renewal that failed is not tried again
SESSION = "{session}"
HEADER = b"authorization"


class Token(Protocol):
    """An access token; ``expires_at`` is Unix time."""

    @property
    def text(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def expires_at(self) -> float | None: ...


# (generation that is no good, whether it was refused) → a newer token. Raises UpstreamFailure.
Renew = Callable[[int, bool], Awaitable[Token]]


@dataclass(frozen=True, slots=True)
class Login:
    """A login's token that is exchanged for another instead of being sent upstream. ``subject`` tells logins apart."""

    token: Token = field(repr=False)
    renew: Renew = field(repr=False)
    subject: int

    def ends_before(self, at: float) -> bool:
        return self.token.expires_at is not None and self.token.expires_at < at

    async def renewed(self, *, refused: bool) -> Login:
        """The same login with a newer token. Raises UpstreamFailure of kind AUTH when there is none."""
        return replace(self, token=await self.renew(self.token.generation, refused))


@dataclass(slots=True)
class OAuth:
    """See ``Credential``. ``sends`` goes beside the token, ``includes`` are items that a header's comma-separated list
    must hold. ``now`` is Unix time, ``clock`` monotonic seconds."""

    token: Token = field(repr=False)
    renew: Renew = field(repr=False)
    sends: Mapping[str, str] = field(default_factory=dict)
    includes: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    _running: asyncio.Task[Token] | None = field(default=None, repr=False)
    _failure: UpstreamFailure | None = field(default=None, repr=False)
    _failed_at: float = 0.0  # by ``clock``

    async def sign(self, request: Outbound) -> Outbound:
        """The request with a token that is valid now. Raises UpstreamFailure of kind AUTH."""
        until = self.token.expires_at
        if until is not None and until - self.now() < EARLY:
            await self._renewed(self.token.generation, refused=False)
        return with_headers(_including(request, self.includes), *self._headers(request))

    async def refused(self, request: Outbound) -> bool:
        """True when there is another token than the one this request was signed with."""
        if dict(request.headers).get(HEADER) != self._credential():
            return True  # somebody has renewed it since
        try:
            await self._renewed(self.token.generation, refused=True)
        except UpstreamFailure:
            return False
        return True

    async def _renewed(self, generation: int, *, refused: bool) -> None:
        """Wait for a newer token: one renewal for all who ask. Cancelling one of them does not end it."""
        if self._failure is not None and self.clock() - self._failed_at < PAUSE:
            raise self._again()
        if self._running is None:
            self._running = asyncio.create_task(self._renewal(generation, refused))
        await asyncio.shield(self._running)

    async def _renewal(self, generation: int, refused: bool) -> Token:
        try:
            token = await self.renew(generation, refused)
        except UpstreamFailure as failure:
            self._failure, self._failed_at = failure, self.clock()
            raise
        else:
            self.token, self._failure = token, None
            return token
        finally:
            self._running = None

    def _again(self) -> UpstreamFailure:
        """The failure as a new one: each request keeps its own."""
        assert self._failure is not None
        return UpstreamFailure(Kind.AUTH, self._failure.message)

    def _credential(self) -> bytes:
        return f"Bearer {self.token.text}".encode()

    def _headers(self, request: Outbound) -> list[tuple[bytes, bytes]]:
        found = [(HEADER, self._credential())]
        for name, value in self.sends.items():
            text = value.replace(SESSION, _session(request)) if SESSION in value else value
            found.append((name.encode(), text.encode()))
        return found


class _Cached(msgspec.Struct):
    prompt_cache_key: str = ""


def _session(request: Outbound) -> str:
    """One UUID per conversation: the client's own, else by the cache key it names, else a new one."""
    for name, value in request.headers:
        if name == b"session_id":
            return value.decode("latin-1")
    try:
        key = msgspec.json.decode(request.body, type=_Cached).prompt_cache_key
    except (msgspec.ValidationError, msgspec.DecodeError):
        key = ""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"omniroute:{key}") if key else uuid.uuid4())


def _including(request: Outbound, includes: Mapping[str, str]) -> Outbound:
    """The request whose comma-separated headers hold these items, beside what the client put there."""
    if not includes:
        return request
    said = dict(request.headers)
    added = []
    for name, item in includes.items():
        now = said.get(name.encode(), b"").decode("latin-1")
        items = [part.strip() for part in now.split(",") if part.strip()]
        if item not in items:
            added.append((name.encode(), ",".join([*items, item]).encode("latin-1")))
    return with_headers(request, *added) if added else request
