"""Custom tools (free text instead of JSON) for upstreams that know functions only: wrapped on the way out, unwrapped in
replies. A wrapped tool is a function with one string parameter, ``input``."""

from __future__ import annotations

import msgspec

from providers.wire.translation import json_text
from providers.wire.types import Json, Tool

FIELD = "input"


def wrap(tool: Tool) -> Tool:
    """The same tool as a function; its grammar becomes part of the description."""
    text = "The whole input of the tool as plain text." + _told(tool.grammar)
    schema = {
        "type": "object",
        "properties": {FIELD: {"type": "string", "description": text}},
        "required": [FIELD],
        "additionalProperties": False,
    }
    return Tool(name=tool.name, description=tool.description, schema=schema, cache=tool.cache, namespace=tool.namespace)


def wrap_input(text: str) -> str:
    """The arguments of a wrapped tool's call, for calls of the history."""
    return json_text({FIELD: text})


def unwrap(arguments: str) -> str:
    """The free text in a wrapped tool's arguments; what is no such object is the text itself."""
    if not arguments.strip():
        return ""
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    inner = value.get(FIELD, value) if isinstance(value, dict) else value
    return inner if isinstance(inner, str) else json_text(inner)


def _told(grammar: Json) -> str:
    """OpenAI's format in words: ``{type: grammar, syntax, definition}``, in Chat Completions one level deeper."""
    if not isinstance(grammar, dict):
        return ""
    inner = grammar.get("grammar", grammar)
    if not isinstance(inner, dict) or not isinstance(inner.get("definition"), str):
        return ""
    return f" It must match this {inner.get('syntax') or 'lark'} grammar:\n{inner['definition']}"
