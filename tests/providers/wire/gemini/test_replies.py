"""Gemini's whole replies."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.assemble import events_of
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.gemini.replies import dump_reply, parse_reply
from providers.wire.translation import Names
from providers.wire.types import (
    Choice,
    Citation,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolStart,
    Usage,
    parts_of,
)
from tests.providers.wire.gemini.common import ANY_JSON, asked, golden, read
from tests.providers.wire.grammar_gemini import check_candidate


def own(value: str) -> Proof:
    return Proof(family="gemini", kind="thought", value=value)


def body(*parts: Any, **more: Any) -> bytes:
    return json.dumps(
        {"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP", **more}], "responseId": "r"}
    ).encode()


def reply(*parts: Part, **more: Any) -> Reply:
    return Reply(choices=(Choice(parts=parts, **more),))


def dumped(value: Reply) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(dump_reply(value, asked()))
    types.GenerateContentResponse.model_validate(made)
    for candidate in made["candidates"]:
        check_candidate(candidate)
    return made


class TestParse:
    def test_text_and_usage(self) -> None:
        assert parse_reply(golden("text.json"), Names()) == Reply(
            id="r-text",
            model="gemini-2.5-flash",
            choices=(Choice(parts=(Text(text="The capital of France is Paris."),)),),
            usage=Usage(input=8, cached=2, output=32, reasoning=25),
        )

    def test_thoughts_calls_signatures(self) -> None:
        made = parse_reply(
            body(
                {"text": "hm", "thought": True},
                {"text": "Hi", "thoughtSignature": "dA=="},
                {"functionCall": {"name": "f", "args": {"a": 1.5}}, "thoughtSignature": "Yw=="},
                {"functionCall": {"id": "x", "name": "g"}},
                {"executableCode": {"code": "1"}},
            ),
            Names(),
        )
        (choice,) = made.choices
        thought, text, first, second, code = choice.parts
        assert (thought, text) == (Reasoning(text="hm"), Text(text="Hi", proof=own("dA==")))
        assert isinstance(first, ToolCall)
        assert (first.name, first.arguments, first.proof) == ("f", '{"a":1.5}', own("Yw=="))
        assert second == ToolCall(id="x", name="g", arguments="{}")
        assert code == Opaque(family="gemini", value={"executableCode": {"code": "1"}})
        assert choice.finish == "tool_calls"

    def test_an_id_is_the_same_streamed_or_not_and_another_in_another_reply(self) -> None:
        part = {"functionCall": {"name": "f"}}
        first = parse_reply(body(part), Names()).choices[0].parts[0]
        assert isinstance(first, ToolCall) and first.id.startswith("call_")
        (start,) = [event for event in read([b"data: " + body(part) + b"\n\n"]) if isinstance(event, ToolStart)]
        assert start.id == first.id
        other = parse_reply(body(part).replace(b'"r"', b'"s"'), Names()).choices[0].parts[0]
        assert isinstance(other, ToolCall) and other.id != first.id

    def test_custom_tools(self) -> None:
        names = Names()
        names.wrapped.add("run")
        (call,) = parse_reply(body({"functionCall": {"name": "run", "args": {"input": "ls"}}}), names).choices[0].parts
        assert isinstance(call, ToolCall) and (call.arguments, call.custom) == ("ls", True)

    def test_a_blocked_prompt(self) -> None:
        made = parse_reply(b'{"promptFeedback": {"blockReason": "SAFETY"}}', Names())
        assert made.choices == (Choice(finish="content_filter"),)

    def test_a_cut_answer_without_text_is_one(self) -> None:
        assert parse_reply(b'{"candidates": [{"finishReason": "MAX_TOKENS"}]}', Names()).choices[0].finish == "length"

    def test_half_a_surrogate_pair(self) -> None:
        (part,) = (
            parse_reply(b'{"candidates": [{"content": {"parts": [{"text": "a\\ud83d"}]}}]}', Names()).choices[0].parts
        )
        assert part == Text(text="a\ufffd")

    def test_log_probabilities(self) -> None:
        result = {
            "chosenCandidates": [{"token": "é", "logProbability": -0.1, "tokenId": 5}],
            "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.1}]}],
        }
        (choice,) = parse_reply(body({"text": "é"}, logprobsResult=result), Names()).choices
        row = {"token": "é", "logprob": -0.1, "bytes": [195, 169]}
        assert choice.logprobs == {"content": [row | {"top_logprobs": [row]}], "refusal": None}

    def test_citations_are_within_their_part(self) -> None:
        cited = {"citations": [{"startIndex": 3, "endIndex": 5, "uri": "https://a.example/", "title": "A"}]}
        (choice,) = parse_reply(
            body({"text": "é"}, {"text": "x", "thought": True}, {"text": "abc"}, citationMetadata=cited), Names()
        ).choices
        last = choice.parts[2]
        assert isinstance(last, Text)
        assert last.citations == (Citation(url="https://a.example/", title="A", start=1, end=3),)

    @pytest.mark.parametrize(
        ("data", "kind", "words"),
        [
            (b"", Kind.PROTOCOL, "empty"),
            (b" <!doctype html>", Kind.PROTOCOL, "web page"),
            (b"{", Kind.PROTOCOL, "not a valid reply"),
            (b"null", Kind.PROTOCOL, "not a valid reply"),
            (b"{}", Kind.PROTOCOL, "no candidates"),
            (b'{"candidates": [{"finishReason": "STOP"}]}', Kind.PROTOCOL, "no content"),
            (b'{"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}', Kind.SERVER, "MALFORMED"),
            (b'{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}', Kind.OVERLOADED, "busy"),
        ],
    )
    def test_what_is_no_reply_is_a_failure(self, data: bytes, kind: Kind, words: str) -> None:
        with pytest.raises(UpstreamFailure, match=words) as caught:
            parse_reply(data, Names())
        assert caught.value.kind is kind

    @given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
    def test_no_bytes_break_it(self, data: bytes) -> None:
        with contextlib.suppress(UpstreamFailure):
            parse_reply(data, Names())

    @given(odd=ANY_JSON, other=ANY_JSON, key=st.sampled_from(["text", "functionCall", "thoughtSignature", "index"]))
    def test_odd_types_do_not_break_it(self, odd: Any, other: Any, key: str) -> None:
        data = body({key: odd}, odd, index=other, groundingMetadata=odd, citationMetadata=other, logprobsResult=odd)
        with contextlib.suppress(UpstreamFailure):
            parse_reply(data, Names())


class TestDump:
    def test_everything(self) -> None:
        made = dumped(
            Reply(
                id="upstream",
                model="upstream",
                choices=(
                    Choice(
                        parts=(
                            Reasoning(text="hm", proof=Proof(family="anthropic", kind="signature", value="zzz")),
                            Reasoning(proof=Proof(family="anthropic", kind="redacted", value="zzz")),
                            Text(text="Hi", proof=own("dA==")),
                            ToolCall(id="c", name="f", arguments='{"a":[1]}', proof=own("Yw==")),
                            Opaque(family="anthropic", value={}),
                        ),
                        finish="tool_calls",
                    ),
                    Choice(parts=(Refusal(text="no"),), finish="refusal", index=1),
                ),
                usage=Usage(input=5, cached=2, output=6, reasoning=4),
            )
        )
        assert made == {
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"text": "hm", "thought": True},
                            {"text": "Hi", "thoughtSignature": "dA=="},
                            {
                                "functionCall": {"id": "c", "name": "f", "args": {"a": [1]}},
                                "thoughtSignature": "Yw==",
                            },
                        ],
                        "role": "model",
                    },
                    "finishReason": "STOP",
                    "index": 0,
                },
                {"content": {"parts": [{"text": "no"}], "role": "model"}, "finishReason": "SAFETY", "index": 1},
            ],
            "usageMetadata": {
                "promptTokenCount": 5,
                "candidatesTokenCount": 2,
                "cachedContentTokenCount": 2,
                "thoughtsTokenCount": 4,
                "totalTokenCount": 11,
            },
            "modelVersion": "team/fast",
            "responseId": "abc123",
        }

    @pytest.mark.parametrize(
        ("finish", "reason"),
        [
            ("stop", "STOP"), ("stop_sequence", "STOP"), ("length", "MAX_TOKENS"), ("context_window", "MAX_TOKENS"),
            ("tool_calls", "STOP"), ("content_filter", "SAFETY"), ("refusal", "SAFETY"), ("pause", "STOP"),
            ("other", "OTHER"),
        ],
    )  # fmt: skip
    def test_reasons(self, finish: str, reason: str) -> None:
        (candidate,) = dumped(reply(finish=finish))["candidates"]
        assert candidate["finishReason"] == reason

    def test_googles_own_sources_come_back_whole(self) -> None:
        raw = {"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "https://a.example/"}}]}
        made = parse_reply(body({"text": "a"}, groundingMetadata=raw), Names())
        assert dumped(made)["candidates"][0]["groundingMetadata"] == raw

    def test_sources_of_others(self) -> None:
        first = Text(text="é", citations=())
        second = Text(text="abc", citations=(Citation(url="u", start=1, end=3), Citation(url="v", title="V")))
        grounding = dumped(reply(first, second))["candidates"][0]["groundingMetadata"]
        assert grounding["groundingChunks"] == [{"web": {"uri": "u"}}, {"web": {"uri": "v", "title": "V"}}]
        assert grounding["groundingSupports"] == [
            {"segment": {"startIndex": 3, "endIndex": 5, "text": "bc"}, "groundingChunkIndices": [0]}
        ]

    USAGES = st.builds(
        lambda plain, cached, said, thought, heard, drawn, spoken: Usage(
            input=plain + cached + heard,
            cached=cached,
            output=said + thought + drawn + spoken,
            reasoning=thought,
            units=parts_of(audio_input=heard, image_output=drawn, audio_output=spoken),
        ),
        *[st.integers(1, 10**9)] * 4,
        *[st.integers(0, 10**9) | st.just(0)] * 3,
    )
    PARTS = st.one_of(
        st.builds(Text, text=st.text(min_size=1), proof=st.none() | st.just(own("dA=="))),
        st.builds(Reasoning, text=st.text(min_size=1)),
        st.builds(ToolCall, id=st.just("c"), name=st.just("f"), arguments=st.just('{"a":1}')),
        st.just(Opaque(family="gemini", value={"executableCode": {"code": "1"}})),
    )

    @given(
        parts=st.lists(PARTS, min_size=1).filter(lambda parts: any(isinstance(part, Text) for part in parts)),
        usage=USAGES,
    )
    def test_what_is_written_is_read(self, parts: list[Part], usage: Usage) -> None:
        finish = "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop"
        choice = Choice(parts=tuple(parts), finish=finish)
        value = Reply(id="abc123", model="team/fast", choices=(choice,), usage=usage)
        assert parse_reply(json.dumps(dumped(value)).encode(), Names()) == value
        assert len(list(events_of(value))) >= 3
