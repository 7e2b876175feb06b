"""By what a conversation is known again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from routing.sessions import session_of


def fields(**body: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}


def said(*texts: str, start: str = "user") -> list[dict[str, str]]:
    other = {"user": "assistant", "assistant": "user"}
    turns, role = [], start
    for text in texts:
        turns.append({"role": role, "content": text})
        role = other[role]
    return turns


@pytest.mark.parametrize("name", ["messages", "input"])
def test_later_turns_have_the_key_of_the_first(name: str) -> None:
    system = {"role": "system", "content": "be kind"}
    first, goes_on = session_of("1", (), fields(**{name: [system, *said("hi")]}))
    assert not goes_on
    later = session_of("1", (), fields(**{name: [system, *said("hi", "hello", "more")]}))
    assert later == (first, True)


def test_gemini_and_a_system_field() -> None:
    opening = {"role": "user", "parts": [{"text": "hi"}]}
    first, _ = session_of("1", (), fields(systemInstruction={"parts": []}, contents=[opening]))
    later = session_of("1", (), fields(systemInstruction={"parts": []}, contents=[opening, {"role": "model"}]))
    assert later == (first, True)
    other, _ = session_of("1", (), fields(systemInstruction={"parts": [1]}, contents=[opening]))
    assert other != first


def test_other_callers_and_other_openings_are_other_conversations() -> None:
    keys = {session_of(caller, (), fields(messages=said(text)))[0] for caller in ("1", "2") for text in ("hi", "hello")}
    assert len(keys) == 4


@pytest.mark.parametrize("field", ["prompt_cache_key", "conversation", "previous_response_id"])
def test_a_field_that_names_it(field: str) -> None:
    one = session_of("1", (), fields(messages=said("a"), **{field: "x"}))
    assert one == session_of("1", (), fields(messages=said("b"), **{field: "x"})) and one[1]
    assert session_of("1", (), fields(messages=said("b"), **{field: None}))[1] is False


def test_a_header_that_names_it() -> None:
    one = session_of("1", ((b"session_id", b"x"),), fields(input="a"))
    assert one == session_of("1", ((b"session_id", b"x"),), fields(input="b"))
    assert one != session_of("2", ((b"session_id", b"x"),), fields(input="b"))


@pytest.mark.parametrize("odd", [{"messages": "text"}, {"messages": [1, 2]}, {"messages": {"a": 1}}, {}])
def test_what_no_upstream_takes_is_no_conversation(odd: dict[str, Any]) -> None:
    assert session_of("1", (), fields(**odd))[1] is False
