"""Images, speech and moderation: read for what must be known, passed on as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.media import images, moderation, speech
from providers.wire.media.events import Watch
from providers.wire.media.job import Dialect, Job
from providers.wire.types import Units, Usage

OPENAI = Dialect.OPENAI
PARSERS: dict[str, Callable[[bytes], Job]] = {
    "images": images.parse,
    "speech": speech.parse,
    "moderation": moderation.parse,
}
GOOD: dict[str, dict[str, Any]] = {
    "images": {"model": "m", "prompt": "a cat", "n": 2, "size": "1024x1024", "stream": False, "odd": [1]},
    "speech": {"model": "m", "input": "Hello", "voice": "alloy", "speed": 1.5, "odd": [1]},
    "moderation": {"model": "m", "input": "Hello", "odd": [1]},
}


def job(name: str, **fields: Any) -> Job:
    return PARSERS[name](json.dumps({**GOOD[name], **fields}).encode())


@pytest.mark.parametrize("name", PARSERS)
def test_only_the_models_name_changes(name: str) -> None:
    [body] = job(name).dump(OPENAI, "up").bodies
    assert json.loads(body) == {**GOOD[name], "model": "up"}


BAD = [
    ("images", {"model": None}, "model"),
    ("images", {"prompt": None}, "prompt"),
    ("images", {"prompt": ["a"]}, "prompt"),
    ("images", {"n": "2"}, "n"),
    ("images", {"n": 0}, "n"),
    ("images", {"size": 1024}, "size"),
    ("images", {"stream": "yes"}, "stream"),
    ("images", {"output_compression": "much"}, "output_compression"),
    ("speech", {"model": 1}, "model"),
    ("speech", {"input": None}, "input"),
    ("speech", {"input": ["a"]}, "input"),
    ("speech", {"voice": 1}, "voice"),
    ("speech", {"speed": "fast"}, "speed"),
    ("speech", {"response_format": 3}, "response_format"),
    ("moderation", {"model": 1}, "model"),
    ("moderation", {"input": None}, "input"),
    ("moderation", {"input": 1}, "input"),
    ("moderation", {"input": []}, "input"),
    ("moderation", {"input": ["a", 1]}, "input[1]"),
    ("moderation", {"input": [{"text": "a"}]}, "input[0].type"),
    ("moderation", {"input": [{"type": "text", "text": 1}]}, "input[0].text"),
]


@pytest.mark.parametrize(("name", "fields", "param"), BAD, ids=[f"{name} {fields}" for name, fields, _ in BAD])
def test_a_wrong_field_is_named(name: str, fields: Any, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        job(name, **fields)
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_refused_and_fail(name: str, body: bytes) -> None:
    with pytest.raises(Refusal):
        PARSERS[name](body)
    with pytest.raises(UpstreamFailure):
        job(name).read(OPENAI, [body], "application/json")


@pytest.mark.parametrize("item", [{"b64_json": "iVBORw=="}, {"url": "https://example.com/a.png"}])
def test_pictures_pass_untouched(item: Any) -> None:
    used = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105, "input_tokens_details": {"text_tokens": 5}}
    body = json.dumps({"created": 1, "data": [item], "usage": used}).encode()
    answer = job("images").read(OPENAI, [body], "application/json")
    assert answer.body is body
    assert answer.usage == Usage(input=5, output=100, units=Units(images=1))
    measured = job("images").measured(answer.usage)
    assert measured and measured.units == Units(images=1, image_output=100)
    assert job("images").estimate() is None


def test_a_model_for_moderation_may_be_left_out() -> None:
    asked = moderation.parse(b'{"input": ["a", "b"]}')
    assert asked.model == "omni-moderation-latest"
    assert json.loads(asked.dump(OPENAI, "up").bodies[0]) == {"input": ["a", "b"], "model": "up"}


def test_a_judgement_passes_untouched() -> None:
    body = b'{"id": "x", "model": "m", "results": [{"flagged": false, "categories": {}, "category_scores": {}}]}'
    assert job("moderation").read(OPENAI, [body], "").body is body


@pytest.mark.parametrize("flagged", [True, False])
def test_a_judgement_without_its_sum_gets_one(flagged: bool) -> None:
    body = json.dumps({"id": "x", "results": [{"categories": {"pii": False, "violence": flagged}}]}).encode()
    reply = json.loads(job("moderation").read(OPENAI, [body], "").body)
    assert reply["results"] == [{"categories": {"pii": False, "violence": flagged}, "flagged": flagged}]
    assert reply["id"] == "x"


def test_texts_to_be_judged_are_counted_pictures_are_not() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert json.loads(job("moderation", input=parts).estimate() or b"") == {"prompt": ["a"]}  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": {"message": "no"}}', b'{"audio": "aGk="}'])
def test_what_is_no_sound_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailure):
        job("speech").read(OPENAI, [body], "application/json")


# -- streams ----------------------------------------------------------------------------------------------------------
DELTA = b'data: {"type": "transcript.text.delta", "delta": "the \\"error\\" in it"}\n\n'
FINAL = b'data: {"type": "transcript.text.done", "text": "Hi", "usage": {"input_tokens": 14, "output_tokens": 4}}\n\n'
ERROR = b'event: error\ndata: {"error": {"message": "Out of breath.", "code": "overloaded_error"}}\n\n'


@given(st.integers(0, len(DELTA + FINAL)))
def test_whole_events_pass_wherever_the_network_cuts(cut: int) -> None:
    watch, stream = Watch(), DELTA + FINAL
    passed = [watch.feed(stream[:cut]), watch.feed(stream[cut:]), watch.end()]
    assert b"".join(passed) == stream
    assert all(piece.endswith(b"\n\n") for piece in passed if piece)
    assert (watch.usage, watch.failure) == (Usage(input=14, output=4), None)


def test_an_error_event_is_no_event_for_the_client() -> None:
    watch = Watch()
    assert watch.feed(DELTA + ERROR + DELTA) == DELTA
    assert watch.failure is not None
    assert watch.failure.message == "Out of breath."
    assert watch.feed(DELTA) == watch.end() == b""


def test_the_last_event_counts_without_its_blank_line() -> None:
    watch = Watch()
    assert watch.feed(FINAL.rstrip()) == b""
    assert watch.end() == FINAL
    assert watch.usage == Usage(input=14, output=4)


def test_an_event_without_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.wire.frames.MAX_FRAME", 1000)
    watch = Watch()
    assert watch.feed(b"data: " + b"x" * 2000) == b""
    assert watch.failure is not None
    assert watch.failure.kind == Kind.PROTOCOL


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_any_bytes_may_be_watched(pieces: list[bytes]) -> None:
    watch = Watch()
    for piece in pieces:
        watch.feed(piece)
    watch.end()
    assert watch.usage is None


def test_speech_is_measured_by_the_characters_of_its_input() -> None:
    asked = job("speech", input="Grüße 👋")
    assert asked.most() == Units(characters=7)
    assert asked.measured(None) == Usage(units=Units(characters=7))
    told = asked.measured(Usage(input=3, output=9))
    assert told == Usage(input=3, output=9, units=Units(characters=7, audio_output=9))


def test_pictures_are_as_many_as_were_asked_for() -> None:
    assert job("images").most() == Units(images=2)
    assert job("images", n=None).most() == Units(images=1)
    assert job("moderation").most() == Units()


def test_a_stream_counts_the_pictures_that_are_done() -> None:
    watch = Watch()
    for kind in ("image_generation.partial_image", "image_generation.completed", "image_generation.completed"):
        watch.feed(f"data: {json.dumps({'type': kind, 'b64_json': 'iVBO'})}\n\n".encode())
    assert watch.usage == Usage(units=Units(images=2))
