"""What an envelope is: the inner format's bytes → the vendor's on the way out, and back. Sans-I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from providers.wire.errors import Kind, UpstreamFailure

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """One request as an envelope sees it. ``values`` are the connection's parameters, ``id`` is fresh (a UUID)."""

    model: str
    body: bytes
    headers: Headers
    stream: bool
    id: str
    values: Mapping[str, str] = field(default_factory=dict)


class Decoder(Protocol):
    """A vendor's stream → server-sent events of the inner format, however the network cuts it."""

    def feed(self, data: bytes) -> bytes:
        """Raises UpstreamFailure for what is no such stream."""

    def end(self) -> bytes: ...


class Envelope(Protocol):
    """A row of ``special.ENVELOPES``. ``rewrites``: every part of a body becomes another, so it must be one that the
    gateway has read and put right itself. ``tries_elsewhere``: an address of the vendor's that is busy or broken says
    nothing of its other ones."""

    rewrites: bool
    tries_elsewhere: bool

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        """Body and headers as the vendor wants them; the headers go before the connection's own. Raises
        UpstreamFailure when something the vendor needs is not there."""

    def whole(self, raw: bytes, sending: Sending) -> bytes:
        """The body of a whole reply in the inner format. Raises UpstreamFailure for what is none."""

    def decoder(self, sending: Sending) -> Decoder | None:
        """None: streams are the inner format's already."""

    def failure(self, raw: bytes, status: int, named: str) -> UpstreamFailure | None:
        """The failure in an error reply, where the inner format would not find it; ``named``: x-amzn-errortype."""


class Plain:
    """What most envelopes leave as it is."""

    rewrites = False
    tries_elsewhere = False

    def whole(self, raw: bytes, sending: Sending) -> bytes:
        return raw

    def decoder(self, sending: Sending) -> Decoder | None:
        return None

    def failure(self, raw: bytes, status: int, named: str) -> UpstreamFailure | None:
        return None


def without(headers: Headers, *names: bytes) -> Headers:
    return tuple(row for row in headers if row[0] not in names)


def unsupported(what: str) -> UpstreamFailure:
    """What the client says and this vendor cannot be told."""
    words = f"This model's provider does not take {what}."
    return UpstreamFailure(Kind.UNABLE, words, status=400, code="unsupported_content")


def conversation_id(beginning: bytes) -> str:
    """The same UUID for each request of one conversation, made of how it began."""
    mark = hashlib.sha256(beginning).hexdigest()
    return f"{mark[:8]}-{mark[8:12]}-4{mark[13:16]}-8{mark[17:20]}-{mark[20:32]}"
