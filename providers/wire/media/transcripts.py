"""Transcription at vendors with shapes of their own: the recording out of the client's form, and what the vendor heard
in the format that the client asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from providers.wire.errors import Refusal
from providers.wire.media import subtitles
from providers.wire.media.bodies import bad_reply, encode, with_units
from providers.wire.media.job import JSON_TYPE, Answer, unsaid
from providers.wire.media.subtitles import Timed
from providers.wire.media.told import unsupported
from providers.wire.media.transcription import GRANULARITIES, Transcription
from providers.wire.types import Json, Usage, Value

TEXT = "text/plain; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"
UNTYPED = "application/octet-stream"  # a recording of which the client says nothing
FORMS = ("json", "text", "srt", "verbose_json", "vtt")
TIMED = ("srt", "verbose_json", "vtt")  # there are none of these without times
SUBTITLES: Mapping[str, Callable[[list[Timed]], str]] = {"srt": subtitles.srt, "vtt": subtitles.vtt}


class Heard(Value, frozen=True, kw_only=True):
    """What was heard. ``seconds``: the recording's length, 0 when the vendor does not tell; ``words``: with times."""

    text: str
    seconds: Decimal = Decimal(0)
    language: str = ""
    words: tuple[Timed, ...] = ()


# -- out --------------------------------------------------------------------------------------------------------------
def recording_fault(job: Transcription, *, elsewhere: bool) -> Refusal | None:
    """``elsewhere``: the vendor takes one that the client only names by its address."""
    if sum(part.name == "file" for part in job.parts) > 1:
        return unsupported("This model's provider takes one 'file' at a time.", "file")
    if job.named("file") is None and not elsewhere:
        return unsupported("This model's provider takes the recording itself: 'file', not 'url'.", "url")
    return None


def form_fault(job: Transcription, *, timed: bool) -> Refusal | None:
    """``timed``: the vendor tells when each word was said."""
    if job.response_format not in FORMS:
        return unsupported(f"This model's transcripts come as {', '.join(FORMS)} only.", "response_format")
    if not timed and job.response_format in TIMED:
        return unsupported(
            f"This model's provider tells no times, which '{job.response_format}' needs; 'json' and 'text' go.",
            "response_format",
        )
    return None


def recording(job: Transcription) -> tuple[bytes, str]:
    """The bytes of the file, copied once, and their media type."""
    part = job.named("file")
    assert part is not None, "recording_fault() comes first"
    return job.body[part.start : part.end], part.kind or UNTYPED


def dropped(job: Transcription, *said: str) -> tuple[str, ...]:
    """The names of the form's fields that were not carried; ``said`` were. The format never is lost."""
    known = {"model", "response_format", *said}
    known |= {"stream"} if job.response_format == "json" or not job.stream else set()
    known |= {GRANULARITIES} if job.response_format == "verbose_json" else set()
    return unsaid({part.name.removesuffix("[]"): True for part in job.parts if part.name not in known}, ())


# -- back -------------------------------------------------------------------------------------------------------------
def answer(job: Transcription, heard: Heard) -> Answer:
    """The transcript as the client asked for it. Raises UpstreamFailure when times are wanted and there are none."""
    usage = with_units(None, seconds=heard.seconds) if heard.seconds else None
    if job.response_format in TIMED and heard.text.strip() and not heard.words:
        raise bad_reply("The provider's reply has no times.")
    if job.response_format == "text":
        return _plain(f"{heard.text}\n", usage)
    if job.response_format in SUBTITLES:
        return _plain(SUBTITLES[job.response_format](subtitles.pieces(heard.words)), usage)
    if job.response_format == "verbose_json":
        return Answer(body=encode(_verbose(job, heard)), usage=usage)
    if job.stream:
        return Answer(body=_events(heard.text), content_type=EVENTS, usage=usage)
    return Answer(body=encode({"text": heard.text, **_length(heard)}), content_type=JSON_TYPE, usage=usage)


def _plain(text: str, usage: Usage | None) -> Answer:
    return Answer(body=text.encode(), content_type=TEXT, usage=usage)


def _events(text: str) -> bytes:
    """A whole transcript for who reads a stream: the same events, all at once."""
    kind = "transcript.text"
    events = ({"type": f"{kind}.delta", "delta": text}, {"type": f"{kind}.done", "text": text})
    return b"".join(b"data: " + encode(event) + b"\n\n" for event in events)


def _verbose(job: Transcription, heard: Heard) -> dict[str, Json]:
    """Without the figures of Whisper's inside (log probabilities and their like), which nobody else has."""
    wanted = job.granularities or ("segment",)
    said: dict[str, Json] = {
        "task": "transcribe",
        "language": heard.language,
        "duration": float(heard.seconds),
        "text": heard.text,
    }
    if "segment" in wanted:
        said["segments"] = [
            {"id": number, "start": piece.start, "end": piece.end, "text": piece.text}
            for number, piece in enumerate(subtitles.pieces(heard.words))
        ]
    if "word" in wanted:
        said["words"] = [{"word": word.text, "start": word.start, "end": word.end} for word in heard.words]
    return said | _length(heard)


def _length(heard: Heard) -> dict[str, Json]:
    return {"usage": {"type": "duration", "seconds": float(heard.seconds)}} if heard.seconds else {}
