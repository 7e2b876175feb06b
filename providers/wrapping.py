"""A request in its vendor's envelope, and the reply out of it: where ``special`` meets the transport."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping

import msgspec

from providers.entry import Entry
from providers.special import ENVELOPES
from providers.special.base import Decoder, Envelope, Headers, Sending
from providers.special.collect import collected
from providers.transport.base import Reply
from providers.wire.errors import UpstreamFailure


class Wrapping:
    """One request's. ``body`` and ``headers`` are what leaves."""

    __slots__ = ("_collects", "_envelope", "_format", "_sending", "body", "headers")

    def __init__(self, entry: Entry, sending: Sending, collects: bool) -> None:
        self._format, self._sending, self._collects = entry.format, sending, collects
        self._envelope: Envelope | None = ENVELOPES[entry.envelope] if entry.envelope else None
        self.body, self.headers = self._envelope.wrap(sending) if self._envelope else _streamed(sending)

    def opened(self, reply: Reply) -> Reply:
        """The good reply as the inner format has it."""
        return Unwrapped(reply, self)

    def decoder(self) -> Decoder | None:
        return self._envelope.decoder(self._sending) if self._envelope else None

    def whole(self, raw: bytes) -> bytes:
        """The whole body of a whole reply. Raises UpstreamFailure."""
        if not self._collects:
            return self._envelope.whole(raw, self._sending) if self._envelope else raw
        decoder = self.decoder()
        stream = raw if decoder is None else decoder.feed(raw) + decoder.end()
        return collected(self._format, stream, id=self._sending.id.replace("-", ""), model=self._sending.model)


def wrapping(
    entry: Entry, operation: str, model: str, body: bytes, headers: Headers, values: Mapping[str, str], *, stream: bool
) -> Wrapping | None:
    """None for most: requests whose body and reply are the format's own. Raises UpstreamFailure for what the vendor
    cannot be told."""
    chat = operation == "chat"
    collects = chat and entry.always_streams and not stream
    inside = chat or entry.shapes.get(operation) == entry.format  # a service said in the envelope's own inner format
    if not inside or not (entry.envelope or collects):
        return None
    sending = Sending(model, body, headers, stream or entry.always_streams, str(uuid.uuid4()), values)
    return Wrapping(entry, sending, collects)


def _streamed(sending: Sending) -> tuple[bytes, Headers]:
    """The format's own body, asking for a stream although the client did not."""
    fields = msgspec.json.decode(sending.body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, "stream": msgspec.Raw(b"true")}), sending.headers


def rewrites(entry: Entry) -> bool:
    """Whether a body of the inner format must have been read and put right by the gateway."""
    envelope = ENVELOPES.get(entry.envelope)
    return envelope is not None and envelope.rewrites


def others(entry: Entry) -> tuple[str, ...]:
    """Base URLs that take a request over when the entry's own is busy or broken."""
    envelope = ENVELOPES.get(entry.envelope)
    return entry.elsewhere if envelope is not None and envelope.tries_elsewhere else ()


def failure_in(entry: Entry, raw: bytes, status: int, headers: Mapping[bytes, bytes]) -> UpstreamFailure | None:
    """What an error reply says in an envelope's own words; None where the format's are to be looked for."""
    if not entry.envelope:
        return None
    named = headers.get(b"x-amzn-errortype", b"").decode("latin-1")
    return ENVELOPES[entry.envelope].failure(raw, status, named)


class Unwrapped:
    """A reply whose body is decoded on the way; see transport.base.Reply."""

    __slots__ = ("_reply", "_wrapping")

    def __init__(self, reply: Reply, wrapping: Wrapping) -> None:
        self._reply, self._wrapping = reply, wrapping

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        return self._reply.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises UpstreamFailure as well, for a body that is none of this vendor's."""
        decoder = self._wrapping.decoder()
        async for data in self._reply.chunks():
            out = data if decoder is None else decoder.feed(data)
            if out:
                yield out
                if decoder is not None:
                    decoder.feed(b"")  # what went wrong behind it is told now, not with the next piece
        if decoder is not None and (last := decoder.end()):
            yield last

    async def read(self, limit: int) -> bytes:
        """Raises UpstreamFailure as well."""
        return self._wrapping.whole(await self._reply.read(limit))

    async def aclose(self) -> None:
        await self._reply.aclose()
