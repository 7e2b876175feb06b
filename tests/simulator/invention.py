"""What the model says where the script says nothing: an echo, a call of a tool, thoughts, JSON to a schema."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .types import Speech, Tokens, ToolCall

FREE_TEXT = "free text"  # in place of a schema: a tool that takes any text


@dataclass(frozen=True)
class Question:
    """What a request asks, in no format's words."""

    text: str  # the last text of the user
    prompt: str = ""  # everything that is read, for counting
    tools: Sequence[tuple[str, Any]] = ()  # name and JSON schema, or FREE_TEXT
    choice: str | None = None  # "none", "required", the name of a tool, or None: as the model likes
    results: Sequence[str] = ()  # of the tools that were called after that text
    thinks: bool = False
    schema: Any = None  # of the answer; True for any JSON object


def answer(speech: Speech, question: Question) -> Speech:
    """The speech with everything unsaid made up; `pieces` is never None after it.

    A tool is called when the choice forces it, or when the user says "tool"; its result is quoted.
    """
    if speech.reasoning is None and question.thinks:
        speech = replace(speech, reasoning=f"The user says: {question.text or 'nothing'}. I shall think about it.")
    if speech.pieces is not None:
        return speech
    if speech.tool_calls or speech.refusal is not None:
        return replace(speech, pieces=())
    if calls := _calls(question):
        return replace(speech, pieces=(), tool_calls=calls)
    return replace(speech, pieces=words(_text(question)))


def words(text: str) -> list[str]:
    """A text in the pieces it streams in."""
    return re.findall(r"\s*\S+\s*$|\s*\S+\s", text) or ([text] if text else [])


def tokens(speech: Speech, question: Question) -> Tokens:
    """The figures of the script, or counted words."""
    if isinstance(speech.usage, Tokens):
        return speech.usage
    thought = len((speech.reasoning or "").split())
    said = len("".join((*(speech.pieces or ()), speech.refusal or "")).split())
    said += sum(1 + len(call.arguments_text.split()) for call in speech.tool_calls)
    return Tokens(len(question.prompt.split()), thought + said, reasoning=thought)


def example(schema: Any, root: Any = None) -> Any:
    """A value that fits a JSON schema, or a schema of Gemini."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return "text"
    if isinstance(ref := schema.get("$ref"), str):
        target: Any = root
        for step in ref.removeprefix("#").strip("/").split("/"):
            target = target.get(step, {}) if step and isinstance(target, dict) else target
        return example(target, root) if target is not schema else "text"
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return example(schema[choice][0], root)
    return _of_type(schema, root)


def _of_type(schema: Mapping[str, Any], root: Any) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match str(kind[0] if isinstance(kind, list) else kind).lower():
        case "object":
            required = schema.get("required", ())
            return {name: example(it, root) for name, it in schema.get("properties", {}).items() if name in required}
        case "array":
            return [example(schema.get("items", {}), root)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "text" + "." * max(0, schema.get("minLength", 0) - len("text"))


def _calls(question: Question) -> list[ToolCall]:
    forced = question.choice not in (None, "none")
    if not question.tools or question.choice == "none" or (question.results and question.choice != "required"):
        return []
    if not forced and "tool" not in question.text.lower():
        return []
    offered = dict(question.tools)
    name = question.choice if question.choice in offered else next(iter(offered))
    if offered[name] is FREE_TEXT:
        return [ToolCall(name, "text", custom=True)]
    return [ToolCall(name, example(offered[name] or {"type": "object"}))]


def _text(question: Question) -> str:
    if question.schema is not None:
        return json.dumps({"said": question.text} if question.schema is True else example(question.schema))
    if question.results:
        return f"The tool says: {', '.join(question.results)}"
    return f"You said: {question.text}" if question.text else "You said nothing."
