"""Tags in replies that are passed through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.wire.openai_chat.tagged import ChunkTags, split_whole


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    said = {**delta, **({} if text is None else {"content": text})}
    return json.dumps({"id": "x", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}).encode()


def whole(text: str | None, **message: Any) -> bytes:
    return json.dumps({"id": "x", "choices": [{"index": 0, "message": {**message, "content": text}}]}).encode()


def deltas(tags: ChunkTags, *chunks: bytes) -> tuple[str, str]:
    found = [json.loads(tags.split(it))["choices"][0]["delta"] for it in chunks]
    return "".join(it.get("reasoning_content") or "" for it in found), "".join(it.get("content") or "" for it in found)


STREAMS = [
    (["<think>One.</think>Two."], ("One.", "Two.")),
    (["\n<th", "ink>One", ".</", "think>\n\nTwo."], ("One.", "Two.")),
    (["<", "b>Two."], ("", "<b>Two.")),
    (["Two <think>.</think>"], ("", "Two <think>.</think>")),
    (["<think>One."], ("One.", "")),
    (["<t"], ("", "<t")),
]


@pytest.mark.parametrize(("pieces", "expected"), STREAMS)
def test_chunks(pieces: list[str], expected: tuple[str, str]) -> None:
    chunks = [chunk(role="assistant", text=""), *map(chunk, pieces), chunk(finish="stop")]
    assert deltas(ChunkTags(), *chunks) == expected


@pytest.mark.parametrize(("pieces", "expected"), STREAMS)
def test_wholes(pieces: list[str], expected: tuple[str, str]) -> None:
    message = json.loads(split_whole(whole("".join(pieces))))["choices"][0]["message"]
    assert (message.get("reasoning_content") or "", message["content"].lstrip()) == expected


def test_what_needs_no_change_is_the_same_object() -> None:
    tags = ChunkTags()
    for data in (chunk(text=""), chunk(text="Hello"), chunk(finish="stop"), b"[DONE]", b"{"):
        assert tags.split(data) is data
    assert tags.settled
    for body in (whole("Hello <think>"), whole(None), whole("x", reasoning_content="<think>"), b"{", b"[]"):
        assert split_whole(body) is body


def test_text_before_a_call_is_not_held_back() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(ChunkTags(), chunk(text="<th"), chunk(tool_calls=[call])) == ("", "<th")


def test_a_field_of_reasoning_goes_before_a_stray_tag() -> None:
    assert deltas(ChunkTags(), chunk(reasoning_content="One."), chunk(text="</think>Two.")) == ("One.", "Two.")
