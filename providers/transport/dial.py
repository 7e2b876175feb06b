"""Opens one guarded connection: resolve and check, connect to a checked address, TLS with the name."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from providers import addresses
from providers.transport.base import Phase, Route, TransportError

P = TypeVar("P", bound=asyncio.Protocol)
Resolved = list[tuple[socket.AddressFamily, addresses.SocketAddress]]


@functools.cache
def default_tls() -> ssl.SSLContext:
    """The system's certificates, host names checked; made once, for loading them takes milliseconds."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dial(route: Route, seconds: float, tls: ssl.SSLContext | None, protocol: Callable[[], P]) -> P:
    """A connected protocol, after the TLS handshake where `tls` is given; everything within `seconds`.

    Raises TransportError with ADDRESS, DNS, CONNECT or TLS. Cancelled, it leaves no open socket.
    """
    loop = asyncio.get_running_loop()
    phase = Phase.DNS
    try:
        async with asyncio.timeout(seconds):
            found = await resolved(route)
            phase = Phase.CONNECT
            sock = await _connected(loop, route, found, loop.time() + seconds)
            phase = Phase.TLS if tls else Phase.CONNECT
            return await _spoken(loop, sock, route, tls, protocol)
    except TimeoutError:
        raise TransportError(phase, f"{route.host} was not connected within {seconds:.1f} s") from None
    except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot ask for
        raise TransportError(phase, f"{route.host}: {_words(error)}") from error


async def resolved(route: Route) -> Resolved:
    """The checked addresses of the route's host. Raises TransportError with ADDRESS or DNS."""
    try:
        return await addresses.resolve(route.host, route.port, allow_private=route.allow_private)
    except addresses.AddressRefused as refused:
        raise TransportError(Phase.ADDRESS, str(refused)) from None
    except (OSError, UnicodeError) as error:
        raise TransportError(Phase.DNS, f"{route.host} could not be resolved: {_words(error)}") from error


async def _connected(loop: asyncio.AbstractEventLoop, route: Route, found: Resolved, end: float) -> socket.socket:
    """A socket to the first address that answers; each gets an even part of the time that is left."""
    failure: OSError = OSError("no address")
    for left, (family, address) in zip(range(len(found), 0, -1), found, strict=True):
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)  # fails where the system has no such family
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout((end - loop.time()) / left):
                await loop.sock_connect(sock, address)
            return sock
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not isinstance(error, OSError):  # TimeoutError is one
                raise
            failure = error
    if isinstance(failure, TimeoutError):
        raise TransportError(Phase.CONNECT, f"{route.host} did not accept a connection in time") from failure
    raise failure


async def _spoken(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    route: Route,
    tls: ssl.SSLContext | None,
    protocol: Callable[[], P],
) -> P:
    name = route.host.removesuffix(".") if tls else None
    try:
        return (await loop.create_connection(protocol, sock=sock, ssl=tls, server_hostname=name))[1]
    except BaseException:
        sock.close()  # the loop has closed its transport by now, unless it never took the socket
        raise


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
