"""An answer as it was given, to be given again: what is kept of it, and the tape it is taken with."""

from __future__ import annotations

import msgspec

from providers.wire.types import Usage
from routing.gateway.writer import Header

# Headers of an answer that are true of every copy of it.
LASTING = frozenset((b"x-omniroute-provider", b"x-omniroute-model", b"x-omniroute-dropped"))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """``kind``: "whole", "stream" (of events) or "bytes" (sound, say). ``subject``: the key that asked ("key:7"),
    ``model`` the name it asked for; ``at`` is Unix time. ``tokens`` and ``usd`` are what the answer took; ``usage``
    what its provider reported, for copies that tell it although this one did not."""

    kind: str
    content_type: bytes
    body: bytes
    headers: tuple[Header, ...] = ()
    include_usage: bool = False  # a stream that tells its usage (OpenAI chat)
    usage: Usage | None = None
    subject: str = ""
    model: str = ""
    at: float = 0.0
    tokens: int = 0
    usd: str = "0"


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Kept).decode


class Tape:
    """Runs along while a client is answered. Longer than ``limit`` bytes, nothing is kept."""

    __slots__ = ("_body", "_headers", "_kind", "_limit", "_type", "done")

    def __init__(self, limit: int) -> None:
        self._limit, self._body = limit, bytearray()
        self._kind, self._type = "", b""
        self._headers: tuple[Header, ...] = ()
        self.done = False

    @property
    def overflowed(self) -> bool:
        return len(self._body) > self._limit

    def begin(self, kind: str, headers: tuple[Header, ...]) -> None:
        self._kind = kind
        self._type = next((value for name, value in headers if name == b"content-type"), b"")
        self._headers = tuple(row for row in headers if row[0] in LASTING)

    def add(self, data: bytes) -> None:
        if not self.overflowed:
            self._body += data

    def end(self) -> None:
        self.done = True

    def kept(self) -> Kept | None:
        """What was taken; None when it is not whole."""
        if not self.done or self.overflowed:
            return None
        return Kept(kind=self._kind, content_type=self._type, body=bytes(self._body), headers=self._headers)
