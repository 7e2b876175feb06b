"""AssemblyAI's transcription: a recording is uploaded, a transcript of it ordered, and asked for until it is done.

Which of these a reply belongs to is told by the reply itself. Sources: assemblyai.com/docs/api-reference/transcripts,
/docs/pre-recorded-audio/select-the-speech-model (2026-11): models are a list; times of words are milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.media import transcripts
from providers.wire.media.bodies import MOST_SECONDS, bad_reply, decoded, encode, reply_object, seconds_of
from providers.wire.media.job import JSON_TYPE, Answer, Dialect, Further, Outgoing, Place
from providers.wire.media.subtitles import Timed
from providers.wire.media.told import Told, unsupported
from providers.wire.media.transcription import LONGEST_FIELD, Transcription
from providers.wire.types import Json

UPLOAD = Place(instead="/upload")
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")  # it goes into a path


class Transcribe(Told[Transcription]):
    """A recording that the client only names by its address is fetched by the vendor. ``upstream``: the model's name
    there, as far as it is known."""

    __slots__ = ("upstream",)

    def __init__(self, *, job: Transcription, created: int) -> None:
        super().__init__(job=job, created=created)
        self.upstream = job.model

    def objection(self, dialect: Dialect) -> Refusal | None:
        if self.job.named("file") is None and not _address(self.job):
            return unsupported(f"'url' must be an http(s) address of at most {LONGEST_FIELD} bytes.", "url")
        return transcripts.recording_fault(self.job, elsewhere=True) or transcripts.form_fault(self.job, timed=True)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        self.upstream = model
        if self.job.named("file") is None:
            dropped = transcripts.dropped(self.job, "url", "language")
            body = _order(self.job, model, _address(self.job))
            return Outgoing(bodies=(body,), accept=JSON_TYPE, dropped=dropped)
        body, kind = transcripts.recording(self.job)
        dropped = transcripts.dropped(self.job, "file", "language")
        return Outgoing(bodies=(body,), content_type=kind, accept=JSON_TYPE, dropped=dropped, place=UPLOAD)

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer | Further:
        reply = {name: decoded(value) for name, value in reply_object(replies[0]).items()}
        match reply:
            case {"upload_url": str(address)} if address:
                return Further(body=_order(self.job, self.upstream, address))
            case {"status": "completed", "text": str() | None as text}:
                return transcripts.answer(self.job, _heard(self.job, reply, text or ""))
            case {"status": "queued" | "processing", "id": str(id)} if ID.fullmatch(id):
                return Further(place=Place(below=f"/{id}"), method="GET", waits=True)
            case {"status": "error"}:
                raise UpstreamFailure(Kind.SERVER, "The provider could not transcribe the recording.")
        raise bad_reply("The provider's reply is neither an upload nor a transcript.")


def _order(job: Transcription, model: str, address: str) -> bytes:
    language = {"language_code": job.language} if job.language else {"language_detection": True}
    return encode({"audio_url": address, "speech_models": [model], **language})


def _address(job: Transcription) -> str:
    """The recording's address as the client says it; "" when it is none."""
    part = job.named("url")
    if part is None or part.end - part.start > LONGEST_FIELD:
        return ""
    said = job.body[part.start : part.end].decode("utf-8", "replace").strip()
    return said if said.startswith(("https://", "http://")) else ""


def _heard(job: Transcription, reply: dict[str, Json], text: str) -> transcripts.Heard:
    language = reply.get("language_code")
    return transcripts.Heard(
        text=text,
        seconds=seconds_of(reply.get("audio_duration")),
        language=language if isinstance(language, str) else job.language,
        words=tuple(_words(reply.get("words"))),
    )


def _words(said: Json) -> Iterator[Timed]:
    for word in said if isinstance(said, list) else ():
        match word:
            case {"text": str(text), "start": int() | float() as start, "end": int() | float() as end}:
                yield Timed(text=text, start=_time(start), end=_time(end))


def _time(said: float) -> float:
    """Milliseconds → seconds, within what a recording can have."""
    return min(max(said, 0), 1000 * MOST_SECONDS) / 1000
