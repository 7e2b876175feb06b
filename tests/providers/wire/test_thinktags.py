"""``<think>`` text becomes reasoning, wherever the network cuts it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.thinktags import ThinkTags, split_reply
from providers.wire.types import (
    Choice,
    Citation,
    Event,
    Finish,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Reply,
    Start,
    Text,
    TextDelta,
    ToolCall,
    ToolStart,
)


def run(*events: Event) -> list[Event]:
    tags = ThinkTags()
    found = [made for event in events for made in tags.feed(event)]
    return found + tags.end()


def said(events: list[Event]) -> tuple[str, str]:
    """(reasoning, text)"""
    return (
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "".join(event.text for event in events if isinstance(event, TextDelta)),
    )


def cut(text: str, places: list[int]) -> list[Event]:
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [TextDelta(text=text[a:b]) for a, b in pairwise(ends)]


CASES = [
    ("<think>a</think>b", "a", "b"),
    ("\n <think>\na b\n</think>\n\nYes", "a b\n", "Yes"),
    ("<thinking>a</think>b</thinking>c", "a</think>b", "c"),
    ("<think></think>b", "", "b"),
    ("<think>never closed </thi", "never closed </thi", ""),
    ("plain", "", "plain"),
    ("", "", ""),
    ("<thin", "", "<thin"),
    ("<thinker>x</thinker>", "", "<thinker>x</thinker>"),
    ("Use <think>a</think> so", "", "Use <think>a</think> so"),
    ("```\n<think>a</think>\n```", "", "```\n<think>a</think>\n```"),
    ("<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
    ("  leading space", "", "  leading space"),
    (" " * 20 + "<think>a</think>", "", " " * 20 + "<think>a</think>"),
    ("a</think>b", "", "a</think>b"),
    ("<think>a < b</ </think>c", "a < b</ ", "c"),
]


@pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
def test_at_once_and_letter_by_letter(text: str, reasoning: str, answer: str) -> None:
    assert said(run(TextDelta(text=text))) == (reasoning, answer)
    assert said(run(*(TextDelta(text=letter) for letter in text))) == (reasoning, answer)


pieces = st.sampled_from(("<think>", "</think>", "<thinking>", "</thinking>", "<", "</", "think>", " ", "\n", "a", "é"))


@given(st.lists(pieces, max_size=12).map("".join), st.lists(st.integers(0, 60), max_size=12))
def test_any_cutting_gives_the_same(text: str, places: list[int]) -> None:
    assert said(run(*cut(text, places))) == said(run(TextDelta(text=text)))


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_text_without_tags_passes_and_is_hardly_held_back(text: str, places: list[int]) -> None:
    events = cut(text, places)
    assert said(run(*events)) == ("", text)
    tags, passed = ThinkTags(), 0
    for number, event in enumerate(events):
        passed += sum(len(made.text) for made in tags.feed(event) if isinstance(made, TextDelta))
        fed = sum(len(before.text) for before in events[: number + 1] if isinstance(before, TextDelta))
        assert fed - passed <= len("<thinking>") + 16


def test_events_that_pass_are_the_same_objects() -> None:
    events: list[Event] = [
        Start(),
        TextDelta(text="<"),
        TextDelta(text="b", logprobs={"content": []}),
        Finish(reason="stop"),
    ]
    found = run(*events)
    assert [id(event) for event in found] == [id(event) for event in events]


def test_what_comes_behind_does_not_wait() -> None:
    call = ToolStart(index=0, id="c", name="f")
    assert run(TextDelta(text="<th"), call) == [TextDelta(text="<th"), call]
    assert run(TextDelta(text="<think>a</t"), call, TextDelta(text="b</think>c")) == [
        ReasoningDelta(text="a"),
        ReasoningDelta(text="</t"),
        call,
        ReasoningDelta(text="b"),
        TextDelta(text="c"),
    ]


def test_a_stray_closing_tag_behind_reasoning_goes() -> None:
    events = run(ReasoningDelta(text="r"), TextDelta(text="\n</th"), TextDelta(text="ink>\n\nYes"))
    assert events == [ReasoningDelta(text="r"), TextDelta(text="Yes")]


def test_choices_do_not_mix() -> None:
    events = run(
        TextDelta(text="<think>a", choice=0),
        TextDelta(text="b", choice=1),
        TextDelta(text="</think>c", choice=0),
    )
    assert events == [
        ReasoningDelta(text="a", choice=0),
        TextDelta(text="b", choice=1),
        TextDelta(text="c", choice=0),
    ]


def reply(*parts: Part) -> Reply:
    return Reply(choices=(Choice(parts=parts),))


class TestWholeReplies:
    @pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
    def test_as_in_streams(self, text: str, reasoning: str, answer: str) -> None:
        found = split_reply(reply(Text(text=text))).choices[0].parts
        assert "".join(part.text for part in found if isinstance(part, Reasoning)) == reasoning
        assert "".join(part.text for part in found if isinstance(part, Text)) == answer
        assert len(found) <= 2

    def test_what_has_no_tags_is_the_same_object(self) -> None:
        plain = reply(Reasoning(text="r"), Text(text="a"), Refusal(text="x"), ToolCall(id="c", name="f"))
        assert split_reply(plain) is plain

    def test_citations_move_with_the_text(self) -> None:
        (thought, text) = (
            split_reply(reply(Text(text="<think>a</think>Rain", citations=(Citation(url="u", start=16, end=20),))))
            .choices[0]
            .parts
        )
        assert thought == Reasoning(text="a")
        assert text == Text(text="Rain", citations=(Citation(url="u", start=0, end=4),))

    def test_the_parts_behind_stay(self) -> None:
        call = ToolCall(id="c", name="f")
        assert split_reply(reply(Text(text="<think>a"), call)).choices[0].parts == (Reasoning(text="a"), call)
