"""Streams, both ways."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.wire.anthropic.stream import KEEP_ALIVE, Reader, Writer
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.frames import EventSplitter, payload
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Citation,
    CitationAdded,
    Event,
    Finish,
    Opaque,
    OpaqueAdded,
    Proof,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Request,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)
from tests.providers.wire.grammar_anthropic import check, check_blocks, events

GOLDEN = Path(__file__).parents[3] / "golden" / "anthropic"
STREAMS = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.sse")}
ASKED = Asked(request=Request(model="m", stream=True), model="fast", id="abc123", created=1)
USAGE = Usage(input=140, cached=100, cache_write=30, cache_write_1h=20, output=89, reasoning=40)
SIGNATURE = Proof(family="anthropic", kind="signature", value="EqQBCgIYAhIM+/=")
REDACTED = Proof(family="anthropic", kind="redacted", value="EmwKAhgBEgy3va3p")


def read(chunks: Iterable[bytes], names: Names | None = None) -> list[Event]:
    splitter, reader = EventSplitter(), Reader(names or Names())
    found = [event for chunk in chunks for frame in splitter.feed(chunk) for event in reader.frame(payload(frame))]
    found += reader.frame(payload(splitter.flush()))
    return found + reader.end()


def frames(*values: Any) -> list[Event]:
    reader = Reader(Names())
    return [event for value in values for event in reader.frame(json.dumps(value).encode())] + reader.end()


def write(*values: Event, usage: Usage | None = None) -> bytes:
    writer = Writer(ASKED)
    return b"".join(writer.write(value) for value in values) + writer.end(usage)


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **piece: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": piece}


def ended(reason: str | None = "end_turn") -> list[dict[str, Any]]:
    finish = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return [finish, {"type": "message_stop"}]


# -- reading -----------------------------------------------------------------------------------------------------------
def test_text() -> None:
    assert read([STREAMS["hello"]]) == [
        Start(id="msg_01Ab", model="claude-sonnet-4-5", usage=Usage(input=25, output=1)),
        TextDelta(text="Hel"),
        TextDelta(text="lo \u2028ü"),
        Finish(reason="stop"),
        UsageSeen(usage=Usage(input=25, output=15)),
    ]


def test_thinking_and_calls() -> None:
    assert read([STREAMS["tools"]])[1:] == [
        ReasoningDelta(text="Let me "),
        ReasoningDelta(text="see."),
        ReasoningProof(proof=SIGNATURE),
        ReasoningProof(proof=REDACTED, block=1),
        TextDelta(text="Two calls.", block=2),
        ToolStart(index=0, id="toolu_01A", name="get_weather"),
        ToolDelta(index=0, arguments='{"city": "Par'),
        ToolDelta(index=0, arguments='is"}'),
        ToolEnd(index=0),
        ToolStart(index=1, id="toolu_01B", name="now"),
        ToolEnd(index=1),
        Finish(reason="tool_calls"),
        UsageSeen(usage=USAGE),
    ]


def test_server_tools_and_citations() -> None:
    _, call, result, text, citation, finish, usage = read([STREAMS["search"]])
    assert isinstance(call, OpaqueAdded) and call.part.value["input"] == {"query": "news"}
    assert isinstance(result, OpaqueAdded) and result.part.value["type"] == "web_search_tool_result"
    assert text == TextDelta(text="So it is.", block=2)
    assert isinstance(citation, CitationAdded) and citation.citation.url == "https://example.com/a"
    assert finish == Finish(reason="pause")
    assert usage == UsageSeen(usage=Usage(input=600, output=44))


def test_an_error_in_mid_stream() -> None:
    with pytest.raises(UpstreamFailure) as caught:
        read([STREAMS["overloaded"]])
    assert (caught.value.kind, caught.value.message) == (Kind.OVERLOADED, "Overloaded")


def test_a_compatible_vendor() -> None:
    names = Names()
    found = read([STREAMS["compatible"]], names)
    call = found[2]
    assert found[:2] == [Start(), TextDelta(text="Hi")]
    assert isinstance(call, ToolStart) and call.id and call.name == "now"
    assert found[3:] == [
        ToolDelta(index=0, arguments='{"zone":"UTC"}'),
        ToolEnd(index=0),
        Finish(reason="tool_calls"),
        UsageSeen(usage=Usage(input=12, output=7)),
    ]


@given(data=st.data(), name=st.sampled_from(["hello", "tools", "search", "compatible"]), crlf=st.booleans())
@settings(max_examples=120, deadline=None)
def test_events_do_not_depend_on_where_the_network_cuts(data: st.DataObject, name: str, crlf: bool) -> None:
    stream = STREAMS[name].replace(b"\n", b"\r\n") if crlf else STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(chunks) == read([STREAMS[name]])


@pytest.mark.parametrize("size", [10, 300, 700])
def test_a_cut_stream_is_a_failure(size: int) -> None:
    with pytest.raises(UpstreamFailure) as caught:
        read([STREAMS["hello"][:size].rpartition(b"\n\n")[0] + b"\n\n"])
    assert caught.value.kind == Kind.PROTOCOL


def test_done_is_told_at_the_last_event() -> None:
    reader = Reader(Names())
    for value in (start(0, type="text", text="x"), ended()[0]):
        reader.frame(json.dumps(value).encode())
        assert not reader.done
    assert reader.frame(b'{"type": "message_stop"}') == []
    assert reader.done and reader.end() == [] and reader.frame(b"rubbish") == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([delta(0, type="text_delta", text="x"), *ended()], [TextDelta(text="x")]),
        ([delta(0, type="thinking_delta", thinking="x"), *ended()], [ReasoningDelta(text="x")]),
        ([start(0, type="text", text="x"), {"type": "message_stop"}], [TextDelta(text="x")]),
        ([start(0, type="text", text="x"), {"type": "new_thing"}, *ended()], [TextDelta(text="x")]),
        (
            [start(0, type="thinking", thinking="x", signature="EqQBCgIYAhIM+/="), *ended()],
            [ReasoningDelta(text="x"), ReasoningProof(proof=SIGNATURE)],
        ),
    ],
)
def test_oddities(values: list[Any], expected: list[Event]) -> None:
    found = frames(*values)
    assert [event for event in found if not isinstance(event, UsageSeen)] == [Start(), *expected, Finish(reason="stop")]


def test_zeros_at_the_end_take_nothing_away() -> None:
    opening = {"type": "message_start", "message": {"id": "a", "usage": {"input_tokens": 9, "output_tokens": 0}}}
    closing = ended()[0] | {"usage": {"input_tokens": 0, "output_tokens": 4}}
    found = frames(opening, start(0, type="text", text="x"), closing)
    assert found[-1] == UsageSeen(usage=Usage(input=9, output=4))


@pytest.mark.parametrize(
    "values",
    [
        [{"type": "message_start", "message": {}}, {"type": "message_stop"}],
        [delta(0, type="input_json_delta", partial_json="{}")],
        [start(0, type="tool_use", id="a")],
        ["text"],
        [{"error": {"message": "no"}}],
        [start(0, type="server_tool_use", id="a"), delta(0, type="input_json_delta", partial_json="{"), *ended()],
    ],
)
def test_what_cannot_be_understood_is_a_failure(values: list[Any]) -> None:
    with pytest.raises(UpstreamFailure):
        frames(*values)


KINDS = (
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "error", "ping",
)  # fmt: skip
some_values = st.sampled_from(["text_delta", "input_json_delta", "text", "tool_use", "thinking", {"a": 1}, [], 3, None])
some_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "index": st.integers(0, 3) | st.text(max_size=1),
        "delta": st.dictionaries(st.sampled_from(["type", "text", "partial_json", "stop_reason"]), some_values),
        "content_block": st.dictionaries(st.sampled_from(["type", "id", "name", "input", "text"]), some_values),
        "message": st.none() | st.just({"usage": {"input_tokens": -1}}),
        "usage": st.just({"output_tokens": 1e300}),
    },
)


@given(st.lists(st.binary(max_size=30) | some_frames.map(msgspec.json.encode), max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_frames_are_events_or_a_failure(data: list[bytes]) -> None:
    reader = Reader(Names())
    with contextlib.suppress(UpstreamFailure):
        found = [event for frame in data for event in reader.frame(frame)] + reader.end()
        assert isinstance(found[0], Start) and sum(isinstance(event, Finish) for event in found) == 1
        starts = [event for event in found if isinstance(event, ToolStart)]
        assert len(starts) == sum(isinstance(event, ToolEnd) for event in found)


# -- writing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["hello", "tools", "search", "compatible"])
def test_a_stream_that_was_read_is_written_in_grammar(name: str) -> None:
    message = check(write(*read([STREAMS[name]])))
    assert message["id"] == "msg_abc123" and message["model"] == "fast"
    again = read([write(*read([STREAMS[name]]))])
    assert again[1:] == read([STREAMS[name]])[1:]


def test_usage_comes_first_and_last() -> None:
    said = events(write(Start(usage=Usage(input=7)), TextDelta(text="x"), UsageSeen(usage=USAGE)))
    assert said[0]["message"]["usage"]["input_tokens"] == 7
    assert said[-2]["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 100,
        "output_tokens": 89,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    assert events(write(TextDelta(text="x"), usage=Usage(input=1, output=2)))[-2]["usage"]["output_tokens"] == 2


def test_interleaved_calls_wait_for_each_other() -> None:
    message = check(
        write(
            Start(),
            TextDelta(text="Both."),
            ToolStart(index=0, id="a", name="f"),
            ToolDelta(index=0, arguments='{"x":'),
            ToolStart(index=1, id="b", name="g"),
            ToolDelta(index=1, arguments='{"y":'),
            ToolDelta(index=0, arguments="1}"),
            TextDelta(text="After.", block=1),
            ToolEnd(index=0),
            ToolDelta(index=1, arguments="2}"),
            ToolStart(index=2, id="a", name="h"),
            ToolEnd(index=1),
            Finish(reason="tool_calls"),
        )
    )
    said = [block.get("input", block.get("text")) for block in message["content"]]
    assert said == ["Both.", {"x": 1}, {"y": 2}, "After.", {}]
    assert len({block["id"] for block in message["content"] if block["type"] == "tool_use"}) == 3
    assert message["stop_reason"] == "tool_use"


def test_reasoning_of_others_is_shown_and_their_proofs_are_not() -> None:
    foreign = Proof(family="openai_responses", kind="encrypted", value="x")
    message = check(
        write(ReasoningDelta(text="hm"), ReasoningProof(proof=foreign), TextDelta(text="Hi"), Finish(reason="stop"))
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "Hi"},
    ]


def test_a_signature_without_text_has_a_block_of_its_own() -> None:
    message = check(write(ReasoningProof(proof=SIGNATURE), ReasoningDelta(text="b", block=1), TextDelta(text="Hi")))
    assert message["content"][0] == {"type": "thinking", "thinking": "", "signature": SIGNATURE.value}
    assert message["content"][1] == {"type": "thinking", "thinking": "b", "signature": ""}


def test_refusals_are_text_with_a_reason() -> None:
    message = check(write(RefusalDelta(text="I can"), RefusalDelta(text="not."), Finish(reason="stop")))
    assert message["content"] == [{"type": "text", "text": "I cannot."}] and message["stop_reason"] == "refusal"


def test_citations_of_others_become_web_results() -> None:
    cited = CitationAdded(citation=Citation(url="https://e.com", title="E"))
    message = check(write(cited, TextDelta(text="x"), cited))
    assert [citation["url"] for citation in message["content"][0]["citations"]] == ["https://e.com"]


def test_other_choices_and_foreign_parts_have_no_place() -> None:
    part = OpaqueAdded(part=Opaque(family="gemini", value={}))
    message = check(write(TextDelta(text="x"), TextDelta(text="y", choice=1), part, Finish(reason="length", choice=1)))
    assert message["content"] == [{"type": "text", "text": "x"}] and message["stop_reason"] == "end_turn"


@pytest.mark.parametrize("before", [(), (TextDelta(text="x"),), (ToolStart(index=0, id="a", name="f"),)])
def test_a_failure_is_the_last_word(before: tuple[Event, ...]) -> None:
    writer = Writer(ASKED)
    data = b"".join(writer.write(event) for event in (Start(), *before))
    data += writer.fail(Refusal(529, "Overloaded"))
    assert writer.end(None) == writer.write(TextDelta(text="y")) == writer.fail(Refusal(500, "x")) == b""
    said = events(data)
    assert said[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    check_blocks(said[1:-1], cut=True)


def test_the_end_comes_once() -> None:
    writer = Writer(ASKED)
    data = writer.end(None)
    assert check(data)["content"] == []
    assert writer.end(None) == writer.fail(Refusal(500, "x")) == writer.write(TextDelta(text="x")) == b""


def test_keep_alives_are_pings() -> None:
    assert events(KEEP_ALIVE) == [{"type": "ping"}]


SEARCH = Opaque(family="anthropic", value={"type": "server_tool_use", "input": {"q": 1}})
pieces = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=4)
some_events = st.one_of(
    st.builds(TextDelta, text=pieces, block=st.integers(0, 2)),
    st.builds(RefusalDelta, text=pieces),
    st.builds(ReasoningDelta, text=pieces, block=st.integers(0, 2)),
    st.builds(ReasoningProof, proof=st.sampled_from([SIGNATURE, REDACTED]), block=st.integers(0, 2)),
    st.builds(CitationAdded, citation=st.just(Citation(url="u"))),
    st.builds(ToolStart, index=st.integers(0, 3), id=st.sampled_from(["a", "b", "", "x y"]), name=st.just("f")),
    st.builds(ToolEnd, index=st.integers(0, 3)),
    st.builds(OpaqueAdded, part=st.just(SEARCH)),
    st.builds(UsageSeen, usage=st.just(USAGE)),
    st.builds(Finish, reason=st.sampled_from(["stop", "tool_calls", "length"])),
)  # fmt: skip


@given(st.lists(some_events, max_size=25))
@settings(max_examples=200, deadline=None)
def test_every_order_of_events_becomes_a_stream_in_grammar(said: list[Event]) -> None:
    content = check(write(*said))["content"]
    assert sum(len(b["text"]) for b in content if b["type"] == "text") == sum(
        len(e.text) for e in said if isinstance(e, (TextDelta, RefusalDelta))
    )
    assert sum(b["type"] == "tool_use" for b in content) == sum(isinstance(e, ToolStart) for e in said)
