"""What a request may need at most."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from providers.entry import Model, Price
from providers.upstream import Attempt
from providers.wire.types import Units
from routing.gateway.worst import Demand
from tests.routing.samples import attempt

ATTEMPT = attempt()
SMALL = Attempt(replace(ATTEMPT.entry, models={"large": Model(id="large", context=100)}), ATTEMPT.link, "large")
PRICE = Price(input=Decimal(1), output=Decimal(1000))


def demand(operation: str = "chat", **fields: Any) -> Demand:
    body = msgspec.json.encode(fields)
    return Demand(operation, body, msgspec.json.decode(body, type=dict[str, msgspec.Raw]))


def output(found: Demand) -> int:
    worst = found.worst(ATTEMPT, Price(input=Decimal(0), output=Decimal(1_000_000)))
    assert worst is not None
    return int(worst)


@pytest.mark.parametrize(
    ("operation", "fields", "tokens"),
    [
        ("chat", {"max_tokens": 7}, 7),
        ("chat", {"max_completion_tokens": 9, "max_tokens": 7}, 9),
        ("chat", {"max_output_tokens": 9}, 9),
        ("chat", {"max_tokens": 7, "n": 3}, 21),
        ("completions", {"max_tokens": 7, "best_of": 4, "n": 2}, 28),
        ("completions", {"prompt": ["x"] * 100, "max_tokens": 7}, 700),
        ("completions", {"prompt": [[1, 2], [3]], "max_tokens": 7, "best_of": 4, "n": 2}, 56),
        ("completions", {"prompt": [1, 2, 3], "max_tokens": 7}, 7),
        ("completions", {"prompt": [], "max_tokens": 7}, 7),
        ("completions", {"prompt": "[x]", "max_tokens": 7}, 7),
        ("chat", {"generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}, 10),
        ("chat", {}, 4096),
        ("chat", {"max_tokens": None, "n": None}, 4096),
        ("chat", {"max_tokens": -1}, 4096),
        ("chat", {"max_tokens": 1.5}, 4096),
        ("chat", {"generationConfig": "x"}, 4096),
        ("chat", {"generationConfig": {"maxOutputTokens": "5", "candidateCount": "8"}}, 40),
        ("chat", {"generationConfig": {"maxOutputTokens": 5e3, "candidateCount": 8.0}}, 40_000),
        ("chat", {"generationConfig": {"maxOutputTokens": "5e3"}, "generation_config": {"candidate_count": 8}}, 40_000),
        ("chat", {"max_tokens": 10**12}, 10**9),
        ("chat", {"max_tokens": "Infinity"}, 4096),
        ("chat", {"max_tokens": "-5"}, 4096),
        ("chat", {"max_tokens": True, "n": [8]}, 4096),
        ("chat", {"max_tokens": 7, "n": 1000}, 7000),
        ("chat", {"max_tokens": 10**12, "n": 10**12}, 10**11),
        ("embeddings", {"input": "x"}, 0),
        ("images", {"n": 2}, 16384),
    ],
)
def test_output(operation: str, fields: dict[str, Any], tokens: int) -> None:
    assert output(demand(operation, **fields)) == tokens


def test_input_is_never_less_than_a_token_for_two_bytes_and_pictures_count_less() -> None:
    text = demand(messages="x" * 999, max_tokens=1).worst(ATTEMPT, PRICE)
    assert text is not None and text > Decimal("0.0005")
    picture = demand(messages="A" * 1_000_000, max_tokens=1)
    assert 50_000 <= (picture.worst(ATTEMPT, Price(input=Decimal(1_000_000), output=Decimal(0))) or 0) <= 51_000


def test_the_dearest_way_to_take_input_counts() -> None:
    dear = Price(input=Decimal(1), output=Decimal(0), cache_write=Decimal(2), cache_write_1h=Decimal(4))
    plain = Price(input=Decimal(1), output=Decimal(0))
    body = demand(messages="x" * 1000)
    assert body.worst(ATTEMPT, dear) == 4 * (body.worst(ATTEMPT, plain) or 0)


def test_a_price_without_the_class_that_is_needed_is_none() -> None:
    assert demand(max_tokens=1).worst(ATTEMPT, Price(input=Decimal(1))) is None
    assert demand("embeddings").worst(ATTEMPT, Price(input=Decimal(1))) is not None


def test_units_bound_a_service_at_the_dearest_way_to_count() -> None:
    by_picture = Price(per={"image": Decimal("0.04")})
    asked = Demand("images", b"x" * 100, most=lambda: Units(images=3))
    assert asked.worst(ATTEMPT, by_picture) == Decimal("0.12")
    tokens = Price(input=Decimal(0), output=Decimal(10), per={"image": Decimal("0.04"), "image_output": Decimal(30)})
    assert asked.worst(ATTEMPT, tokens) == 8192 * Decimal("0.00003")
    assert asked.worst(ATTEMPT, Price(per={"query": Decimal(1)})) is None


def test_a_unit_that_nothing_bounds_is_none() -> None:
    by_minute = Price(input=Decimal(1), output=Decimal(1), per={"audio_minute": Decimal("0.006")})
    assert Demand("transcription", b"", most=lambda: None).worst(ATTEMPT, by_minute) is None
    assert Demand("transcription", b"", most=lambda: Units(seconds=Decimal(6000))).worst(ATTEMPT, by_minute) == Decimal(
        "0.6"
    )


def test_a_chat_may_be_heard_drawn_or_spoken_at_the_dearest_price() -> None:
    said = demand(messages="x" * 10, max_tokens=1)
    text = Price(input=Decimal(1), output=Decimal(2))
    dear = Price(
        input=Decimal(1),
        output=Decimal(2),
        per={"audio_input": Decimal(3), "image_output": Decimal(5), "audio_output": Decimal(6)},
    )
    threefold = Price(input=Decimal(3), output=Decimal(6))
    cheap = Price(input=Decimal(1), output=Decimal(2), per={"audio_input": Decimal(0), "image_output": Decimal(1)})
    assert said.worst(ATTEMPT, dear) == said.worst(ATTEMPT, threefold)
    assert said.worst(ATTEMPT, cheap) == said.worst(ATTEMPT, text)


def test_speech_may_be_counted_in_tokens_of_sound() -> None:
    price = Price(input=Decimal(0), output=Decimal(1), per={"audio_output": Decimal(20)})
    assert Demand("speech", b"").worst(ATTEMPT, price) == 8192 * Decimal("0.00002")


LINK = "https://files.example/large"
NAMED: list[tuple[dict[str, Any], bool]] = [
    ({"type": "image_url", "image_url": {"url": LINK}}, True),
    ({"type": "input_image", "image_url": LINK}, True),
    ({"type": "input_image", "file_id": "file-1"}, True),
    ({"type": "input_file", "file_url": LINK}, False),
    ({"type": "file", "file": {"file_id": "file-1"}}, False),
    ({"type": "file", "file": {"file_data": LINK}}, False),
    ({"type": "input_audio", "input_audio": {"data": LINK}}, False),
    ({"type": "video_url", "video_url": {"url": LINK}}, False),
    ({"type": "image", "source": {"type": "url", "url": LINK}}, True),
    ({"type": "document", "source": {"type": "url", "url": LINK}}, False),
    ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, False),
    ({"fileData": {"mimeType": "image/png", "fileUri": LINK}}, True),
    ({"file_data": {"mime_type": "video/mp4", "file_uri": LINK}}, False),
]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("place", ["content", "parts", "output"])
@pytest.mark.parametrize(("part", "picture"), NAMED)
def test_what_is_only_named_is_more_than_its_address(
    part: dict[str, Any], picture: bool, place: str, read: bool
) -> None:
    turns: dict[str, Any] = {"messages": [{"role": "user", place: [{"type": "text", "text": "Look:"}, part]}]}
    asked = Demand("chat", b"", turns) if read else demand(**turns)
    price = Price(input=Decimal(1_000_000), output=Decimal(0))
    found = asked.worst(ATTEMPT, price)
    assert (found is not None and 50_000 <= found < 51_000) if picture else found is None
    assert asked.worst(SMALL, price) == 100


@pytest.mark.parametrize("name", ["cachedContent", "cached_content", "previous_response_id", "conversation"])
def test_what_the_vendor_keeps_is_bounded_by_the_context_alone(name: str) -> None:
    price = Price(input=Decimal(1_000_000), output=Decimal(0))
    kept = demand(contents=[], **{name: "kept-1"})
    assert (kept.worst(ATTEMPT, price), kept.worst(SMALL, price)) == (None, 100)
    assert demand(contents=[], **{name: None}).worst(ATTEMPT, price) is not None


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "text", "text": LINK, "annotations": [{"type": "file_citation", "file_id": "file-1"}]},
        {"type": "tool_use", "input": {"image_url": LINK, "file_id": "mine"}},
        {"type": "search_result", "source": LINK, "content": []},
    ],
)
def test_what_is_sent_counts_by_its_length(part: dict[str, Any]) -> None:
    price = Price(input=Decimal(1_000_000), output=Decimal(0))
    found = demand(messages=[{"role": "user", "content": [part]}]).worst(ATTEMPT, price)
    assert found is not None and found < 200


@pytest.mark.parametrize(
    ("operation", "fields", "tokens"),
    [
        ("chat", {"messages": "x" * 1000}, 100),
        ("completions", {"prompt": "x" * 1000}, 100),
        ("completions", {"prompt": ["x" * 500] * 3}, 300),
        ("embeddings", {"input": ["x" * 500] * 3}, 760),
        ("rerank", {"documents": ["x" * 500] * 3}, 760),
    ],
)
def test_a_models_context_bounds_each_prompt(operation: str, fields: dict[str, Any], tokens: int) -> None:
    price = Price(input=Decimal(1_000_000), output=Decimal(0))
    worst = demand(operation, **fields).worst(SMALL, price)
    assert worst is not None and tokens <= worst <= tokens + 5
