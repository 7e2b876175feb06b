"""The events of a streamed response, in their order, from the finished response.

Source: types of the SDK `openai` 3.54.0; order of events from the public API (2026-11).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .invention import words
from .types import Frame, Speech

Event = tuple[str, dict[str, Any]]
ARGUMENTS = {  # kind of call → the field it fills, the name of its events
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


def frames(response: Mapping[str, Any], speech: Speech) -> Iterator[Frame]:
    """All events, from `response.created` to `response.completed` or `response.incomplete`, numbered."""
    for number, (kind, data) in enumerate(_events(response, speech)):
        value = {"type": kind, "sequence_number": number, **data}
        yield Frame(json.dumps(value, ensure_ascii=False, separators=(",", ":")), kind)


def _events(response: Mapping[str, Any], speech: Speech) -> Iterator[Event]:
    unknown = dict.fromkeys(("usage", "completed_at", "incomplete_details"))
    begun = {**response, **unknown, "status": "in_progress", "output": []}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(response["output"]):
        yield "response.output_item.added", {"output_index": index, "item": _unfilled(item)}
        for kind, data in _item(item, speech):
            yield kind, {"item_id": item["id"], "output_index": index, **data}
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": dict(response)}


def _unfilled(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as it is added. The seal of reasoning comes with its end."""
    bare = {name: value for name, value in item.items() if name != "encrypted_content"}
    empty: dict[str, Any] = {"summary": [], "content": [], "arguments": "", "input": ""}
    status = {"status": "in_progress"} if "status" in item else {}
    return {**bare, **{name: value for name, value in empty.items() if name in item}, **status}


def _item(item: Mapping[str, Any], speech: Speech) -> Iterator[Event]:
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary(index, part)
        case "message":
            for index, part in enumerate(item["content"]):
                yield from _part(index, part, speech)
        case kind:
            field, event = ARGUMENTS[kind]
            text, half = item[field], len(item[field]) // 2
            for piece in filter(None, (text[:half], text[half:])):
                yield f"{event}.delta", {"delta": piece}
            name = {"name": item["name"]} if kind == "function_call" else {}
            yield f"{event}.done", {field: text, **name}


def _summary(index: int, part: Mapping[str, Any]) -> Iterator[Event]:
    at = {"summary_index": index}
    yield "response.reasoning_summary_part.added", {**at, "part": {"type": "summary_text", "text": ""}}
    for piece in words(part["text"]):
        yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
    yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
    yield "response.reasoning_summary_part.done", {**at, "part": dict(part)}


def _part(index: int, part: Mapping[str, Any], speech: Speech) -> Iterator[Event]:
    at = {"content_index": index}
    if part["type"] == "refusal":
        yield "response.content_part.added", {**at, "part": {"type": "refusal", "refusal": ""}}
        for piece in words(part["refusal"]):
            yield "response.refusal.delta", {**at, "delta": piece}
        yield "response.refusal.done", {**at, "refusal": part["refusal"]}
        yield "response.content_part.done", {**at, "part": dict(part)}
        return
    empty = {**part, "text": "", "annotations": [], "logprobs": []}
    yield "response.content_part.added", {**at, "part": empty}
    for number, piece in enumerate(speech.pieces or ()):
        yield "response.output_text.delta", {**at, "delta": piece, "logprobs": part["logprobs"][number : number + 1]}
    for number, note in enumerate(part["annotations"]):
        yield "response.output_text.annotation.added", {**at, "annotation_index": number, "annotation": note}
    yield "response.output_text.done", {**at, "text": part["text"], "logprobs": part["logprobs"]}
    yield "response.content_part.done", {**at, "part": dict(part)}
