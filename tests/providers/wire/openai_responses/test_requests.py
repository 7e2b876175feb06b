"""Requests of the Responses format: what clients send, what upstreams get."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from providers.wire.openai_responses.requests import dump, parse
from providers.wire.traits import Traits
from providers.wire.translation import Dumped
from providers.wire.types import (
    Audio,
    Document,
    HostedTool,
    Image,
    Media,
    Message,
    Opaque,
    Output,
    Part,
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
from providers.wire.types import Refusal as RefusalPart

FAMILY = "openai_responses"
OPENAI = Traits(family=FAMILY, developer_role=True)
SEALED = Proof(family=FAMILY, kind="encrypted", value="gAAAA==", id="rs_1")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def parsed(**fields: Any) -> Request:
    return parse({"model": "m", "input": "hi", **fields})


def said(*items: Any, **fields: Any) -> Request:
    return parse({"model": "m", "input": list(items), **fields})


def sent(*messages: Message, traits: Traits = OPENAI, **fields: Any) -> Dumped:
    return dump(Request(model="m", messages=messages, **fields), traits)


def user(*parts: Part | str) -> Message:
    return Message(role="user", parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Part | str) -> Message:
    return Message(role="assistant", parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))


# -- from clients ------------------------------------------------------------------------------------------------------
class TestParse:
    def test_text(self) -> None:
        request = parsed()
        assert (request.model, request.stream, request.messages) == ("m", False, (user("hi"),))
        assert request.family == FAMILY

    def test_a_turn_with_a_tool_as_codex_sends_it(self) -> None:
        request = said(
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandbox."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
             "encrypted_content": "gAAAA=="},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
            {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": '{"cmd":"ls"}'},
            {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "***"},
            {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
            instructions="Be Codex.", store=False, include=["reasoning.encrypted_content"],
            client_metadata={"x": "y"}, prompt_cache_key="k", stream=True,
        )  # fmt: skip
        assert [text.text for text in request.system] == ["Be Codex.", "Sandbox."]
        assert request.messages == (
            user("go"),
            assistant(
                Reasoning(text="hm", proof=SEALED, summary=True),
                "I look",
                ToolCall(id="c1", name="exec_command", arguments='{"cmd":"ls"}'),
                ToolCall(id="c2", name="apply_patch", arguments="***", custom=True),
            ),
            user(
                ToolResult(id="c1", name="exec_command", parts=(Text(text="a.txt"),)),
                ToolResult(id="c2", name="apply_patch", parts=(Text(text="ok"),), custom=True),
            ),
        )
        assert (request.stream, request.store, request.cache_key) == (True, False, "k")
        assert request.extra == {"client_metadata": {"x": "y"}}

    def test_late_developer_text_is_a_system_message(self) -> None:
        request = said({"role": "user", "content": "a"}, {"role": "developer", "content": "b"})
        assert request.messages[1] == Message(role="system", parts=(Text(text="b"),))

    def test_media(self) -> None:
        request = said(
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
                    {"type": "input_image", "image_url": "https://a.example/b.png"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
                    {"type": "input_file", "file_id": "file-1"},
                    {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
                ],
            }
        )
        assert request.messages[0].parts == (
            Image(media=Media(media_type="image/png", data="AAAA"), detail="low"),
            Image(media=Media(url="https://a.example/b.png")),
            Document(media=Media(media_type="application/pdf", data="BBBB"), name="a.pdf"),
            Document(media=Media(file_id="file-1", family=FAMILY)),
            Audio(data="CCCC", format="mp3"),
        )

    def test_tools(self) -> None:
        inner = {"type": "function", "name": "find", "parameters": SCHEMA}
        request = parsed(
            tools=[
                {"type": "function", "name": "run", "description": "d", "parameters": SCHEMA, "strict": True},
                {"type": "custom", "name": "patch", "format": {"type": "text"}},
                {"type": "namespace", "name": "crm", "description": "Customers", "tools": [inner]},
                {"type": "web_search", "search_context_size": "low"},
                {"type": "shell"},
            ]
        )
        assert request.tools == (
            Tool(name="run", description="d", schema=SCHEMA, strict=True),
            Tool(name="patch", custom=True, grammar={"type": "text"}),
            Tool(name="find", schema=SCHEMA, namespace="crm", namespace_description="Customers"),
            HostedTool(intent="web_search", family=FAMILY, value={"type": "web_search", "search_context_size": "low"}),
            HostedTool(intent="other", family=FAMILY, value={"type": "shell"}),
        )

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("none", ToolChoice(mode="none")),
            ("required", ToolChoice(mode="required")),
            ({"type": "function", "name": "run"}, ToolChoice(mode="one", names=("run",))),
            ({"type": "custom", "name": "patch"}, ToolChoice(mode="one", names=("patch",))),
            (
                {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "run"}]},
                ToolChoice(mode="required", names=("run",)),
            ),
        ],
    )
    def test_tool_choice(self, value: Any, expected: ToolChoice) -> None:
        assert parsed(tool_choice=value).tool_choice == expected

    def test_a_choice_only_this_vendor_knows_is_kept(self) -> None:
        request = parsed(tool_choice={"type": "web_search"}, tools=[{"type": "web_search"}])
        assert request.tool_choice is None
        assert dump(request, OPENAI).body["tool_choice"] == {"type": "web_search"}

    def test_the_other_fields(self) -> None:
        request = parsed(
            reasoning={"effort": "high", "summary": "detailed", "context": "auto"},
            text={"format": {"type": "json_schema", "name": "o", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
            max_output_tokens=50, temperature=0, top_p=1, parallel_tool_calls=False, metadata={"a": "b"}, user="u",
            previous_response_id="resp_1", include=["message.output_text.logprobs", "file_search_call.results"],
            top_logprobs=3, truncation="auto", service_tier="flex",
        )  # fmt: skip
        assert request.thinking == Thinking(effort="high", summary="detailed", show=True)
        assert request.output == Output(kind="json_schema", name="o", schema=SCHEMA, strict=True)
        assert (request.verbosity, request.max_tokens, request.temperature, request.top_p) == ("low", 50, 0, 1)
        assert (request.parallel_tools, request.metadata, request.user) == (False, {"a": "b"}, "u")
        assert (request.previous_id, request.logprobs, request.top_logprobs) == ("resp_1", True, 3)
        assert request.extra == {
            "include": ["file_search_call.results"],
            "reasoning": {"context": "auto"},
            "truncation": "auto",
        }

    def test_hosted_items_and_references_are_kept_whole(self) -> None:
        search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
        output = {"type": "computer_call_output", "call_id": "c", "output": {}}
        request = said(search, output, {"type": "item_reference", "id": "msg_1"})
        assert [message.role for message in request.messages] == ["assistant", "user", "assistant"]
        assert request.messages[0].parts == (Opaque(family=FAMILY, value=search),)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"input": "x"}, "model"),
            ({"model": "m"}, "input"),
            ({"model": "m", "input": 1}, "input"),
            ({"model": "m", "input": [1]}, "input[0]"),
            ({"model": "m", "input": [{"role": "boss", "content": "x"}]}, "input[0].role"),
            ({"model": "m", "input": [{"role": "user"}]}, "input[0].content"),
            ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]},
             "input[0].content[0].text"),
            ({"model": "m", "input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
            ({"model": "m", "input": [{"type": "function_call", "name": "x"}]}, "input[0].call_id"),
            ({"model": "m", "input": [{"type": "function_call_output", "call_id": "x"}]}, "input[0].output"),
            ({"model": "m", "input": [{"foo": 1}]}, "input[0].type"),
            ({"model": "m", "input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
            ({"model": "m", "input": "x", "tools": [{"type": "function", "name": "a", "parameters": 1}]},
             "tools[0].parameters"),
            ({"model": "m", "input": "x", "tool_choice": "maybe"}, "tool_choice"),
            ({"model": "m", "input": "x", "stream": "yes"}, "stream"),
            ({"model": "m", "input": "x", "max_output_tokens": "1"}, "max_output_tokens"),
            ({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type"),
            ({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
            ({"model": "m", "input": "x", "include": [1]}, "include[0]"),
            ({"model": "m", "input": "x", "background": True}, "background"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_refused_by_name(self, body: dict[str, Any], param: str) -> None:
        with pytest.raises(Refusal) as caught:
            parse(body)
        assert (caught.value.status, caught.value.param) == (400, param)

    @given(data=st.data())
    def test_any_json_raises_only_refusals(self, data: st.DataObject) -> None:
        words = st.sampled_from(WORDS)
        json = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
            max_leaves=20,
        )
        with suppress(Refusal):
            request = parse({"model": "m", **data.draw(st.dictionaries(words, json, max_size=6))})
            dump(request, OPENAI)


WORDS = (
    "input", "type", "role", "content", "message", "user", "assistant", "input_text", "text", "reasoning", "summary",
    "function_call", "call_id", "name", "arguments", "output", "tools", "function", "namespace", "tool_choice",
    "format", "include", "metadata", "instructions", "input_image", "image_url", "conversation", "store",
    "allowed_tools",
)  # fmt: skip


# -- to upstreams ------------------------------------------------------------------------------------------------------
class TestDump:
    def test_the_least(self) -> None:
        assert sent(user("hi")).body == {
            "model": "m",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }

    def test_system_texts_become_instructions(self) -> None:
        dumped = sent(user("hi"), system=(Text(text="a"), Text(text="b")))
        assert dumped.body["instructions"] == "a\n\nb"

    @pytest.mark.parametrize(
        ("traits", "role"),
        [(OPENAI, "developer"), (Traits(family=FAMILY), "system"), (Traits(family=FAMILY, system_role=False), "user")],
    )
    def test_late_system(self, traits: Traits, role: str) -> None:
        late = Message(role="system", parts=(Text(text="now"),))
        assert sent(user("hi"), late, traits=traits).body["input"][1]["role"] == role

    def test_without_a_system_role_its_text_stands_before_the_users(self) -> None:
        dumped = sent(user("hi"), system=(Text(text="a"),), traits=Traits(family=FAMILY, system_role=False))
        assert [part["text"] for part in dumped.body["input"][0]["content"]] == ["a", "hi"]
        assert "instructions" not in dumped.body

    def test_a_turn_keeps_its_order(self) -> None:
        dumped = sent(
            user("hi"),
            assistant("a", ToolCall(id="c1", name="x"), "b", RefusalPart(text="no"), ToolCall(id="c2", name="y")),
            user(ToolResult(id="c1", parts=(Text(text="1"),)), ToolResult(id="c2"), "go on"),
        )
        kinds = ["message", "message", "function_call", "message", "function_call"]
        results = ["function_call_output", "function_call_output", "message"]
        assert [item["type"] for item in dumped.body["input"]] == kinds + results
        assert dumped.body["input"][2]["arguments"] == "{}"
        assert dumped.body["input"][6]["output"] == ""

    def test_own_seals_go_back_byte_for_byte_and_foreign_ones_never(self) -> None:
        foreign = Proof(family="anthropic", kind="signature", value="sig")
        dumped = sent(
            user("hi"),
            assistant(Reasoning(text="a", proof=SEALED, summary=True), Reasoning(text="b", proof=foreign), "x"),
        )
        assert [item for item in dumped.body["input"] if item["type"] == "reasoning"] == [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "a"}],
                "encrypted_content": "gAAAA==",
            }
        ]
        assert dumped.dropped == ()

    def test_reasoning_that_leads_to_nothing_is_left_out(self) -> None:
        dumped = sent(user("hi"), assistant(Reasoning(proof=SEALED)), user("again"))
        assert [item["type"] for item in dumped.body["input"]] == ["message", "message"]

    def test_pairing_is_repaired(self) -> None:
        dumped = sent(
            user(ToolResult(id="nobody", parts=(Text(text="?"),)), "hi"),
            assistant(ToolCall(id="c", name="x"), ToolCall(id="c", name="x"), ToolCall(id="d", name="x")),
            user(ToolResult(id="c", parts=(Text(text="1"),)), ToolResult(id="c", parts=(Text(text="2"),))),
        )
        calls = [item["call_id"] for item in dumped.body["input"] if item["type"] == "function_call"]
        results = {i["call_id"]: i["output"] for i in dumped.body["input"] if i["type"] == "function_call_output"}
        assert calls == ["c", "c_2", "d"]
        assert results == {"c": "1", "c_2": "2", "d": "No result was recorded for this call."}
        assert dumped.dropped == ("tool_result",)

    def test_ids_and_names_are_made_to_fit(self) -> None:
        dumped = sent(
            assistant(ToolCall(id="a.b/c", name="do.it")),
            user(ToolResult(id="a.b/c", parts=(Text(text="1"),))),
            tools=(Tool(name="do.it", schema=SCHEMA),),
            tool_choice=ToolChoice(mode="one", names=("do.it",)),
        )
        call, result = dumped.body["input"]
        assert call["call_id"] == result["call_id"]
        assert call["name"] == dumped.body["tools"][0]["name"] == dumped.body["tool_choice"]["name"]
        assert "." not in call["name"]
        assert dumped.names.original(call["name"]) == "do.it"

    def test_errors_and_images_in_results(self) -> None:
        image = Image(media=Media(media_type="image/png", data="AA"))
        dumped = sent(
            assistant(ToolCall(id="c", name="x"), ToolCall(id="d", name="x")),
            user(
                ToolResult(id="c", parts=(Text(text="boom"),), error=True),
                ToolResult(id="d", parts=(Text(text="see"), image)),
            ),
        )
        assert dumped.body["input"][2]["output"] == "Error: boom"
        assert dumped.body["input"][3]["output"] == [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA"},
        ]

    def test_documents(self) -> None:
        pdf = Document(media=Media(media_type="application/pdf", data="AA"), name="a.pdf", context="Mind page 2.")
        dumped = sent(user(pdf, Document(text="words", name="a.txt"), Document(media=Media(url="https://a.example/b"))))
        assert dumped.body["input"][0]["content"] == [
            {"type": "input_text", "text": "Mind page 2."},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            {"type": "input_text", "text": "a.txt\n\nwords"},
            {"type": "input_file", "file_url": "https://a.example/b"},
        ]

    def test_an_image_for_a_model_without_eyes_is_noted(self) -> None:
        blind = Traits(family=FAMILY, capabilities=frozenset({"tools"}))
        dumped = sent(user(Image(media=Media(url="https://a.example/b.png"))), traits=blind)
        assert dumped.dropped == ("image",)
        assert dumped.body["input"][0]["content"][0]["type"] == "input_text"

    @pytest.mark.parametrize(
        ("part", "traits", "param"),
        [
            (Image(media=Media(file_id="f", family="anthropic")), OPENAI, "file_id"),
            (Audio(data="AA"), Traits(capabilities=frozenset({"tools"})), "input_audio"),
        ],
    )
    def test_what_cannot_be_sent_is_refused(self, part: Part, traits: Traits, param: str) -> None:
        with pytest.raises(Refusal) as caught:
            sent(user(part), traits=traits)
        assert (caught.value.status, caught.value.param) == (400, param)

    def test_what_cannot_be_said_is_noted(self) -> None:
        dumped = sent(
            user("hi"), n=2, stop=("x",), seed=1, top_k=4, presence_penalty=0.5, frequency_penalty=0.5,
            logit_bias={"1": 1}, safety=[{}], modalities=("text", "audio"), service_tier="standard_only",
            extra={"min_p": 1}, family="openai_chat",
        )  # fmt: skip
        assert set(dumped.dropped) == {
            "n", "stop", "seed", "top_k", "presence_penalty", "frequency_penalty", "logit_bias", "safety", "modalities",
            "service_tier", "min_p",
        }  # fmt: skip
        assert set(dumped.body) == {"model", "input", "store", "include"}

    @pytest.mark.parametrize(
        ("thinking", "expected"),
        [
            (Thinking(), None),
            (Thinking(effort="high"), {"effort": "high"}),
            (Thinking(off=True), {"effort": "none"}),
            (Thinking(budget=1024), {"effort": "low", "summary": "auto"}),
            (Thinking(budget=10000), {"effort": "medium", "summary": "auto"}),
            (Thinking(budget=99999), {"effort": "xhigh", "summary": "auto"}),
            (Thinking(budget=-1), {"summary": "auto"}),
            (Thinking(adaptive=True, effort="max", show=False), {"effort": "max"}),
            (Thinking(effort="low", summary="concise"), {"effort": "low", "summary": "concise"}),
        ],
    )
    def test_reasoning(self, thinking: Thinking, expected: Any) -> None:
        assert sent(user("hi"), thinking=thinking).body.get("reasoning") == expected

    def test_a_model_that_does_not_think_is_not_asked_to(self) -> None:
        plain = Traits(family=FAMILY, capabilities=frozenset({"tools"}), thinking="none")
        dumped = sent(user("hi"), thinking=Thinking(effort="high"), traits=plain)
        assert not {"reasoning", "include"} & set(dumped.body)
        assert dumped.dropped == ("reasoning",)

    def test_a_model_that_takes_no_sampling_is_not_sent_any(self) -> None:
        dumped = sent(user("hi"), temperature=0.2, top_p=0.5, traits=Traits(family=FAMILY, sampling=False))
        assert dumped.dropped == ("temperature", "top_p")

    @pytest.mark.parametrize(("asked", "family", "got"), [(5, "", 16), (5, FAMILY, 5), (900, "", 500)])
    def test_max_tokens(self, asked: int, family: str, got: int) -> None:
        dumped = sent(user("hi"), max_tokens=asked, family=family, traits=Traits(family=FAMILY, max_output=500))
        assert dumped.body["max_output_tokens"] == got

    def test_tools(self) -> None:
        tools = (
            Tool(name="run", schema=SCHEMA),
            Tool(name="patch", custom=True),
            Tool(name="find", schema=SCHEMA, namespace="crm", namespace_description="Customers"),
            HostedTool(intent="web_search", family="anthropic", value={"type": "web_search_20250305", "name": "s",
                                                                       "allowed_domains": ["a.example"]}),
            HostedTool(intent="code", family="gemini", value={"codeExecution": {}}),
        )  # fmt: skip
        dumped = sent(user("hi"), tools=tools, parallel_tools=False, tool_choice=ToolChoice(mode="required"))
        function = {"type": "function", "name": "find", "parameters": SCHEMA, "strict": False}
        assert dumped.body["tools"] == [
            {"type": "function", "name": "run", "parameters": SCHEMA, "strict": False},
            {"type": "custom", "name": "patch"},
            {"type": "namespace", "name": "crm", "description": "Customers", "tools": [function]},
            {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
        ]
        assert dumped.body["parallel_tool_calls"] is False
        assert dumped.body["tool_choice"] == "required"
        assert dumped.dropped == ("tools.code",)

    def test_strictness_of_other_vendors_goes_only_with_schemas_that_openai_takes_so(self) -> None:
        loose = {"type": "object", "properties": {"a": {"type": "string"}}}  # nothing required, not closed
        closed = {**loose, "required": ["a"], "additionalProperties": False}
        for family, schema, kept in (
            ("anthropic", loose, False),
            ("anthropic", closed, True),
            ("openai_chat", loose, True),  # OpenAI's own clients hear of it
        ):
            output = Output(kind="json_schema", name="o", schema=schema, strict=True)
            tools = (Tool(name="run", schema=schema, strict=True),)
            body = sent(user("hi"), tools=tools, output=output, family=family).body
            assert (body["tools"][0]["strict"], body["text"]["format"]["strict"]) == (kept, kept)

    def test_what_only_hosted_tools_had_leaves_no_choice_behind(self) -> None:
        hosted = (HostedTool(intent="code", family="gemini", value={"codeExecution": {}}),)
        dumped = sent(user("hi"), tools=hosted, tool_choice=ToolChoice(mode="required"))
        assert not {"tools", "tool_choice"} & set(dumped.body)

    def test_a_schema_for_a_model_without_them(self) -> None:
        dumped = sent(
            user("hi"),
            output=Output(kind="json_schema", schema=SCHEMA),
            traits=Traits(family=FAMILY, capabilities=frozenset({"tools"})),
        )
        assert dumped.body["text"] == {"format": {"type": "json_object"}}
        assert dumped.dropped == ("json_schema",)

    def test_the_upstream_never_has_to_remember(self) -> None:
        body = dump(parsed(previous_response_id="resp_1", conversation="conv_1", truncation="auto"), OPENAI).body
        assert not {"previous_response_id", "conversation"} & set(body)
        assert (body["store"], body["truncation"]) == (False, "auto")


# -- both ways ---------------------------------------------------------------------------------------------------------
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ids = st.text("abcdefXYZ019_-", min_size=1, max_size=10)
inputs = st.one_of(
    st.builds(Text, text=texts, cache=st.sampled_from(("", "5m"))),
    st.builds(Image, media=st.builds(Media, url=st.just("https://a.example/i.png")), detail=st.just("low")),
    st.builds(Document, media=st.builds(Media, media_type=st.just("application/pdf"), data=st.just("AA")), name=texts),
    st.builds(Audio, data=st.just("AA"), format=st.sampled_from(("wav", "mp3"))),
)
pairs = st.lists(inputs, min_size=2, max_size=2)
tools = st.lists(
    st.one_of(
        st.builds(Tool, name=ids.map("t_".__add__), description=texts, schema=st.just(SCHEMA), strict=st.booleans()),
        st.builds(
            HostedTool, intent=st.just("web_search"), family=st.just(FAMILY), value=st.just({"type": "web_search"})
        ),
    ),
    max_size=3,
    unique_by=lambda tool: getattr(tool, "name", ""),
).map(lambda found: tuple(sorted(found, key=lambda tool: isinstance(tool, HostedTool))))


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """A conversation in which every call has its result, as this format reads it back."""
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", parts=tuple(draw(st.lists(inputs, min_size=1, max_size=3)))))
        calls = [
            ToolCall(id=f"c{number}_{n}", name=draw(ids.map("t_".__add__)), arguments="{}", custom=draw(st.booleans()))
            for n in range(draw(st.integers(0, 2)))
        ]
        seal = Proof(family=FAMILY, kind="encrypted", value=draw(texts), id=f"rs_{number}")
        thought = draw(
            st.lists(st.builds(Reasoning, text=texts, proof=st.just(seal), summary=st.booleans()), max_size=1)
        )
        words = draw(st.lists(st.builds(Text, text=texts) | st.builds(RefusalPart, text=texts), max_size=2))
        parts = (*thought, *words, *calls)
        if words or calls:
            messages.append(Message(role="assistant", parts=parts))
        if calls:
            results = [
                ToolResult(
                    id=call.id,
                    name=call.name,
                    custom=call.custom,
                    parts=tuple(draw(st.lists(st.builds(Text, text=texts), max_size=1) | pairs)),
                )
                for call in calls
            ]  # fmt: skip
            messages.append(Message(role="user", parts=tuple(results)))
    return tuple(messages)


requests = st.builds(
    Request,
    model=ids,
    stream=st.booleans(),
    system=texts.map(lambda text: (Text(text=text),)) | st.just(()),
    messages=turns(),
    tools=tools,
    max_tokens=st.none() | st.integers(1, 9000),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    logprobs=st.none() | st.just(True),
    top_logprobs=st.none() | st.integers(0, 20),
    output=st.none()
    | st.builds(
        Output, kind=st.just("json_schema"), name=ids, schema=st.just(SCHEMA), strict=st.none() | st.booleans()
    ),
    thinking=st.builds(Thinking, effort=st.sampled_from(("", "low", "max")))
    | st.builds(Thinking, effort=st.just("high"), summary=st.just("auto"), show=st.just(True)),
    verbosity=st.sampled_from(("", "low")),
    user=ids | st.just(""),
    metadata=st.none() | st.dictionaries(ids, texts, max_size=2),
    service_tier=st.sampled_from(("", "flex")),
    cache_key=ids | st.just(""),
    store=st.booleans(),
    extra=st.fixed_dictionaries(
        {}, optional={"truncation": st.just("auto"), "reasoning": st.just({"context": "auto"})}
    ),
    family=st.just(FAMILY),
)


@given(requests)
def test_what_the_format_can_say_comes_back(request: Request) -> None:
    dumped = dump(request, OPENAI)
    assert dumped.dropped == ()
    assert parse(dumped.body) == request


@given(requests, st.randoms())
def test_calls_and_results_are_paired(request: Request, die: random.Random) -> None:
    kept = tuple(message for message in request.messages if die.random() > 0.3)
    items = dump(msgspec.structs.replace(request, messages=kept), Traits(family=FAMILY)).body["input"]
    calls = [item["call_id"] for item in items if item["type"] in ("function_call", "custom_tool_call")]
    results = [item["call_id"] for item in items if item["type"].endswith("_output")]
    assert sorted(calls) == sorted(results)
    assert len(set(calls)) == len(calls)
