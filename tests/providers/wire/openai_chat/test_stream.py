"""Chat Completions streams: an upstream's chunks → events, events → a client's chunks."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.frames import EventSplitter, payload
from providers.wire.openai_chat.requests import parse
from providers.wire.openai_chat.stream import Reader, Writer
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Citation,
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    Proof,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)
from tests.providers.wire.grammar_openai_chat import check

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_chat"
WHOLE = sorted({path.stem for path in GOLDEN.rglob("*.sse")} - {"completions", "no_done", "openrouter_error"})


def frames(*pieces: bytes) -> list[bytes]:
    splitter = EventSplitter()
    found = [payload(frame) for piece in pieces for frame in splitter.feed(piece)]
    return [*found, payload(splitter.flush())]


def read(*pieces: bytes, names: Names | None = None) -> list[Event]:
    reader = Reader(names or Names())
    events = [event for data in frames(*pieces) for event in reader.frame(data)]
    return events + reader.end()


def golden(name: str) -> bytes:
    (path,) = GOLDEN.rglob(f"{name}.sse")
    return path.read_bytes()


def streamed(*deltas: Json, finish: Json = "stop") -> bytes:
    """A stream of these deltas."""
    items = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    items.append({"index": 0, "delta": {}, "finish_reason": finish})
    lines = [json.dumps({"id": "c1", "model": "m", "choices": [item]}) for item in items]
    return b"".join(f"data: {line}\n\n".encode() for line in lines) + b"data: [DONE]\n\n"


def called(*entries: Json) -> list[Json]:
    return [{"tool_calls": [entry]} for entry in entries]


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call, having checked that every call is begun and ended in order."""
    found: dict[int, list[str]] = {}
    ended: set[int] = set()
    for event in events:
        if isinstance(event, ToolStart):
            assert event.index == len(found)
            found[event.index] = [event.id, event.name, ""]
        elif isinstance(event, ToolDelta):
            assert event.index not in ended
            found[event.index][2] += event.arguments
        elif isinstance(event, ToolEnd):
            assert event.index not in ended
            ended.add(event.index)
    assert ended == set(found)
    return [(id, name, arguments) for id, name, arguments in found.values()]


# -- reading -------------------------------------------------------------------------------------------------------
class TestReader:
    def test_interleaved_calls(self) -> None:
        events = read(golden("interleaved_calls"))
        assert events[:2] == [Start(id="chatcmpl-7", model="m"), TextDelta(text="Both.")]
        assert calls(events) == [("call_a", "weather", '{"city":"Oslo"}'), ("call_b", "clock", "{}")]
        assert events[-1] == Finish(reason="tool_calls")
        assert UsageSeen(usage=Usage(input=11, output=22)) in events

    def test_openrouter_seals_its_reasoning(self) -> None:
        events = read(golden("openrouter_reasoning"))
        (proof,) = [event.proof for event in events if isinstance(event, ReasoningProof)]
        assert proof.family == "openrouter"
        assert json.loads(proof.value) == {
            "type": "reasoning.text",
            "text": "First this",
            "format": "anthropic-claude-v1",
            "index": 0,
            "signature": "c2lnbmF0dXJl",
        }
        assert [type(event) for event in events] == [
            Start,
            ReasoningDelta,
            ReasoningDelta,
            ReasoningProof,
            ToolStart,
            UsageSeen,
            ToolEnd,
            Finish,
        ]

    def test_two_choices_with_logprobs_and_refusal(self) -> None:
        events = read(golden("two_choices"))
        (text,) = [event for event in events if isinstance(event, TextDelta)]
        assert text.choice == 1 and text.logprobs["content"][0]["token"] == "One"
        assert RefusalDelta(text="I cannot.") in events
        assert {(event.choice, event.reason) for event in events if isinstance(event, Finish)} == {
            (0, "stop"),
            (1, "length"),
        }

    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            pytest.param(
                [
                    {"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"id": "b", "function": {"name": "g", "arguments": "{}"}},
                ],
                [("a", "f", '{"x":1}'), ("b", "g", "{}")],
                id="no index, whole arguments",
            ),
            pytest.param(
                [
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}},
                ],
                [("a", "f", "{}"), ("b", "f", "{}")],
                id="one index for all",
            ),
            pytest.param(
                [
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}},
                ],
                [("a", "f", '{"x":1}')],
                id="id and name repeated",
            ),
            pytest.param(
                [
                    {"index": 0, "id": "a", "function": {"arguments": '{"x"'}},
                    {"index": 0, "function": {"arguments": ":1"}},
                    {"index": 0, "function": {"name": "f", "arguments": "}"}},
                ],
                [("a", "f", '{"x":1}')],
                id="name last",
            ),
            pytest.param(
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
                [("a", "f", '{"x":1}')],
                id="arguments as an object",
            ),
            pytest.param([{"index": 0, "id": "a", "function": {"name": "f"}}], [("a", "f", "")], id="no arguments"),
            pytest.param(
                [
                    {"index": 3, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
                ],
                [("a", "f", "{}"), ("b", "g", "{}")],
                id="indexes out of order",
            ),
        ],
    )
    def test_odd_calls(self, entries: list[Json], expected: list[tuple[str, str, str]]) -> None:
        assert calls(read(streamed(*called(*entries)))) == expected

    def test_calls_without_any_id_get_different_ones(self) -> None:
        found = calls(read(streamed(*called({"function": {"name": "f"}}, {"function": {"name": "g"}}))))
        assert [name for _, name, _ in found] == ["f", "g"]
        assert len({id for id, _, _ in found}) == 2
        assert found == calls(read(streamed(*called({"function": {"name": "f"}}, {"function": {"name": "g"}}))))

    def test_the_deprecated_function_call(self) -> None:
        events = read(
            streamed(
                {"function_call": {"name": "f", "arguments": ""}},
                {"function_call": {"arguments": "{}"}},
                finish="function_call",
            )
        )
        assert [call[1:] for call in calls(events)] == [("f", "{}")]
        assert events[-1] == Finish(reason="tool_calls")

    def test_a_call_without_a_name_is_a_broken_reply(self) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            read(streamed(*called({"index": 0, "id": "a", "function": {"arguments": "{}"}})))
        assert caught.value.kind is Kind.PROTOCOL

    def test_a_first_call_ends_when_the_second_begins(self) -> None:
        entries = [{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
        kinds = [type(event) for event in read(streamed(*called(*entries)))]
        assert kinds == [Start, ToolStart, ToolDelta, ToolEnd, ToolStart, ToolDelta, ToolEnd, Finish]

    def test_names_come_back_as_the_client_knows_them(self) -> None:
        names = Names()
        sent = names.send("files.read", "disk")
        names.wrapped.add("files.read")
        events = read(
            streamed(
                *called(
                    {"index": 0, "id": "a", "function": {"name": sent, "arguments": '{"inp'}},
                    {"index": 0, "function": {"arguments": 'ut":"*.py"}'}},
                )
            ),
            names=names,
        )
        assert events[1:4] == [
            ToolStart(index=0, id="a", name="files.read", custom=True, namespace="disk"),
            ToolDelta(index=0, arguments="*.py"),
            ToolEnd(index=0),
        ]

    @pytest.mark.parametrize(
        "delta",
        [
            {"reasoning_content": "t"},
            {"reasoning": "t"},
            {"reasoning_content": "t", "reasoning": "t"},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "t"}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]},
            {"content": [{"type": "thinking", "thinking": "t"}]},
        ],
    )
    def test_reasoning_in_every_dialect(self, delta: Json) -> None:
        events = [e for e in read(streamed(delta, {"content": "x"})) if not isinstance(e, ReasoningProof)]
        assert events[1:3] == [ReasoningDelta(text="t"), TextDelta(text="x", block=1)]

    @pytest.mark.parametrize(
        ("said", "reason"),
        [("eos", "stop"), ("max_tokens", "length"), ("SENSITIVE", "content_filter"), ("whatever", "other")],
    )
    def test_odd_reasons(self, said: str, reason: str) -> None:
        assert read(streamed({"content": "x"}, finish=said))[-1] == Finish(reason=reason)

    @pytest.mark.parametrize("finish", [None, "", "null_is_not_here"])
    def test_no_reason_is_a_cut_stream(self, finish: Json) -> None:
        if finish == "null_is_not_here":
            raw = streamed({"content": "x"}).partition(b"data: [DONE]")[0].rpartition(b"data: ")[0]
        else:
            raw = streamed({"content": "x"}, finish=finish)
        with pytest.raises(UpstreamFailure) as caught:
            read(raw)
        assert caught.value.kind is Kind.PROTOCOL

    def test_a_stream_without_done_is_whole_when_it_has_its_reason(self) -> None:
        assert read(golden("no_done"))[-1] == Finish(reason="stop")

    @pytest.mark.parametrize(
        "raw",
        [
            b'data: {"error":{"message":"boom","code":"x"}}\n\n',
            b'data: {"id":"a","choices":[{"index":0,"error":{"message":"boom"},"delta":{}}]}\n\n',
            b'data: {"message":"boom"}\n\n',
        ],
    )
    def test_errors_in_band(self, raw: bytes) -> None:
        with pytest.raises(UpstreamFailure, match="boom"):
            read(raw)

    @pytest.mark.parametrize(
        "raw", [b"data: <html>\n\n", b"data: nonsense\n\n", b"data: [1]\n\n", b"", b"data: [DONE]\n\n"]
    )
    def test_what_is_no_stream(self, raw: bytes) -> None:
        with pytest.raises(UpstreamFailure):
            read(raw)

    @pytest.mark.parametrize(
        "extra",
        [
            {"usage": {"prompt_tokens": 3, "completion_tokens": 4}},
            {"x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}},
            {"choices": [{"index": 0, "delta": {}, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}]},
        ],
    )
    def test_usage_in_odd_places(self, extra: Json) -> None:
        chunk = json.dumps({"id": "c1", "choices": [], **extra}).encode()
        events = read(b"data: " + chunk + b"\n\n" + streamed({"content": "x"}))
        assert UsageSeen(usage=Usage(input=3, output=4)) in events

    def test_half_a_surrogate_pair_is_replaced(self) -> None:
        raw = streamed({"content": "HERE"}).replace(b"HERE", b"a\\ud83d")
        assert TextDelta(text="a\ufffd") in read(raw)

    def test_nothing_is_read_after_done(self) -> None:
        assert read(streamed({"content": "x"}) + b"data: {broken\n\n")[-1] == Finish(reason="stop")

    @given(st.sampled_from(WHOLE), st.lists(st.integers(0, 3000), max_size=6))
    def test_events_do_not_depend_on_where_the_network_cuts(self, name: str, cuts: list[int]) -> None:
        raw = golden(name)
        places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
        pieces = [raw[start:stop] for start, stop in pairwise(places)]
        assert read(*pieces) == read(raw)


keys = st.sampled_from(
    (
        "id", "model", "choices", "index", "delta", "message", "content", "tool_calls", "function", "name", "arguments",
        "custom", "finish_reason", "usage", "x_groq", "error", "reasoning_details", "reasoning", "annotations",
        "images", "audio", "logprobs", "type", "text", "thinking", "extra_content", "function_call", "refusal",
    )
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=15,
)


@given(st.lists(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_any_bytes_are_read_or_a_failure(payloads: list[bytes]) -> None:
    reader = Reader(Names())
    try:
        for data in payloads:
            reader.frame(data)
        reader.end()
    except UpstreamFailure:
        return


@given(st.lists(st.dictionaries(keys, anything, max_size=4), max_size=4), st.lists(anything, max_size=3))
def test_any_delta_becomes_events_in_order(deltas: list[Json], entries: list[Json]) -> None:
    raw = streamed(*deltas, *({"tool_calls": [entry]} for entry in entries))
    try:
        events = read(raw)
    except UpstreamFailure:
        return
    calls(events)
    assert isinstance(events[0], Start)
    assert [type(event) for event in events].count(Finish) == 1
    assert_valid(events)


# -- writing -------------------------------------------------------------------------------------------------------
def asked(**fields: Json) -> Asked:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    return Asked(request=parse(body), model="team/fast", id="abc", created=1763800000)


USAGE_TOO = {"stream_options": {"include_usage": True}}


def write(events: list[Event], usage: Usage | None = None, **fields: Json) -> bytes:
    writer = Writer(asked(**fields))
    return b"".join(writer.write(event) for event in events) + writer.end(usage)


def assert_valid(events: list[Event]) -> list[Json]:
    check(write(events))
    return check(write(events, Usage(input=1, output=2), **USAGE_TOO), usage=True)


def deltas(raw: bytes) -> list[Json]:
    return [choice["delta"] for chunk in check(raw) for choice in chunk["choices"]]


class TestWriter:
    @pytest.mark.parametrize("name", WHOLE)
    def test_every_stream_that_is_read_is_written_validly(self, name: str) -> None:
        chunks = assert_valid(read(golden(name)))
        assert {chunk["id"] for chunk in chunks} == {"chatcmpl-abc"}
        assert {chunk["model"] for chunk in chunks} == {"team/fast"}

    @pytest.mark.parametrize("name", WHOLE)
    def test_what_is_written_is_read_as_the_same(self, name: str) -> None:
        def said(events: list[Event]) -> list[Event]:
            return [event for event in events if not isinstance(event, (Start, ReasoningProof, UsageSeen, ToolDelta))]

        events = read(golden(name))
        again = read(write(events))
        assert said(again) == said(events)
        expected = [(id, name, arguments or "{}") for id, name, arguments in calls(events)]
        assert calls(again) == expected

    def test_usage_only_where_it_was_asked_for(self) -> None:
        usage = Usage(input=10, cached=4, cache_write=2, output=5, reasoning=1)
        assert b"usage" not in write([Start(), Finish(reason="stop")], usage)
        last = check(write([Start(), Finish(reason="stop")], usage, **USAGE_TOO), usage=True)[-1]
        assert last["choices"] == []
        assert last["usage"] == {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        }

    def test_reasoning_and_a_call_without_arguments(self) -> None:
        events: list[Event] = [
            Start(),
            ReasoningDelta(text="a"),
            ReasoningDelta(text="b", block=1),
            ReasoningProof(proof=Proof(family="anthropic", kind="signature", value="s")),
            ToolStart(index=0, id="x", name="f"),
            ToolEnd(index=0),
            Finish(reason="tool_calls"),
        ]
        assert deltas(write(events))[1:] == [
            {"reasoning_content": "a"},
            {"reasoning_content": "\n\nb"},
            {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
            {},
        ]

    def test_custom_calls(self) -> None:
        events: list[Event] = [
            ToolStart(index=0, id="x", name="f", custom=True),
            ToolDelta(index=0, arguments="ls"),
            ToolEnd(index=0),
            Finish(reason="tool_calls"),
        ]
        first, second, _ = deltas(write(events))[1:]
        assert first["tool_calls"][0]["custom"] == {"name": "f", "input": ""}
        assert second["tool_calls"][0]["custom"] == {"input": "ls"}

    def test_citations_come_with_the_end(self) -> None:
        events: list[Event] = [
            TextDelta(text="It rains."),
            CitationAdded(citation=Citation(url="https://w.test", title="W")),
            Finish(reason="stop"),
        ]
        (annotation,) = deltas(write(events))[-1]["annotations"]
        assert annotation["url_citation"] == {"start_index": 0, "end_index": 9, "url": "https://w.test", "title": "W"}

    @pytest.mark.parametrize(
        ("reason", "said"),
        [
            ("stop", "stop"),
            ("stop_sequence", "stop"),
            ("length", "length"),
            ("content_filter", "content_filter"),
            ("refusal", "content_filter"),
            ("pause", "stop"),
            ("context_window", "length"),
            ("other", "stop"),
        ],
    )
    def test_reasons(self, reason: str, said: str) -> None:
        assert check(write([TextDelta(text="x"), Finish(reason=reason)]))[-1]["choices"][0]["finish_reason"] == said

    def test_the_end_finishes_what_is_open(self) -> None:
        for events in ([], [TextDelta(text="x")], [TextDelta(text="x", choice=1)]):
            check(write(list(events)))

    def test_foreign_parts_are_left_out(self) -> None:
        foreign = OpaqueAdded(part=Opaque(family="anthropic", value={"type": "server_tool_use"}))
        assert len(deltas(write([foreign, Finish(reason="stop")]))) == 2

    def test_clients_that_say_functions_get_a_function_call(self) -> None:
        events: list[Event] = [
            ToolStart(index=0, id="x", name="f"),
            ToolDelta(index=0, arguments="{}"),
            ToolEnd(index=0),
            Finish(reason="tool_calls"),
        ]
        raw = write(events, functions=[{"name": "f"}])
        assert deltas(raw)[1:3] == [
            {"function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"arguments": "{}"}},
        ]
        assert check(raw)[-1]["choices"][0]["finish_reason"] == "function_call"

    def test_an_error_in_the_middle(self) -> None:
        writer = Writer(asked())
        writer.write(TextDelta(text="x"))
        raw = writer.fail(Refusal(502, "gone", type="server_error", code="bad_reply"))
        assert json.loads(payload(raw.strip())) == {
            "error": {"message": "gone", "type": "server_error", "param": None, "code": "bad_reply"}
        }
        assert b"[DONE]" not in raw
