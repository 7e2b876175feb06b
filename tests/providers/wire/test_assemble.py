"""A stream's events make the reply they tell, and a reply's events make it again."""

from __future__ import annotations

import pytest

from providers.wire.assemble import MOST_KEPT, Assembly, events_of
from providers.wire.types import (
    Choice,
    Citation,
    Finish,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Reply,
    Start,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
)

SEAL = Proof(family="anthropic", kind="signature", value="c2ln")
PARTS: tuple[tuple[Part, ...], ...] = (
    (Text(text="Hello"),),
    (Reasoning(text="because", proof=SEAL), Text(text="so"), ToolCall(id="a", name="look", arguments='{"x": 1}')),
    (Reasoning(proof=SEAL), ToolCall(id="a", name="one"), ToolCall(id="b", name="two", arguments="{}")),
    (Text(text="cited", citations=(Citation(url="https://a.example"),)),),
    (Refusal(text="no"),),
    (Reasoning(text="in short", summary=True), Text(text="yes", proof=SEAL)),
)


@pytest.mark.parametrize("parts", PARTS)
def test_there_and_back(parts: tuple[Part, ...]) -> None:
    told = Reply(id="r", model="m", choices=(Choice(parts=parts, finish="stop"),), usage=Usage(input=3, output=4))
    assembly = Assembly()
    for event in events_of(told):
        assembly.add(event)
    assert assembly.reply() == told


def test_pieces_and_interleaved_calls_come_together() -> None:
    assembly = Assembly()
    for event in (
        Start(id="r"),
        TextDelta(text="a"),
        TextDelta(text="b"),
        TextDelta(text="c", block=1),
        ToolStart(index=0, id="x", name="one"),
        ToolStart(index=1, id="y", name="two"),
        ToolDelta(index=0, arguments="{"),
        ToolDelta(index=1, arguments="[]"),
        ToolDelta(index=0, arguments="}"),
        ToolEnd(index=1, proof=SEAL),
        ToolEnd(index=0),
        TextDelta(text="of another choice", choice=1),
        Finish(reason="tool_calls"),
    ):
        assembly.add(event)
    assert assembly.parts() == (
        Text(text="ab"),
        Text(text="c"),
        ToolCall(id="x", name="one", arguments="{}"),
        ToolCall(id="y", name="two", arguments="[]", proof=SEAL),
    )
    assert assembly.finish == "tool_calls"


def test_what_has_no_event_is_left_out() -> None:
    reply = Reply(choices=(Choice(parts=(Opaque(family="gemini", value={}), Text(text="x"))),))
    assembly = Assembly()
    for event in events_of(reply):
        assembly.add(event)
    assert assembly.parts() == (Text(text="x"),)


def test_an_endless_reply_is_not_kept() -> None:
    assembly = Assembly()
    for _ in range(5):
        assembly.add(TextDelta(text="x" * (MOST_KEPT // 4)))
    assert assembly.overflowed
    assert assembly.parts() == ()
