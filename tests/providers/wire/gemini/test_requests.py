"""Gemini's requests: a client's body → canonical → an upstream's body."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from providers.wire.gemini.counting import count_dump, count_from, count_reply, count_request
from providers.wire.gemini.requests import dump, parse
from providers.wire.gemini.turns import BEGIN, PLACEHOLDER
from providers.wire.traits import Traits
from providers.wire.translation import json_text
from providers.wire.types import (
    Audio,
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
from tests.providers.wire.gemini.common import ANY_JSON, golden_json

LEVEL, BUDGET = Traits(family="gemini", thinking="level"), Traits(family="gemini", thinking="budget")
HI = Message(role="user", parts=(Text(text="hi"),))


def own(value: str) -> Proof:
    return Proof(family="gemini", kind="thought", value=value)


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def model(*parts: Part) -> Message:
    return Message(role="assistant", parts=parts)


def chat(*messages: Message, **fields: Any) -> Request:
    return Request(
        model=fields.pop("model", "m"), messages=messages, family=fields.pop("family", "openai_chat"), **fields
    )


def sent(request: Request, traits: Traits = LEVEL) -> dict[str, Json]:
    return dump(request, traits).body


def contents(*messages: Message, traits: Traits = LEVEL, **fields: Any) -> list[dict[str, Json]]:
    made: list[dict[str, Json]] = sent(chat(*messages, **fields), traits)["contents"]
    return made


def generation(**fields: Any) -> dict[str, Json]:
    traits = fields.pop("traits", LEVEL)
    made: dict[str, Json] = sent(chat(HI, **fields), traits).get("generationConfig", {})
    return made


def parsed(*parts: Any, role: str = "user") -> tuple[Part, ...]:
    return parse({"contents": [{"role": role, "parts": list(parts)}]}).messages[0].parts


class TestParse:
    def test_everything(self) -> None:
        request = parse(golden_json("request.json"), model="gemini-3-pro-preview", stream=True)
        assert request == Request(
            model="gemini-3-pro-preview",
            stream=True,
            system=(Text(text="Be short."),),
            messages=(
                user(
                    Text(text="What is this?"),
                    Image(media=Media(media_type="image/png", data="iVBORw0KGgo=")),
                    Document(media=Media(media_type="application/pdf", url="https://files.example/a.pdf")),
                ),
                model(
                    Reasoning(text="Let me see.", proof=own("dGhvdWdodA==")),
                    Text(text="Looking."),
                    ToolCall(
                        id="c1", name="look", arguments='{"at":"it","deep":{"n":[1,2.5,null]}}', proof=own("Y2FsbA==")
                    ),
                    ToolCall(id="c2", name="list", arguments="{}"),
                ),
                user(
                    ToolResult(
                        id="c1",
                        name="look",
                        parts=(Text(text="a cat"), Image(media=Media(media_type="image/jpeg", data="/9j/4AAQ"))),
                    ),
                    ToolResult(id="c2", name="list", parts=(Text(text="no such place"),), error=True),
                ),
                model(Text(text="A cat.", proof=own("ZW5k"))),
                user(Text(text="Sure?")),
            ),
            tools=(
                Tool(
                    name="look",
                    description="Looks",
                    schema={
                        "type": "object",
                        "properties": {
                            "at": {"type": "string", "description": "where"},
                            "deep": {"type": ["object", "null"]},
                        },
                        "required": ["at"],
                    },
                ),
                Tool(name="list"),
                HostedTool(intent="web_search", family="gemini", value={"googleSearch": {}}),
            ),
            tool_choice=ToolChoice(mode="required", names=("look", "list")),
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            n=2,
            max_tokens=500,
            stop=("END",),
            presence_penalty=0.1,
            frequency_penalty=0.2,
            seed=7,
            logprobs=True,
            top_logprobs=3,
            output=Output(
                kind="json_schema",
                schema={
                    "type": "object",
                    "properties": {"animal": {"type": "string", "enum": ["cat", "dog"]}},
                    "required": ["animal"],
                },
            ),
            modalities=("text",),
            thinking=Thinking(effort="low", show=True),
            safety=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            service_tier="flex",
            extra={
                "cachedContent": "cachedContents/abc",
                "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
                "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
            },
            family="gemini",
            leans_on="cachedContent",
        )

    def test_both_spellings_mean_the_same(self) -> None:
        assert parse(golden_json("request_snake.json")) == parse(golden_json("request.json"))

    def test_what_is_parsed_is_dumped(self) -> None:
        dumped = dump(parse(golden_json("request.json"), model="gemini-3-pro-preview"), LEVEL)
        assert dumped.dropped == ()
        written = dumped.body
        written["systemInstruction"]["role"] = "user"
        assert written == golden_json("request.json")

    @pytest.mark.parametrize("given", ["hello", {"parts": [{"text": "hello"}]}, ["hello"], [{"parts": "hello"}]])
    def test_short_forms(self, given: Any) -> None:
        assert parse({"contents": given}).messages == (user(Text(text="hello")),)

    @pytest.mark.parametrize(
        "given", ["Be kind.", {"text": "Be kind."}, [{"text": "Be kind."}], {"parts": {"text": "x"}}]
    )
    def test_system_in_short(self, given: Any) -> None:
        if isinstance(given, dict) and "parts" in given:
            with pytest.raises(Refusal):
                parse({"contents": "a", "systemInstruction": given})
            return
        assert parse({"contents": "a", "system_instruction": given}).system == (Text(text="Be kind."),)

    def test_the_chunks_of_one_turn_are_one_message(self) -> None:
        def said(*parts: Any) -> dict[str, Any]:
            return {"role": "model", "parts": list(parts)}

        pieces = [
            said({"text": "h", "thought": True}),
            said({"text": "m", "thought": True, "thoughtSignature": "dA=="}),
            said({"text": "one"}),
            said({"text": " two"}),
            said({"text": ""}),
            said({"text": "!", "thoughtSignature": "cw=="}),
            said({"functionCall": {"name": "f"}}),
        ]
        assert parse({"contents": [{"parts": [{"text": "a"}]}, *pieces]}).messages[1].parts == (
            Reasoning(text="hm", proof=own("dA==")),
            Text(text="one two"),
            Text(text="!", proof=own("cw==")),
            ToolCall(id="call_0", name="f", arguments="{}"),
        )

    def test_calls_without_ids_are_paired_by_name_and_order(self) -> None:
        def call(name: str, **more: str) -> dict[str, Any]:
            return {"functionCall": {"name": name, **more}}

        def answer(name: str, said: str, **more: str) -> dict[str, Any]:
            return {"functionResponse": {"name": name, "response": {"result": said}, **more}}

        request = parse(
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "go"}]},
                    {"role": "model", "parts": [call("a"), call("b"), call("a"), call("c", id="call_1")]},
                    {
                        "role": "user",
                        "parts": [answer("b", "B"), answer("a", "A1"), answer("a", "A2"), answer("c", "C")],
                    },
                    {"role": "model", "parts": [call("a")]},
                    {"role": "user", "parts": [answer("a", "A3", id="unheard"), answer("z", "Z")]},
                ]
            }
        )
        calls = [part.id for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
        assert calls == ["call_0", "call_2", "call_3", "call_1", "call_4"]
        results = {
            part.parts[0].text: part.id  # type: ignore[union-attr]
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolResult)
        }
        assert results == {
            "B": "call_2", "A1": "call_0", "A2": "call_3", "C": "call_1", "A3": "call_4", "Z": "call_5",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("given", "part"),
        [
            (
                {"inlineData": {"mimeType": "image/png", "data": "__4-"}},
                Image(media=Media(media_type="image/png", data="//4+")),
            ),
            ({"inlineData": {"mimeType": "text/plain", "data": "aGk"}}, Document(text="hi")),
            (
                {"inlineData": {"mimeType": "application/pdf", "data": "JVBE", "displayName": "a.pdf"}},
                Document(media=Media(media_type="application/pdf", data="JVBE"), name="a.pdf"),
            ),
            ({"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}}, Audio(data="AAAA", format="mp3")),
            ({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, Audio(data="AAAA")),
            (
                {"fileData": {"fileUri": "https://x.example/a.png?b=1"}},
                Image(media=Media(media_type="image/png", url="https://x.example/a.png?b=1")),
            ),
            (
                {"fileData": {"fileUri": "gs://b/a", "mimeType": "image/png"}},
                Image(media=Media(media_type="image/png", file_id="gs://b/a", family="gemini")),
            ),
            ({"text": "", "thoughtSignature": "cw=="}, Text(text="", proof=own("cw=="))),
            ({"thoughtSignature": "cw=="}, Text(text="", proof=own("cw=="))),
        ],
    )  # fmt: skip
    def test_parts(self, given: Any, part: Part) -> None:
        assert parsed(given) == (part,)

    @pytest.mark.parametrize(
        "given",
        [
            {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}, "videoMetadata": {"fps": 1}},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            {"somethingNew": {"a": 1}},
        ],
    )
    def test_parts_of_its_own_come_back_as_they_were(self, given: Any) -> None:
        assert parsed(given) == (Opaque(family="gemini", value=given),)
        assert sent(parse({"contents": [{"parts": [given]}]}))["contents"][0]["parts"] == [given]
        other = dump(chat(user(Text(text="a"), Opaque(family="openai_chat", value={"type": "thing"}))), LEVEL)
        assert other.dropped == ("thing",)

    @pytest.mark.parametrize(
        ("response", "words", "error"),
        [
            ({"result": "ok"}, "ok", False),
            ({"output": {"a": 1}}, '{"a":1}', False),
            ({"temp": 5, "unit": "C"}, '{"temp":5,"unit":"C"}', False),
            ({"error": {"code": 1}}, '{"code":1}', True),
        ],
    )
    def test_results(self, response: Any, words: str, error: bool) -> None:
        (result,) = parsed({"functionResponse": {"id": "c", "name": "f", "response": response}})
        assert result == ToolResult(id="c", name="f", parts=(Text(text=words),), error=error)

    @pytest.mark.parametrize(
        ("config", "field", "value"),
        [
            ({"thinkingConfig": {"thinkingBudget": 0}}, "thinking", Thinking(off=True)),
            ({"thinkingConfig": {"thinkingBudget": -1}}, "thinking", Thinking(budget=-1)),
            ({"thinkingConfig": {"includeThoughts": False}}, "thinking", Thinking(show=False)),
            ({"responseMimeType": "application/json"}, "output", Output(kind="json_object")),
            ({"responseMimeType": "text/plain"}, "output", None),
            (
                {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}},
                "extra",
                {"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}}},
            ),
        ],
    )
    def test_generation_config(self, config: Any, field: str, value: Any) -> None:
        assert getattr(parse({"contents": "a", "generationConfig": config}), field) == value

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "contents"),
            ({"contents": 5}, "contents"),
            ({"contents": [5]}, "contents[0]"),
            ({"contents": [{"role": "wizard", "parts": []}]}, "contents[0].role"),
            ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
            ({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}, "contents[0].parts[0].functionCall.name"),
            (
                {"contents": [{"parts": [{"function_call": {"name": "f", "args": "x"}}]}]},
                "contents[0].parts[0].functionCall.args",
            ),
            ({"contents": "a", "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
            ({"contents": "a", "generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences[0]"),
            ({"contents": "a", "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
            ({"contents": "a", "systemInstruction": {"parts": [{"text": 1}]}}, "systemInstruction.parts[0].text"),
        ],
    )  # fmt: skip
    def test_a_wrong_type_is_refused_by_its_place(self, body: Any, param: str) -> None:
        with pytest.raises(Refusal) as caught:
            parse(body)
        assert (caught.value.status, caught.value.param) == (400, param)

    @given(body=st.dictionaries(st.sampled_from(list(golden_json("request.json"))), ANY_JSON))
    def test_any_json_is_parsed_or_refused(self, body: dict[str, Any]) -> None:
        with contextlib.suppress(Refusal):
            parse(body)

    @given(part=ANY_JSON, key=st.sampled_from(["functionCall", "functionResponse", "inlineData", "fileData", "text"]))
    def test_any_part_is_parsed_or_refused_and_dumped(self, part: Any, key: str) -> None:
        with contextlib.suppress(Refusal):
            dump(parse({"contents": [{"role": "model", "parts": [{key: part}, part]}]}), LEVEL)


class TestTurns:
    def test_neighbours_are_merged_and_the_user_begins(self) -> None:
        made = contents(model(Text(text="a")), model(Text(text="b")), HI, user(Text(text="c")))
        assert [(row["role"], [part["text"] for part in row["parts"]]) for row in made] == [
            ("user", [BEGIN]), ("model", ["a", "b"]), ("user", ["hi", "c"]),
        ]  # fmt: skip

    def test_system_text(self) -> None:
        request = chat(HI, Message(role="system", parts=(Text(text="late"),)), system=(Text(text="s"), Text(text="t")))
        assert sent(request)["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "t"}]}
        assert sent(request)["contents"] == [{"role": "user", "parts": [{"text": "hi"}, {"text": "late"}]}]
        folded = sent(request, Traits(system_role=False))
        assert "systemInstruction" not in folded
        assert folded["contents"][0]["parts"][:3] == [{"text": "s"}, {"text": "t"}, {"text": "hi"}]

    def test_all_results_of_a_batch_are_in_one_content(self) -> None:
        made = contents(
            HI,
            model(ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="g.h")),
            user(ToolResult(id="b", parts=(Text(text="B"),))),
            user(Text(text="and")),
            user(ToolResult(id="a", parts=(Text(text="A"),), error=True)),
        )
        assert [row["role"] for row in made] == ["user", "model", "user"]
        calls = [part["functionCall"] for part in made[1]["parts"]]
        assert calls[0] == {"id": "a", "name": "f", "args": {"x": 1}}
        first, second, words = made[2]["parts"]
        assert first == {"functionResponse": {"id": "a", "name": "f", "response": {"error": "A"}}}
        assert second["functionResponse"] == {"id": "b", "name": calls[1]["name"], "response": {"result": "B"}}
        assert words == {"text": "and"}

    def test_orphans_and_missing_results(self) -> None:
        dumped = dump(
            chat(HI, model(ToolCall(id="a", name="f")), user(ToolResult(id="zzz", parts=(Text(text="lost"),)))), LEVEL
        )
        (response,) = dumped.body["contents"][2]["parts"]
        assert "error" in response["functionResponse"]["response"]
        assert dumped.dropped == ("tool_result",)

    def test_ids_used_twice_are_answered_in_order(self) -> None:
        made = contents(
            HI,
            model(ToolCall(id="a", name="f")),
            user(ToolResult(id="a", parts=(Text(text="1"),))),
            model(ToolCall(id="a", name="g")),
            user(ToolResult(id="a", parts=(Text(text="2"),))),
        )
        said = [part["functionResponse"] for row in made for part in row["parts"] if "functionResponse" in part]
        assert [(row["name"], row["response"]) for row in said] == [("f", {"result": "1"}), ("g", {"result": "2"})]

    def test_images_in_results(self) -> None:
        image = Image(media=Media(media_type="image/png", data="AAAA"))
        made = contents(HI, model(ToolCall(id="a", name="f")), user(ToolResult(id="a", parts=(Text(text="x"), image))))
        assert made[2]["parts"][0]["functionResponse"]["parts"] == [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
        ]

    @pytest.mark.parametrize(
        ("arguments", "args"), [("", {}), ("{broken", {"input": "{broken"}), ("[1]", {"input": [1]})]
    )
    def test_arguments_are_objects(self, arguments: str, args: Any) -> None:
        made = contents(HI, model(ToolCall(id="a", name="f", arguments=arguments)))
        assert made[1]["parts"][0]["functionCall"]["args"] == args

    def test_signatures_go_back_byte_for_byte_and_foreign_ones_nowhere(self) -> None:
        other = Proof(family="anthropic", kind="signature", value="zzz")
        made = contents(
            HI,
            model(
                Reasoning(text="mine", proof=own("bWluZQ+/==")),
                Reasoning(text="theirs", proof=other),
                Reasoning(text="nobody's"),
                Text(text="a", proof=other),
                Text(text="", proof=own("dA==")),
                ToolCall(id="a", name="f", proof=own("Yw==")),
            ),
        )
        assert made[1]["parts"] == [
            {"text": "mine", "thought": True, "thoughtSignature": "bWluZQ+/=="},
            {"text": "a"},
            {"text": "", "thoughtSignature": "dA=="},
            {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Yw=="},
        ]

    def test_the_placeholder_seals_the_first_call_of_each_step_of_the_current_turn(self) -> None:
        steps = (
            HI,
            model(ToolCall(id="old", name="f")),
            user(ToolResult(id="old")),
            model(Text(text="done")),
            user(Text(text="next")),
            model(ToolCall(id="a", name="f"), ToolCall(id="b", name="f")),
            user(ToolResult(id="a"), ToolResult(id="b"), Text(text="reminder")),
            model(ToolCall(id="c", name="f", proof=own("Yw=="))),
            user(ToolResult(id="c")),
        )
        signed = {
            part["functionCall"]["id"]: part.get("thoughtSignature")
            for row in contents(*steps)
            for part in row["parts"]
            if "functionCall" in part
        }
        assert signed == {"old": None, "a": PLACEHOLDER, "b": None, "c": "Yw=="}
        assert PLACEHOLDER not in str(contents(*steps, traits=BUDGET))

    def test_prefill(self) -> None:
        assert contents(HI, model(Text(text="So")))[-1]["role"] == "model"
        dumped = dump(chat(HI, model(Text(text="So"))), Traits(prefill=False))
        assert (len(dumped.body["contents"]), dumped.dropped) == (1, ("prefill",))

    @pytest.mark.parametrize(
        ("part", "made"),
        [
            (
                Image(media=Media(url="https://x.example/a.webp")),
                {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.example/a.webp"}},
            ),
            (
                Image(media=Media(url="https://x.example/a")),
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/a"}},
            ),
            (
                Document(text="hé", name="a.txt"),
                {"inlineData": {"mimeType": "text/plain", "data": "aMOp", "displayName": "a.txt"}},
            ),
            (
                Document(media=Media(data="JVBE")),
                {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
            ),
            (Audio(data="AAAA", format="mp3"), {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}}),
            (
                Image(media=Media(media_type="image/png", data="AAAA"), detail="high"),
                {
                    "inlineData": {"mimeType": "image/png", "data": "AAAA"},
                    "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
                },
            ),
        ],
    )  # fmt: skip
    def test_media(self, part: Part, made: Any) -> None:
        assert contents(user(part))[0]["parts"] == [made]

    def test_another_vendors_file_is_refused(self) -> None:
        with pytest.raises(Refusal) as caught:
            contents(user(Image(media=Media(file_id="file-1", family="openai_chat"))))
        assert (caught.value.status, caught.value.param) == (400, "image")

    def test_what_the_model_cannot_see_is_noted(self) -> None:
        blind = Traits(capabilities=frozenset())
        parts = (
            Text(text="a"),
            Image(media=Media(data="AAAA")),
            Document(media=Media(data="AAAA")),
            Audio(data="AAAA"),
        )
        dumped = dump(chat(user(*parts)), blind)
        assert dumped.body["contents"][0]["parts"] == [{"text": "a"}]
        assert dumped.dropped == ("image", "document", "audio")


class TestOptions:
    def test_plain_fields(self) -> None:
        assert generation(
            temperature=0.1, top_p=0.2, top_k=3, presence_penalty=0.4, frequency_penalty=0.5, seed=6, n=2,
            max_tokens=7, stop=("a", ""), logprobs=True, top_logprobs=2,
        ) == {
            "temperature": 0.1, "topP": 0.2, "topK": 3, "presencePenalty": 0.4, "frequencyPenalty": 0.5, "seed": 6,
            "candidateCount": 2, "maxOutputTokens": 7, "stopSequences": ["a"], "responseLogprobs": True, "logprobs": 2,
        }  # fmt: skip
        assert "generationConfig" not in sent(chat(HI))

    def test_what_gemini_cannot_say_is_noted(self) -> None:
        dumped = dump(
            chat(
                HI, user="u", metadata={"a": "b"}, logit_bias={"1": 2}, verbosity="low", cache_key="k",
                service_tier="scale", parallel_tools=False, stop=tuple("abcdef"),
                extra={"prediction": {}}, tools=(Tool(name="f"),),
            ),
            LEVEL,
        )  # fmt: skip
        assert set(dumped.dropped) == {
            "user", "metadata", "logit_bias", "verbosity", "cache_key", "service_tier", "parallel_tools", "stop",
            "prediction",
        }  # fmt: skip
        assert dumped.body["generationConfig"]["stopSequences"] == list("abcde")

    def test_models_without_sampling_and_with_a_limit(self) -> None:
        dumped = dump(chat(HI, temperature=0.0, top_k=1, max_tokens=99), Traits(sampling=False, max_output=50))
        assert dumped.body["generationConfig"] == {"maxOutputTokens": 50}
        assert dumped.dropped == ("temperature", "top_k")

    @pytest.mark.parametrize(
        ("tier", "made"), [("flex", "flex"), ("priority", "priority"), ("auto", None), ("default", None)]
    )
    def test_service_tier(self, tier: str, made: str | None) -> None:
        dumped = dump(chat(HI, service_tier=tier), LEVEL)
        assert (dumped.body.get("serviceTier"), dumped.dropped) == (made, ())

    SCHEMA = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False}
    SUBSET = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}

    def test_schemas_go_in_the_subset_unless_json_schema_is_known_to_be_taken(self) -> None:
        request = chat(HI, tools=(Tool(name="f", schema=self.SCHEMA), Tool(name="g", schema={"type": "object"})))
        dumped = dump(request, LEVEL)
        assert dumped.body["tools"] == [
            {"functionDeclarations": [{"name": "f", "parameters": self.SUBSET}, {"name": "g"}]}
        ]
        assert dumped.dropped == ()
        knows = Traits(capabilities=frozenset(("tools", "json_schema", "json_schema_tools")))
        (first, _) = dump(request, knows).body["tools"][0]["functionDeclarations"]
        assert first == {"name": "f", "parametersJsonSchema": self.SCHEMA}
        output = Output(kind="json_schema", schema=self.SCHEMA)
        assert generation(output=output) == {"responseMimeType": "application/json", "responseSchema": self.SUBSET}
        assert generation(output=output, traits=knows) == {
            "responseMimeType": "application/json",
            "responseJsonSchema": self.SCHEMA,
        }
        assert generation(output=Output(kind="json_object")) == {"responseMimeType": "application/json"}

    def test_keywords_with_a_meaning_are_noted_when_lost(self) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "integer", "exclusiveMinimum": 0}}, "not": {}}
        assert dump(chat(HI, tools=(Tool(name="f", schema=schema),)), LEVEL).dropped == (
            "tools.exclusiveMinimum", "tools.not",
        )  # fmt: skip
        dumped = dump(chat(HI, tools=(Tool(name="f", schema=schema),), family="gemini"), LEVEL)
        assert dumped.body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == schema
        assert dumped.dropped == ()

    @pytest.mark.parametrize("traits", [BUDGET, Traits(capabilities=frozenset(("tools",)))])
    def test_output_that_the_model_cannot_promise_is_asked_for(self, traits: Traits) -> None:
        request = chat(HI, tools=(Tool(name="f"),), output=Output(kind="json_schema", schema={"type": "object"}))
        dumped = dump(request, traits)
        assert "generationConfig" not in dumped.body
        assert '{"type":"object"}' in dumped.body["systemInstruction"]["parts"][0]["text"]
        assert dumped.dropped == ("output",)

    @pytest.mark.parametrize(
        ("choice", "made"),
        [
            (ToolChoice(mode="auto"), {"mode": "AUTO"}),
            (ToolChoice(mode="none"), {"mode": "NONE"}),
            (ToolChoice(mode="required"), {"mode": "ANY"}),
            (ToolChoice(mode="one", names=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
            (ToolChoice(mode="auto", names=("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        ],
    )
    def test_tool_choice(self, choice: ToolChoice, made: Any) -> None:
        body = sent(chat(HI, tools=(Tool(name="f"), Tool(name="g")), tool_choice=choice))
        assert body["toolConfig"] == {"functionCallingConfig": made}
        assert parse(body).tool_choice == choice
        assert "toolConfig" not in sent(chat(HI, tool_choice=choice))

    def test_names_are_made_safe_and_found_again(self) -> None:
        tools = (Tool(name="a.b/c"), Tool(name="9lives"), Tool(name="x" * 90), Tool(name="run", custom=True))
        dumped = dump(chat(HI, tools=tools, tool_choice=ToolChoice(mode="one", names=("a.b/c",))), LEVEL)
        names = [row["name"] for row in dumped.body["tools"][0]["functionDeclarations"]]
        assert all(len(name) <= 64 and (name[0].isalpha() or name[0] == "_") for name in names)
        assert [dumped.names.original(name) for name in names] == [tool.name for tool in tools]
        assert dumped.body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [names[0]]
        assert dumped.names.wrapped == {"run"}
        assert dumped.body["tools"][0]["functionDeclarations"][3]["parameters"]["required"] == ["input"]

    def test_hosted_tools(self) -> None:
        search = HostedTool(intent="web_search", family="anthropic", value={"type": "web_search_20250305"})
        image = HostedTool(intent="image", family="openai_responses", value={"type": "image_generation"})
        assert sent(chat(HI, tools=(search,)))["tools"] == [{"googleSearch": {}}]
        beside = dump(chat(HI, tools=(Tool(name="f"), search, image)), LEVEL)
        assert beside.body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
        assert beside.dropped == ("tools.web_search_20250305", "tools.image_generation")
        mine = HostedTool(intent="other", family="gemini", value={"urlContext": {}})
        assert sent(chat(HI, tools=(Tool(name="f"), mine), family="gemini"))["tools"][1] == {"urlContext": {}}
        assert dump(chat(HI, tools=(Tool(name="f"),)), Traits(capabilities=frozenset())).dropped == ("tools",)

    def test_extra_of_another_dialect_stays_away(self) -> None:
        assert "generationConfig" not in sent(chat(HI, extra={"generationConfig": {"imageConfig": {}}}))
        own_extra = chat(HI, family="gemini", extra={"generationConfig": {"imageConfig": {}}, "labels": {"a": "b"}})
        assert sent(own_extra)["labels"] == {"a": "b"}
        assert sent(own_extra)["generationConfig"] == {"imageConfig": {}}


class TestThinking:
    @pytest.mark.parametrize(
        ("thinking", "name", "made"),
        [
            (Thinking(effort="none"), "gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
            (Thinking(effort="none"), "gemini-3-pro", {"thinkingLevel": "LOW"}),
            (Thinking(off=True), "gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
            (Thinking(effort="medium"), "m", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
            (Thinking(effort="xhigh"), "m", {"thinkingLevel": "HIGH", "includeThoughts": True}),
            (Thinking(effort="high", show=False), "m", {"thinkingLevel": "HIGH"}),
            (Thinking(budget=500), "m", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
            (Thinking(budget=8000), "m", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
            (Thinking(budget=64_000), "m", {"thinkingLevel": "HIGH", "includeThoughts": True}),
            (Thinking(adaptive=True), "m", {"includeThoughts": True}),
            (Thinking(), "m", None),
        ],
    )
    def test_levels(self, thinking: Thinking, name: str, made: Any) -> None:
        assert generation(thinking=thinking, model=name).get("thinkingConfig") == made

    @pytest.mark.parametrize(
        ("thinking", "name", "budget"),
        [
            (Thinking(effort="none"), "gemini-2.5-flash", 0),
            (Thinking(effort="none"), "gemini-2.5-pro", 128),
            (Thinking(effort="minimal"), "gemini-2.5-flash-lite", 512),
            (Thinking(effort="low"), "gemini-2.5-flash", 1024),
            (Thinking(effort="medium"), "gemini-2.5-flash", 8192),
            (Thinking(effort="high"), "gemini-2.5-flash", 24_576),
            (Thinking(effort="high"), "gemini-2.5-pro", 32_768),
            (Thinking(effort="max"), "gemini-2.5-pro", 32_768),
            (Thinking(budget=100_000), "gemini-2.5-flash", 24_576),
            (Thinking(budget=100), "gemini-2.5-flash-lite", 512),
            (Thinking(budget=-1), "gemini-2.5-pro", -1),
            (Thinking(adaptive=True), "gemini-2.5-pro", -1),
        ],
    )
    def test_budgets(self, thinking: Thinking, name: str, budget: int) -> None:
        made = generation(thinking=thinking, model=name, traits=BUDGET)["thinkingConfig"]
        assert made["thinkingBudget"] == budget and "thinkingLevel" not in made

    def test_models_without(self) -> None:
        dumped = dump(chat(HI, thinking=Thinking(effort="high")), Traits(thinking="none"))
        assert ("generationConfig" in dumped.body, dumped.dropped) == (False, ("thinking",))
        assert dump(chat(HI, thinking=Thinking(off=True)), Traits(thinking="none")).dropped == ()

    @pytest.mark.parametrize(
        ("name", "field"), [("gemini-2.5-pro", "thinkingBudget"), ("gemini-3.5-flash", "thinkingLevel")]
    )
    def test_the_name_tells_when_nobody_does(self, name: str, field: str) -> None:
        made = generation(thinking=Thinking(effort="low"), model=name, traits=Traits())
        assert set(made["thinkingConfig"]) == {field, "includeThoughts"}


TEXT = st.text(min_size=1, max_size=8)
SIGNED = st.none() | st.builds(own, st.text(min_size=1, max_size=8))
NAME = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
USER_PART = st.one_of(
    st.builds(Text, text=TEXT),
    st.binary(min_size=1).map(
        lambda data: Image(media=Media(media_type="image/png", data=base64.b64encode(data).decode()))
    ),
    st.builds(Document, text=TEXT, name=NAME),
)  # fmt: skip
MODEL_PART = st.one_of(st.builds(Text, text=TEXT, proof=SIGNED), st.builds(Reasoning, text=TEXT, proof=SIGNED))
OBJECT = st.dictionaries(TEXT, st.integers(-1000, 1000) | TEXT | st.booleans() | st.none(), max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests in Gemini's own words: alternating, paired, signed."""
    messages, number = [user(*draw(st.lists(USER_PART, min_size=1, max_size=3)))], 0
    for _ in range(draw(st.integers(0, 3))):
        spoken: list[Part] = draw(st.lists(MODEL_PART, max_size=2))
        calls = []
        for _ in range(draw(st.integers(0 if spoken else 1, 2))):
            number += 1
            arguments = json_text(draw(OBJECT))
            proof = draw(st.builds(own, TEXT)) if not calls else draw(SIGNED)
            calls.append(ToolCall(id=f"id-{number}", name=draw(NAME), arguments=arguments, proof=proof))
        messages.append(model(*spoken, *calls))
        results = [
            ToolResult(id=call.id, name=call.name, parts=(Text(text=draw(TEXT)),), error=draw(st.booleans()))
            for call in calls
        ]
        messages.append(user(*results, *draw(st.lists(USER_PART, min_size=0 if calls else 1, max_size=2))))
    return Request(
        model="m",
        messages=tuple(messages),
        system=tuple(draw(st.lists(st.builds(Text, text=TEXT), max_size=2))),
        temperature=draw(st.none() | st.floats(0, 2)),
        seed=draw(st.none() | st.integers(0, 99)),
        stop=tuple(draw(st.lists(TEXT, max_size=5))),
        thinking=draw(
            st.sampled_from([Thinking(), Thinking(effort="low", show=True), Thinking(effort="xhigh", show=False)])
        ),
        output=draw(st.sampled_from([None, Output(kind="json_object")])),
        family="gemini",
    )


@given(request=requests())
def test_what_gemini_can_say_comes_back(request: Request) -> None:
    assert parse(dump(request, LEVEL).body, model="m") == request


PARTS = st.one_of(
    USER_PART,
    MODEL_PART,
    st.builds(
        ToolCall, id=st.sampled_from(["a", "b", ""]), name=st.text(max_size=5), arguments=TEXT, custom=st.booleans()
    ),
    st.builds(ToolResult, id=st.sampled_from(["a", "b", "c"]), parts=st.just((Text(text="r"),)), error=st.booleans()),
)  # fmt: skip


@given(
    st.lists(
        st.builds(Message, role=st.sampled_from(["user", "assistant", "system"]), parts=st.lists(PARTS).map(tuple))
    ),
    st.sampled_from([LEVEL, BUDGET, Traits(), Traits(system_role=False, prefill=False)]),
)
def test_any_conversation_becomes_one_that_google_takes(messages: list[Message], traits: Traits) -> None:
    made = contents(*messages, traits=traits)
    assert made[0]["role"] == "user"
    assert all(row["parts"] for row in made)
    for number, row in enumerate(made):
        assert number == 0 or row["role"] != made[number - 1]["role"]
        calls = [part["functionCall"] for part in row["parts"] if "functionCall" in part]
        answers = [part["functionResponse"] for part in row["parts"] if "functionResponse" in part]
        if calls:
            following = [part.get("functionResponse") for part in made[number + 1]["parts"]][: len(calls)]
            assert [(call["id"], call["name"]) for call in calls] == [(row["id"], row["name"]) for row in following]
        if answers:
            before = [part for part in made[number - 1]["parts"] if "functionCall" in part]
            assert len(before) == len(answers)


class TestCounting:
    def test_both_forms(self) -> None:
        assert count_request({"contents": "a"}, "m").messages == (user(Text(text="a")),)
        inner = {"model": "models/x", "contents": "a", "systemInstruction": "b"}
        assert count_request({"generateContentRequest": inner}, "m").system == (Text(text="b"),)
        for body in ({}, {"generateContentRequest": 5}):
            with pytest.raises(Refusal):
                count_request(body, "m")

    def test_answers(self) -> None:
        assert count_reply(5) == b'{"totalTokens":5}'
        assert count_reply(5, 2) == b'{"totalTokens":5,"cachedContentTokenCount":2}'
        assert count_from(count_reply(5)) == 5

    def test_the_question_to_an_upstream(self) -> None:
        asked = count_request({"contents": "Hi"}, "x")
        said = {"model": "models/x", "contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
        assert count_dump(asked, Traits(family="gemini")).body == {"generateContentRequest": said}
