"""Whole chat completions: an upstream's → canonical → a client's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_chat.replies import dump_reply, parse_reply
from providers.wire.openai_chat.requests import parse
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Choice,
    Citation,
    Image,
    Json,
    Media,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Usage,
    parts_of,
)
from providers.wire.types import Refusal as Refused
from tests.providers.wire.openai_chat.test_stream import anything, keys

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_chat"


def golden(name: str) -> bytes:
    (path,) = GOLDEN.rglob(name)
    return path.read_bytes()


def body(message: Json, finish: Json = "stop", **fields: Json) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "c1", "created": 7, "model": "up", "choices": [choice], **fields}).encode()


def parts(message: Json, names: Names | None = None) -> tuple[Part, ...]:
    return parse_reply(body(message), names or Names()).choices[0].parts


def failure(raw: bytes) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        parse_reply(raw, Names())
    return caught.value


def dumped(*said: Part, finish: str = "stop", usage: Usage | None = None, **request: Any) -> dict[str, Any]:
    """What a client gets, having passed the SDK's own types."""
    fields = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **request}
    asked = Asked(request=parse(fields), model="fast", id="abc", created=5)
    raw = dump_reply(Reply(id="x", model="up", choices=(Choice(parts=said, finish=finish),), usage=usage), asked)
    made: dict[str, Any] = json.loads(raw)
    ChatCompletion.model_validate(made, strict=True)
    return made


class TestParse:
    def test_a_plain_reply(self) -> None:
        assert parse_reply(golden("openai.json"), Names()) == Reply(
            id="chatcmpl-3",
            model="gpt-4o-2024-08-06",
            created=1763800000,
            choices=(Choice(parts=(Text(text="Hello ☃"),)),),
            usage=Usage(input=19, cached=12, output=10, reasoning=4),
            service_tier="default",
        )

    def test_citations_belong_to_the_text(self) -> None:
        reply = parse_reply(golden("search_annotations.json"), Names())
        (text,) = reply.choices[0].parts
        assert isinstance(text, Text)
        (citation,) = text.citations
        assert (citation.url, citation.title, citation.start, citation.end) == (
            "https://weather.example/",
            "Weather",
            0,
            9,
        )

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ({"content": "x", "reasoning_content": "t"}, (Reasoning(text="t"), Text(text="x"))),
            ({"content": "x", "reasoning": "t"}, (Reasoning(text="t"), Text(text="x"))),
            (
                {"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "x"}]},
                (Reasoning(text="t"), Text(text="x")),
            ),
            (
                {"content": "x", "reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]},
                (
                    Reasoning(
                        proof=Proof(
                            family="openrouter", kind="encrypted", value='{"type":"reasoning.encrypted","data":"d"}'
                        )
                    ),
                    Text(text="x"),
                ),
            ),
            ({"content": None, "refusal": "no"}, (Refused(text="no"),)),
            (
                {"content": "x", "images": [{"image_url": {"url": "data:image/png;base64,QQ=="}}]},
                (Text(text="x"), Image(media=Media(media_type="image/png", data="QQ=="))),
            ),
            (
                {"content": None, "audio": {"id": "a", "data": "QQ=="}},
                (Opaque(family="openai_chat", value={"type": "audio", "audio": {"id": "a", "data": "QQ=="}}),),
            ),
            (
                {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
                (ToolCall(id="c", name="f", arguments='{"a":1}'),),
            ),
            (
                {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "ls"}}]},
                (ToolCall(id="c", name="f", arguments="ls", custom=True),),
            ),
            (
                {
                    "tool_calls": [
                        {
                            "id": "c",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "sig"}},
                        }
                    ]
                },
                (
                    ToolCall(
                        id="c", name="f", arguments="{}", proof=Proof(family="gemini", kind="thought", value="sig")
                    ),
                ),
            ),
        ],
    )
    def test_messages(self, message: Json, expected: tuple[Part, ...]) -> None:
        assert parts(message) == expected

    def test_calls_end_the_reply_whatever_the_vendor_says(self) -> None:
        raw = body({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, finish="")
        (choice,) = parse_reply(raw, Names()).choices
        assert choice.finish == "tool_calls"
        (call,) = choice.parts
        assert isinstance(call, ToolCall) and call.id.startswith("call_")

    def test_wrapped_tools_are_unwrapped_under_their_own_name(self) -> None:
        names = Names()
        sent = names.send("my.shell")
        names.wrapped.add("my.shell")
        call = {"id": "c", "function": {"name": sent, "arguments": '{"input":"ls -l"}'}}
        assert parts({"tool_calls": [call]}, names) == (
            ToolCall(id="c", name="my.shell", arguments="ls -l", custom=True),
        )

    def test_perplexitys_sources(self) -> None:
        reply = parse_reply(body({"content": "x"}, citations=["https://a.test"]), Names())
        assert reply.choices[0].parts == (Text(text="x", citations=(Citation(url="https://a.test"),)),)

    @pytest.mark.parametrize(
        ("raw", "kind", "words"),
        [
            (b"", Kind.PROTOCOL, "empty"),
            (b"<html></html>", Kind.PROTOCOL, "web page"),
            (b'{"id":', Kind.PROTOCOL, "not a valid reply"),
            (b"[]", Kind.PROTOCOL, "not a valid reply"),
            (b'{"choices":[]}', Kind.PROTOCOL, "no choices"),
            (b'{"choices":[{"message":{"content":null}}]}', Kind.PROTOCOL, "no content"),
            (b'{"error":{"message":"boom"}}', Kind.SERVER, "boom"),
            (b'{"error":"boom"}', Kind.SERVER, "boom"),
            (b'{"detail":"boom"}', Kind.SERVER, "boom"),
            (b'{"choices":[{"error":{"message":"boom"}}]}', Kind.SERVER, "boom"),
            (b'{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}', Kind.SERVER, "reason 'error'"),
        ],
    )
    def test_failures(self, raw: bytes, kind: Kind, words: str) -> None:
        caught = failure(raw)
        assert caught.kind is kind and words in caught.message

    @given(st.dictionaries(keys, anything, max_size=5), st.dictionaries(keys, anything, max_size=5))
    def test_any_json_is_read_or_a_failure(self, message: Json, fields: Json) -> None:
        try:
            reply = parse_reply(body(message, **{key: fields[key] for key in fields if key != "message"}), Names())
        except UpstreamFailure:
            return
        for choice in reply.choices:
            dumped(*choice.parts, finish=choice.finish)


class TestDump:
    def test_everything_in_its_place(self) -> None:
        made = dumped(
            Reasoning(text="t"),
            Reasoning(text="u"),
            Text(text="It "),
            Text(text="rains.", citations=(Citation(url="https://a.test", start=0, end=5),)),
            ToolCall(id="c", name="f"),
            ToolCall(id="d", name="g", arguments="ls", custom=True),
            finish="tool_calls",
            usage=Usage(input=3, output=4),
        )
        (choice,) = made["choices"]
        assert made["id"] == "chatcmpl-abc" and made["model"] == "fast" and made["created"] == 5
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"] == {
            "role": "assistant",
            "content": "It rains.",
            "refusal": None,
            "reasoning_content": "t\n\nu",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "custom", "custom": {"name": "g", "input": "ls"}},
            ],
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"start_index": 3, "end_index": 8, "url": "https://a.test", "title": ""},
                }
            ],
        }
        assert made["usage"]["total_tokens"] == 7

    @pytest.mark.parametrize(
        ("finish", "said", "reason"),
        [
            ("refusal", Text(text="x"), "content_filter"),
            ("refusal", Refused(text="no"), "stop"),
            ("pause", Text(text="x"), "stop"),
            ("context_window", Text(text="x"), "length"),
            ("stop_sequence", Text(text="x"), "stop"),
        ],
    )
    def test_reasons(self, finish: str, said: Part, reason: str) -> None:
        assert dumped(said, finish=finish)["choices"][0]["finish_reason"] == reason

    def test_nothing_said_is_an_empty_text(self) -> None:
        assert dumped()["choices"][0]["message"]["content"] == ""

    def test_generated_images(self) -> None:
        message = dumped(Image(media=Media(media_type="image/png", data="QQ==")))["choices"][0]["message"]
        assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]

    def test_clients_that_say_functions_get_a_function_call(self) -> None:
        made = dumped(ToolCall(id="c", name="f", arguments="{}"), finish="tool_calls", functions=[{"name": "f"}])
        (choice,) = made["choices"]
        assert choice["finish_reason"] == "function_call"
        assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
        assert "tool_calls" not in choice["message"]

    @pytest.mark.parametrize("name", ["openai", "search_annotations", "groq"])
    def test_what_is_written_is_read_as_the_same(self, name: str) -> None:
        reply = parse_reply(golden(f"{name}.json"), Names())
        asked = Asked(
            request=parse({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
            model=reply.model,
            id=reply.id.removeprefix("chatcmpl-"),
            created=5,
        )
        again = parse_reply(dump_reply(reply, asked), Names())
        assert again.choices == reply.choices and again.usage == reply.usage and again.id == reply.id


def test_clients_are_told_how_many_tokens_were_sound() -> None:
    heard = Usage(input=50, output=9, reasoning=2, units=parts_of(audio_input=40, audio_output=5))
    usage = dumped(Text(text="Hi"), usage=heard)["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0, "audio_tokens": 40}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2, "audio_tokens": 5}
    assert parse_reply(body({"content": "Hi"}, usage=usage), Names()).usage == heard
    plain = dumped(Text(text="Hi"), usage=Usage(input=50, output=9))["usage"]
    assert "audio_tokens" not in plain["prompt_tokens_details"] | plain["completion_tokens_details"]
