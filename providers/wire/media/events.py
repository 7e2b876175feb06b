"""A stream of events that is passed on as it comes: only looked at for its usage and for an error inside it."""

from __future__ import annotations

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.media.bodies import EMPTY, NULL, UNREADABLE, Raw, usage_of, with_units
from providers.wire.openai_chat.passed import error_from
from providers.wire.types import Usage

DONE = b'"image_generation.completed"'
_decode_top = msgspec.json.Decoder(dict[str, Raw]).decode


class Watch:
    """Bytes of one reply → the whole events to pass on. Sans-I/O. ``failure``: the provider reported an error in-band,
    or the stream is broken; what came before was still returned."""

    __slots__ = ("_pictures", "_splitter", "_tokens", "failure")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._tokens: Usage | None = None
        self._pictures = 0
        self.failure: UpstreamFailure | None = None

    @property
    def usage(self) -> Usage | None:
        """What the events told so far, with the pictures that are done."""
        return with_units(self._tokens, images=self._pictures) if self._pictures else self._tokens

    def feed(self, data: bytes) -> bytes:
        """Whole events to send on; empty while one is incomplete."""
        if self.failure is not None:
            return b""
        try:
            frames = self._splitter.feed(data)
        except FrameTooLong as wrong:
            self.failure = UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.")
            return b""
        return b"".join([frame + b"\n\n" for frame in frames if self._passes(frame)])

    def end(self) -> bytes:
        """The stream is over: what lacks only its blank line counts as well."""
        rest = self._splitter.flush()
        return rest + b"\n\n" if rest and self._passes(rest) else b""

    def _passes(self, frame: bytes) -> bool:
        """Note what an event says; True when it is for the client."""
        data = payload(frame)
        if not data or self.failure is not None:
            return False
        self._pictures += DONE in frame
        if b'"error"' not in frame and b'"usage"' not in frame:
            return True  # most of them, and the long ones: pictures and sound
        try:
            said = _decode_top(data)
        except UNREADABLE:
            return True
        if bytes(said.get("error", NULL)) not in EMPTY or bytes(said.get("type", NULL)) == b'"error"':
            self.failure = error_from(data) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
            return False
        self._tokens = usage_of(said.get("usage")) or self._tokens
        return True
