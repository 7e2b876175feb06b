"""The grammar of a Responses stream, checked event by event against the documented order and the SDK's own types."""

from __future__ import annotations

from typing import Any

import msgspec
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from providers.wire.frames import EventSplitter, payload

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
DELTAS = {
    "response.output_text": ("text", "delta"),
    "response.refusal": ("refusal", "delta"),
    "response.reasoning_summary_text": ("text", "delta"),
    "response.function_call_arguments": ("arguments", "delta"),
    "response.custom_tool_call_input": ("input", "delta"),
}


def events_in(stream: bytes) -> list[dict[str, Any]]:
    """Every event of a stream; the name before the data must be the type inside."""
    splitter = EventSplitter()
    frames = splitter.feed(stream)
    assert splitter.flush() == b""
    events = []
    for frame in frames:
        if frame.startswith(b":"):
            continue
        events.append(msgspec.json.decode(payload(frame)))
        assert frame.startswith(f"event: {events[-1]['type']}\n".encode())
    return events


def check(stream: bytes, *, ended: bool = True) -> list[dict[str, Any]]:
    """The events, when they follow the grammar."""
    events = events_in(stream)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    terminals = [event for event in events if event["type"] in TERMINAL]
    assert len(terminals) == ended
    assert not ended or events[-1] is terminals[0]
    for event in events:
        EVENT.validate_python(event)
    check_items(events, failed=any(event["type"] == "error" for event in events))
    return events


def check_items(events: list[dict[str, Any]], *, failed: bool) -> None:
    output: list[Any] = []
    opened: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    told: dict[str, str] = {}
    closed: set[str] = set()
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert opened is None, "items overlap"
            assert event["output_index"] == len(output)
            opened, told, closed = event["item"], {}, set()
        elif kind == "response.output_item.done":
            assert opened is not None and part is None
            assert event["output_index"] == len(output)
            assert event["item"]["id"] == opened["id"] and event["item"]["type"] == opened["type"]
            assert set(told) <= closed, "a text was not closed"
            output.append(event["item"])
            opened = None
        elif "item_id" in event:
            assert opened is not None and event["item_id"] == opened["id"]
            assert event["output_index"] == len(output)
        if kind.endswith("part.added"):
            assert part is None
            part, told, closed = event["part"], {}, set()
        elif kind.endswith("part.done"):
            assert part is not None and part["type"] == event["part"]["type"]
            part = None
        for stem, (whole, piece) in DELTAS.items():
            if kind == f"{stem}.delta":
                told[stem] = told.get(stem, "") + event[piece]
            elif kind == f"{stem}.done":
                assert told.get(stem, "") == event[whole] or event[whole] == "{}"
                closed.add(stem)
    assert failed or opened is None
    if events[-1]["type"] in TERMINAL:
        response = events[-1]["response"]
        assert response["output"] == output
        assert response["id"] == events[0]["response"]["id"]
        assert response["status"] == events[-1]["type"].removeprefix("response.")
