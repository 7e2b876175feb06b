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


TOKEN = Price(input=Decimal(1_000_000), output=Decimal(0))  # USD 1 for each of the prompt


def prompt(*parts: dict[str, Any], attempt: Attempt = ATTEMPT) -> int | None:
    found = demand(messages=[{"role": "user", "content": list(parts)}]).worst(attempt, TOKEN)
    return None if found is None else int(found)


def test_input_is_never_less_than_a_token_for_two_bytes() -> None:
    text = demand(messages="x" * 999, max_tokens=1).worst(ATTEMPT, PRICE)
    assert text is not None and text > Decimal("0.0005")
    assert demand(messages="A" * 1_000_000).worst(ATTEMPT, TOKEN) >= 500_000  # looks like a picture, and is text
    assert demand("completions", prompt="A" * 1_000_000).worst(ATTEMPT, TOKEN) >= 500_000
    assert demand("embeddings", input="A" * 1_000_000).worst(ATTEMPT, TOKEN) >= 500_000
    assert demand("images", image="A" * 1_000_000).worst(ATTEMPT, TOKEN) <= 51_000


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
        {"type": "text", "text": LINK, "annotations": [{"type": "file_citation", "file_id": "file-1"}]},
        {"type": "tool_use", "id": "toolu_1", "input": {"image_url": LINK, "file_id": "mine"}},
        {"type": "search_result", "source": LINK, "content": []},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,SGVsbG8="}},
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "reasoning.encrypted", "id": "rs_1", "data": "c2VhbGVk"},
    ],
)
def test_what_is_text_counts_by_its_length(part: dict[str, Any]) -> None:
    assert 20 < (prompt(part) or 0) < 200


@pytest.mark.parametrize("size", [8, 1_000_000])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        lambda data: {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
        lambda data: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        lambda data: {"type": "tool_result", "content": [{"inline_data": {"mime_type": "image/png", "data": data}}]},
        lambda data: {"inlineData": {"mimeType": "image/png", "data": data}},
        lambda data: {"type": "image_generation_call", "id": "ig_1", "result": data},
    ],
)
def test_a_picture_that_is_sent_counts_as_the_largest_whatever_its_bytes(wrap: Any, size: int) -> None:
    part = wrap("A" * size)
    assert 50_000 <= (prompt(part) or 0) <= 50_100
    assert 150_000 <= (prompt(part, part, part) or 0) <= 150_300
    assert prompt(part, attempt=SMALL) == 100


@pytest.mark.parametrize("begins", ["UklG", "SUQz", "//uQ"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
        lambda data: {"inlineData": {"mimeType": "audio/mpeg", "data": data}},
    ],
)
def test_a_recording_counts_by_its_bytes_where_these_bound_its_length(wrap: Any, begins: str) -> None:
    assert 2000 <= (prompt(wrap(begins)) or 0) <= 2100
    assert 50_000 <= (prompt(wrap(begins + "A" * 1_000_000)) or 0) <= 50_100


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "ZkxhQw", "format": "wav"}},  # FLAC, whatever it says
        {"inlineData": {"mimeType": "audio/ogg", "data": "T2dnUw"}},
        {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
        {"inlineData": {"data": "AAAA"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,JVBERi0="}},
    ],
)
def test_what_bytes_do_not_bound_is_bounded_by_the_context_alone(part: dict[str, Any]) -> None:
    assert (prompt(part), prompt(part, attempt=SMALL)) == (None, 100)
    asked = demand(messages=[{"role": "user", "content": [part]}])
    assert asked.worst(ATTEMPT, Price(input=Decimal(0), output=Decimal(0))) == 0
    assert asked.worst(ATTEMPT, Price(input=Decimal(0), output=Decimal(0), input_over_200k=Decimal(1))) is None
    assert asked.boundless(ATTEMPT).startswith("a document, sound, film")
    assert asked.boundless(SMALL) == ""


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize(
    ("turn", "bounded"),
    [
        ({"role": "assistant", "audio": {"id": "audio_1"}}, False),
        ({"role": "assistant", "content": "Hello", "audio": None}, True),
        ({"type": "item_reference", "id": "msg_1"}, False),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, False),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}, True),
        ({"type": "input_file", "file_id": "file-1"}, False),
        ({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}, True),
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, True),
    ],
)
def test_a_turn_that_stands_for_what_the_vendor_keeps(turn: dict[str, Any], bounded: bool, read: bool) -> None:
    turns = {"input": [{"role": "user", "content": "Hello"}, turn]}
    asked = Demand("chat", b"", turns) if read else demand(**turns)
    assert (asked.worst(ATTEMPT, TOKEN) is not None) is bounded
    assert asked.boundless(ATTEMPT) == "" or not bounded


RUN: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "web_search"}]}, "web_search"),
    ({"tools": [{"type": "function", "name": "f"}, {"type": "web_search_preview"}]}, "web_search_preview"),
    ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "file_search"),
    ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "code_interpreter"),
    ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "shell"),
    ({"tools": [{"type": "image_generation"}]}, "image_generation"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "mcp"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}, "web_search_20250305"),
    ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "code_execution_20250825"),
    ({"tools": [{"googleSearch": {}}]}, "googleSearch"),
    ({"tools": [{"functionDeclarations": [], "google_search": {}}]}, "google_search"),
    ({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}, "builtin_function"),
    ({"tools": [], "web_search_options": {}}, "web_search_options"),
    ({"mcp_servers": [{"type": "url", "url": LINK}]}, "mcp_servers"),
    ({"plugins": [{"id": "web"}]}, "plugins"),
]
OURS: list[dict[str, Any]] = [
    {"tools": [{"type": "function", "function": {"name": "web_search"}}]},
    {"tools": [{"name": "web_search", "input_schema": {"type": "object"}}]},
    {"tools": [{"type": "custom", "name": "web_search"}, {"type": "local_shell"}, {"type": "shell"}]},
    {"tools": [{"type": "bash_20250124", "name": "bash"}, {"type": "computer_20250124", "name": "computer"}]},
    {"tools": [{"functionDeclarations": [{"name": "googleSearch"}]}]},
    {"tools": None, "web_search_options": None, "mcp_servers": [], "enable_search": False},
]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize(("fields", "name"), RUN)
def test_a_tool_that_the_vendor_runs_has_no_bound(fields: dict[str, Any], name: str, read: bool) -> None:
    asked = Demand("chat", b"", fields) if read else demand(**fields)
    assert asked.worst(SMALL, TOKEN) is None
    assert asked.boundless(SMALL) == f"the tool '{name}', which the provider runs and bills by the call"


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("fields", OURS)
def test_a_tool_that_the_client_runs_costs_its_words(fields: dict[str, Any], read: bool) -> None:
    asked = Demand("chat", b"", fields) if read else demand(**fields)
    assert asked.worst(ATTEMPT, TOKEN) is not None
    assert asked.boundless(ATTEMPT) == ""


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
