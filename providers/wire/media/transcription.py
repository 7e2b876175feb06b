"""Transcription: a form with a recording in, text in whichever format was asked for out, in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from providers.wire.errors import Refusal
from providers.wire.media import multipart
from providers.wire.media.bodies import (
    NULL,
    bad_reply,
    bad_value,
    decoded,
    missing,
    not_a_reply,
    reply_object,
    seconds_of,
    usage_of,
    with_units,
)
from providers.wire.media.job import JSON_TYPE, Answer, Dialect, Outgoing
from providers.wire.media.multipart import Part
from providers.wire.openai_chat.passed import error_from
from providers.wire.types import Units, Usage, Value

PLAIN = ("text", "srt", "vtt")  # response formats that are no JSON
READ = frozenset(("stream", "response_format", "temperature", "language"))
GRANULARITIES = "timestamp_granularities[]"
# Bytes of a second of speech at the least: Opus at its lowest rate, 6 kbit/s (RFC 6716, 2.1.1).
LEAST_BYTES = 750
LONGEST_FIELD = 64 * 1024  # bytes of a field that we read
SWITCHES = {"true": True, "1": True, "false": False, "0": False, "": False}


class Transcription(Value, frozen=True, kw_only=True):
    """A recording to be written down. ``at``: where in the body the model's name is; ``parts``: everything in it;
    ``granularities``: of which pieces the times are wanted, as the client wrote it."""

    model: str
    body: bytes
    boundary: str
    at: tuple[int, int]
    sound: int = 0  # bytes of the recording; 0: it is elsewhere
    response_format: str = "json"
    stream: bool = False
    language: str = ""
    granularities: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        """The client's own body, copied once if the model has another name upstream."""
        body = self.body if model == self.model else b"".join(_pieces(self.body, self.at, model))
        return Outgoing(bodies=(body,), content_type=multipart.content_type(self.boundary))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        body = replies[0]
        if self.response_format in PLAIN:
            _check_text(body)
            return Answer(body=body, content_type=content_type or "text/plain; charset=utf-8")
        reply = reply_object(body)
        if "text" not in reply and "segments" not in reply:
            raise error_from(body) or bad_reply("The provider's reply has no text.")
        usage = usage_of(reply.get("usage"))
        if seconds := seconds_of(decoded(reply.get("duration", NULL))):
            usage = with_units(usage, seconds=seconds)
        return Answer(body=body, content_type=content_type or JSON_TYPE, usage=usage)

    def named(self, name: str) -> Part | None:
        """The first part of this name."""
        return next((part for part in self.parts if part.name == name), None)

    def estimate(self) -> Usage | bytes | None:
        return None  # transcription is priced by the recording's length

    def measured(self, usage: Usage | None) -> Usage | None:
        return usage or Usage(units=Units())  # something was written down, nobody told how long it was

    def most(self) -> Units | None:
        """A recording that is only named by its address may have any length."""
        return Units(seconds=Decimal(self.sound) / LEAST_BYTES) if self.sound else None


def parse(body: bytes, content_type: str) -> Transcription:
    """A client's form. Raises Refusal 400 naming the field."""
    boundary = multipart.boundary_of(content_type)
    found = multipart.parts(body, boundary)
    names = {part.name for part in found}
    if not names & {"file", "url"}:
        raise missing("file")
    place = _model(found)
    model = _text(body, place)
    if not model:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    said = {part.name: _text(body, part) for part in found if part.name in READ}
    _check_temperature(said.get("temperature", ""))
    stream = SWITCHES.get(said.get("stream", "").strip().lower())
    if stream is None:
        raise bad_value("stream", "true or false")
    return Transcription(
        model=model,
        body=body,
        boundary=boundary,
        at=(place.start, place.end),
        sound=0 if "url" in names else sum(part.end - part.start for part in found if part.name == "file"),
        response_format=said.get("response_format") or "json",
        stream=stream,
        language=said.get("language", "").strip(),
        granularities=tuple(_text(body, part) for part in found if part.name == GRANULARITIES),
        parts=tuple(found),
    )


def rewrite(body: bytes, boundary: str, model: str) -> tuple[bytes | memoryview, ...]:
    """The form with another model's name: pieces of the body, views rather than copies. Raises Refusal 400."""
    place = _model(multipart.parts(body, boundary))
    return _pieces(body, (place.start, place.end), model)


def _pieces(body: bytes, at: tuple[int, int], model: str) -> tuple[bytes | memoryview, ...]:
    view = memoryview(body)
    return view[: at[0]], model.encode(), view[at[1] :]


def _model(found: list[Part]) -> Part:
    """The one field that names the model."""
    named = [part for part in found if part.name == "model" and not part.file]
    if not named:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    if len(named) > 1:
        raise Refusal(400, "The form names its 'model' more than once.", code="invalid_value", param="model")
    return named[0]


def _text(body: bytes, part: Part) -> str:
    if part.end - part.start > LONGEST_FIELD:
        raise bad_value(part.name, "a shorter text")
    try:
        return body[part.start : part.end].decode()
    except UnicodeDecodeError:
        raise bad_value(part.name, "text in UTF-8") from None


def _check_temperature(value: str) -> None:
    if not value.strip():
        return
    try:
        float(value)
    except ValueError:
        raise bad_value("temperature", "a number") from None


def _check_text(body: bytes) -> None:
    """Raise UpstreamFailure when what should be plain text is a page or an error."""
    start = body[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise bad_reply(not_a_reply(body))
    if start.startswith(b"{") and (failure := error_from(body)) is not None:
        raise failure
