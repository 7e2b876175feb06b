"""What carries a connection's right to ask, when that is more than a fixed header."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from providers.transport.base import Outbound

Headers = tuple[tuple[bytes, bytes], ...]


class Credential(Protocol):
    """One connection's credential; lives as long as its ``Link``, belongs to the event loop that uses it.

    Fixed API keys have none: their header is among the link's own, and costs nothing per request.
    """

    async def sign(self, request: Outbound) -> Outbound:
        """The request with what authenticates it; a token that has run out is renewed first.

        Raises UpstreamFailure of kind AUTH when there is nothing that could be sent.
        """

    async def refused(self, request: Outbound) -> bool:
        """The upstream answered 401 to ``request``, as signed. True: renewed, one more try is worth it."""


def with_headers(request: Outbound, *headers: tuple[bytes, bytes]) -> Outbound:
    """The request with these headers, which replace its own of the same names."""
    names = {name for name, _ in headers}
    return replace(request, headers=(*(row for row in request.headers if row[0] not in names), *headers))
