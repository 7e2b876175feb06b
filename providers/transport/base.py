"""What a transport is: one HTTP request out, one reply back, and the phase in which it failed."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Phase(StrEnum):
    """Where a call failed. WRITE, FIRST_BYTE and IDLE are time-outs; CUT: the peer ended the connection."""

    ADDRESS = "address"  # the address guard refused
    DNS = "dns"  # the name could not be resolved
    CONNECT = "connect"  # refused, unreachable, no free connection, or too slow
    TLS = "tls"  # handshake or certificate
    PROXY = "proxy"  # the proxy is away or refused; the target was never called directly
    WRITE = "write"  # the peer stopped taking the request
    FIRST_BYTE = "first_byte"  # no head of a reply in time
    IDLE = "idle"  # the body fell silent
    CUT = "cut"  # the connection ended before the reply did
    PROTOCOL = "protocol"  # not HTTP/1.1, or a request that cannot be said in it
    TOO_LARGE = "too_large"  # a body beyond the limit given to read()


class TransportError(Exception):
    """A call that failed below HTTP. The message is English and holds no secret; it may name the host."""

    def __init__(self, phase: Phase, message: str) -> None:
        super().__init__(message)
        self.phase = phase
        self.message = message


class Route(Struct, frozen=True):
    """Where a request goes; the key of a pool. `host` is a name or a literal address without brackets.

    A Struct: it is hashed for every request.
    """

    scheme: str  # "http" | "https"
    host: str
    port: int
    allow_private: bool = False  # loopback, private and link-local addresses are permitted
    proxy: str | None = None  # http, https, socks5, socks5h URL with its credentials

    def __repr__(self) -> str:
        proxied = ", proxied" if self.proxy else ""
        return f"Route({self.scheme}://{self.host}:{self.port}{proxied})"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The total is bounded by the caller with asyncio.timeout."""

    connect: float = 5.0  # waiting for a free connection, DNS, TCP and TLS together
    write: float = 30.0  # without progress
    first_byte: float = 120.0  # from the request written to the head of the reply
    idle: float = 60.0  # between two pieces of the body


class Outbound(Struct, frozen=True):
    """One request. The transport itself writes host, content-length, transfer-encoding and connection."""

    method: str
    target: str  # path and query, percent-encoded
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    route: Route
    timeouts: Timeouts

    def __repr__(self) -> str:
        """Without headers, which carry the credential, and body."""
        return f"Outbound({self.method} {self.target}, {self.route})"


class Reply(Protocol):
    """The head of a reply, and its body as it arrives. Call aclose() on every way out."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Names in lower case, repeated ones joined by ", ". A body that is decoded here has lost the headers
        content-encoding and content-length."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive, without transfer and content encoding. Raises TransportError."""

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TransportError, with Phase.TOO_LARGE beyond `limit` bytes."""

    async def aclose(self) -> None:
        """Idempotent. A whole reply has given its connection back; any other closes the socket."""


class Transport(Protocol):
    """A way to send requests to one route."""

    async def send(self, outbound: Outbound) -> Reply:
        """Return when the head of the reply is there. Raises TransportError. Cancelling closes the socket."""

    async def aclose(self) -> None:
        """Close every connection, also those of running requests."""


class Pool(Transport, Protocol):
    """A transport as `Transports` keeps it."""

    @property
    def in_flight(self) -> int:
        """Requests that were begun and whose replies are neither read nor closed."""

    def retire(self) -> None:
        """Close idle connections now and the others when their replies end; keep none any more."""
