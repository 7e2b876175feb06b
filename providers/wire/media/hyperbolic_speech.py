"""Hyperbolic's speech: MP3, as base64 in an object (some examples of it are WAV, so its type is taken from its bytes).
Source: docs.hyperbolic.xyz/docs/audio-models (2026-11)."""

from __future__ import annotations

from collections.abc import Sequence

from providers.wire.errors import Refusal
from providers.wire.media import voices
from providers.wire.media.bodies import NULL, decoded, encode, reply_object
from providers.wire.media.job import JSON_TYPE, Answer, Dialect, Outgoing
from providers.wire.media.speech import Speech
from providers.wire.media.told import Told
from providers.wire.types import Json

ITS_OWN = ("language", "speed")  # beside the text and the speaker; OpenAI has no language there, a client may
FORMS = ("mp3",)


class Speak(Told[Speech]):
    """The address is the model's: the body does not name it."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return voices.form_fault(self.job, FORMS)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        body: dict[str, Json] = {"text": self.job.fields["input"]}
        if speaker := voices.voice_of(self.job):
            body["speaker"] = speaker
        body |= {name: self.job.fields[name] for name in ITS_OWN if self.job.fields.get(name) is not None}
        dropped = voices.dropped(self.job, "voice", *ITS_OWN)
        return Outgoing(bodies=(encode(body),), accept=JSON_TYPE, dropped=dropped)

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        reply = reply_object(replies[0])
        sound = voices.sound(decoded(reply.get("audio", NULL)))
        return Answer(body=sound, content_type="audio/wav" if sound.startswith(b"RIFF") else "audio/mpeg")
