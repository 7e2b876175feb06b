"""Counts of our own: near enough, bounded, and never an exception."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import tokens
from providers.tokens import LONGEST_TEXT, TOKENS_PER_IMAGE, estimate_chat, estimate_text


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


def says(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def stream(*deltas: dict[str, Any]) -> bytes:
    lines = [b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() for delta in deltas]
    return b": comment\n\n" + b"\n\n".join(lines) + b"\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize(("text", "count"), [("", 0), ("hello world", 2), ("tokenization", 2), ("你好", 1), ("🙂", 1)])
def test_known_counts(text: str, count: int) -> None:
    assert estimate_text(text) == count


def test_long_texts_are_estimated_by_their_length() -> None:
    assert estimate_text("a" * (LONGEST_TEXT + 4)) == (LONGEST_TEXT + 4) // 4
    assert estimate_text("é" * LONGEST_TEXT) == LONGEST_TEXT // 2


def test_the_longest_text_that_is_counted_is_counted_soon() -> None:
    for text in (
        "a" * LONGEST_TEXT,
        "a " * (LONGEST_TEXT // 2),
        "\n" * LONGEST_TEXT,
        "0123456789" * (LONGEST_TEXT // 10),
    ):
        started = time.process_time()
        assert estimate_text(text) > 0
        assert time.process_time() - started < 1


@given(st.text(alphabet=st.characters()))
def test_any_text_counts(text: str) -> None:
    assert 0 <= estimate_text(text) <= len(text.encode("utf-8", "replace"))


def test_a_chat_counts_prompt_and_reply() -> None:
    usage = estimate_chat(body(messages=[{"role": "user", "content": "hello world"}]), says("hello world"))
    assert (usage.input, usage.output, usage.reasoning, usage.estimated) == (2 + 4 + 3, 2, 0, True)


def test_more_messages_and_tools_count_more() -> None:
    one = {"role": "user", "content": "hello world"}
    call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Paris"}'}}
    small = estimate_chat(body(messages=[one]), b"").input
    talk = estimate_chat(body(messages=[one, {"role": "assistant", "tool_calls": [call]}, one]), b"").input
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    assert small < talk < estimate_chat(body(messages=[one, one, one], tools=[tool] * 5), b"").input


WORDS = "hello world"  # two tokens
PROMPTS: dict[str, tuple[int, dict[str, Any]]] = {
    "Messages": (
        8,
        {
            "system": [{"type": "text", "text": WORDS}],
            "messages": [
                {"role": "user", "content": WORDS},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": WORDS, "signature": "c2ln" * 99}]},
                {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": WORDS}]}]},
            ],
        },
    ),
    "Responses": (
        6,
        {
            "instructions": WORDS,
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": WORDS}]},
                {"type": "reasoning", "summary": [], "encrypted_content": "c2ln" * 99},
                {"type": "function_call_output", "call_id": "c", "output": WORDS},
            ],
        },
    ),
    "Responses, shortly": (2, {"input": WORDS}),
    "Gemini": (
        4,
        {
            "systemInstruction": {"parts": [{"text": WORDS}]},
            "contents": [{"role": "user", "parts": [{"text": WORDS, "thoughtSignature": "c2ln" * 99}]}],
        },
    ),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_counts_in_the_format_it_was_sent_in(name: str) -> None:
    words, request = PROMPTS[name]
    turns = next((value for key, value in request.items() if isinstance(value, list) and key != "system"), [])
    overhead = 4 * len(turns) + 3 if turns else 0
    between = words // 2 - 1  # each text on a line of its own, which is a token at most
    assert 0 <= estimate_chat(body(**request), b"").input - words - overhead <= between


def test_what_tools_were_called_with_and_gave_back_counts_in_every_format() -> None:
    values = {"city": "Paris", "days": list(range(50))}
    calls: dict[str, Any] = {
        "messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "look_up", "input": values}]}],
        "input": [{"type": "function_call", "name": "look_up", "arguments": json.dumps(values)}],
        "contents": [{"role": "model", "parts": [{"functionCall": {"name": "look_up", "args": values}}]}],
    }
    given = {"contents": [{"parts": [{"functionResponse": {"name": "look_up", "response": values}}]}]}
    for request in (*({key: value} for key, value in calls.items()), given):
        assert estimate_chat(body(**request), b"").input > 100


def test_a_picture_of_gemini_is_one_and_its_bytes_are_no_words() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 9999}}
    usage = estimate_chat(body(contents=[{"parts": [picture]}]), b"")
    assert usage.input == 4 + 3 + TOKENS_PER_IMAGE


WAV_10_S = "UklG" + "A" * 426_660  # 16 kHz, 16 bit
MP3_10_S = "SUQz" + "A" * 106_660  # 64 kbit/s
PDF_3_PAGES = "JVBE" + "A" * 200_000  # 150 KB
SENT: list[tuple[dict[str, Any], int]] = [
    ({"type": "input_audio", "input_audio": {"data": WAV_10_S, "format": "wav"}}, 200),
    ({"type": "input_audio", "input_audio": {"data": MP3_10_S, "format": "mp3"}}, 200),
    ({"inlineData": {"mimeType": "audio/mp3", "data": MP3_10_S}}, 200),
    ({"inline_data": {"mime_type": "image/png", "data": "A" * 9999}}, TOKENS_PER_IMAGE),
    ({"inline_data": {"mime_type": "video/mp4", "data": "A" * 1_666_666}}, 3003),
    ({"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64," + PDF_3_PAGES}}, 6060),
    ({"type": "input_file", "file_data": PDF_3_PAGES}, 6060),
    ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF_3_PAGES}}, 6060),
    ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}, 2000),
    ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "word " * 20}}, 20),
    ({"type": "redacted_thinking", "data": "c2ln" * 99}, 0),
    ({"type": "file", "file": {"file_id": "file-1"}}, 0),
    ({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://a/b"}}, 0),
]


@pytest.mark.parametrize(("part", "tokens"), SENT)
def test_what_is_sent_is_estimated_by_its_bytes(part: dict[str, Any], tokens: int) -> None:
    asked = {"contents" if "inlineData" in part else "messages": [{"role": "user", "content": [part]}]}
    assert abs(estimate_chat(body(**asked), b"").input - 4 - 3 - tokens) <= 3


def test_parts_and_images() -> None:
    parts = [
        {"type": "text", "text": "hello world"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9999}},
    ]
    usage = estimate_chat(body(messages=[{"role": "user", "content": parts}]), b"")
    assert usage.input == 2 + 4 + 3 + TOKENS_PER_IMAGE


@pytest.mark.parametrize("prompt", ["hello world", ["hello world"]])
def test_completions(prompt: Any) -> None:
    usage = estimate_chat(body(prompt=prompt), b'{"choices": [{"text": "hello world"}]}')
    assert (usage.input, usage.output) == (2, 2)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_counts_as_its_text(line_end: bytes) -> None:
    sent = stream(
        {"role": "assistant", "content": ""}, {"content": "hel"}, {"content": "lo wor"}, {"content": "ld"}, {}
    )
    usage = estimate_chat(body(messages=[]), sent.replace(b"\n", line_end))
    assert (usage.input, usage.output) == (0, 2)


def test_a_cut_stream_counts_what_came() -> None:
    sent = stream({"content": "hello"}, {"content": " world"})
    assert estimate_chat(b"{}", sent[: sent.index(b" world") + 3]).output == 1


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_part_of_the_output(name: str) -> None:
    usage = estimate_chat(b"{}", stream({name: "hello"}, {name: " world"}, {"content": "hello world"}))
    assert (usage.output, usage.reasoning) == (4, 2)


def test_reasoning_under_both_names_counts_once() -> None:
    assert estimate_chat(b"{}", stream({"reasoning": "hello world", "reasoning_content": "hello world"})).reasoning == 2


def test_tool_calls_count() -> None:
    call = [{"index": 0, "function": {"name": "look_up", "arguments": '{"city":'}}]
    more = [{"index": 0, "function": {"arguments": ' "Paris"}'}}]
    assert estimate_chat(b"{}", stream({"tool_calls": call}, {"tool_calls": more})).output >= 6


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        b"\xff\xfe",
        b"<html>busy</html>",
        b'{"messages": 7}',
        b'{"messages": [7, null, {"content": 7}]}',
        b'{"choices": [7]}',
        b'{"choices": {"a": 1}}',
        b'{"choices": [{"delta": [], "message": 7}]}',
        b"data: 7\n\ndata: {\n\n",
        b'{"choices": [{"message": {"tool_calls": [7, {"function": 7}], "content": [[["x"]]]}}]}',
        b"[" * 100_000,
        b'{"messages": [{"content": ' + b"[" * 400 + b"]" * 400 + b"}]}",
        b'{"prompt": [1, 2, 3]}',
        b'{"tools": {"a": 1}, "messages": []}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    ],
)
def test_nothing_raises(odd: bytes) -> None:
    for usage in (estimate_chat(odd, odd), estimate_chat(odd, says("x")), estimate_chat(body(messages=[]), odd)):
        assert usage.estimated and usage.input >= 0 and usage.output >= 0


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_raise(request: bytes, reply: bytes) -> None:
    assert estimate_chat(request, reply).estimated


def test_an_unreadable_request_counts_by_its_length() -> None:
    assert estimate_chat(b"x" * 400, b"").input == 100


def test_without_the_counter_length_decides(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    tokens._counter.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(tokens.PathFinder, "find_spec", lambda *_: None)
        assert estimate_text("x" * 400) == 100 and "not installed" in caplog.text
    tokens._counter.cache_clear()


def test_the_counter_is_loaded_late_and_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from providers.tokens import estimate_text;"
        "assert estimate_text('') == 0; maps = open('/proc/self/maps').read() if sys.platform == 'linux' else '';"
        "assert '_bindings' not in maps; assert estimate_text('hello world') == 2;"
        "assert 'bpe_openai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_threads_may_ask_for_the_first_count_together() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from concurrent.futures import ThreadPoolExecutor;"
        "from providers.tokens import estimate_text;"
        "counts = list(ThreadPoolExecutor(8).map(estimate_text, ['hello world'] * 32)); assert counts == [2] * 32"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
