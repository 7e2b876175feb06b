"""Is this a stream of chat completion chunks as OpenAI sends them? Asserts; also read by the SDK's own types."""

from __future__ import annotations

import json
from typing import Any

from openai.types.chat import ChatCompletionChunk

from providers.wire.frames import EventSplitter, payload


def chunks(raw: bytes) -> list[dict[str, Any]]:
    """The chunks before ``[DONE]``, which must be the last."""
    splitter = EventSplitter()
    payloads = [payload(frame) for frame in splitter.feed(raw)]
    assert splitter.flush() == b""
    assert payloads and payloads[-1] == b"[DONE]"
    assert payloads.count(b"[DONE]") == 1
    return [json.loads(data) for data in payloads[:-1]]


def check(raw: bytes, *, usage: bool = False) -> list[dict[str, Any]]:
    """The chunks, when all is in order. ``usage``: the usage chunk was asked for."""
    found = chunks(raw)
    for key in ("id", "created", "model", "object"):
        assert len({json.dumps(chunk[key]) for chunk in found}) == 1, key
    last = found[-1] if usage and not found[-1]["choices"] else None
    choices: dict[int, dict[str, Any]] = {}
    for chunk in found:
        ChatCompletionChunk.model_validate(_typed(chunk), strict=True)
        assert chunk["object"] == "chat.completion.chunk"
        assert ("usage" in chunk) == usage
        assert (chunk["usage"] is not None) == (chunk is last) if usage else True
        assert chunk is last or len(chunk["choices"]) == 1
        for choice in chunk["choices"]:
            _choice(choice, choices.setdefault(choice["index"], {"calls": {}, "finish": None, "first": True}))
    assert choices and all(seen["finish"] for seen in choices.values())
    return found


def _typed(chunk: dict[str, Any]) -> dict[str, Any]:
    """The SDK's types know no custom calls in streams."""
    copy = json.loads(json.dumps(chunk))
    for choice in copy["choices"]:
        for call in choice["delta"].get("tool_calls", ()):
            if call.get("type") == "custom":
                del call["type"]
    return copy


def _choice(choice: dict[str, Any], seen: dict[str, Any]) -> None:
    delta = choice["delta"]
    assert (delta.get("role") == "assistant") == seen["first"]
    seen["first"] = False
    assert seen["finish"] is None, "nothing comes after the finish reason"
    for call in delta.get("tool_calls", ()):
        _call(call, seen["calls"])
    seen["finish"] = choice["finish_reason"]
    if seen["finish"]:
        assert not {"content", "tool_calls", "reasoning_content"} & delta.keys()


def _call(call: dict[str, Any], calls: dict[int, str]) -> None:
    index = call["index"]
    if index in calls:
        assert "id" not in call and "type" not in call
        assert call[calls[index]].keys() == {"input" if calls[index] == "custom" else "arguments"}
        return
    assert index == len(calls)
    calls[index] = call["type"]
    assert call["id"] and call[call["type"]]["name"]
