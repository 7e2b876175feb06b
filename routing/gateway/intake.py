"""The body of a request, read and unpacked with a limit: no server in front of us does it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from providers.wire.errors import Refusal

MOST_DIGITS = 18  # of a Content-Length
TOLD_BY = frozenset((b"content-length", b"transfer-encoding", b"content-encoding"))
ENCODINGS = ("gzip", "deflate")  # that a body may come in
ALSO = {"x-gzip": "gzip", "identity": ""}
EITHER, BARE = 47, -15  # zlib's: as the first bytes tell; deflate without its envelope, as some send it

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Exception):
    """The client left before its request was whole."""


def check_framing(headers: Iterable[tuple[bytes, bytes]], limit: int) -> str:
    """How the body is packed: "" or one of ENCODINGS.

    Refuse what the headers alone show to be wrong: two framings at once (400), too long (413), packed otherwise (415).
    """
    length: bytes | None = None
    chunked = False
    packed = ""
    for name, value in headers:
        if name not in TOLD_BY:
            continue
        if name == b"content-length":
            if length is not None and length != value:
                raise Refusal(400, "The request has two different Content-Length headers.")
            length = value
        elif name == b"transfer-encoding":
            chunked = True
        else:
            packed = _packed(value, packed)
    if length is not None and chunked:
        raise Refusal(400, "A request may not have both Content-Length and Transfer-Encoding.")
    if length is None:
        return packed
    if not length.isdigit():
        raise Refusal(400, "The Content-Length header is not a number.")
    if len(length) > MOST_DIGITS or int(length) > limit:
        raise _too_large(limit)
    return packed


def _packed(value: bytes, before: str) -> str:
    said = value.decode("latin-1").strip().lower()
    packed = ALSO.get(said, said)
    if (packed and packed not in ENCODINGS) or (packed and before):
        raise Refusal(
            415,
            f"A body may be encoded as {' or '.join(ENCODINGS)}, once, or not at all; not as '{said[:60]}'.",
            code="unsupported_content_encoding",
            accept=ENCODINGS,
        )
    return packed or before


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


async def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its encoding. Raises Refusal: 400 for a damaged one, 413 beyond limit bytes, of which no more than
    the first are ever made."""
    return await asyncio.to_thread(_unpacked, body, encoding, limit)


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        return _inflated(body, EITHER, limit)
    except zlib.error:
        if encoding == "gzip":
            raise _damaged(encoding) from None
    try:
        return _inflated(body, BARE, limit)
    except zlib.error:
        raise _damaged(encoding) from None


def _inflated(body: bytes, envelope: int, limit: int) -> bytes:
    """Raises zlib.error, also for what follows the end: who sends many members would have us copy the rest for each."""
    inflate = zlib.decompressobj(envelope)
    whole = inflate.decompress(body, limit + 1)
    if len(whole) > limit:
        raise _too_large(limit)
    if not inflate.eof or inflate.unused_data:
        raise zlib.error
    return whole


def _damaged(encoding: str) -> Refusal:
    return Refusal(400, f"The body is not whole {encoding}, as its Content-Encoding says.", code="invalid_encoding")


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body is longer than {limit // 1048576} MB.", code="request_too_large")
