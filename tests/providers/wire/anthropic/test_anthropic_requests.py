"""Requests of Messages clients, and bodies for Messages upstreams."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.wire.anthropic.counting import count_reply, count_request
from providers.wire.anthropic.requests import dump, dump_count, parse
from providers.wire.errors import Refusal
from providers.wire.traits import Traits
from providers.wire.types import (
    Audio,
    Document,
    HostedTool,
    Image,
    Media,
    Message,
    Opaque,
    Output,
    Proof,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from providers.wire.types import Refusal as Refused

GOLDEN = Path(__file__).parents[3] / "golden" / "anthropic"
FULL: dict[str, Any] = json.loads((GOLDEN / "request.json").read_text())
BUDGET = Traits(thinking="budget")
ADAPTIVE = Traits(thinking="adaptive", sampling=False, prefill=False, max_output=128000)
BOTH = Traits(thinking="both", prefill=False)
X = {"type": "text", "text": "x"}
UPLOAD = {"type": "container_upload", "file_id": "f"}
SIGNED = Reasoning(text="hm", proof=Proof(family="anthropic", kind="signature", value="sig=="))
PNG = Image(media=Media(media_type="image/png", data="iVBORw0KGgoAAAA"))


def user(*parts: Any) -> Message:
    return Message(role="user", parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=user(*parts).parts)


def foreign(*messages: Message, **fields: Any) -> Request:
    """A request of another format's client."""
    return Request(model="m", messages=messages or (user("Hi"),), family="openai_chat", **fields)


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]} | changes


def content(request: Request, traits: Traits = BUDGET) -> list[tuple[str, list[Any]]]:
    return [(message["role"], message["content"]) for message in dump(request, traits).body["messages"]]


# -- what clients send -------------------------------------------------------------------------------------------------
def test_a_full_request_is_read_by_field() -> None:
    request = parse(copy.deepcopy(FULL))
    assert request.model == "claude-sonnet-4-5" and request.stream and request.max_tokens == 32000
    assert request.system == (Text(text="You are a coding agent.", cache="1h"), Text(text="Be brief."))
    look, url, pdf, plain, filed = request.messages[0].parts[1:]
    assert look == Image(media=Media(media_type="image/png", data="iVBORw0KGgoAAAANSUhEUg=="))
    assert url == Image(media=Media(url="https://example.com/a.png"))
    assert isinstance(pdf, Document) and pdf.name == "Paper" and pdf.context == "of 2026" and pdf.citations
    assert plain == Document(text="Plain words")
    assert filed == Document(media=Media(file_id="file_011", family="anthropic"))
    thought, sealed, _, read_file, now = request.messages[1].parts
    assert thought == Reasoning(
        text="Let me see.", proof=Proof(family="anthropic", kind="signature", value="EqQBCgIYAhIM+/=")
    )
    assert sealed == Reasoning(proof=Proof(family="anthropic", kind="redacted", value="EmwKAhgBEgy3va3p"))
    assert read_file == ToolCall(id="toolu_01A", name="read_file", arguments='{"path":"a.txt","lines":[1,2]}')
    assert now == ToolCall(id="toolu_01B", name="now", arguments="{}")
    seen, failed, go_on = request.messages[2].parts
    assert isinstance(seen, ToolResult) and seen.name == "read_file" and len(seen.parts) == 2
    assert failed == ToolResult(id="toolu_01B", name="now", parts=(Text(text="no clock"),), error=True)
    assert go_on == Text(text="Go on.", cache="5m")
    assert request.tools[2] == HostedTool(intent="web_search", family="anthropic", value=FULL["tools"][2])
    assert request.tool_choice == ToolChoice(mode="auto") and request.parallel_tools is False
    assert request.thinking == Thinking(budget=10000, show=True)
    assert request.output is not None and request.output.kind == "json_schema"
    assert (request.user, request.stop, request.service_tier, request.cache) == ("user_1", ("END",), "auto", "5m")
    assert request.extra["context_management"] == FULL["context_management"]


def test_what_the_format_can_say_comes_out_as_it_went_in() -> None:
    dumped = dump(parse(copy.deepcopy(FULL)), BUDGET)
    assert dumped.body == FULL
    assert dumped.dropped == ()
    assert dict(dumped.headers)["anthropic-beta"] == "files-api-2025-04-14,context-management-2025-06-27"
    assert dict(dumped.headers)["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("changes", "traits"),
    [
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, ADAPTIVE),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, BOTH),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}, BOTH),
        ({"thinking": {"type": "disabled"}}, ADAPTIVE),
        ({"thinking": {"type": "between_tools"}}, ADAPTIVE),
        ({"output_config": {"effort": "low", "task_budget": {"type": "tokens"}}}, ADAPTIVE),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 40}, BUDGET),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}, BUDGET),
        ({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "f"}}, BUDGET),
        ({"tools": [{"name": "f", "input_schema": {}, "strict": False}], "tool_choice": {"type": "none"}}, BUDGET),
        ({"container": "c_1", "mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]}, BUDGET),
    ],
)
def test_options_come_out_as_they_went_in(changes: dict[str, Any], traits: Traits) -> None:
    given_body = body(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], **changes)
    dumped = dump(parse(copy.deepcopy(given_body)), traits)
    assert dumped.body == given_body
    assert dumped.dropped == ()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"type": "search_result", "source": "https://e.com", "title": "T", "content": [X]},
            Document(text="x", name="T", context="https://e.com"),
        ),
        ({"type": "document", "source": {"type": "content", "content": "x"}}, Document(text="x")),
        (
            {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
            Document(media=Media(url="https://e.com/a.pdf")),
        ),
        (UPLOAD, Opaque(family="anthropic", value=UPLOAD)),
        ({"type": "thinking", "thinking": "x", "signature": ""}, Reasoning(text="x")),
    ],
)  # fmt: skip
def test_blocks_without_a_counterpart(block: dict[str, Any], expected: Any) -> None:
    assert parse(body(messages=[{"role": "user", "content": [block]}])).messages[0].parts == (expected,)


def test_pictures_in_a_document_stay() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}
    source = {"type": "content", "content": [{"type": "text", "text": "x"}, picture]}
    parts = parse(body(messages=[{"role": "user", "content": [{"type": "document", "source": source}]}])).messages[0]
    assert parts.parts == (Document(text="x"), Image(media=Media(url="https://e.com/a.png")))


def test_the_path_may_say_model_and_stream() -> None:
    request = parse(body(model=None, stream=True), model="other", stream=False)
    assert (request.model, request.stream) == ("other", False)
    assert parse(body()).stream is False


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "disk"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]}]},
            "messages[0].content[0].input",
        ),
        ({"system": 3}, "system"),
        ({"system": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}, "system[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "", "input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id"),
        ({"stream": "yes"}, "stream"),
        ({"thread": {"type": "create"}}, "thread"),
    ],
)
def test_wrong_input_is_refused_by_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(body(**changes))
    assert (caught.value.status, caught.value.param) == (400, place)


def test_counting_needs_no_limit_and_takes_fewer_fields() -> None:
    request = count_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "system": "Be brief."})
    assert request.max_tokens is None and request.system == (Text(text="Be brief."),)
    assert set(dump_count(request, BUDGET).body) == {"model", "messages", "system"}
    assert json.loads(count_reply(12)) == {"input_tokens": 12}


# -- conversations -----------------------------------------------------------------------------------------------------
def test_neighbours_are_merged_and_results_come_first_in_the_order_of_the_calls() -> None:
    request = foreign(
        user("Hi"),
        assistant("I look.", ToolCall(id="a", name="f"), ToolCall(id="b", name="f", arguments='{"x": 1}')),
        user("wait"),
        user(ToolResult(id="b", parts=(Text(text="B"),))),
        user(ToolResult(id="a", parts=(Text(text="A"), PNG), error=True)),
    )
    _, (_, calls), (role, answers) = content(request)
    assert [call["input"] for call in calls[1:]] == [{}, {"x": 1}]
    assert role == "user"
    assert [block["type"] for block in answers] == ["tool_result", "tool_result", "text"]
    assert [block.get("tool_use_id") for block in answers] == ["a", "b", None]
    assert answers[0]["is_error"] and answers[0]["content"][1]["type"] == "image" and answers[1]["content"] == "B"


def test_a_result_that_came_late_is_moved_to_its_call() -> None:
    request = foreign(
        user("Hi"), assistant(ToolCall(id="a", name="f")), user("no"), assistant("ok"), user(ToolResult(id="a"), "x")
    )
    assert [block["type"] for block in content(request)[2][1]] == ["tool_result", "text"]
    assert [block["type"] for block in content(request)[4][1]] == ["text"]


def test_a_call_without_a_result_gets_a_stub_and_a_result_without_a_call_becomes_text() -> None:
    request = foreign(user(ToolResult(id="x", parts=(Text(text="lost"),))), assistant(ToolCall(id="a", name="f")))
    (_, first), _, (_, last) = content(request)
    assert first == [{"type": "text", "text": "lost"}]
    assert last[0]["tool_use_id"] == "a" and last[0]["is_error"]


def test_repeated_and_odd_ids_become_unique_and_plain() -> None:
    request = foreign(
        user("Hi"),
        assistant(ToolCall(id="a", name="f"), ToolCall(id="a", name="f"), ToolCall(id="x:y z", name="f")),
        user(*(ToolResult(id=id, parts=(Text(text=str(n)),)) for n, id in enumerate(["a", "a", "x:y z"]))),
    )
    _, (_, calls), (_, answers) = content(request)
    ids = [call["id"] for call in calls]
    assert len(set(ids)) == 3 and all(id.replace("_", "").isalnum() for id in ids)
    assert [(block["tool_use_id"], block["content"]) for block in answers] == list(zip(ids, "012", strict=True))


def test_it_begins_with_the_user_and_system_text_keeps_its_place() -> None:
    late = Message(role="system", parts=(Text(text="Late."),))
    dumped = dump(foreign(assistant("Hello"), late, user("Hi"), system=(Text(text="Early."),)), BUDGET).body
    assert [message["role"] for message in dumped["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in dumped["system"]] == ["Early.", "Late."]
    folded = dump(foreign(user("Hi"), system=(Text(text="S"),)), Traits(system_role=False)).body
    assert "system" not in folded
    assert [block["text"] for block in folded["messages"][0]["content"]] == ["S", "Hi"]


def test_system_text_alone_becomes_the_users() -> None:
    dumped = dump(foreign(Message(role="system", parts=(Text(text="S"),))), BUDGET).body
    assert dumped["messages"] == [{"role": "user", "content": [{"type": "text", "text": "S"}]}]
    assert "system" not in dumped


def test_blank_text_is_left_out() -> None:
    assert content(foreign(user("Hi"), assistant("", " \n"), user("you"))) == [
        ("user", [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}])
    ]


def test_prefill_goes_only_where_it_is_taken() -> None:
    request = foreign(user("Hi"), assistant("So: "))
    assert content(request)[-1] == ("assistant", [{"type": "text", "text": "So:"}])
    dumped = dump(request, ADAPTIVE)
    assert dumped.body["messages"][-1]["role"] == "user" and dumped.dropped == ("prefill",)
    assert "prefill" in dump(foreign(*request.messages, thinking=Thinking(effort="high")), BUDGET).dropped


def test_citations_of_its_own_go_back_and_made_ones_do_not() -> None:
    own = {"type": "char_location", "cited_text": "x", "document_index": 0, "start_char_index": 0, "end_char_index": 1}
    made = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "x", "encrypted_index": ""}
    said = {"type": "text", "text": "So.", "citations": [own, made]}
    request = parse(body(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [said]}]))
    assert request.messages[1].parts[0].citations[1].url == "u"  # type: ignore[union-attr]
    assert content(request)[1][1] == [{"type": "text", "text": "So.", "citations": [own]}]


# -- reasoning ---------------------------------------------------------------------------------------------------------
FOREIGN = Reasoning(text="hm", proof=Proof(family="gemini", kind="thought", value="x"))
UNSIGNED = Reasoning(text="hm")


@pytest.mark.parametrize("thought", [FOREIGN, UNSIGNED])
def test_foreign_and_unsigned_reasoning_is_dropped_without_a_word(thought: Reasoning) -> None:
    dumped = dump(foreign(user("Hi"), assistant(thought, "Hello"), user("you")), BUDGET)
    assert dumped.body["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]
    assert dumped.dropped == ()


def test_signatures_of_another_family_of_upstream_stay_away() -> None:
    request = foreign(user("Hi"), assistant(SIGNED, "Hello"), user("you"))
    assert content(request, Traits(thinking="budget", family="minimax"))[1][1] == [{"type": "text", "text": "Hello"}]
    assert content(request)[1][1][0] == {"type": "thinking", "thinking": "hm", "signature": "sig=="}


def test_upstreams_that_want_reasoning_back_get_it_unsigned() -> None:
    request = loop(FOREIGN)
    dumped = dump(request, Traits(thinking="budget", family="deepseek", reasoning_in=True))
    assert dumped.body["thinking"]["type"] == "enabled" and dumped.dropped == ()
    assert dumped.body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


def loop(*first: Any) -> Request:
    call, result = ToolCall(id="a", name="f"), ToolResult(id="a", parts=(Text(text="1"),))
    tools = (Tool(name="f", schema={"type": "object"}),)
    return foreign(user("Hi"), assistant(*first, call), user(result), tools=tools, thinking=Thinking(effort="medium"))


@pytest.mark.parametrize("traits", [BUDGET, BOTH, ADAPTIVE])
def test_a_tool_loop_without_its_thinking_is_continued_without_thinking(traits: Traits) -> None:
    for missing in ((), (UNSIGNED,), (FOREIGN, "text")):
        dumped = dump(loop(*missing), traits)
        assert dumped.body["thinking"] == {"type": "disabled"}
        assert "thinking" in dumped.dropped
    kept = dump(loop(SIGNED), traits)
    assert kept.body["thinking"]["type"] in ("enabled", "adaptive") and kept.dropped == ()
    assert kept.body["messages"][1]["content"][0]["signature"] == "sig=="


def test_earlier_loops_do_not_matter() -> None:
    request = loop()
    later = msgspec.structs.replace(request, messages=(*request.messages, assistant("Done."), user("More")))
    assert dump(later, BUDGET).body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    ("wish", "traits", "limit", "thinking", "effort"),
    [
        (Thinking(), BUDGET, None, None, None),
        (Thinking(effort="none"), BUDGET, None, {"type": "disabled"}, None),
        (Thinking(budget=0), ADAPTIVE, None, {"type": "disabled"}, None),
        (Thinking(effort="minimal"), BUDGET, None, {"type": "enabled", "budget_tokens": 1024}, None),
        (Thinking(effort="medium"), BUDGET, 100000, {"type": "enabled", "budget_tokens": 8192}, None),
        (Thinking(effort="high"), BUDGET, 8000, {"type": "enabled", "budget_tokens": 6000}, None),
        (Thinking(budget=5000), BUDGET, 4000, {"type": "enabled", "budget_tokens": 3999}, None),
        (Thinking(budget=100), BUDGET, 4000, {"type": "enabled", "budget_tokens": 1024}, None),
        (Thinking(budget=-1), BUDGET, 20000, {"type": "enabled", "budget_tokens": 8192}, None),
        (Thinking(adaptive=True), BUDGET, 64000, {"type": "enabled", "budget_tokens": 16384}, None),
        (Thinking(effort="minimal"), ADAPTIVE, None, {"type": "adaptive"}, "low"),
        (Thinking(effort="xhigh"), ADAPTIVE, None, {"type": "adaptive"}, "xhigh"),
        (Thinking(effort="xhigh"), BOTH, None, {"type": "adaptive"}, "max"),
        (Thinking(budget=9000), ADAPTIVE, None, {"type": "adaptive"}, "medium"),
        (Thinking(budget=9000), BOTH, 20000, {"type": "enabled", "budget_tokens": 9000}, None),
        (Thinking(budget=-1), BOTH, None, {"type": "adaptive"}, None),
        (Thinking(effort="low", summary="auto"), ADAPTIVE, None, {"type": "adaptive", "display": "summarized"}, "low"),
        (Thinking(effort="low", show=False), ADAPTIVE, None, {"type": "adaptive", "display": "omitted"}, "low"),
    ],
)
def test_levels_of_thinking(
    wish: Thinking, traits: Traits, limit: int | None, thinking: Any, effort: str | None
) -> None:
    dumped = dump(foreign(thinking=wish, max_tokens=limit), traits)
    assert dumped.body.get("thinking") == thinking
    assert dumped.body.get("output_config", {}).get("effort") == effort
    assert dumped.dropped == ()
    if thinking and "budget_tokens" in thinking:
        assert dumped.body["max_tokens"] > thinking["budget_tokens"]


def test_thinking_that_does_not_fit_is_noted() -> None:
    for traits, limit in ((BUDGET, 1024), (Traits(thinking="none"), 9000), (Traits(capabilities=frozenset()), 9000)):
        dumped = dump(foreign(thinking=Thinking(effort="high"), max_tokens=limit), traits)
        assert "thinking" not in dumped.body and dumped.dropped == ("thinking",)


def test_edits_that_clear_thinking_go_with_it() -> None:
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]
    request = msgspec.structs.replace(
        loop(), family="anthropic", thinking=Thinking(budget=2000), extra={"context_management": {"edits": edits}}
    )
    dumped = dump(request, BUDGET)
    assert dumped.body["context_management"] == {"edits": edits[1:]}
    assert dumped.dropped == ("thinking", "context_management")


# -- options -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "traits", "expected", "dropped"),
    [
        ({}, Traits(), {"max_tokens": 8192}, ()),
        ({}, Traits(max_output=64000), {"max_tokens": 64000}, ()),
        ({"max_tokens": 200000}, Traits(max_output=64000), {"max_tokens": 64000}, ()),
        ({"temperature": 1.7}, BUDGET, {"temperature": 1}, ()),
        ({"temperature": 0.2, "top_p": 0.9}, BUDGET, {"temperature": 0.2}, ("top_p",)),
        ({"temperature": 0.2, "top_k": 3}, ADAPTIVE, {}, ("temperature", "top_k")),
        ({"temperature": 0.2, "thinking": Thinking(effort="low")}, BUDGET, {}, ("temperature",)),
        ({"top_p": 0.97, "thinking": Thinking(effort="low")}, BUDGET, {"top_p": 0.97}, ()),
        ({"stop": ("\n\n", "END")}, BUDGET, {"stop_sequences": ["END"]}, ("stop",)),
        ({"stop": ("A", "B")}, Traits(stop_limit=1), {"stop_sequences": ["A"]}, ("stop",)),
        ({"user": "u1"}, BUDGET, {"metadata": {"user_id": "u1"}}, ()),
        ({"user": "u" * 300}, BUDGET, {}, ("user",)),
        ({"service_tier": "default"}, BUDGET, {"service_tier": "standard_only"}, ()),
        ({"service_tier": "flex"}, BUDGET, {}, ("service_tier",)),
        ({"seed": 0, "n": 2}, BUDGET, {}, ("n", "seed")),
        ({"n": 1, "presence_penalty": 0.0, "logprobs": False}, BUDGET, {}, ()),
        ({"frequency_penalty": 1.0, "logit_bias": {"1": 2}}, BUDGET, {}, ("frequency_penalty", "logit_bias")),
        ({"logprobs": True, "top_logprobs": 0}, BUDGET, {}, ("logprobs", "top_logprobs")),
        ({"modalities": ("text", "audio")}, BUDGET, {}, ("modalities",)),
        ({"extra": {"prediction": {}}}, BUDGET, {}, ("prediction",)),
        ({"metadata": {"a": "b"}, "verbosity": "low"}, BUDGET, {}, ("verbosity", "metadata")),
    ],
)  # fmt: skip
def test_options_of_others(fields: dict[str, Any], traits: Traits, expected: dict[str, Any], dropped: Any) -> None:
    dumped = dump(foreign(**fields), traits)
    plain = {k: v for k, v in dumped.body.items() if k not in ("model", "messages", "thinking")}
    if "max_tokens" not in expected:
        del plain["max_tokens"]
    assert plain == expected
    assert dumped.dropped == dropped


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (Audio(data="AAAA"), "audio"),
        (Image(media=Media(media_type="image/tiff", data="AAAA")), "image/tiff"),
        (Image(media=Media(file_id="file-1", family="openai_chat")), "file-1"),
        (Image(media=Media(url="gs://bucket/a.png")), "address"),
        (Document(media=Media(media_type="application/msword", data="AAAA")), "application/msword"),
        (Document(media=Media(media_type="text/plain", data=base64.b64encode(b"\xff\xfe").decode())), "UTF-8"),
    ],
)
def test_what_cannot_be_left_out_is_refused_by_name(part: Any, word: str) -> None:
    with pytest.raises(Refusal) as caught:
        dump(foreign(user(part)), BUDGET)
    assert caught.value.status == 400 and word in caught.value.message


def test_output_that_is_no_text_is_refused() -> None:
    with pytest.raises(Refusal, match="audio"):
        dump(foreign(modalities=("audio",)), BUDGET)


def test_media_are_written_as_what_they_are() -> None:
    text = Document(media=Media(media_type="text/csv", data=base64.b64encode(b"a,b").decode()), name="t.csv")
    jpeg = Image(media=Media(media_type="image/png", data="/9j/4AAQSkZJRg=="))
    ((_, (first, second)),) = content(foreign(user(text, jpeg)))
    assert first["source"] == {"type": "text", "media_type": "text/plain", "data": "a,b"} and first["title"] == "t.csv"
    assert second["source"]["media_type"] == "image/jpeg"


def test_a_model_that_cannot_see_is_told_so() -> None:
    pdf = Document(media=Media(media_type="application/pdf", data="JVBERi0x"))
    dumped = dump(foreign(user(PNG, pdf, Document(text="plain"))), Traits(capabilities=frozenset({"tools"})))
    assert [block["type"] for block in dumped.body["messages"][0]["content"]] == ["text", "text", "document"]
    assert dumped.dropped == ("image", "document")


def test_foreign_parts() -> None:
    request = foreign(
        user("Hi"), assistant(Refused(text="No."), Opaque(family="openai_responses", value={"type": "mcp_call"}), PNG)
    )
    dumped = dump(request, BUDGET)
    assert dumped.body["messages"][1]["content"] == [{"type": "text", "text": "No."}]
    assert dumped.dropped == ("mcp_call", "image")


# -- structured output and tools ---------------------------------------------------------------------------------------
def test_structured_output() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}, "minimum": {"oneOf": [{"type": "string"}]}},
    }
    output = Output(kind="json_schema", name="x", schema=schema, strict=True)
    said = dump(foreign(output=output), BUDGET).body["output_config"]["format"]
    assert said["schema"] == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "n": {"type": "integer", "description": '{"minimum":1}'},
            "minimum": {"anyOf": [{"type": "string"}]},
        },
    }
    told = dump(foreign(output=output), Traits(capabilities=frozenset({"tools"}))).body
    assert "output_config" not in told and '"minimum":1' in told["system"][-1]["text"]
    plain = dump(foreign(output=Output(kind="json_object"), system=(Text(text="S"),)), BUDGET).body
    assert "JSON object" in plain["system"][1]["text"]
    assert "system" not in dump(foreign(output=Output(kind="text")), BUDGET).body


def test_tools_of_others() -> None:
    tools = (
        Tool(name="a.b", description="A", schema={"type": "object"}, strict=False),
        Tool(name="nothing"),
        Tool(name="patch", custom=True, grammar={"type": "text"}),
        HostedTool(intent="web_search", family="openai_responses", value={"type": "web_search"}),
        HostedTool(intent="image", family="openai_responses", value={"type": "image_generation"}),
    )
    dumped = dump(foreign(tools=tools, tool_choice=ToolChoice(mode="one", names=("a.b",))), BUDGET)
    first, second, third, search = dumped.body["tools"]
    assert dumped.names.original(first["name"]) == "a.b" and "." not in first["name"] and "strict" not in first
    assert second == {"name": "nothing", "input_schema": {"type": "object", "properties": {}}}
    assert third["input_schema"]["required"] == ["input"] and dumped.names.wrapped == {third["name"]}
    assert search == {"type": "web_search_20250305", "name": "web_search"}
    assert dumped.body["tool_choice"] == {"type": "tool", "name": first["name"]}
    assert dumped.dropped == ("tools.image_generation",)


@pytest.mark.parametrize(
    ("fields", "choice", "dropped"),
    [
        ({"tool_choice": ToolChoice(mode="required")}, {"type": "any"}, ()),
        ({"tool_choice": ToolChoice(mode="none"), "parallel_tools": False}, {"type": "none"}, ()),
        ({"parallel_tools": False}, {"type": "auto", "disable_parallel_tool_use": True}, ()),
        ({"parallel_tools": True}, None, ()),
        (
            {"tool_choice": ToolChoice(mode="required"), "thinking": Thinking(effort="low")},
            {"type": "auto"},
            ("tool_choice",),
        ),
    ],
)  # fmt: skip
def test_choice(fields: dict[str, Any], choice: Any, dropped: Any) -> None:
    dumped = dump(foreign(tools=(Tool(name="f"),), **fields), BUDGET)
    assert (dumped.body.get("tool_choice"), dumped.dropped) == (choice, dropped)


def test_a_choice_among_some_sends_only_those() -> None:
    tools = tuple(Tool(name=name) for name in "abc")
    dumped = dump(foreign(tools=tools, tool_choice=ToolChoice(mode="required", names=("a", "c"))), BUDGET).body
    assert [tool["name"] for tool in dumped["tools"]] == ["a", "c"] and dumped["tool_choice"] == {"type": "any"}


def test_a_history_with_calls_has_its_tools_defined() -> None:
    request = msgspec.structs.replace(loop(), tools=(), thinking=Thinking())
    dumped = dump(request, BUDGET).body
    assert [tool["name"] for tool in dumped["tools"]] == ["f"] and dumped["tool_choice"] == {"type": "none"}


def test_tools_are_left_out_where_there_are_none() -> None:
    dumped = dump(foreign(tools=(Tool(name="f"),)), Traits(capabilities=frozenset()))
    assert "tools" not in dumped.body and dumped.dropped == ("tools",)


@pytest.mark.parametrize(("arguments", "given_input"), [("", {}), ("[1]", {"input": [1]}), ("{bad", {"input": "{bad"})])
def test_arguments_are_always_an_object(arguments: str, given_input: Any) -> None:
    request = foreign(user("Hi"), assistant(ToolCall(id="a", name="f", arguments=arguments)), user("x"))
    assert content(request)[1][1][0]["input"] == given_input


# -- properties --------------------------------------------------------------------------------------------------------
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20).map(lambda text: f"x{text}y")
texts = st.builds(Text, text=words, cache=st.sampled_from(["", "5m", "1h"]))
images = st.sampled_from([PNG, Image(media=Media(url="https://e.com/a.png"), cache="5m")])
documents = st.builds(Document, text=words, name=words, context=words, citations=st.booleans())
thoughts = st.builds(
    Reasoning, text=words, proof=st.builds(Proof, family=st.just("anthropic"), kind=st.just("signature"), value=words)
)


@st.composite
def conversations(draw: st.DrawFn) -> Request:
    messages = [Message(role="user", parts=tuple(draw(st.lists(texts | images | documents, min_size=1, max_size=3))))]
    for turn in range(draw(st.integers(0, 3))):
        calls = tuple(
            ToolCall(id=f"t{turn}_{n}", name=draw(st.sampled_from("fg")), arguments='{"x":[1,"ü"]}')
            for n in range(draw(st.integers(0, 3)))
        )
        said = (*draw(st.lists(thoughts, max_size=1)), draw(texts))
        results = tuple(
            ToolResult(
                id=call.id,
                name=call.name,
                parts=tuple(draw(st.lists(texts | images, max_size=2))),
                error=draw(st.booleans()),
                cache=draw(st.sampled_from(["", "5m"])),
            )
            for call in calls
        )
        messages.append(Message(role="assistant", parts=said + calls))
        messages.append(Message(role="user", parts=(*results, draw(texts))))
    return Request(
        model="m",
        family="anthropic",
        messages=tuple(messages),
        system=tuple(draw(st.lists(texts, max_size=2))),
        max_tokens=draw(st.integers(1, 9000)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        thinking=draw(st.sampled_from([Thinking(), Thinking(off=True)])),
        stream=draw(st.booleans()),
        user=draw(words),
    )


@given(request=conversations())
@settings(max_examples=60, deadline=None)
def test_canonical_requests_survive_the_wire(request: Request) -> None:
    traits = Traits(thinking="budget")
    dumped = dump(request, traits)
    again = parse(json.loads(msgspec.json.encode(dumped.body)))
    if request.thinking.off:  # without thinking its blocks stay at home
        parts = [tuple(p for p in message.parts if not isinstance(p, Reasoning)) for message in request.messages]
        request = msgspec.structs.replace(
            request,
            messages=tuple(Message(role=m.role, parts=p) for m, p in zip(request.messages, parts, strict=True)),
        )
    assert again == request


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "text", "tool_use"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "text", "content", "source", "id", "name", "input", "role", "data", "tool_use_id", "citations"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    changes=st.dictionaries(
        st.sampled_from([*FULL, "thinking", "temperature", "thread", "new"]), json_values, max_size=3
    ),
    blocks=st.lists(json_values, max_size=2),
)
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_or_refused(changes: dict[str, Any], blocks: list[Any]) -> None:
    with contextlib.suppress(Refusal):
        request = parse({**body(messages=[{"role": "user", "content": blocks}]), **changes})
        assert dump(request, BUDGET).body["messages"]


def test_deep_nesting_is_refused() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = {"type": "tool_result", "tool_use_id": "a", "content": [deep]}
    with pytest.raises(Refusal, match="nested"):
        parse(body(messages=[{"role": "user", "content": [deep]}]))
