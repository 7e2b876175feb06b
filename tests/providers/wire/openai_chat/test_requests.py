"""Chat Completions requests: client → canonical → upstream, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from providers.wire.openai_chat.requests import dump, parse
from providers.wire.traits import Traits
from providers.wire.translation import Dumped
from providers.wire.types import (
    Audio,
    Citation,
    Document,
    HostedTool,
    Image,
    Json,
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
from providers.wire.types import Refusal as Refused

OPENAI = Traits(family="openai_chat", developer_role=True, max_tokens_field="max_completion_tokens")
OTHER = Traits(family="openai_chat")
ROUTER = Traits(family="openrouter")
HI = ({"role": "user", "content": "hi"},)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def read(*messages: Json, **fields: Json) -> Request:
    return parse({"model": "m", "messages": list(messages or HI), **fields})


def refused(*messages: Json, **fields: Json) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(*messages, **fields)
    assert caught.value.status == 400
    return caught.value


def written(*messages: Message, traits: Traits = OTHER, **fields: Any) -> Dumped:
    messages = messages or (Message(role="user", parts=(Text(text="hi"),)),)
    return dump(Request(model="up", messages=messages, **fields), traits)


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role="assistant", parts=parts)


def call(id: str = "call_1", name: str = "weather", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=id, name=name, arguments=arguments)


# -- parse ---------------------------------------------------------------------------------------------------------
class TestParse:
    def test_leading_instructions_are_system_text_and_later_ones_stay_in_place(self) -> None:
        request = read(
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            *HI,
            {"role": "developer", "content": "late"},
        )
        assert request.system == (Text(text="a"), Text(text="b"))
        assert request.messages[1] == Message(role="system", parts=(Text(text="late"),))

    @pytest.mark.parametrize(
        ("item", "part"),
        [
            ({"type": "text", "text": "x"}, Text(text="x")),
            ({"type": "input_text", "text": "x"}, Text(text="x")),
            (
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                Text(text="x", cache="1h"),
            ),
            (
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
                Image(media=Media(media_type="image/png", data="QUJD"), detail="low"),
            ),
            (
                {"type": "image_url", "image_url": "https://e.test/a.png"},
                Image(media=Media(url="https://e.test/a.png")),
            ),
            (
                {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
                Image(media=Media(media_type="image/svg+xml", data="PHN2Zy8+")),
            ),
            (
                {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
                Audio(data="QQ==", format="mp3"),
            ),
            (
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
                Document(media=Media(media_type="application/pdf", data="QQ=="), name="a.pdf"),
            ),
            (
                {"type": "file", "file": {"file_id": "file-1"}},
                Document(media=Media(file_id="file-1", family="openai_chat")),
            ),
            (
                {"type": "video_url", "video_url": {"url": "u"}},
                Opaque(family="openai_chat", value={"type": "video_url", "video_url": {"url": "u"}}),
            ),
        ],
    )
    def test_user_parts(self, item: Json, part: Part) -> None:
        assert read({"role": "user", "content": [item]}).messages[0].parts == (part,)

    def test_an_assistant_turn_with_everything(self) -> None:
        request = read(
            *HI,
            {
                "role": "assistant",
                "reasoning_content": "hm",
                "content": "A",
                "refusal": "no",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                    {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "raw"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
        )
        assert request.messages[1].parts == (
            Reasoning(text="hm"),
            Text(text="A"),
            Refused(text="no"),
            ToolCall(id="c1", name="f", arguments='{"a": 1}'),
            ToolCall(id="c2", name="g", arguments="raw", custom=True),
        )
        assert request.messages[2:] == (
            user(
                ToolResult(id="c1", name="f", parts=(Text(text="1"),)),
                ToolResult(id="c2", name="g", parts=(Text(text="2"),), custom=True),
            ),
        )

    def test_deprecated_functions_are_tools(self) -> None:
        request = read(
            *HI,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
            functions=[{"name": "f", "parameters": {"type": "object"}}],
            function_call={"name": "f"},
        )
        made = request.messages[1].parts[0]
        assert isinstance(made, ToolCall) and made.id
        assert request.messages[2].parts == (ToolResult(id=made.id, name="f", parts=(Text(text="1"),)),)
        assert request.tools == (Tool(name="f", schema={"type": "object"}),)
        assert request.tool_choice == ToolChoice(mode="one", names=("f",))
        assert request.legacy_functions
        assert request.extra == {}

    @pytest.mark.parametrize(
        ("said", "parts"),
        [
            ({"reasoning": "a"}, (Reasoning(text="a"),)),
            (
                {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "s"}]},
                (
                    Reasoning(
                        text="a",
                        proof=Proof(
                            family="openrouter",
                            kind="signature",
                            value='{"type":"reasoning.text","text":"a","signature":"s"}',
                        ),
                    ),
                ),
            ),
            (
                {"thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "s"}]},
                (Reasoning(text="a", proof=Proof(family="anthropic", kind="signature", value="s")),),
            ),
            (
                {"thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]},
                (Reasoning(proof=Proof(family="anthropic", kind="redacted", value="d")),),
            ),
            ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}, (Reasoning(text="a"),)),
        ],
    )
    def test_reasoning_that_clients_send_back(self, said: Json, parts: tuple[Part, ...]) -> None:
        assert read(*HI, {"role": "assistant", **said}).messages[1].parts == parts

    @pytest.mark.parametrize(
        ("choice", "read_as"),
        [
            ("auto", ToolChoice(mode="auto")),
            ("any", ToolChoice(mode="required")),
            ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="one", names=("f",))),
            ({"type": "custom", "custom": {"name": "f"}}, ToolChoice(mode="one", names=("f",))),
            (
                {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
                },
                ToolChoice(mode="required", names=("f",)),
            ),
        ],
    )
    def test_tool_choice(self, choice: Json, read_as: ToolChoice) -> None:
        assert read(tool_choice=choice).tool_choice == read_as

    @pytest.mark.parametrize(
        ("fields", "thinking"),
        [
            ({"reasoning_effort": "high"}, Thinking(effort="high")),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Thinking(budget=2000)),
            ({"thinking": {"type": "disabled"}}, Thinking(off=True)),
            ({"thinking": {"type": "enabled"}}, Thinking(budget=-1)),
            ({"enable_thinking": False}, Thinking(off=True)),
            ({"enable_thinking": True, "thinking_budget": 500}, Thinking(budget=500)),
            ({"reasoning": {"effort": "low", "exclude": True}}, Thinking(effort="low", show=False)),
            ({"reasoning": {"max_tokens": 900}}, Thinking(budget=900)),
            ({"reasoning": {"enabled": False}}, Thinking(off=True)),
        ],
    )
    def test_thinking_in_every_dialect(self, fields: dict[str, Json], thinking: Thinking) -> None:
        request = read(**fields)
        assert request.thinking == thinking
        assert request.extra == {}

    def test_unknown_fields_are_kept_and_stream_is_off_unless_said(self) -> None:
        request = read(min_p=0.1, chat_template_kwargs={"a": 1}, newer=None)
        assert request.extra == {"min_p": 0.1, "chat_template_kwargs": {"a": 1}}
        assert request.stream is False
        assert request.family == "openai_chat"

    def test_hosted_tools_and_search_options(self) -> None:
        request = read(tools=[{"type": "web_search_preview"}, WEATHER], web_search_options={"user_location": None})
        assert [type(tool) for tool in request.tools] == [HostedTool, Tool, HostedTool]
        assert request.tools[0].intent == request.tools[2].intent == "web_search"  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("messages", "fields", "param"),
        [
            (({"role": "user", "content": 1},), {}, "messages[0].content"),
            (({"role": "user", "content": [{"type": "text", "text": 1}]},), {}, "messages[0].content[0].text"),
            (({"role": "robot", "content": "x"},), {}, "messages[0].role"),
            ((*HI, {"role": "assistant", "tool_calls": {}}), {}, "messages[1].tool_calls"),
            ((*HI, {"role": "assistant", "tool_calls": [{"id": 1}]}), {}, "messages[1].tool_calls[0].id"),
            ((), {"temperature": "hot"}, "temperature"),
            ((), {"max_tokens": 1.5}, "max_tokens"),
            ((), {"stop": [1]}, "stop[0]"),
            ((), {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
            ((), {"response_format": {"type": "xml"}}, "response_format.type"),
            ((), {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
            ((), {"reasoning_effort": "enormous"}, "reasoning_effort"),
            ((), {"tool_choice": "perhaps"}, "tool_choice"),
            ((), {"metadata": []}, "metadata"),
        ],
    )
    def test_what_is_wrong_is_named(self, messages: tuple[Json, ...], fields: dict[str, Json], param: str) -> None:
        assert refused(*messages, **fields).param == param

    @pytest.mark.parametrize("body", [{"messages": [*HI]}, {"model": "m"}, {"model": "m", "messages": []}])
    def test_model_and_messages_are_required(self, body: dict[str, Json]) -> None:
        with pytest.raises(Refusal):
            parse(body)


# -- dump ----------------------------------------------------------------------------------------------------------
class TestInstructions:
    def test_the_role_is_what_the_model_takes(self) -> None:
        system = (Text(text="a"), Text(text="b"))
        assert written(system=system).body["messages"][0] == {"role": "system", "content": "a\n\nb"}
        assert written(system=system, traits=OPENAI).body["messages"][0] == {
            "role": "developer",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        }

    def test_folding_keeps_images(self) -> None:
        picture = Image(media=Media(media_type="image/png", data="QQ=="))
        body = written(
            user(Text(text="what?"), picture), system=(Text(text="Be brief."),), traits=Traits(system_role=False)
        ).body
        (message,) = body["messages"]
        assert message["role"] == "user"
        assert message["content"][0]["text"] == "[System Instructions]\nBe brief.\n\n[User Message]\n"
        assert [item["type"] for item in message["content"]] == ["text", "text", "image_url"]

    def test_folding_of_plain_and_late_text(self) -> None:
        late = Message(role="system", parts=(Text(text="later"),))
        body = written(user(Text(text="hi")), late, system=(Text(text="S"),), traits=Traits(system_role=False)).body
        assert [message["content"] for message in body["messages"]] == [
            "[System Instructions]\nS\n\n[User Message]\nhi",
            "[System Instructions]\nlater",
        ]


class TestPairing:
    def test_results_stand_behind_their_calls_in_order(self) -> None:
        body = written(
            user(Text(text="q")),
            assistant(Text(text="a"), call("x"), call("y")),
            Message(role="system", parts=(Text(text="late"),)),
            user(
                ToolResult(id="y", parts=(Text(text="2"),)), ToolResult(id="x", parts=(Text(text="1"),)), Text(text="z")
            ),
        ).body
        assert [(m["role"], m.get("tool_call_id"), m["content"]) for m in body["messages"]] == [
            ("user", None, "q"),
            ("assistant", None, "a"),
            ("tool", "x", "1"),
            ("tool", "y", "2"),
            ("system", None, "late"),
            ("user", None, "z"),
        ]

    def test_missing_results_are_made_up_and_orphans_left_out(self) -> None:
        made = written(
            user(ToolResult(id="old", parts=(Text(text="0"),))),
            user(Text(text="q")),
            assistant(call("x")),
            user(ToolResult(id="other", parts=(Text(text="1"),)), Text(text="go on")),
        )
        roles = [message["role"] for message in made.body["messages"]]
        assert roles == ["user", "assistant", "tool", "user"]
        assert made.body["messages"][2]["content"] == "No result of this call is known."
        assert made.dropped == ("tool_result",)

    def test_ids_are_made_fit_and_unique(self) -> None:
        body = written(
            user(Text(text="q")),
            assistant(call("same"), call("same"), call("a b|c")),
            user(*(ToolResult(id=id, parts=(Text(text=id),)) for id in ("same", "same", "a b|c"))),
        ).body
        ids = [item["id"] for item in body["messages"][1]["tool_calls"]]
        assert len(set(ids)) == 3 and ids[0] == "same"
        assert [message["tool_call_id"] for message in body["messages"][2:]] == ids

    def test_mistral_takes_nine_letters(self) -> None:
        body = written(assistant(call("toolu_01")), traits=Traits(tool_id="mistral")).body
        id = body["messages"][0]["tool_calls"][0]["id"]
        assert len(id) == 9 and id.isalnum()
        assert body["messages"][1]["tool_call_id"] == id

    def test_images_in_results_follow_as_a_user_message(self) -> None:
        picture = Image(media=Media(media_type="image/png", data="QQ=="))
        body = written(
            assistant(call("x"), call("y")),
            user(ToolResult(id="x", name="weather", parts=(picture,)), ToolResult(id="y", parts=(Text(text="2"),))),
        ).body
        assert [message["role"] for message in body["messages"]] == ["assistant", "tool", "tool", "user"]
        assert body["messages"][1]["content"] == "The result follows as the user's next message."
        assert [item["type"] for item in body["messages"][3]["content"]] == ["text", "image_url"]

    def test_images_in_results_to_a_text_only_model_are_said_to_be_left_out(self) -> None:
        picture = Image(media=Media(media_type="image/png", data="QQ=="))
        made = written(
            assistant(call("x")),
            user(ToolResult(id="x", parts=(picture,))),
            traits=Traits(capabilities=frozenset({"tools"})),
        )
        assert [message["role"] for message in made.body["messages"]] == ["assistant", "tool"]
        assert "left out" in made.body["messages"][1]["content"]
        assert made.dropped == ("image",)

    def test_errors_are_said(self) -> None:
        body = written(assistant(call("x")), user(ToolResult(id="x", parts=(Text(text="boom"),), error=True))).body
        assert body["messages"][1]["content"] == "[Error] boom"

    def test_content_beside_calls_is_null_or_empty(self) -> None:
        assert written(assistant(call())).body["messages"][0]["content"] == ""
        assert written(assistant(call()), traits=OPENAI).body["messages"][0]["content"] is None

    def test_prefill_goes_where_it_is_refused(self) -> None:
        turns = (user(Text(text="q")), assistant(Text(text="{")))
        assert len(written(*turns).body["messages"]) == 2
        made = written(*turns, traits=Traits(prefill=False))
        assert [message["role"] for message in made.body["messages"]] == ["user"]
        assert made.dropped == ("prefill",)


class TestParts:
    def test_images_to_a_text_only_model_are_dropped_and_noted(self) -> None:
        picture = Image(media=Media(url="https://e.test/a.png"))
        blind = Traits(capabilities=frozenset({"tools"}))
        made = written(user(Text(text="see"), picture), user(picture), traits=blind)
        assert made.dropped == ("image",)
        assert made.body["messages"][0]["content"] == "see"
        assert "left out" in made.body["messages"][1]["content"]

    def test_documents_are_file_parts_and_plain_text_is_text(self) -> None:
        pdf = Document(media=Media(media_type="application/pdf", data="QQ=="), name="a.pdf", context="About it")
        plain = Document(text="hello", name="n.txt", citations=True)
        made = written(user(pdf, plain))
        assert made.body["messages"][0]["content"] == [
            {"type": "text", "text": "About it"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            {"type": "text", "text": "[Document: n.txt]\nhello"},
        ]
        assert made.dropped == ("citations",)

    def test_foreign_file_ids_and_opaque_parts_stay_behind(self) -> None:
        made = written(
            user(
                Text(text="q"),
                Document(media=Media(file_id="f", family="anthropic")),
                Opaque(family="anthropic", value={"type": "search_result"}),
            )
        )
        assert made.dropped == ("document", "search_result")
        assert made.body["messages"][0]["content"] == "q"

    def test_cache_marks_go_to_who_takes_them(self) -> None:
        marked = user(Text(text="q", cache="1h"))
        assert written(marked).dropped == ("cache_control",)
        (item,) = written(marked, traits=ROUTER).body["messages"][0]["content"]
        assert item["cache_control"] == {"type": "ephemeral", "ttl": "1h"}

    def test_foreign_reasoning_is_dropped_in_silence_and_own_goes_back(self) -> None:
        signed = Reasoning(text="t", proof=Proof(family="anthropic", kind="signature", value="s"))
        sealed = Reasoning(text="u", proof=Proof(family="openrouter", kind="encrypted", value='{"data":"x"}'))
        turn = assistant(signed, sealed, Text(text="a"))
        assert written(turn).body["messages"] == [{"role": "assistant", "content": "a"}]
        assert written(turn).dropped == ()
        assert written(turn, traits=ROUTER).body["messages"][0]["reasoning_details"] == [{"data": "x"}]
        assert written(turn, traits=Traits(reasoning_in=True)).body["messages"][0]["reasoning_content"] == "t\n\nu"
        assert written(assistant(signed)).body["messages"] == []

    def test_a_call_without_reasoning_gets_a_placeholder_where_it_is_required(self) -> None:
        assert (
            written(assistant(call()), traits=Traits(reasoning_in=True)).body["messages"][0]["reasoning_content"] == " "
        )

    def test_text_cut_by_citations_is_one_text(self) -> None:
        turn = assistant(Text(text="The sky"), Text(text=" is blue", citations=(Citation(url="u"),)), Text(text="."))
        assert written(turn).body["messages"][0]["content"] == "The sky is blue."


class TestTools:
    def test_names_are_made_fit_and_found_again(self) -> None:
        made = written(tools=(Tool(name="files.read"),), tool_choice=ToolChoice(mode="one", names=("files.read",)))
        sent = made.body["tools"][0]["function"]["name"]
        assert sent != "files.read" and made.names.original(sent) == "files.read"
        assert made.body["tool_choice"] == {"type": "function", "function": {"name": sent}}

    def test_custom_tools_are_kept_by_openai_and_wrapped_for_others(self) -> None:
        tool = Tool(name="sh", custom=True, grammar={"type": "grammar", "syntax": "lark", "definition": "start: A"})
        kept = written(tools=(tool,), traits=OPENAI).body["tools"][0]
        assert kept["custom"]["format"] == {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}
        used = assistant(ToolCall(id="c", name="sh", arguments="ls", custom=True))
        made = written(used, tools=(tool,))
        assert made.body["tools"][0]["function"]["parameters"]["required"] == ["input"]
        assert made.body["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"input":"ls"}'
        assert made.names.wrapped == {"sh"}

    def test_allowed_tools_are_the_only_ones_offered_where_the_list_cannot_be_said(self) -> None:
        tools, choice = (Tool(name="a"), Tool(name="b")), ToolChoice(mode="auto", names=("b",))
        made = written(tools=tools, tool_choice=choice).body
        assert [tool["function"]["name"] for tool in made["tools"]] == ["b"] and made["tool_choice"] == "auto"
        kept = written(tools=tools, tool_choice=choice, traits=OPENAI).body
        assert len(kept["tools"]) == 2 and kept["tool_choice"]["type"] == "allowed_tools"

    def test_hosted_tools_of_others_are_mapped_by_intent_or_noted(self) -> None:
        search = HostedTool(intent="web_search", family="anthropic", value={"type": "web_search_20250305"})
        odd = HostedTool(intent="other", family="anthropic", value={"type": "memory_20250818"})
        assert written(tools=(search, odd)).dropped == ("tools.web_search_20250305", "tools.memory_20250818")
        finder = Traits(capabilities=frozenset({"web_search", "tools"}))
        assert written(tools=(search,), traits=finder).body["web_search_options"] == {}

    def test_tools_to_a_model_without(self) -> None:
        none = Traits(capabilities=frozenset())
        assert written(tools=(Tool(name="a"),), traits=none).dropped == ("tools",)
        with pytest.raises(Refusal):
            written(tools=(Tool(name="a"),), tool_choice=ToolChoice(mode="required"), traits=none)

    def test_choice_and_parallel_only_beside_tools(self) -> None:
        body = written(tool_choice=ToolChoice(), parallel_tools=False).body
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()

    def test_a_namespace_is_part_of_the_name_that_is_sent(self) -> None:
        made = written(tools=(Tool(name="run", namespace="py"), Tool(name="run")))
        first, second = (tool["function"]["name"] for tool in made.body["tools"])
        assert (made.names.original(first), made.names.namespace(first)) == ("run", "py")
        assert (made.names.original(second), made.names.namespace(second)) == ("run", "")


class TestFields:
    def test_streams_ask_for_usage_where_it_is_known(self) -> None:
        assert written(stream=True).body["stream_options"] == {"include_usage": True}
        assert "stream_options" not in written(stream=True, traits=Traits(stream_usage=False)).body
        assert "stream" not in written().body

    def test_the_limit_has_the_upstreams_name_and_bound(self) -> None:
        assert written(max_tokens=9, traits=OPENAI).body["max_completion_tokens"] == 9
        assert written(max_tokens=99, traits=Traits(max_output=50)).body["max_tokens"] == 50

    def test_sampling_goes_where_it_is_refused(self) -> None:
        made = written(temperature=0.0, top_p=0.5, seed=1, traits=Traits(sampling=False))
        assert made.dropped == ("temperature", "top_p")
        assert made.body.keys() == {"model", "messages", "seed"}

    def test_how_many_of_the_probabilities_only_beside_the_wish_for_them(self) -> None:
        assert "top_logprobs" not in written(top_logprobs=2, family="openai_responses").body
        assert written(top_logprobs=2, logprobs=True).body["top_logprobs"] == 2

    def test_top_k_of_others_is_noted_and_of_the_own_dialect_kept(self) -> None:
        assert written(top_k=5).dropped == ("top_k",)
        assert written(top_k=5, family="openai_chat").body["top_k"] == 5

    def test_openai_takes_four_stops(self) -> None:
        made = written(stop=("a", "b", "c", "d", "e"), traits=OPENAI)
        assert made.body["stop"] == ["a", "b", "c", "d"] and made.dropped == ("stop",)
        assert len(written(stop=("a",) * 5).body["stop"]) == 5

    @pytest.mark.parametrize(
        ("thinking", "traits", "field", "value"),
        [
            (Thinking(effort="max"), OPENAI, "reasoning_effort", "max"),
            (Thinking(effort="max"), OTHER, "reasoning_effort", "high"),
            (Thinking(budget=1024), OPENAI, "reasoning_effort", "minimal"),
            (Thinking(budget=10000), OTHER, "reasoning_effort", "medium"),
            (Thinking(off=True), OTHER, "reasoning_effort", "none"),
            (Thinking(budget=-1), OTHER, "reasoning_effort", None),
            (Thinking(adaptive=True, effort="high"), OTHER, "reasoning_effort", "high"),
            (Thinking(effort="low"), Traits(thinking="budget"), "thinking", {"type": "enabled", "budget_tokens": 2048}),
            (Thinking(off=True), Traits(thinking="budget"), "thinking", {"type": "disabled"}),
            (Thinking(effort="low"), Traits(thinking="adaptive"), "thinking", {"type": "adaptive"}),
            (Thinking(budget=700), ROUTER, "reasoning", {"max_tokens": 700}),
            (Thinking(effort="low", show=False), ROUTER, "reasoning", {"exclude": True, "effort": "low"}),
            (Thinking(), OTHER, "reasoning_effort", None),
        ],
    )
    def test_thinking(self, thinking: Thinking, traits: Traits, field: str, value: Json) -> None:
        made = written(thinking=thinking, traits=traits)
        assert made.body.get(field) == value
        assert made.dropped == ()

    def test_thinking_to_a_model_that_cannot(self) -> None:
        assert written(thinking=Thinking(effort="low"), traits=Traits(thinking="none")).dropped == ("thinking",)
        assert written(thinking=Thinking(off=True), traits=Traits(thinking="none")).dropped == ()

    def test_schemas(self) -> None:
        output = Output(kind="json_schema", name="my answer", schema={"type": "object"})
        body = written(output=output).body
        assert body["response_format"]["json_schema"] == {"name": "my_answer", "schema": {"type": "object"}}
        made = written(output=output, traits=Traits(capabilities=frozenset({"tools"})))
        assert made.body["response_format"] == {"type": "json_object"}
        assert '{"type":"object"}' in made.body["messages"][0]["content"]
        assert made.dropped == ("json_schema",)

    def test_strict_schemas_of_others_that_openai_refuses_are_not_strict(self) -> None:
        loose = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
        tight = {**loose, "required": ["a"]}
        for schema, family, strict in ((loose, "anthropic", False), (loose, "openai_chat", True), (tight, "", True)):
            output = Output(kind="json_schema", name="x", schema=schema, strict=True)
            tool = Tool(name="f", schema=schema, strict=True)
            body = written(output=output, tools=(tool,), family=family, traits=OPENAI).body
            assert body["response_format"]["json_schema"]["strict"] is strict
            assert body["tools"][0]["function"]["strict"] is strict

    def test_what_is_openais_own_goes_to_openai_only(self) -> None:
        said: dict[str, Any] = {
            "metadata": {"a": "b"},
            "cache_key": "k",
            "verbosity": "low",
            "user": "u" * 70,
            "service_tier": "standard_only",
        }
        body = written(traits=OPENAI, family="anthropic", **said).body
        assert body["metadata"] == {"a": "b"} and body["service_tier"] == "default" and len(body["user"]) == 64
        made = written(family="anthropic", **said)
        assert set(made.dropped) == {"metadata", "prompt_cache_key", "verbosity", "user", "service_tier"}
        assert made.body.keys() == {"model", "messages"}

    def test_foreign_extras_are_noted_and_own_are_sent(self) -> None:
        assert written(extra={"context_management": {}}, family="anthropic").dropped == ("context_management",)
        assert written(extra={"min_p": 0.1}, family="openai_chat").body["min_p"] == 0.1

    def test_a_stored_response_cannot_be_continued(self) -> None:
        with pytest.raises(Refusal) as caught:
            written(previous_id="resp_1")
        assert caught.value.param == "previous_response_id"


# -- properties ----------------------------------------------------------------------------------------------------
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
names = st.text("abcXYZ019_-", max_size=20).map("f".__add__)
numbers = st.integers(0, 4)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """What Chat Completions can say, in the form in which it is read."""
    messages: list[Message] = [user(Text(text=draw(words)))]
    for turn in range(draw(st.integers(0, 3))):
        ids = [f"call_{turn}_{number}" for number in range(draw(numbers))]
        called = draw(st.lists(names, min_size=len(ids), max_size=len(ids)))
        customs = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
        calls = [
            ToolCall(id=id, name=name, arguments=draw(words), custom=custom)
            for id, name, custom in zip(ids, called, customs, strict=True)
        ]
        said: list[Part] = [Text(text=draw(words))] if draw(st.booleans()) or not calls else []
        messages.append(assistant(*said, *calls))
        if calls:
            results = [
                ToolResult(id=c.id, name=c.name, parts=(Text(text=draw(words)),), custom=c.custom) for c in calls
            ]
            messages.append(user(*results))
        messages.append(user(Text(text=draw(words)), *draw(st.lists(media, max_size=2))))
    return Request(
        model="m",
        family="openai_chat",
        messages=tuple(messages),
        system=tuple(draw(st.lists(st.builds(Text, text=words), max_size=2))),
        tools=tuple(draw(st.lists(tools, max_size=3, unique_by=lambda tool: tool.name))),
        temperature=draw(st.none() | st.floats(0, 2)),
        max_tokens=draw(st.none() | st.integers(1, 9999)),
        stop=tuple(draw(st.lists(words, max_size=4))),
        seed=draw(st.none() | st.integers(0, 9)),
        thinking=Thinking(effort=draw(st.sampled_from(("", "low", "high", "max")))),
        output=draw(st.none() | st.builds(Output, kind=st.just("json_schema"), name=names, schema=st.just({"a": 1}))),
        metadata=draw(st.none() | st.dictionaries(words, words, min_size=1, max_size=2)),
        extra=draw(st.dictionaries(st.sampled_from(("min_p", "newer_field")), words)),
    )


media = st.one_of(
    st.builds(Image, media=st.builds(Media, url=st.just("https://e.test/i.png")), detail=st.sampled_from(("", "low"))),
    st.builds(Audio, data=st.just("QQ=="), format=st.sampled_from(("wav", "mp3"))),
    st.just(Document(media=Media(media_type="application/pdf", data="QQ=="), name="a.pdf")),
)
tools = st.builds(
    Tool, name=names, description=words, schema=st.just({"type": "object"}), strict=st.none() | st.booleans()
) | st.builds(Tool, name=names, custom=st.just(True))


@given(requests())
def test_request_to_canonical_to_request_is_identity(request: Request) -> None:
    made = dump(request, OPENAI)
    assert made.dropped == ()
    assert parse(made.body) == request


@given(requests(), st.sampled_from((OTHER, OPENAI, ROUTER, Traits(system_role=False), Traits(reasoning_in=True))))
def test_every_call_is_answered_right_behind_its_message(request: Request, traits: Traits) -> None:
    waiting: list[str] = []
    for message in dump(request, traits).body["messages"]:
        if message["role"] == "tool":
            assert waiting.pop(0) == message["tool_call_id"]
        else:
            assert not waiting
            waiting = [item["id"] for item in message.get("tool_calls", ())]
    assert not waiting


keys = st.sampled_from(
    (
        "model", "messages", "role", "content", "type", "text", "image_url", "url", "tool_calls", "function", "name",
        "id", "arguments", "tools", "tool_choice", "thinking", "reasoning", "reasoning_details", "response_format",
        "file", "file_data", "custom", "allowed_tools", "stop", "metadata", "extra_content", "cache_control", "audio",
    )
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, anything, max_size=5), st.lists(st.dictionaries(keys, anything, max_size=5), max_size=3))
def test_any_json_is_read_or_refused(body: dict[str, Json], messages: list[Json]) -> None:
    for message in messages:
        if isinstance(message.get("content"), (list, type(None))):
            message["role"] = "assistant"
        else:
            message.setdefault("role", "user")
    try:
        request = parse({"model": "m", **body, "messages": messages})
    except Refusal:
        return
    for traits in (OPENAI, OTHER, ROUTER):
        dump(request, traits)
