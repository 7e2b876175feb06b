"""The head of an outbound request as bytes."""

from functools import lru_cache

from providers.transport.base import Outbound, Phase, Route, TransportError

WRITTEN_HERE = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
STANDARD_PORTS = {"http": 80, "https": 443}


def host_header(route: Route) -> bytes:
    """The value of the host header: brackets around IPv6, the port unless it is the scheme's own."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        name = host.encode("ascii", "replace")  # no such name can exist: resolving it will say so
    return name if route.port == STANDARD_PORTS[route.scheme] else b"%b:%d" % (name, route.port)


Headers = tuple[tuple[bytes, bytes], ...]


def _check(method: str, target: str) -> None:
    """Raise TransportError(PROTOCOL) when method or target would break out of the request line."""
    if not (target.startswith("/") and target.isascii() and target.isprintable() and " " not in target):
        raise TransportError(Phase.PROTOCOL, "the request's target is not a path")
    if not (method.isascii() and method.isalpha()):
        raise TransportError(Phase.PROTOCOL, "the request's method is not valid")


def _lines(headers: Headers) -> list[bytes]:
    """The header lines that follow host, each with its end.

    Raises TransportError(PROTOCOL) for a header that contradicts the transport's own.
    """
    parts = []
    accepts = False
    for name, value in headers:
        lower = name.lower()
        if lower in WRITTEN_HERE:
            raise TransportError(Phase.PROTOCOL, f"the header {lower.decode()} is written by the transport")
        accepts = accepts or lower == b"accept-encoding"
        parts.append(b"%b: %b\r\n" % (name, value))
    if not accepts:
        parts.append(b"accept-encoding: identity\r\n")
    return parts


@lru_cache(maxsize=1024)
def _constant(method: str, target: str, headers: Headers, host: bytes) -> bytes:
    """Everything of a head but the length: the same for every request of a connection to one operation."""
    _check(method, target)
    parts = _lines(headers)
    text = b"".join((b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method.encode(), target.encode(), host), *parts))
    ends = len(parts) + 2
    if text.count(b"\n") != ends or text.count(b"\r") != ends or b"\0" in text:
        raise TransportError(Phase.PROTOCOL, "a header of the request contains a line break")
    return text


def head(outbound: Outbound, host: bytes) -> bytes:
    """The whole head. Raises TransportError(PROTOCOL) for what HTTP/1.1 cannot say, as line breaks."""
    constant = _constant(outbound.method, outbound.target, outbound.headers, host)
    if outbound.body or outbound.method in WITH_BODY:
        return constant + b"content-length: %d\r\n\r\n" % len(outbound.body)
    return constant + b"\r\n"
