"""Transcription: a form is looked through where it lies, and only the model's name changes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.media import multipart
from providers.wire.media.job import Dialect
from providers.wire.media.transcription import Transcription, parse, rewrite
from providers.wire.types import Units, Usage

BOUNDARY = "xYz-123"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
SOUND = b"\x00\xffRIFF\r\n--xYz-12\r\n\r\n--\r\n"


def field(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


FILE = field("file", SOUND, '; filename="a; name=model.wav"\r\nContent-Type: audio/wav')
END = f"--{BOUNDARY}--\r\n".encode()


def form(*fields: tuple[str, str], file: bytes = FILE) -> bytes:
    return b"".join(field(name, value.encode()) for name, value in fields) + file + END


def asked(*fields: tuple[str, str]) -> Transcription:
    return parse(form(("model", "m"), *fields), TYPE)


def test_a_form_is_read_where_it_lies() -> None:
    body = b"a preamble\r\n" + form(("model", "m"), ("temperature", "0.5"))
    parts = multipart.parts(body, BOUNDARY)
    assert [(part.name, part.file, body[part.start : part.end]) for part in parts] == [
        ("model", False, b"m"),
        ("temperature", False, b"0.5"),
        ("file", True, SOUND),
    ]


@given(st.binary(max_size=300), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_only_the_models_name_changes(sound: bytes, model: str) -> None:
    file = field("file", sound.replace(BOUNDARY.encode(), b""), '; filename="a.wav"')
    before, after = form(("model", "acme/large"), file=file), form(("model", model), file=file)
    assert b"".join(rewrite(before, BOUNDARY, model)) == after


def test_nothing_large_is_copied_to_change_it() -> None:
    body = form(("model", "m"))
    head, name, rest = rewrite(body, BOUNDARY, "up")
    assert isinstance(head, memoryview)
    assert isinstance(rest, memoryview)
    assert head.obj is rest.obj is body
    assert name == b"up"
    assert asked().dump(Dialect.OPENAI, "m").bodies[0] is not None
    job = parse(body, TYPE)
    assert job.dump(Dialect.OPENAI, "m").bodies[0] is body


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        (TYPE, BOUNDARY),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"', "a b:c"),
        ("multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxk", "----WebKitFormBoundary7MA4YWxk"),
    ],
)
def test_the_boundary_is_found_and_said_again(said: str, boundary: str) -> None:
    assert multipart.boundary_of(said) == boundary
    assert multipart.boundary_of(multipart.content_type(boundary)) == boundary


@pytest.mark.parametrize(
    "said", ["", "application/json", "multipart/form-data", 'multipart/form-data; boundary="a\r\nb"']
)
def test_what_is_no_form_is_refused(said: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(form(("model", "m")), said)
    assert (refused.value.status, refused.value.code) == (400, "invalid_content_type")


BAD = {
    "no model": (form(), "model"),
    "an empty model": (form(("model", "")), "model"),
    "two models": (form(("model", "a"), ("model", "b")), "model"),
    "the model is a file": (field("model", b"m", '; filename="m"') + form(), "model"),
    "no file": (form(("model", "m"), file=b""), "file"),
    "a word for a number": (form(("model", "m"), ("temperature", "hot")), "temperature"),
    "a word for a switch": (form(("model", "m"), ("stream", "maybe")), "stream"),
    "not UTF-8": (field("model", b"\xff") + form(), "model"),
    "a long field": (form(("model", "m" * 70_000)), "model"),
    "nothing": (b"", None),
    "no end": (form(("model", "m")).removesuffix(END), None),
    "no headers": (f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + END, None),
    "no name": (f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + END, None),
    "too many parts": (form(*[("model", "m")] * 101), None),
}


@pytest.mark.parametrize(("body", "param"), BAD.values(), ids=BAD.keys())
def test_a_wrong_form_is_refused_by_name(body: bytes, param: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        parse(body, TYPE)
    assert (refused.value.status, refused.value.param) == (400, param)


@given(st.lists(st.sampled_from([END, FILE, field("model", b"m"), b"--" + BOUNDARY.encode(), b"\r\n", b"x", b"--"])))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    try:
        parts = multipart.parts(body, BOUNDARY)
    except Refusal:
        return
    assert all(0 <= part.start <= part.end <= len(body) for part in parts)


# -- replies ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("format", "body", "kind"),
    [
        ("json", b'{"text": "Hello"}', "application/json"),
        ("verbose_json", b'{"task": "transcribe", "text": "Hello", "segments": []}', "application/json"),
        ("text", b"Hello\n", "text/plain; charset=utf-8"),
        ("text", b"", "text/plain; charset=utf-8"),
        ("text", b"{laughs} Hello", "text/plain; charset=utf-8"),
        ("srt", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n", "application/x-subrip"),
        ("vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt"),
    ],
)
def test_every_response_format_passes_as_it_comes(format: str, body: bytes, kind: str) -> None:
    answer = asked(("response_format", format)).read(Dialect.OPENAI, [body], kind)
    assert (answer.body, answer.content_type) == (body, kind)


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        ({"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}, Usage(input=14, output=45)),
        ({"type": "duration", "seconds": 9}, Usage(units=Units(seconds=Decimal(9)))),
        ({"type": "duration", "seconds": -1}, None),
        ({"type": "duration", "seconds": "NaN"}, None),
        (None, None),
    ],
)
def test_tokens_and_seconds_are_counted(usage: Any, found: Usage | None) -> None:
    answer = asked().read(Dialect.OPENAI, [json.dumps({"text": "Hello", "usage": usage}).encode()], "")
    assert answer.usage == found
    assert answer.content_type == "application/json"


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("json", b""),
        ("json", b"Hello"),
        ("json", b"<html></html>"),
        ("json", b'{"error": {"message": "no"}}'),
        ("json", b'{"ok": true}'),
        ("text", b"<!DOCTYPE html><html></html>"),
        ("text", b'{"error": {"message": "no"}}'),
        ("srt", b'  {"error": "no"}'),
    ],
)
def test_what_is_no_transcript_is_a_failure(format: str, body: bytes) -> None:
    with pytest.raises(UpstreamFailure):
        asked(("response_format", format)).read(Dialect.OPENAI, [body], "")


@pytest.mark.parametrize("said", [12.5, "12.5"])
def test_the_length_of_a_verbose_reply(said: Any) -> None:
    answer = asked().read(Dialect.OPENAI, [json.dumps({"text": "Hello", "duration": said}).encode()], "")
    assert answer.usage == Usage(units=Units(seconds=Decimal("12.5")))
