"""The head of an outbound request as bytes."""

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


def check(outbound: Outbound) -> None:
    """Raise TransportError(PROTOCOL) when method or target would break out of the request line."""
    target = outbound.target
    if not (target.startswith("/") and target.isascii() and target.isprintable() and " " not in target):
        raise TransportError(Phase.PROTOCOL, "the request's target is not a path")
    if not (outbound.method.isascii() and outbound.method.isalpha()):
        raise TransportError(Phase.PROTOCOL, "the request's method is not valid")


def lines(outbound: Outbound) -> list[bytes]:
    """The header lines that follow host, each with its end.

    Raises TransportError(PROTOCOL) for a header that contradicts the transport's own.
    """
    parts = []
    accepts = False
    for name, value in outbound.headers:
        lower = name.lower()
        if lower in WRITTEN_HERE:
            raise TransportError(Phase.PROTOCOL, f"the header {lower.decode()} is written by the transport")
        accepts = accepts or lower == b"accept-encoding"
        parts.append(b"%b: %b\r\n" % (name, value))
    if not accepts:
        parts.append(b"accept-encoding: identity\r\n")
    if outbound.body or outbound.method in WITH_BODY:
        parts.append(b"content-length: %d\r\n" % len(outbound.body))
    return parts


def head(outbound: Outbound, host: bytes) -> bytes:
    """The whole head. Raises TransportError(PROTOCOL) for what HTTP/1.1 cannot say, as line breaks."""
    check(outbound)
    parts = lines(outbound)
    first = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (outbound.method.encode(), outbound.target.encode(), host)
    text = b"".join((first, *parts, b"\r\n"))
    ends = len(parts) + 3
    if text.count(b"\n") != ends or text.count(b"\r") != ends or b"\0" in text:
        raise TransportError(Phase.PROTOCOL, "a header of the request contains a line break")
    return text
