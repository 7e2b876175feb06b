"""Whole replies of the Responses format, and errors."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.openai_responses.errors import error_body, error_from
from providers.wire.openai_responses.replies import dump_reply, parse_reply
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Choice,
    Citation,
    Proof,
    Reasoning,
    Reply,
    Request,
    Text,
    ToolCall,
    Usage,
)
from providers.wire.types import Refusal as RefusalPart

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_responses"
ASKED = Asked(request=Request(model="up", family="openai_responses"), model="acme/m", id="ab12", created=99)
SEALED = Proof(family="openai_responses", kind="encrypted", value="gAAAAABsealed==", id="rs_0c1")
USAGE = Usage(input=120, cached=64, output=50, reasoning=32)
PARTS = (
    Reasoning(text="**Planning**\n\nThen act", proof=SEALED, summary=True),
    Text(text="I will look.", proof=Proof(family="openai_responses", kind="phase", value="commentary")),
    ToolCall(id="call_A1", name="exec_command", arguments='{"cmd":"ls"}'),
    ToolCall(id="call_A2", name="now", arguments="", namespace="clock"),
    ToolCall(id="call_A3", name="apply_patch", arguments="*** Begin\n*** End", custom=True),
)


def dumped(*parts: Any, **choice: Any) -> Response:
    """A reply of these parts as the SDK reads it, strictly."""
    reply = Reply(id="x", model="y", choices=(Choice(parts=parts, **choice),), usage=USAGE)
    return Response.model_validate_json(dump_reply(reply, ASKED))


class TestParse:
    def test_all_kinds_of_items(self) -> None:
        reply = parse_reply((GOLDEN / "tools.json").read_bytes(), Names())
        assert reply == Reply(
            id="resp_0a1",
            model="gpt-5.2-2025-12-11",
            created=1795000000,
            choices=(Choice(parts=PARTS, finish="tool_calls"),),
            usage=USAGE,
            service_tier="default",
        )

    def test_logprobs_and_citations(self) -> None:
        row = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": []}
        said = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
        part = {"type": "output_text", "text": "Hi", "annotations": [said], "logprobs": [row]}
        reply = parse_reply(body(output=[{"type": "message", "id": "m", "content": [part]}]), Names())
        (choice,) = reply.choices
        assert choice.logprobs == {"content": [row]}
        assert isinstance(choice.parts[0], Text)
        assert choice.parts[0].citations[0].url == "https://a.example"

    @pytest.mark.parametrize(
        ("raw", "kind"),
        [
            (b"", Kind.PROTOCOL),
            (b"<html>", Kind.PROTOCOL),
            (b'{"id":', Kind.PROTOCOL),
            (b"[]", Kind.PROTOCOL),
            (b'{"id":"x"}', Kind.PROTOCOL),
            (b'{"id":"x","output":[]}', Kind.PROTOCOL),
            (b'{"error":{"message":"no","code":"insufficient_quota"}}', Kind.QUOTA),
            (b'{"output":[],"status":"failed","error":{"message":"no","code":"server_error"}}', Kind.SERVER),
            (b'{"output":[],"status":"in_progress"}', Kind.SERVER),
        ],
    )
    def test_what_is_no_reply_is_a_failure(self, raw: bytes, kind: Kind) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            parse_reply(raw, Names())
        assert caught.value.kind is kind

    def test_a_reply_cut_before_its_first_word_is_one(self) -> None:
        raw = body(output=[], status="incomplete", incomplete_details={"reason": "max_output_tokens"})
        assert parse_reply(raw, Names()).choices == (Choice(finish="length"),)

    @given(st.binary(max_size=100))
    def test_any_bytes_raise_only_failures(self, raw: bytes) -> None:
        with suppress(UpstreamFailure):
            assert parse_reply(raw, Names()).choices


class TestDump:
    def test_what_was_parsed_is_said_again(self) -> None:
        reply = parse_reply((GOLDEN / "tools.json").read_bytes(), Names())
        again = parse_reply(dump_reply(reply, ASKED), Names())
        parts = list(PARTS)
        parts[3] = msgspec.structs.replace(PARTS[3], arguments="{}")
        assert again.choices == (Choice(parts=tuple(parts), finish="tool_calls"),)
        assert (again.id, again.model, again.created) == ("resp_ab12", "acme/m", 99)

    def test_the_sdk_reads_it(self) -> None:
        read = dumped(*PARTS, finish="tool_calls")
        assert (read.id, read.status, read.output_text) == ("resp_ab12", "completed", "I will look.")
        assert [item.type for item in read.output] == [
            "reasoning",
            "message",
            "function_call",
            "function_call",
            "custom_tool_call",
        ]
        assert read.output[0].id == "rs_0c1"

    def test_foreign_citations_and_reasoning(self) -> None:
        proof = Proof(family="anthropic", kind="signature", value="sig")
        text = Text(text="Sunny", citations=(Citation(url="https://w.example", title="W"), Citation(cited="no url")))
        read = dumped(Reasoning(text="hm", proof=proof), text)
        assert read.output[0].to_dict() == {
            "type": "reasoning",
            "id": "rs_ab12",
            "summary": [{"type": "summary_text", "text": "hm"}],
        }
        shown = read.output[1].to_dict()["content"]
        assert isinstance(shown, list)
        assert [a["url"] for a in shown[0]["annotations"]] == ["https://w.example"]

    def test_a_refusal_and_logprobs(self) -> None:
        row = {"token": "a", "bytes": [97], "logprob": 0.0, "top_logprobs": []}
        read = dumped(Text(text="a"), RefusalPart(text="No."), logprobs={"content": [row]}, finish="refusal")
        assert read.status == "completed"
        content = read.output[0].to_dict()["content"]
        assert isinstance(content, list)
        assert content[0]["logprobs"] == [row]
        assert content[1] == {"type": "refusal", "refusal": "No."}

    def test_a_cut_reply_is_incomplete(self) -> None:
        read = dumped(Text(text="On"), finish="length")
        assert read.status == "incomplete"
        assert read.incomplete_details is not None
        assert read.incomplete_details.reason == "max_output_tokens"


class TestErrors:
    def test_body(self) -> None:
        raw = error_body(Refusal(404, "No.", code="model_not_found", param="model"), "req_1")
        assert msgspec.json.decode(raw) == {
            "error": {"message": "No.", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
        }

    @pytest.mark.parametrize(
        ("raw", "message", "kind", "after"),
        [
            (b'{"error":{"message":"m","type":"t","code":"c"}}', "m", Kind.SERVER, None),
            (b'{"error":{"message":"try again in 250ms","code":"rate_limit_error"}}', None, Kind.RATE_LIMITED, 0.25),
            (b'{"error":{"type":"usage_limit_reached","message":"m","resets_in_seconds":90}}', "m", Kind.QUOTA, 90.0),
            (b'{"error":"plain words"}', "plain words", Kind.SERVER, None),
            (b'{"detail":"Not allowed"}', "Not allowed", Kind.SERVER, None),
            (b'[{"error":{"message":"in a list"}}]', "in a list", Kind.SERVER, None),
            (b'{"type":"error","error":{"message":"in","code":"server_is_overloaded"}}', "in", Kind.OVERLOADED, None),
        ],
    )  # fmt: skip
    def test_of_vendors(self, raw: bytes, message: str | None, kind: Kind, after: float | None) -> None:
        failure = error_from(raw, None)
        assert failure is not None
        assert message is None or failure.message == message
        assert (failure.kind, failure.retry_after) == (kind, after)

    @pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"<html>", b'{"error":null,"output":[]}', b'"x"'])
    def test_what_tells_of_none(self, raw: bytes) -> None:
        assert error_from(raw, 500) is None

    @given(st.binary(max_size=80))
    def test_any_bytes(self, raw: bytes) -> None:
        assert error_from(raw, 400) is None or error_from(raw, 400)


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({"id": "r", "object": "response", "status": "completed", **fields})
