"""The body of a request, read with a limit: no server in front of us does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from providers.wire.errors import Refusal

MOST_DIGITS = 18  # of a Content-Length

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Exception):
    """The client left before its request was whole."""


def check_length(headers: Iterable[tuple[bytes, bytes]], limit: int) -> None:
    """Refuse what the headers alone show to be wrong: two framings at once (400), too long (413)."""
    length: bytes | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if length is not None and length != value:
                raise Refusal(400, "The request has two different Content-Length headers.")
            length = value
        elif name == b"transfer-encoding":
            chunked = True
    if length is not None and chunked:
        raise Refusal(400, "A request may not have both Content-Length and Transfer-Encoding.")
    if length is None:
        return
    if not length.isdigit():
        raise Refusal(400, "The Content-Length header is not a number.")
    if len(length) > MOST_DIGITS or int(length) > limit:
        raise _too_large(limit)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises Refusal 413 beyond limit bytes, ClientGone when the client leaves."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    pieces, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body is longer than {limit // 1048576} MB.", code="request_too_large")
