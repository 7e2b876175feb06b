"""One attempt at one provider: the request as it leaves, and its reply or an :class:`UpstreamFailure`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from providers.auth import schemes, secrets
from providers.auth.base import Credential
from providers.auth.exchange import route_of
from providers.auth.oauth import Login
from providers.entry import Entry
from providers.failures import classify
from providers.parameters import filled
from providers.quota.ear import Ear
from providers.quota.headers import HeaderReader
from providers.quota.table import HEADERS
from providers.ratelimits import used_up
from providers.transport.base import Outbound, Phase, Reply, Route, Timeouts, TransportError
from providers.transport.pools import Transports
from providers.waits import wait_of_refusal, wait_of_words
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.formats import FORMATS
from providers.words import clean_words
from providers.wrapping import failure_in, others, wrapping

Headers = tuple[tuple[bytes, bytes], ...]
MAX_ERROR_BODY = 64 * 1024  # bytes of an error reply that are read
MAX_REPLY = 256 * 1024 * 1024  # bytes of a reply that comes at once
LISTS = frozenset((b"anthropic-beta",))  # headers that are lists: the provider needs its own words there, too
LONGEST_MARK = 100  # characters of a code, type or param
PHASES = {
    Phase.FIRST_BYTE: Kind.TIMEOUT,
    Phase.IDLE: Kind.TIMEOUT,
    Phase.WRITE: Kind.TIMEOUT,
    Phase.PROTOCOL: Kind.PROTOCOL,
    Phase.CUT: Kind.PROTOCOL,
    Phase.TOO_LARGE: Kind.PROTOCOL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection made ready for use: where it goes and what it carries. Made once per configuration change."""

    connection_id: int
    name: str
    priority: int
    route: Route
    transport: str
    base_path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    weight: int = 1  # among the provider's connections, for the strategy "weighted"
    way: str = ""  # the proxy it goes through, for people: its level and address, as ``proxies.Way.label``
    values: Mapping[str, str] = field(default_factory=dict)  # what the placeholders of paths stand for
    team_id: int | None = None  # whose callers it is for; None: everyone's
    credential: Credential | None = field(default=None, repr=False)  # signs each request; None: ``headers`` suffice
    gauge: HeaderReader | None = None  # the vendor's replies tell of quotas
    others: tuple[tuple[Route, str], ...] = ()  # the vendor's further addresses and their base paths, for busy times
    preamble: str = ""  # an opening system text the upstream wants; added where a client does not send it


class Attempt(Struct, frozen=True):
    """One model of one provider over one of its connections. ``model`` is the provider's own name for it.

    A Struct, as what is made for every request is: in a tenth of a frozen dataclass's time.
    """

    entry: Entry
    link: Link
    model: str


def link(
    entry: Entry,
    *,
    connection_id: int,
    name: str,
    priority: int,
    secret: str | None,
    proxy: str | None,
    way: str = "",
    user_agent: str,
    weight: int = 1,
    parameters: Mapping[str, str] | None = None,
    credential: Credential | None = None,
    login: Login | None = None,
    team_id: int | None = None,
    preamble: str = "",
    own_address: bool = False,
) -> Link:
    """A connection of entry, ready to use. ``secret`` becomes what the entry's auth scheme makes of it, unless a
    ``credential`` signs each request; ``login`` is the one that gave the secret. ``parameters`` are its own values,
    None when the entry has them already. ``own_address``: the entry has its vendor's, so the vendor's others may take
    requests over. Raises ValueError when a parameter is missing or does not fit."""
    values: dict[str, str] = {}
    if parameters is not None:
        values, entry = {**parameters, **entry.values(parameters)}, entry.at(parameters)
    parts = urlsplit(entry.base_url)
    route = Route(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        allow_private=entry.allow_private_network,
        proxy=proxy,
    )
    own = entry.sends(user_agent)
    headers = {"user-agent": user_agent, "content-type": "application/json", **own}
    if secret and credential is None and (carried := schemes.fixed_header(entry, secret)):
        headers[carried[0]] = carried[1]
    fixed = tuple((key.encode(), value.encode()) for key, value in headers.items())
    if secret and credential is None:
        credential = schemes.credential(entry, secret, proxy=proxy, values=values, headers=fixed, login=login)
    return Link(
        connection_id=connection_id,
        name=name,
        priority=priority,
        route=route,
        transport=entry.transport,
        base_path=parts.path.rstrip("/"),
        headers=fixed,
        secrets=(*(secrets.pieces(entry.auth, secret) if secret else ()), *((proxy,) if proxy else ())),
        weight=weight,
        way=way,
        gauge=HEADERS.get(entry.id),
        values=values,
        team_id=team_id,
        credential=credential,
        others=_others(entry, proxy) if own_address else (),
        preamble=preamble,
    )


def _others(entry: Entry, proxy: str | None) -> tuple[tuple[Route, str], ...]:
    routes = (
        (route_of(url, entry.allow_private_network, proxy), urlsplit(url).path.rstrip("/")) for url in others(entry)
    )
    return tuple(routes)


class Upstream:
    """Sends attempts. Holds the pools; one per event loop. ``told`` hears of good replies after which the vendor's
    rate limit is used up: the attempt, and for how many seconds."""

    def __init__(
        self, transports: Transports | None = None, told: Callable[[Attempt, float], None] | None = None
    ) -> None:
        self._transports, self._told = transports or Transports(), told
        self.ear = Ear()

    async def open(
        self,
        attempt: Attempt,
        operation: str,
        body: bytes,
        *,
        stream: bool,
        timeouts: Timeouts,
        headers: Headers = (),
        method: str = "POST",
        target: str = "",
    ) -> Reply:
        """The reply's head, status below 400. The caller closes it. Raises UpstreamFailure, classified.

        ``headers`` stand before the connection's own of the same name; ``target`` (path and query below the base URL)
        in the place of the operation's own.
        """
        here, entry = attempt.link, attempt.entry
        streams = stream or entry.always_streams
        wrapped = wrapping(entry, operation, attempt.model, body, headers, here.values, stream=stream)
        if wrapped is not None:
            body, headers = wrapped.body, wrapped.headers
        target = target or entry.target(operation, attempt.model, stream=streams)
        target = filled(target, here.values) if "{" in target else target
        accept = (b"accept", b"text/event-stream" if streams else b"application/json")
        outbound = Outbound(
            method,
            here.base_path + target,
            _over((*here.headers, accept), headers),
            body,
            here.route,
            timeouts,
        )
        reply = await self._send(here, outbound)
        for route, base_path in here.others:
            if not _busy(reply):
                break
            await reply.aclose()
            reply = await self._send(here, replace(outbound, route=route, target=base_path + target))
        if here.gauge is not None:
            self._listen(attempt, here.gauge, reply)
        if reply.status < 300:
            if self._told is not None and (left := used_up(attempt.entry.format, reply.headers, time.time())):
                self._told(attempt, left)
            return reply if wrapped is None else wrapped.opened(reply)
        try:
            raise await refused(attempt, reply)
        finally:
            await reply.aclose()

    def _listen(self, attempt: Attempt, gauge: HeaderReader, reply: Reply) -> None:
        key = (attempt.link.connection_id, attempt.model if gauge.per_model else "")
        refused = reply.status == 429
        self.ear.listen(key, attempt.entry.id, attempt.model, gauge.prefixes, reply.headers, refused=refused)

    async def _send(self, link: Link, outbound: Outbound) -> Reply:
        """Signed and sent; once more after a 401 that a renewed credential may cure."""
        credential = link.credential
        signed = await credential.sign(outbound) if credential is not None else outbound
        try:
            reply = await self._transports.of(signed.route, link.transport).send(signed)
            if reply.status != 401 or credential is None or not await _renewed(credential, signed, reply):
                return reply
            signed = await credential.sign(outbound)
            return await self._transports.of(signed.route, link.transport).send(signed)
        except TransportError as wrong:
            raise transport_failure(wrong) from None

    async def keep(self, routes: Collection[Route]) -> None:
        """Close what the new configuration no longer names; running requests end as they began."""
        await self._transports.forget(routes)

    async def aclose(self) -> None:
        await self._transports.aclose()


def _busy(reply: Reply) -> bool:
    return reply.status == 429 or reply.status >= 500


async def _renewed(credential: Credential, request: Outbound, reply: Reply) -> bool:
    """Whether asking once more is worth it; the refusal is closed then, and on every way out but a plain no."""
    closing = True
    try:
        closing = await credential.refused(request)
    finally:
        if closing:
            await reply.aclose()
    return closing


def _over(
    own: tuple[tuple[bytes, bytes], ...], first: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[bytes, bytes], ...]:
    if not first:
        return own
    names = {name for name, _ in first}
    joined = (row if row[0] not in LISTS else (row[0], _together(own, *row)) for row in first)
    return (*(row for row in own if row[0] not in names), *joined)


def _together(own: Headers, name: bytes, said: bytes) -> bytes:
    """The connection's words of a list, then the request's, each once."""
    values = (*(value for mine, value in own if mine == name), said)
    words = (word.strip() for value in values for word in value.split(b","))
    return b",".join(dict.fromkeys(filter(None, words)))


async def refused(attempt: Attempt, reply: Reply) -> UpstreamFailure:
    """The failure that a reply of status 300 and above tells of."""
    try:
        raw = await reply.read(MAX_ERROR_BODY)
    except TransportError:
        raw = b""
    if reply.status < 400:
        return UpstreamFailure(
            Kind.PROTOCOL,
            f"The provider answered {reply.status}, a redirect, which is not followed.",
            status=reply.status,
        )
    failure = (
        failure_in(attempt.entry, raw, reply.status, reply.headers)
        or FORMATS[attempt.entry.format].error_from(raw, reply.status)
        or UpstreamFailure(
            Kind.SERVER, f"The provider answered {reply.status} without saying why.", status=reply.status
        )
    )
    _classified(attempt, failure)
    failure.retry_after, failure.resets_at = wait_of_refusal(failure, reply.headers, time.time()), None
    return cleaned(attempt, failure)


def told_inside(attempt: Attempt, failure: UpstreamFailure, headers: Mapping[bytes, bytes]) -> UpstreamFailure:
    """A failure that a good reply of this head tells of in its body: classified, with when to come back, its words made
    safe."""
    _classified(attempt, failure)
    failure.retry_after, failure.resets_at = wait_of_words(failure, headers, time.time()), None
    return cleaned(attempt, failure)


def _classified(attempt: Attempt, failure: UpstreamFailure) -> None:
    classify(failure, attempt.entry.failures)
    if failure.kind is Kind.RATE_LIMITED and attempt.link.gauge is not None and attempt.link.gauge.per_model:
        failure.of_model = True


def cleaned(attempt: Attempt, failure: UpstreamFailure) -> UpstreamFailure:
    """The same failure, its words without secrets and hosts."""
    secrets = attempt.link.secrets
    failure.message = clean_words(failure.message, secrets)
    failure.code, failure.type, failure.param = (
        _clean_mark(mark, secrets) for mark in (failure.code, failure.type, failure.param)
    )
    return failure


def _clean_mark(mark: str | None, secrets: tuple[str, ...]) -> str | None:
    """A code, type or field name for machines, left as it is; what cannot be one is left out."""
    if mark is None or len(mark) > LONGEST_MARK or not mark.isprintable() or any(text in mark for text in secrets):
        return None
    return mark


def transport_failure(wrong: TransportError) -> UpstreamFailure:
    """A failure below HTTP, in words that name no host."""
    kind = PHASES.get(wrong.phase, Kind.NETWORK)
    return UpstreamFailure(kind, SENTENCES[wrong.phase])


SENTENCES = {
    Phase.ADDRESS: "The provider's address is not allowed here.",
    Phase.DNS: "The provider's name could not be resolved.",
    Phase.CONNECT: "The provider could not be reached.",
    Phase.TLS: "No secure connection to the provider could be made.",
    Phase.PROXY: "The proxy in front of the provider could not be used.",
    Phase.WRITE: "The provider stopped taking the request.",
    Phase.FIRST_BYTE: "The provider did not answer in time.",
    Phase.IDLE: "The provider fell silent in the middle of its reply.",
    Phase.CUT: "The provider cut the connection.",
    Phase.PROTOCOL: "The provider's reply is not valid HTTP.",
    Phase.TOO_LARGE: "The provider's reply is too long.",
}
