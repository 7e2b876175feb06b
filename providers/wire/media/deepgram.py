"""Deepgram's two services. Source: developers.deepgram.com/reference, /docs/tts-media-output-settings (2026-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.wire.errors import Refusal
from providers.wire.media import transcripts, voices
from providers.wire.media.bodies import NULL, bad_reply, decoded, encode, reply_object, seconds_of
from providers.wire.media.job import JSON_TYPE, Answer, Dialect, Outgoing, Place
from providers.wire.media.speech import Speech
from providers.wire.media.told import Told
from providers.wire.media.transcription import Transcription
from providers.wire.types import Json

# OpenAI's name of a format → how it is asked for. Without a word it would be WAV; raw samples have OpenAI's own rate.
FORMS: Mapping[str, Mapping[str, str]] = {
    "mp3": {"encoding": "mp3"},
    "opus": {"encoding": "opus"},
    "aac": {"encoding": "aac"},
    "flac": {"encoding": "flac"},
    "wav": {"encoding": "linear16", "container": "wav", "sample_rate": str(voices.PCM_RATE)},
    "pcm": {"encoding": "linear16", "container": "none", "sample_rate": str(voices.PCM_RATE)},
}
# Capitals and punctuation, which OpenAI's transcripts always have.
READABLE = {"smart_format": "true", "punctuate": "true"}


class Speak(Told[Speech]):
    """Speech: the text alone in the body, the rest in the query. The model is the voice."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return voices.form_fault(self.job, FORMS)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        form = Place(query=FORMS[voices.form_of(self.job) or "mp3"])
        body = encode({"text": self.job.fields["input"]})
        return Outgoing(bodies=(body,), accept="*/*", place=form, dropped=voices.dropped(self.job))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        return self.job.read(Dialect.OPENAI, replies, content_type)


class Listen(Told[Transcription]):
    """Transcription: the recording itself is the body, the rest in the query."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return transcripts.recording_fault(self.job, elsewhere=False) or transcripts.form_fault(self.job, timed=False)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        language = {"language": self.job.language} if self.job.language else {"detect_language": "true"}
        body, kind = transcripts.recording(self.job)
        return Outgoing(
            bodies=(body,),
            content_type=kind,
            accept=JSON_TYPE,
            dropped=transcripts.dropped(self.job, "file", "language"),
            place=Place(query={"model": model, **language, **READABLE}),
        )

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        reply = reply_object(replies[0])
        text, about = _transcript(decoded(reply.get("results", NULL))), decoded(reply.get("metadata", NULL))
        duration = about.get("duration") if isinstance(about, dict) else None
        heard = transcripts.Heard(text=text, seconds=seconds_of(duration), language=self.job.language)
        return transcripts.answer(self.job, heard)


def _transcript(results: Json) -> str:
    match results:
        case {"channels": [{"alternatives": [{"transcript": str(text)}, *_]}, *_]}:
            return text
        case _:
            raise bad_reply("The provider's reply has no transcript.")
