"""What becomes of a reply's body after it left the socket: content encodings undone, pieces gathered."""

import zlib
from collections.abc import AsyncIterator, Iterator

from providers.transport.base import Phase, Reply, TransportError

DECODED = frozenset({b"gzip", b"x-gzip", b"deflate"})
PIECE = 65536  # bytes put out at once: a small reply that unpacks to gigabytes stays bounded


class Decoder:
    """Undoes gzip and deflate, although identity was asked for."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(47)  # gzip or zlib, told by the first bytes
        self._begun = False
        self._opening = b""
        self.whole = False  # the last stream came to its end

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes in pieces of at most PIECE. Raises TransportError(PROTOCOL) on damaged data."""
        full = False
        if not self._begun:
            self._opening = data = self._opening + data
            if len(data) < 2:
                return  # the first two bytes tell whether there is an envelope
        while data or full:
            out = self._decompress(data)
            self._begun = True
            if out:
                yield out
            self.whole = self._inflate.eof
            if self.whole:  # another gzip member may follow, or padding
                data, full = self._inflate.unused_data.lstrip(b"\0"), False
                self._inflate = zlib.decompressobj(47)
            else:
                data, full = self._inflate.unconsumed_tail, len(out) == PIECE

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, PIECE)
        except zlib.error:
            if self._begun:
                raise TransportError(Phase.PROTOCOL, "the reply's compressed body is damaged") from None
        self._inflate = zlib.decompressobj(-15)  # some servers say deflate and send it without its envelope
        self._begun = True
        return self._decompress(data)


def decoder(headers: dict[bytes, bytes]) -> Decoder | None:
    """The decoder a reply with these headers needs; takes the headers away that would no longer be true.

    Raises TransportError(PROTOCOL) for an encoding that was not asked for and cannot be undone here.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return None
    if encoding not in DECODED:
        raise TransportError(Phase.PROTOCOL, f"the reply is encoded as {encoding[:40]!r}, which was not asked for")
    del headers[b"content-encoding"]
    headers.pop(b"content-length", None)
    return Decoder()


async def decoded(raw: AsyncIterator[bytes], decoder: Decoder) -> AsyncIterator[bytes]:
    """The pieces of `raw` after the decoder. Raises TransportError(CUT) when they end too early."""
    some = False
    async for data in raw:
        some = True
        for piece in decoder.feed(data):
            yield piece
    if some and not decoder.whole:
        raise TransportError(Phase.CUT, "the reply's compressed body is incomplete")


async def gathered(reply: Reply, limit: int) -> bytes:
    """The whole body of a reply; closes the reply when that fails, as at the first byte beyond `limit`."""
    pieces, size = [], 0
    try:
        async for piece in reply.chunks():
            size += len(piece)
            if size > limit:
                raise TransportError(Phase.TOO_LARGE, f"the reply is larger than {limit} bytes")
            pieces.append(piece)
    except TransportError:
        await reply.aclose()
        raise
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
