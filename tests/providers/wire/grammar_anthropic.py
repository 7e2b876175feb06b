"""The grammar of a Messages stream, as a checker for what writers make."""

from __future__ import annotations

import json
from typing import Any

DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


def events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream; each is framed as ``event:`` and ``data:`` with the same type."""
    assert data.endswith(b"\n\n")
    found = []
    for frame in data.decode().split("\n\n")[:-1]:
        head, body = frame.split("\n")
        event = json.loads(body.removeprefix("data: "))
        assert head == f"event: {event['type']}"
        found.append(event)
    return found


def check(data: bytes, *, arguments: bool = True) -> dict[str, Any]:
    """The message that a whole stream builds. Fails where the grammar is broken, and where ``arguments`` of a call are
    not JSON: a model may write anything."""
    first, *middle, delta, last = [event for event in events(data) if event["type"] != "ping"]
    assert first["type"] == "message_start"
    assert delta["type"] == "message_delta"
    assert last == {"type": "message_stop"}
    message = first["message"]
    assert message["content"] == [] and message["stop_reason"] is None and message["role"] == "assistant"
    assert isinstance(message["usage"]["input_tokens"], int)
    message["content"] = check_blocks(middle, arguments=arguments)
    assert delta["delta"]["stop_reason"] and isinstance(delta["usage"]["output_tokens"], int)
    message |= delta["delta"]
    message["usage"] |= delta["usage"]
    return message


def check_blocks(middle: list[dict[str, Any]], cut: bool = False, *, arguments: bool = True) -> list[dict[str, Any]]:
    """The blocks between start and end: numbered from 0, one open at a time, each closed unless the stream was cut."""
    content: list[dict[str, Any]] = []
    block: dict[str, Any] | None = None
    for event in middle:
        if event["type"] == "content_block_start":
            assert block is None and event["index"] == len(content)
            block = dict(event["content_block"])
            pieces = ""
            content.append(block)
        elif event["type"] == "content_block_delta":
            assert block is not None and event["index"] == len(content) - 1
            pieces += _apply(block, event["delta"])
        else:
            assert event["type"] == "content_block_stop" and event["index"] == len(content) - 1
            assert block is not None
            if pieces and arguments:
                block["input"] = json.loads(pieces)
            block = None
    assert block is None or cut
    return content


def _apply(block: dict[str, Any], delta: dict[str, Any]) -> str:
    assert delta["type"] in DELTAS[block["type"]]
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        assert not block["signature"], "thinking after its signature"
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "signature_delta":
        block["signature"] = delta["signature"]
    elif delta["type"] == "citations_delta":
        block.setdefault("citations", []).append(delta["citation"])
    else:
        return str(delta["partial_json"])
    return ""
