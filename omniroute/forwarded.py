"""Whose word counts for the client's address and scheme: that of ``TRUSTED_PROXIES`` and of nobody else.

Behind this wrapper ``scope["client"]`` and ``scope["scheme"]`` are true, and no forwarding header is left for anything
further in to believe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from omniroute.environment import Network

Headers = list[tuple[bytes, bytes]]
Application = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"
STRIPPED = frozenset(
    {FOR, PROTO, b"forwarded", b"x-real-ip", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-server"}
)
SECURE = {"http": "https", "https": "https", "ws": "wss", "wss": "wss"}


def forwarded(application: Application, trusted: Sequence[Network]) -> Application:
    """An ASGI callable that sets the record straight and calls the other one."""

    def call(scope: MutableMapping[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        headers = scope.get("headers")
        if headers is not None and not STRIPPED.isdisjoint([name for name, _ in headers]):
            scope = rewritten(scope, headers, trusted)
        return application(scope, receive, send)

    return call


def rewritten(scope: MutableMapping[str, Any], headers: Headers, trusted: Sequence[Network]) -> dict[str, Any]:
    """A scope without forwarding headers; with the client and scheme they name if a trusted proxy sent them."""
    new = dict(scope, headers=[row for row in headers if row[0] not in STRIPPED])
    peer = scope.get("client")
    if not peer or not _is_trusted(address(peer[0]), trusted):
        return new
    client = farthest(_values(headers, FOR), trusted)
    if client is not None:
        new["client"] = (str(client), 0)
    schemes = _values(headers, PROTO)
    if schemes and schemes[-1].lower() in ("https", "wss"):  # the last one was said by the proxy we trust
        new["scheme"] = SECURE[scope.get("scheme", "http")]
    return new


def farthest(hops: Sequence[str], trusted: Sequence[Network]) -> IPv4Address | IPv6Address | None:
    """The client: from the right, the first hop that is no trusted proxy. What stands left of it is hearsay."""
    found = None
    for hop in reversed(hops):
        parsed = address(hop)
        if parsed is None:
            break
        found = parsed
        if not _is_trusted(parsed, trusted):
            break
    return found


def address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port or brackets; IPv4 inside IPv6 comes back as IPv4. None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _is_trusted(candidate: IPv4Address | IPv6Address | None, trusted: Iterable[Network]) -> bool:
    return candidate is not None and any(candidate in network for network in trusted)


def _values(headers: Headers, wanted: bytes) -> list[str]:
    """The comma list of a header, several headers of that name in their order."""
    joined = b",".join(value for name, value in headers if name == wanted)
    return [part.strip() for part in joined.decode("latin-1").split(",") if part.strip()]
