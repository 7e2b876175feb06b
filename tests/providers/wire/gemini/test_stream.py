"""Gemini's streams: chunks → events, events → chunks."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.assemble import Assembly
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.gemini.partial import PartialArguments
from providers.wire.gemini.stream import KEEP_ALIVE, ArrayWriter, Reader, Writer, array_body
from providers.wire.translation import Names
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
    Start,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)
from tests.providers.wire.gemini.common import ANY_JSON, STREAMS, asked, golden, read
from tests.providers.wire.grammar_gemini import check, chunks, parts


def own(value: str) -> Proof:
    return Proof(family="gemini", kind="thought", value=value)


def frame(**candidate: Any) -> bytes:
    return json.dumps({"candidates": [candidate], "responseId": "r"}).encode()


def part(*given: dict[str, Any], **more: Any) -> bytes:
    return frame(content={"role": "model", "parts": list(given)}, index=0, **more)


def written(events: list[Event], usage: Usage | None = None) -> bytes:
    writer = Writer(asked())
    return b"".join(writer.write(event) for event in events) + writer.end(usage)


class TestReader:
    def test_text_and_usage(self) -> None:
        assert read([golden("text.sse")]) == [
            Start(id="r-text", model="gemini-2.5-flash"),
            TextDelta(text="The capital"),
            UsageSeen(usage=Usage(input=8)),
            TextDelta(text=" of France is Paris."),
            Finish(reason="stop"),
            UsageSeen(usage=Usage(input=8, output=32, reasoning=25)),
        ]

    def test_thoughts_calls_and_signatures(self) -> None:
        events = read([golden("thoughts_and_calls.sse")])
        assert events[1:3] == [
            ReasoningDelta(text="**Plan**\nTwo cities.", block=0),
            TextDelta(text="Looking it up.", block=1),
        ]
        starts = [event for event in events if isinstance(event, ToolStart)]
        assert [(start.index, start.name) for start in starts] == [(0, "weather"), (1, "weather"), (2, "now")]
        assert starts[1].id == "given" and len({start.id for start in starts}) == 3
        assert starts[0].id.startswith("call_") and starts[0].id == read([golden("thoughts_and_calls.sse")])[3].id  # type: ignore[union-attr]
        assert [event.arguments for event in events if isinstance(event, ToolDelta)] == [
            '{"city":"Zürich","days":2}',
            '{"city":"Oslo"}',
            "{}",
        ]
        ends = [event for event in events if isinstance(event, ToolEnd)]
        assert [end.proof for end in ends] == [own("EuUBc2lnbmF0dXJl+/8="), None, None]
        assert TextDelta(text="", block=5, proof=own("dHJhaWxpbmc=")) in events
        assert Finish(reason="tool_calls") in events

    def test_a_thought_with_a_signature_is_sealed(self) -> None:
        reader = Reader(Names())
        events = reader.frame(part({"text": "hm", "thought": True, "thoughtSignature": "cw=="}))
        assert events[1:] == [ReasoningDelta(text="hm"), ReasoningProof(proof=own("cw=="))]

    def test_arguments_in_pieces(self) -> None:
        events = read([golden("partial_arguments.sse")])
        delta = next(event for event in events if isinstance(event, ToolDelta))
        assert json.loads(delta.arguments) == {
            "path": "a/b.txt",
            "lines": [{"n": 1}, {"the text": "x"}],
            "force": False,
            "mode": None,
        }
        assert [type(event).__name__ for event in events[1:4]] == ["ToolStart", "ToolDelta", "ToolEnd"]

    def test_a_call_left_open_is_closed_before_the_end(self) -> None:
        reader = Reader(Names())
        reader.frame(part({"functionCall": {"name": "f", "willContinue": True}}))
        events = reader.frame(frame(finishReason="STOP"))
        assert [type(event).__name__ for event in events] == ["ToolDelta", "ToolEnd", "Finish"]

    def test_sources(self) -> None:
        events = read([golden("grounding.sse")])
        first, second = [event.citation for event in events if isinstance(event, CitationAdded)]
        assert (first.url, first.title, first.cited, first.start, first.end) == (
            "https://a.example/", "A", "sunny.", 8, 14,
        )  # fmt: skip
        assert first.raw["groundingMetadata"]["webSearchQueries"] == ["weather"] and first.family == "gemini"
        assert second == Citation(url="https://b.example/")
        assert events[-1] == UsageSeen(usage=Usage(input=104, output=4))

    def test_every_candidate_finishes_once(self) -> None:
        events = read([golden("two_candidates.sse")])
        assert [event for event in events if isinstance(event, Finish)] == [
            Finish(reason="stop", choice=0),
            Finish(reason="length", choice=1),
        ]
        assert "".join(event.text for event in events if isinstance(event, TextDelta) and event.choice) == "B?"

    def test_code_assist_is_unwrapped(self) -> None:
        events = read([golden("code_assist.sse")])
        assert events[0] == Start(id="r-assist", model="gemini-2.5-pro")
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there"

    def test_a_blocked_prompt_is_a_filter(self) -> None:
        assert read([golden("blocked_prompt.sse")])[1] == Finish(reason="content_filter")

    def test_names_and_custom_tools_are_the_clients_again(self) -> None:
        names = Names()
        sent = names.send("my.tool", "space")
        names.wrapped.add("my.tool")
        events = Reader(names).frame(part({"functionCall": {"name": sent, "args": {"input": "free text"}}}))
        start = events[1]
        assert isinstance(start, ToolStart)
        assert (start.name, start.namespace, start.custom) == ("my.tool", "space", True)
        assert events[2] == ToolDelta(index=0, arguments="free text")

    def test_parts_without_counterpart_are_kept(self) -> None:
        code = {"executableCode": {"language": "PYTHON", "code": "1"}}
        assert OpaqueAdded(part=Opaque(family="gemini", value=code)) in Reader(Names()).frame(part(code))

    @pytest.mark.parametrize(
        "reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"]
    )
    def test_a_broken_call_is_the_upstreams_fault_while_nothing_was_said(self, reason: str) -> None:
        with pytest.raises(UpstreamFailure, match=reason) as caught:
            Reader(Names()).frame(frame(finishReason=reason, finishMessage="print(f())"))
        assert caught.value.kind is Kind.SERVER
        reader = Reader(Names())
        reader.frame(part({"text": "x"}))
        assert reader.frame(frame(finishReason=reason)) == [Finish(reason="other")]

    @pytest.mark.parametrize(
        ("reason", "word"),
        [
            ("SAFETY", "content_filter"), ("RECITATION", "content_filter"), ("SPII", "content_filter"),
            ("IMAGE_SAFETY", "content_filter"), ("MAX_TOKENS", "length"), ("OTHER", "other"), ("NEW_ONE", "other"),
            ("CONTINUATION", "pause"),
        ],
    )  # fmt: skip
    def test_reasons(self, reason: str, word: str) -> None:
        assert Reader(Names()).frame(frame(finishReason=reason))[-1] == Finish(reason=word)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"<html>", "web page"),
            (b"{broken", "not a valid reply"),
            (b"[1, 2]", "not a valid reply"),
            (b'{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}', "overloaded"),
            (b'[{"error": {"code": 400, "message": "odd", "status": "INVALID_ARGUMENT"}}]', "odd"),
            (b'{"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]}', "no content"),
        ],
    )
    def test_what_is_no_chunk_is_a_failure(self, data: bytes, words: str) -> None:
        with pytest.raises(UpstreamFailure, match=words):
            Reader(Names()).frame(data)

    @pytest.mark.parametrize("frames", [[], [b'{"responseId": "r"}'], [part({"text": "half"})]])
    def test_a_cut_stream_is_a_failure(self, frames: list[bytes]) -> None:
        reader = Reader(Names())
        for data in frames:
            reader.frame(data)
        with pytest.raises(UpstreamFailure) as caught:
            reader.end()
        assert caught.value.kind is Kind.PROTOCOL and not reader.done

    @pytest.mark.parametrize("name", STREAMS)
    @given(data=st.data())
    def test_events_do_not_depend_on_where_the_network_cuts(self, name: str, data: st.DataObject) -> None:
        raw = golden(f"{name}.sse")
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
        pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert read(pieces) == read([raw])

    @pytest.mark.parametrize("name", STREAMS)
    def test_the_order_holds(self, name: str) -> None:
        events = read([golden(f"{name}.sse")])
        assert isinstance(events[0], Start)
        assert sum(isinstance(event, Start) for event in events) == 1
        open_calls = set()
        for event in events:
            if isinstance(event, ToolStart):
                open_calls.add((event.choice, event.index))
            elif isinstance(event, ToolDelta):
                assert (event.choice, event.index) in open_calls
            elif isinstance(event, ToolEnd):
                open_calls.remove((event.choice, event.index))
        assert not open_calls

    @given(data=st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
    def test_no_bytes_break_it(self, data: bytes) -> None:
        reader = Reader(Names())
        with contextlib.suppress(UpstreamFailure):
            reader.frame(data)
            reader.end()

    @given(
        candidate=ANY_JSON,
        odd=ANY_JSON,
        key=st.sampled_from(["text", "functionCall", "thoughtSignature", "thought", "inlineData"]),
        field=st.sampled_from(
            ["index", "finishReason", "groundingMetadata", "citationMetadata", "logprobsResult", "content"]
        ),
        usage=ANY_JSON,
    )
    def test_odd_types_inside_chunks_do_not_break_it(
        self, candidate: Any, odd: Any, key: str, field: str, usage: Any
    ) -> None:
        whole = {
            "candidates": [
                {"content": {"parts": [{key: odd}, candidate]}, "finishReason": "MAX_TOKENS", field: candidate}
            ],
            "usageMetadata": {"promptTokenCount": usage, "totalTokenCount": odd},
            "responseId": odd,
            "modelVersion": candidate,
        }
        with contextlib.suppress(UpstreamFailure):
            Reader(Names()).frame(json.dumps(whole).encode())


class TestPartialArguments:
    @given(ANY_JSON, st.text(max_size=20))
    def test_no_piece_breaks_it(self, value: Any, path: str) -> None:
        held = PartialArguments()
        for where in (path, f"${path}", "$.a[0].b", "$.a", "$.a[99999].b", "$[0]"):
            held.add({"jsonPath": where, "stringValue": value})
        assert len(json.dumps(held.value)) < 10_000


class TestWriter:
    USAGE = Usage(input=10, cached=4, output=7, reasoning=2)

    def test_a_whole_stream(self) -> None:
        events: list[Event] = [
            Start(id="x", model="y"),
            ReasoningDelta(text="hm"),
            ReasoningProof(proof=own("dGg=")),
            TextDelta(text="Hi ", block=1),
            TextDelta(text="\u2028you", block=1, proof=own("dA==")),
            ToolStart(index=0, id="c1", name="f"),
            ToolStart(index=1, id="c2", name="g"),
            ToolDelta(index=0, arguments='{"a":'),
            ToolDelta(index=1, arguments=""),
            ToolDelta(index=0, arguments="[1]}"),
            ToolEnd(index=0, proof=own("Yw==")),
            ToolEnd(index=1),
            Finish(reason="tool_calls"),
            UsageSeen(usage=self.USAGE),
        ]
        made = check(written(events))
        assert parts(made) == [
            {"text": "hm", "thought": True},
            {"text": "", "thought": True, "thoughtSignature": "dGg="},
            {"text": "Hi "},
            {"text": "\u2028you", "thoughtSignature": "dA=="},
            {"functionCall": {"id": "c1", "name": "f", "args": {"a": [1]}}, "thoughtSignature": "Yw=="},
            {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            {"text": ""},
        ]
        assert made[-1]["usageMetadata"] == {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "cachedContentTokenCount": 4,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 17,
        }
        assert made[0]["modelVersion"] == "team/fast" and made[0]["responseId"] == "abc123"

    def test_foreign_proofs_and_parts_stay_away(self) -> None:
        other = Proof(family="anthropic", kind="signature", value="zzz")
        events: list[Event] = [
            ReasoningProof(proof=other),
            TextDelta(text="a", proof=other),
            OpaqueAdded(part=Opaque(family="anthropic", value={"type": "server_tool_use"})),
            OpaqueAdded(part=Opaque(family="gemini", value={"executableCode": {"language": "PYTHON", "code": "1"}})),
            RefusalDelta(text="no"),
            Finish(reason="refusal"),
        ]
        made = check(written(events))
        assert [next(iter(part)) for part in parts(made)] == ["text", "executableCode", "text", "text"]
        assert b"zzz" not in written(events)
        assert made[-1]["candidates"][0]["finishReason"] == "SAFETY"

    def test_arguments_that_are_no_object_are_wrapped(self) -> None:
        events: list[Event] = [
            ToolStart(index=0, id="c", name="f"),
            ToolDelta(index=0, arguments="{broken"),
            ToolEnd(index=0),
        ]
        assert parts(check(written(events)))[0]["functionCall"]["args"] == {"input": "{broken"}

    def test_the_last_usage_counts_and_the_callers_most(self) -> None:
        events: list[Event] = [
            Start(usage=Usage(input=1)),
            TextDelta(text="a"),
            UsageSeen(usage=Usage(input=2, output=1)),
        ]
        assert check(written(events))[-1]["usageMetadata"]["promptTokenCount"] == 2
        assert check(written(events, Usage(input=3)))[-1]["usageMetadata"]["promptTokenCount"] == 3

    def test_sources_come_with_the_last_chunk(self) -> None:
        events: list[Event] = [
            TextDelta(text="Zürich: sunny."),
            CitationAdded(citation=Citation(url="https://a.example/", title="A", start=8, end=14)),
            Finish(reason="stop"),
        ]
        grounding = check(written(events))[-1]["candidates"][0]["groundingMetadata"]
        assert grounding == {
            "groundingChunks": [{"web": {"uri": "https://a.example/", "title": "A"}}],
            "groundingSupports": [
                {"segment": {"startIndex": 9, "endIndex": 15, "text": "sunny."}, "groundingChunkIndices": [0]}
            ],
        }

    def test_nothing_follows_an_error(self) -> None:
        writer = Writer(asked())
        writer.write(TextDelta(text="half"))
        (made,) = chunks(writer.fail(Refusal(502, "The provider's stream ended early.", type="server_error")))
        assert made == {
            "error": {"code": 502, "message": "The provider's stream ended early.", "status": "UNAVAILABLE"}
        }
        assert writer.end(None) == writer.write(TextDelta(text="x")) == writer.fail(Refusal(500, "x")) == b""

    def test_the_end_comes_once_and_even_without_events(self) -> None:
        writer = Writer(asked())
        check(writer.end(None))
        assert writer.end(None) == KEEP_ALIVE == b""

    def test_several_candidates(self) -> None:
        events: list[Event] = [
            TextDelta(text="a", choice=1),
            TextDelta(text="b"),
            Finish(reason="length", choice=1),
            Finish(reason="stop"),
        ]
        made = check(written(events))
        assert [row["finishReason"] for row in made[-1]["candidates"]] == ["STOP", "MAX_TOKENS"]
        assert parts(made, 1)[0] == {"text": "a"}

    def test_log_probabilities(self) -> None:
        rows = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1.0}]}]}
        made = check(written([TextDelta(text="a", logprobs=rows)]))
        assert made[-1]["candidates"][0]["logprobsResult"] == {
            "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
            "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.0}]}],
        }

    @pytest.mark.parametrize("name", STREAMS)
    def test_what_was_read_is_what_is_written(self, name: str) -> None:
        events = read([golden(f"{name}.sse")])
        raw = written(events)
        check(raw)
        before, after = Assembly(), Assembly()
        for event in events:
            before.add(event)
        for event in read([raw]):
            after.add(event)
        assert _said(after) == _said(before)
        assert (after.finish, after.usage) == (before.finish, before.usage)

    TEXTS, OFFSETS = st.text(max_size=5), st.integers(0, 9)
    EVENTS = st.lists(
        st.one_of(
            st.builds(TextDelta, text=TEXTS, choice=st.integers(0, 1), block=st.integers(0, 2)),
            st.builds(ReasoningDelta, text=TEXTS),
            st.builds(ReasoningProof, proof=st.just(own("cw=="))),
            st.builds(RefusalDelta, text=TEXTS),
            st.builds(ToolStart, index=st.integers(0, 1), id=st.just("i"), name=st.just("n")),
            st.builds(ToolDelta, index=st.integers(0, 1), arguments=TEXTS),
            st.builds(ToolEnd, index=st.integers(0, 1)),
            st.builds(CitationAdded, citation=st.builds(Citation, url=TEXTS, start=OFFSETS, end=OFFSETS)),
            st.builds(Finish, reason=st.sampled_from(["stop", "length", "pause", "unheard of"])),
            st.builds(UsageSeen, usage=st.builds(Usage, input=st.integers(0, 9), output=st.integers(0, 9))),
        )
    )  # fmt: skip

    @given(EVENTS)
    def test_any_events_make_a_sound_stream(self, events: list[Event]) -> None:
        check(written(events))


def _said(held: Assembly) -> list[Any]:
    """What was said, calls and texts alike, without what only numbers the pieces."""
    made: list[Any] = []
    for part in held.parts():
        if isinstance(part, ToolCall):
            made.append((part.id, part.name, part.arguments, part.proof))
        elif not isinstance(part, Text) or part.text or part.proof:
            made.append(part)
    return made


class TestArray:
    def test_a_client_without_sse_gets_one_array(self) -> None:
        writer = ArrayWriter(asked())
        raw = writer.write(TextDelta(text="a")) + writer.write(TextDelta(text="b")) + writer.end(Usage(input=1))
        made = json.loads(raw)
        assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in made] == ["a", "b", ""]
        assert writer.end(None) == b""

    def test_an_error_closes_it(self) -> None:
        writer = ArrayWriter(asked())
        made = json.loads(writer.write(TextDelta(text="a")) + writer.fail(Refusal(504, "late")))
        assert made[1]["error"]["status"] == "DEADLINE_EXCEEDED"
        assert json.loads(ArrayWriter(asked()).fail(Refusal(500, "x")))[0]["error"]["code"] == 500

    def test_whole_chunks(self) -> None:
        assert json.loads(array_body([b"{}", b'{"a":1}'])) == [{}, {"a": 1}]


def test_tools_are_not_needed_to_write() -> None:
    writer = Writer(asked(tools=(Tool(name="f"),)))
    check(writer.write(TextDelta(text="a")) + writer.end(None))
