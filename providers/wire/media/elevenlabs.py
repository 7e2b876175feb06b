"""ElevenLabs' speech. Source: elevenlabs.io/docs/api-reference/text-to-speech/convert (2026-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from providers.wire.errors import Refusal
from providers.wire.media import voices
from providers.wire.media.bodies import encode
from providers.wire.media.job import Answer, Dialect, Outgoing, Place
from providers.wire.media.speech import Speech
from providers.wire.media.told import Told, unsupported
from providers.wire.types import Json

# OpenAI's name of a format → the vendor's: codec, samples a second, kbit a second.
FORMS: Mapping[str, str] = {"mp3": "mp3_44100_128", "opus": "opus_48000_128", "pcm": f"pcm_{voices.PCM_RATE}"}


class Speak(Told[Speech]):
    """The voice is a part of the path, so a request has to name one of the vendor's."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        if not voices.voice_of(self.job).strip("."):  # dots alone would be steps of a path
            return unsupported("This model has voices of its own only: 'voice' must be the id of one.", "voice")
        return voices.form_fault(self.job, FORMS)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        body: dict[str, Json] = {"text": self.job.fields["input"], "model_id": model}
        if self.job.fields.get("speed") is not None:
            body["voice_settings"] = {"speed": self.job.fields["speed"]}
        voice = quote(voices.voice_of(self.job), safe="")
        form = FORMS[voices.form_of(self.job) or "mp3"]
        return Outgoing(
            bodies=(encode(body),),
            accept="*/*",
            dropped=voices.dropped(self.job, "voice", "speed"),
            place=Place(below=f"/{voice}", query={"output_format": form}),
        )

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        return self.job.read(Dialect.OPENAI, replies, content_type)
