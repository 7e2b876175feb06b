"""Whole replies and errors, both ways."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import anthropic.types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.wire.anthropic.errors import error_body, error_from
from providers.wire.anthropic.replies import dump_reply, parse_reply
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Choice,
    Citation,
    Opaque,
    Proof,
    Reasoning,
    Reply,
    Request,
    Text,
    ToolCall,
    Usage,
)
from providers.wire.types import Refusal as Refused

GOLDEN = Path(__file__).parents[3] / "golden" / "anthropic"
TOOLS = (GOLDEN / "tools.json").read_bytes()
ASKED = Asked(request=Request(model="m"), model="fast", id="abc123", created=1)
USAGE = Usage(input=140, cached=100, cache_write=30, cache_write_1h=20, output=89, reasoning=40)
PARTS = (
    Reasoning(text="Let me see.", proof=Proof(family="anthropic", kind="signature", value="EqQBCgIYAhIM+/=")),
    Reasoning(proof=Proof(family="anthropic", kind="redacted", value="EmwKAhgBEgy3va3p")),
    Text(text="Two calls."),
    ToolCall(id="toolu_01A", name="get_weather", arguments='{"city":"Paris"}'),
    ToolCall(id="toolu_01B", name="now", arguments="{}"),
)


def message(**changes: Any) -> bytes:
    return json.dumps(json.loads(TOOLS) | changes).encode()


def dumped(*parts: Any, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    reply = Reply(choices=(Choice(parts=parts, finish=finish, **fields),), usage=USAGE)
    raw = dump_reply(reply, ASKED)
    anthropic.types.Message.model_validate_json(raw)
    return json.loads(raw)


def test_a_reply_is_read_by_block() -> None:
    reply = parse_reply(TOOLS, Names())
    assert (reply.id, reply.model, reply.service_tier) == ("msg_01Ab", "claude-sonnet-4-5", "standard")
    assert reply.choices == (Choice(parts=PARTS, finish="tool_calls"),)
    assert reply.usage == USAGE


def test_a_reply_is_written_as_it_was_read() -> None:
    said = dumped(*PARTS, finish="tool_calls")
    golden = json.loads(TOOLS)
    assert said["content"] == golden["content"]
    assert said["stop_reason"] == "tool_use"
    del golden["usage"]["service_tier"]
    assert said["usage"] == golden["usage"]
    assert (said["id"], said["model"]) == ("msg_abc123", "fast")


def test_names_and_ids() -> None:
    names = Names()
    sent = names.send("a.b")
    calls = [{"type": "tool_use", "id": id, "name": sent, "input": {}} for id in ("x", "x", "")]
    parts = parse_reply(message(content=calls), names).choices[0].parts
    assert [part.name for part in parts] == ["a.b"] * 3  # type: ignore[union-attr]
    assert len({part.id for part in parts}) == 3 and parts[0].id == "x"  # type: ignore[union-attr]


def test_server_tools_are_kept_for_their_family() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    reply = parse_reply(message(content=[block], stop_reason="pause_turn"), Names())
    assert reply.choices[0].parts == (Opaque(family="anthropic", value=block),)
    assert reply.choices[0].finish == "pause"
    assert dumped(Opaque(family="anthropic", value=block), finish="pause")["content"] == [block]
    assert dumped(Opaque(family="gemini", value={"type": "x"}), Text(text="y"))["content"][0]["type"] == "text"


def test_citations() -> None:
    place = {"document_index": 0, "document_title": "D", "start_page_number": 1, "end_page_number": 2}
    raw = {"type": "page_location", "cited_text": "c", **place}
    text = {"type": "text", "text": "So.", "citations": [raw]}
    part = parse_reply(message(content=[text], stop_reason="end_turn"), Names()).choices[0].parts[0]
    assert part == Text(text="So.", citations=(Citation(title="D", cited="c", raw=raw, family="anthropic"),))
    foreign = Citation(url="https://e.com", title="E", cited="c", start=0, end=3)
    said = dumped(part, Text(text="Also.", citations=(foreign,)))["content"]
    assert said[0] == text
    assert (said[1]["citations"][0]["type"], said[1]["citations"][0]["url"]) == (
        "web_search_result_location",
        "https://e.com",
    )


def test_foreign_reasoning_is_shown_unsigned() -> None:
    sealed = Proof(family="gemini", kind="thought", value="xyz")
    said = dumped(Reasoning(text="hm", proof=sealed), Reasoning(proof=sealed), Text(text="Hi"))["content"]
    assert said == [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    ("parts", "finish", "reason"),
    [
        ((Text(text="x"),), "stop", "end_turn"),
        ((Text(text="x"),), "length", "max_tokens"),
        ((Text(text="x"),), "content_filter", "refusal"),
        ((Text(text="x"),), "context_window", "model_context_window_exceeded"),
        ((Text(text="x"),), "other", "end_turn"),
        ((Refused(text="No."),), "stop", "refusal"),
        ((ToolCall(id="a", name="f"),), "stop", "tool_use"),
        ((ToolCall(id="a", name="f"),), "length", "max_tokens"),
        ((), "content_filter", "refusal"),
    ],
)
def test_stop_reasons_out(parts: Any, finish: str, reason: str) -> None:
    assert dumped(*parts, finish=finish)["stop_reason"] == reason


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
        ("compaction", "other"),
        ("tool_use", "stop"),
        (None, "stop"),
    ],
)
def test_stop_reasons_in(reason: str | None, finish: str) -> None:
    block = [{"type": "text", "text": "x"}]
    assert parse_reply(message(content=block, stop_reason=reason), Names()).choices[0].finish == finish


def test_the_stop_sequence_that_hit_is_told() -> None:
    reply = parse_reply(message(stop_reason="stop_sequence", stop_sequence="END"), Names())
    assert reply.choices[0].stop_sequence == "END"
    assert dumped(Text(text="x"), finish="stop_sequence", stop_sequence="END")["stop_sequence"] == "END"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.PROTOCOL),
        (b"<html>Bad gateway</html>", Kind.PROTOCOL),
        (b'{"id": "msg', Kind.PROTOCOL),
        (b"[]", Kind.PROTOCOL),
        (b"{}", Kind.PROTOCOL),
        (b'"\xff"', Kind.PROTOCOL),
        (message(content=None), Kind.PROTOCOL),
        (message(content=[], stop_reason=None), Kind.PROTOCOL),
        (message(content=[], usage={}), Kind.PROTOCOL),
        (message(content=[{"type": "tool_use", "id": "a", "input": {}}]), Kind.PROTOCOL),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', Kind.OVERLOADED),
        (b'{"error":{"message":"slow down","type":"rate_limit_error","code":"x"}}', Kind.RATE_LIMITED),
        (b'{"error":"no"}', Kind.SERVER),
        (b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}', Kind.SERVER),
    ],
)
def test_what_is_no_reply_is_a_failure(body: bytes, kind: Kind) -> None:
    with pytest.raises(UpstreamFailure) as caught:
        parse_reply(body, Names())
    assert caught.value.kind == kind and caught.value.message


@pytest.mark.parametrize("changes", [{"stop_reason": "refusal", "usage": {}}, {"stop_reason": "end_turn"}])
def test_an_empty_turn_may_be_honest(changes: dict[str, Any]) -> None:
    assert parse_reply(message(content=[], **changes), Names()).choices[0].parts == ()


FIELDS = ["content", "type", "text", "usage", "input_tokens", "id", "name", "error", "stop_reason"]
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(["text", "tool_use", "thinking", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=15,
)


@given(body=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_reply_or_a_failure(body: bytes) -> None:
    with contextlib.suppress(UpstreamFailure):
        assert isinstance(parse_reply(body, Names()), Reply)


@given(
    usage=st.tuples(*[st.integers(0, 10**9)] * 5).map(
        lambda n: Usage(
            input=n[0] + n[1] + n[2],
            cached=n[1],
            cache_write=n[2],
            cache_write_1h=n[2] // 2,
            output=n[3],
            reasoning=n[4],
        )
    )
)
def test_usage_is_conserved(usage: Usage) -> None:
    reply = Reply(choices=(Choice(parts=(Text(text="x"),)),), usage=usage)
    assert parse_reply(dump_reply(reply, ASKED), Names()).usage == usage


# -- errors ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("refusal", "type_"),
    [
        (Refusal(400, "x"), "invalid_request_error"),
        (Refusal(401, "x", type="authentication_error"), "authentication_error"),
        (Refusal(402, "x"), "billing_error"),
        (Refusal(403, "x"), "permission_error"),
        (Refusal(404, "x"), "not_found_error"),
        (Refusal(409, "x"), "invalid_request_error"),
        (Refusal(413, "x"), "request_too_large"),
        (Refusal(422, "x"), "invalid_request_error"),
        (Refusal(429, "x"), "rate_limit_error"),
        (Refusal(500, "x"), "api_error"),
        (Refusal(502, "x"), "api_error"),
        (Refusal(503, "x", code="overloaded_error"), "overloaded_error"),
        (Refusal(504, "x"), "timeout_error"),
        (Refusal(529, "x"), "overloaded_error"),
    ],
)
def test_errors_have_the_vendors_shape(refusal: Refusal, type_: str) -> None:
    body = json.loads(error_body(refusal, "req_1"))
    assert body == {"type": "error", "error": {"type": type_, "message": "x"}, "request_id": "req_1"}


def test_threads_are_refused_as_the_sdk_expects() -> None:
    body = json.loads(error_body(Refusal(400, "x", code="thread_unsupported_request"), ""))
    assert body["error"]["details"] == {"error_code": "thread_unsupported_request"}


@pytest.mark.parametrize(
    ("raw", "status", "kind", "message"),
    [
        (b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}', 404, Kind.MODEL, "model: x"),
        (b'{"error":{"message":"bad","type":"x","code":429}}', 429, Kind.RATE_LIMITED, "bad"),
        (b'[{"error":{"message":"bad"}}]', 500, Kind.SERVER, "bad"),
        (b'{"error":"bad","type":"authentication_error"}', 401, Kind.AUTH, "bad"),
        (b'{"code":"E1","message":"bad"}', 400, Kind.BAD_REQUEST, "bad"),
        (b'{"type":"error"}', None, Kind.SERVER, "The provider reported an error without words."),
    ],
)
def test_errors_of_vendors(raw: bytes, status: int | None, kind: Kind, message: str) -> None:
    failure = error_from(raw, status)
    assert failure is not None
    assert (failure.kind, failure.message, failure.status) == (kind, message, status)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"null", b"[]", b'{"content": []}'])
def test_no_error_is_no_error(raw: bytes) -> None:
    assert error_from(raw, 200) is None
