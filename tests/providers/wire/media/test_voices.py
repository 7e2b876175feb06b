"""Speech and transcription in vendors' own shapes: what no socket shows."""

from __future__ import annotations

import base64
import json
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import UpstreamFailure
from providers.wire.media import multipart, speech, subtitles, transcription, voices
from providers.wire.media.job import HERE, Answer, Dialect, Further, Job, Place
from providers.wire.media.shapes import SHAPES, shaped
from providers.wire.media.subtitles import Timed

OPENAI = Dialect.OPENAI


def spoken(shape: str, **fields: Any) -> Job:
    job = speech.parse(json.dumps({"model": "m", "input": "Hello", **fields}).encode())
    return shaped(job, "speech", shape, 0)


def heard(shape: str, kind: str = "audio/x-wav", **fields: str) -> Job:
    head = f'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\ncontent-type: {kind}\r\n\r\nRIFF\r\n'
    said = "".join(
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"model": "m", **fields}.items()
    )
    return shaped(
        transcription.parse(f"{said}{head}--x--\r\n".encode(), "multipart/form-data; boundary=x"),
        "transcription",
        shape,
        0,
    )


def read(job: Job, reply: Any) -> Answer:
    answer = job.read(OPENAI, [json.dumps(reply).encode()], "application/json")
    assert isinstance(answer, Answer)
    return answer


# -- where it goes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("place", "target"),
    [
        (HERE, "/a?b=c"),
        (Place(below="/d"), "/a/d?b=c"),
        (Place(query={"e": "f g"}), "/a?b=c&e=f+g"),
        (Place(instead="/h"), "/h"),
        (Place(instead="/h", query={"i": "&"}), "/h?i=%26"),
    ],
)
def test_a_place_is_seen_from_the_operations_own(place: Place, target: str) -> None:
    assert place.of("/a?b=c") == target


@pytest.mark.parametrize("voice", ["../../v1/user", "a/b", "a?b=c", "a b", "é\r\nx: y"])
def test_a_voice_stays_one_piece_of_the_path(voice: str) -> None:
    target = spoken("elevenlabs", voice=voice).dump(OPENAI, "m").place.of("/text-to-speech")
    path, _, query = target.partition("?")
    assert path.count("/") == 2 and query == "output_format=mp3_44100_128"
    assert target.isascii() and target.isprintable() and " " not in target


@pytest.mark.parametrize("voice", [".", "..", ""])
def test_a_voice_is_no_step_of_a_path(voice: str) -> None:
    refusal = spoken("elevenlabs", voice=voice).objection(OPENAI)
    assert refusal is not None and refusal.param == "voice"


def test_a_language_stays_one_value_of_the_query() -> None:
    target = heard("deepgram", language="en&model=dearer").dump(OPENAI, "nova").place.of("/listen")
    assert target.startswith("/listen?model=nova&language=en%26model%3Ddearer&")


# -- the recording ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("audio/mpeg", "audio/mpeg"),
        ("Audio/WebM; codecs=opus", "audio/webm"),
        ("nonsense", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_a_recording_keeps_its_type(said: str, kind: str) -> None:
    sent = heard("deepgram", kind=said).dump(OPENAI, "m")
    assert (sent.bodies, sent.content_type) == ((b"RIFF",), kind)


@pytest.mark.parametrize("shape", ["assemblyai", "deepgram"])
def test_of_two_recordings_none_is_forgotten(shape: str) -> None:
    refusal = heard(shape, file="RIFF").objection(OPENAI)
    assert refusal is not None and (refusal.status, refusal.param) == (400, "file")
    assert heard(shape).objection(OPENAI) is None


def test_the_type_of_a_part_is_not_taken_from_its_content() -> None:
    body = b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\ncontent-type: text/html\r\n--x--\r\n'
    assert [part.kind for part in multipart.parts(body, "x")] == [""]


# -- what comes back --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("operation", ["speech", "transcription"])
@pytest.mark.parametrize("reply", [{}, [], None, {"error": "no"}, {"status": "queued"}, {"status": "queued", "id": 5}])
def test_what_is_no_answer_is_a_failure(operation: str, reply: Any) -> None:
    for shape in SHAPES[operation]:
        job = spoken(shape) if operation == "speech" else heard(shape)
        with pytest.raises(UpstreamFailure):
            job.read(OPENAI, [json.dumps(reply).encode()], "application/json")


@pytest.mark.parametrize(
    ("operation", "shape"), [(name, word) for name in ("speech", "transcription") for word in SHAPES[name]]
)
@given(body=st.binary(max_size=60))
def test_any_bytes_fail(operation: str, shape: str, body: bytes) -> None:
    job = spoken(shape) if operation == "speech" else heard(shape)
    with pytest.raises(UpstreamFailure):
        job.read(OPENAI, [body], "application/json")


@pytest.mark.parametrize("shape", ["gemini", "hyperbolic"])
@pytest.mark.parametrize("data", ["", "not base64!", None, 5])
def test_sound_that_is_none_is_a_failure(shape: str, data: Any) -> None:
    parts = [{"inlineData": {"mimeType": "audio/L16", "data": data}}]
    with pytest.raises(UpstreamFailure):
        read(spoken(shape), {"audio": data, "candidates": [{"content": {"parts": parts}}]})


@pytest.mark.parametrize(("start", "kind"), [(b"ID3\x04", "audio/mpeg"), (b"RIFF", "audio/wav")])
def test_sound_is_called_what_it_is(start: bytes, kind: str) -> None:
    answer = read(spoken("hyperbolic"), {"audio": base64.b64encode(start + bytes(8)).decode()})
    assert (answer.content_type, answer.body) == (kind, start + bytes(8))


def test_the_rate_is_the_one_that_google_names() -> None:
    parts = [
        {"text": "", "thought": True},
        *({"inlineData": {"mimeType": "audio/L16;rate=16000", "data": "AAAA"}},) * 2,
    ]
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 40}
    answer = read(spoken("gemini"), {"candidates": [{"content": {"parts": parts}}], "usageMetadata": usage})
    assert struct.unpack("<I", answer.body[24:28]) == (16_000,) and answer.body[44:] == bytes(6)
    assert answer.usage is not None and (answer.usage.input, answer.usage.output) == (3, 40)


def test_times_that_are_wanted_and_not_there_are_a_failure() -> None:
    done = {"id": "t", "status": "completed", "text": "Hello", "audio_duration": 1}
    with pytest.raises(UpstreamFailure, match="no times"):
        read(heard("assemblyai", response_format="srt"), done)
    assert read(heard("assemblyai", response_format="vtt"), done | {"text": None}).body == b"WEBVTT\n\n"
    assert json.loads(read(heard("assemblyai"), done | {"audio_duration": None}).body) == {"text": "Hello"}


@pytest.mark.parametrize("odd", [10**400, -1, 1e308, True])
def test_a_time_that_is_none_breaks_nothing(odd: float) -> None:
    words = [{"text": "Hello", "start": odd, "end": odd}]
    done = {"id": "t", "status": "completed", "text": "Hello", "words": words}
    assert read(heard("assemblyai", response_format="srt"), done).body.endswith(b"\nHello\n\n")


def test_what_lasted_how_long_is_told_for_the_bill() -> None:
    done = {"id": "t", "status": "completed", "text": "Hello", "audio_duration": 61.5}
    usage = read(heard("assemblyai"), done).usage
    assert usage is not None and usage.units is not None and usage.units.seconds == Decimal("61.5")


def test_an_id_that_would_leave_its_path_is_not_asked_for() -> None:
    job = heard("assemblyai")
    further = job.read(OPENAI, [b'{"id": "t-1", "status": "queued"}'], "")
    assert isinstance(further, Further) and further.place.of("/transcript") == "/transcript/t-1" and further.waits
    for odd in ("a/b", "..", "a?b", "", "a" * 101):
        with pytest.raises(UpstreamFailure):
            job.read(OPENAI, [json.dumps({"id": odd, "status": "queued"}).encode()], "")


# -- subtitles --------------------------------------------------------------------------------------------------------
WORDS = st.lists(
    st.builds(
        lambda text, start, length: Timed(text=text, start=start, end=start + length),
        st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=100),
        st.floats(0, 40_000),
        st.floats(0, 20),
    ),
    max_size=30,
)


@given(WORDS)
def test_no_word_is_lost_and_no_piece_is_too_long(words: list[Timed]) -> None:
    ordered = sorted(words, key=lambda word: word.start)
    pieces = subtitles.pieces(ordered)
    assert " ".join(piece.text for piece in pieces) == " ".join(word.text for word in ordered)
    for piece in pieces:
        assert " " not in piece.text or len(piece.text) <= subtitles.LONGEST_TEXT
    assert subtitles.srt(pieces).count(" --> ") == subtitles.vtt(pieces).count(" --> ") == len(pieces)


def test_a_silence_and_a_long_time_part_pieces() -> None:
    words = [
        Timed(text=text, start=start, end=start + 0.5) for text, start in (("a", 0), ("b", 1), ("c", 3), ("d", 3.6))
    ]
    assert [piece.text for piece in subtitles.pieces(words)] == ["a b", "c d"]
    slow = [Timed(text=str(n), start=n, end=n + 0.9) for n in range(10)]
    assert [piece.text for piece in subtitles.pieces(slow)] == ["0 1 2 3 4 5 6", "7 8 9"]


def test_times_are_written_as_players_read_them() -> None:
    cue = Timed(text="a <b> & c", start=3661.0015, end=36_000.9999)
    assert subtitles.srt([cue]) == "1\n01:01:01,002 --> 10:00:01,000\na <b> & c\n\n"
    assert subtitles.vtt([cue]) == "WEBVTT\n\n01:01:01.002 --> 10:00:01.000\na &lt;b&gt; &amp; c\n\n"


def test_a_wav_of_nothing_is_a_header() -> None:
    assert len(voices.wav(b"")) == 44
