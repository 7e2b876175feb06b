"""What makes two requests the same, and which answers are true tomorrow as well."""

from __future__ import annotations

from typing import Any

import pytest

from providers.wire.errors import Refusal
from routing.gateway.replay import wish_of
from routing.gateway.replay.kept import Kept, Tape
from routing.gateway.replay.meaning import fixed
from routing.gateway.replay.once import Once
from routing.gateway.replay.question import Question
from routing.gateway.replay.shelf import MemoryShelf, flushed
from tests.routing.policies.drafts import draft
from tests.routing.samples import Clock

USER = {"role": "user", "content": "hi"}


def question(format: str = "openai_chat", operation: str = "chat", *, stream: bool = False, **fields: Any) -> Question:
    return Question(draft=draft(format, operation, **fields), model="m", stream=stream)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        (True, question(messages=[USER], temperature=0)),
        (True, question(messages=[USER], temperature=0.0, stream=True)),
        (False, question(messages=[USER])),
        (False, question(messages=[USER], temperature=False)),
        (False, question(messages=[USER], temperature=0, tools=[{"type": "web_search"}])),
        (True, question(messages=[USER], temperature=0, tools=[{"type": "function", "function": {}}])),
        (False, question("gemini", contents=[], generationConfig={"temperature": 0}, tools=[{"googleSearch": {}}])),
        (True, question("gemini", contents=[], generationConfig={"temperature": 0})),
        (False, question("gemini", contents=[], generationConfig={"temperature": 0, "candidateCount": 2})),
        (False, question("anthropic", messages=[USER], temperature=0, tools=[{"type": "bash_20250124", "name": "b"}])),
        (True, question("anthropic", messages=[USER], temperature=0, tools=[{"name": "b", "input_schema": {}}])),
        (False, question("openai_responses", input="hi", temperature=0)),
        (False, question("openai_responses", input="hi", temperature=0, store=False, previous_response_id="r")),
        (True, question("openai_responses", input="hi", temperature=0, store=False)),
        (True, question(operation="embeddings", input="hi")),
        (True, question(operation="rerank", query="hi", documents=[])),
        (False, question(operation="images", prompt="hi")),
        (False, question(operation="speech", input="hi")),
        (False, question(operation="completions", prompt="hi", temperature=0, stream=True)),
    ],
)
def test_what_is_kept(kept: bool, asked: Question) -> None:
    assert asked.cacheable(any_temperature=False) is kept


def test_any_temperature_when_that_is_wanted() -> None:
    assert question(messages=[USER]).cacheable(any_temperature=True)


def test_the_same_question_whichever_way_it_is_told() -> None:
    one = question(messages=[USER], temperature=0)
    other = question(temperature=0, messages=[USER], stream=True, stream_options={"include_usage": True})
    assert one.digest("key:1") == other.digest("key:1")
    assert one.digest("key:1") != one.digest("key:2")


def test_headers() -> None:
    assert wish_of([(b"idempotency-key", b" k "), (b"cache-control", b"max-age=0, No-Store")]) == wish_of(
        [(b"x-omniroute-no-cache", b"true"), (b"idempotency-key", b"k")]
    )
    assert not wish_of([(b"cache-control", b"max-age=0")]).bypass


def test_numbers_and_negations_must_be_the_same() -> None:
    assert fixed("Is 3 safe?") != fixed("Is 4 safe?")
    assert fixed("It works") != fixed("It doesn't work")
    assert fixed("How do I do it?") == fixed("How can it be done?")


async def test_a_shelf_is_bounded_and_forgets() -> None:
    clock = Clock()
    shelf = MemoryShelf(clock)
    shelf.bound(2, 10_000)
    for name in "abc":
        await shelf.put(name, Kept(kind="whole", content_type=b"", body=b"x" * 100, subject=name, at=5.0), 10)
    assert (len(shelf), await shelf.get("a")) == (2, None)
    assert await shelf.get("b") is not None
    shelf.sweep({"c": 6.0})
    assert (len(shelf), await shelf.get("c")) == (1, None)
    clock.now += 11
    assert await shelf.get("b") is None
    assert (len(shelf), shelf.size) == (0, 0)
    shelf.bound(9, 150)
    for name in "ab":
        await shelf.put(name, Kept(kind="whole", content_type=b"", body=b"x" * 100), 10)
    assert len(shelf) <= 1


def test_what_is_older_than_a_flush_is_flushed() -> None:
    kept = Kept(kind="whole", content_type=b"", body=b"", subject="key:1", model="m", at=5.0)
    cases = ({}, {"": 4.0}, {"": 5.0}, {"key:1": 6.0}, {"key:2": 6.0}, {"model:m": 6.0})
    assert [flushed(kept, times) for times in cases] == [False, False, True, True, False, True]


def test_a_tape_that_is_too_long_or_not_whole_is_no_answer() -> None:
    tape = Tape(3)
    tape.begin("whole", ())
    tape.add(b"abcd")
    tape.end()
    assert tape.kept() is None
    open_ended = Tape(9)
    open_ended.begin("stream", ())
    open_ended.add(b"abc")
    assert open_ended.kept() is None


def test_a_key_counts_for_its_window_and_for_one_request() -> None:
    clock = Clock()
    once = Once(clock)
    slot, first = once.find("key:1", "k", "digest")
    assert first
    assert once.find("key:1", "k", "digest") == (slot, False)
    assert once.find("key:2", "k", "other")[1]
    with pytest.raises(Refusal) as told:
        once.find("key:1", "k", "other")
    assert (told.value.status, told.value.code) == (422, "idempotency_key_reused")
    once.answered("key:1", "k", slot, Kept(kind="whole", content_type=b"", body=b"x"), 5)
    assert not once.find("key:1", "k", "digest")[1]
    clock.now += 5
    assert once.find("key:1", "k", "other")[1]
