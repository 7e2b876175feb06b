"""The allow-list: what is passed on is strictly what OpenAI sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from providers.wire.frames import EventSplitter, payload
from providers.wire.openai_chat.clean import clean_chunk, clean_reply
from providers.wire.types import Json
from tests.providers.wire.openai_chat.test_stream import anything, keys

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_chat"
HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
STREAMS = sorted(path.stem for path in GOLDEN.rglob("*.sse"))


def golden(name: str) -> bytes:
    (path,) = GOLDEN.rglob(name)
    return path.read_bytes()


def payloads(name: str) -> list[bytes]:
    return [data for frame in EventSplitter().feed(golden(f"{name}.sse")) if (data := payload(frame))]


def chunk(delta: Json, **fields: Json) -> bytes:
    return json.dumps({**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **fields}).encode()


def cleaned(data: bytes) -> Json:
    return json.loads(clean_chunk(data))


@pytest.mark.parametrize("name", ["openai", "tool_calls", "two_choices", "interleaved_calls"])
def test_what_is_right_is_the_very_same_object(name: str) -> None:
    for data in payloads(name):
        assert clean_chunk(data) is data


@pytest.mark.parametrize("name", ["openai", "search_annotations"])
def test_right_replies_are_the_very_same_object(name: str) -> None:
    whole = golden(f"{name}.json")
    assert clean_reply(whole) is whole


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in ("completions", "openrouter_error")])
def test_every_chunk_becomes_valid_and_stays_so(name: str) -> None:
    for data in payloads(name):
        once = clean_chunk(data)
        assert clean_chunk(once) is once
        if data != b"[DONE]":
            ChatCompletionChunk.model_validate_json(once, strict=True)
            for word in (b"x_groq", b"provider", b"native_finish_reason", b"prompt_filter_results", b"cost"):
                assert b'"' + word + b'"' not in once


def test_a_whole_reply_becomes_valid() -> None:
    made = clean_reply(golden("groq.json"))
    ChatCompletion.model_validate_json(made, strict=True)
    reply = json.loads(made)
    assert reply.keys() == {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
    assert reply["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning_content": "Hm.",
    }
    assert reply["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    assert clean_reply(made) is made


@pytest.mark.parametrize(
    ("data", "path", "value"),
    [
        (chunk({"content": "x"}, service_tier="on_demand"), ("service_tier",), None),
        (chunk({"content": "x"}, created=1.5), ("created",), 1),
        (chunk({"reasoning": "t"}), ("choices", 0, "delta"), {"reasoning_content": "t"}),
        (chunk({"content": [{"type": "thinking", "thinking": "t"}]}), ("choices", 0, "delta"),
         {"content": "", "reasoning_content": "t"}),
        (chunk({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}), ("choices", 0, "delta", "tool_calls", 0), {
            "index": 0, "id": "a", "type": "function", "function": {"name": "f"},
        }),
        (chunk({"tool_calls": [{"index": 1, "id": "a", "function": {"arguments": {"a": 1}}}]}),
         ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"), '{"a":1}'),
        (b'{"choices":[{"delta":{"content":"x"},"finish_reason":"eos"}]}', ("choices", 0, "finish_reason"), "stop"),
        (b'{"choices":[{"delta":{"content":"x"},"finish_reason":""}]}', ("choices", 0, "finish_reason"), None),
        (b'{"choices":[{"delta":{"content":"x"}}]}', ("object",), "chat.completion.chunk"),
        (chunk({}, service_tier={"name": "flex"}), ("object",), "chat.completion.chunk"),
        (chunk({}, usage={"prompt_tokens": 3, "completion_tokens": 1, "prompt_cache_hit_tokens": 2}),
         ("usage", "prompt_tokens_details"), {"cached_tokens": 2}),
    ],
)  # fmt: skip
def test_what_is_odd_is_put_right(data: bytes, path: tuple[str | int, ...], value: Json) -> None:
    found = cleaned(data)
    ChatCompletionChunk.model_validate(found)
    for step in path[:-1]:
        found = found[step]
    last = path[-1]
    assert (found.get(last) if isinstance(found, dict) else found[last]) == value


def test_what_must_go_back_is_kept() -> None:
    details = [{"type": "reasoning.encrypted", "data": "d"}]
    sealed = {"google": {"thought_signature": "s"}}
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f"}, "extra_content": sealed}
    data = chunk({"reasoning_details": details, "tool_calls": [call]}, provider="P")
    delta = cleaned(data)["choices"][0]["delta"]
    assert delta["reasoning_details"] == details
    assert delta["tool_calls"][0]["extra_content"] == sealed


@pytest.mark.parametrize("data", [b"[DONE]", b"", b"nonsense", b'{"error":{"message":"x"}}', b'{"choices":null}'])
def test_what_is_no_chunk_stays_as_it_is(data: bytes) -> None:
    assert clean_chunk(data) is data
    assert clean_reply(data) is data


def test_completions_stay_completions() -> None:
    for data in payloads("completions"):
        once = clean_chunk(data)
        if data != b"[DONE]":
            assert json.loads(once)["object"] == "text_completion"


@given(
    st.dictionaries(keys, anything, max_size=5),
    st.dictionaries(keys, anything, max_size=3),
    st.dictionaries(keys, anything, max_size=3),
)
def test_any_chunk_becomes_valid(delta: Json, choice: Json, fields: Json) -> None:
    kept = {key: value for key, value in fields.items() if key not in ("error", "choices")}
    data = json.dumps({"choices": [{**choice, "delta": delta}], **kept}).encode()
    made = clean_chunk(data)
    if json.loads(made)["object"] != "text_completion":
        ChatCompletionChunk.model_validate_json(made)
        assert clean_chunk(made) is made


@given(st.dictionaries(keys, anything, max_size=5), st.dictionaries(keys, anything, max_size=3))
def test_any_reply_becomes_valid(message: Json, fields: Json) -> None:
    kept = {key: value for key, value in fields.items() if key not in ("error", "choices")}
    made = clean_reply(json.dumps({"choices": [{"message": message}], **kept}).encode())
    ChatCompletion.model_validate_json(made)
    assert clean_reply(made) is made


@given(st.binary(max_size=60))
def test_any_bytes_are_taken(data: bytes) -> None:
    clean_chunk(data)
    clean_reply(data)
