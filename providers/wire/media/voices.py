"""Speech at vendors with voices and formats of their own: what a client's request comes to there."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Collection

from providers.wire.errors import Refusal
from providers.wire.media.bodies import bad_reply
from providers.wire.media.job import unsaid
from providers.wire.media.speech import Speech
from providers.wire.media.told import unsupported
from providers.wire.types import Json

# OpenAI's own voices: nobody else has them, and its clients cannot but name one.
OPENAI = frozenset(("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse"))
ALWAYS_SAID = ("model", "input")
PCM_RATE = 24_000  # samples a second of OpenAI's "pcm": 16 bits, little-endian, mono
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def voice_of(job: Speech) -> str:
    """The vendor's voice that the client names; "" for none, or for one of OpenAI's."""
    said = job.fields.get("voice")
    name = said.get("id") if isinstance(said, dict) else said
    return name if isinstance(name, str) and name.lower() not in OPENAI else ""


def form_of(job: Speech) -> str:
    """The format of the sound that the client wants; "" when it does not say."""
    form: str = job.fields.get("response_format") or ""
    return form


def form_fault(job: Speech, known: Collection[str]) -> Refusal | None:
    """Sound in another format than was asked for, or without the events that were, would be no answer."""
    if form_of(job) and form_of(job) not in known:
        return unsupported(f"This model's sound comes as {', '.join(sorted(known))} only.", "response_format")
    if job.fields.get("stream_format") not in (None, "", "audio"):
        return unsupported("This model's sound comes as bytes only, not as events.", "stream_format")
    return None


def dropped(job: Speech, *said: str) -> tuple[str, ...]:
    """The names of the client's fields that were not carried; ``said`` were. Format and events are never lost."""
    known = {*ALWAYS_SAID, "response_format", "stream_format", *said}
    if "voice" in known and not voice_of(job):
        known.discard("voice")
    return unsaid(job.fields, known)


def sound(data: Json) -> bytes:
    """Base64 of a reply → bytes. Raises UpstreamFailure."""
    try:
        found = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        raise bad_reply("The provider's sound is not valid base64.") from None
    if not found:
        raise bad_reply("The provider sent no audio.")
    return found


def wav(samples: bytes, rate: int = PCM_RATE) -> bytes:
    """Samples of 16 bits, mono, with the header of a WAV file (RIFF, PCM)."""
    size = len(samples)
    head = WAV_HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size)
    return head + samples
