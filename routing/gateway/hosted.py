"""Tools that the vendor runs. Each call costs, at most vendors, what no price here says, and what it finds is read as
input, again with each further call: nothing bounds what a request with one may come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

Fields = Mapping[str, object]
RawFields = Mapping[str, msgspec.Raw]

# The client runs these, or they only choose among what the request holds.
CLIENTS = frozenset(("function", "custom", "namespace", "local_shell", "apply_patch", "computer", "tool_search"))
CLIENTS_BEGIN = ("computer_", "bash_", "text_editor_", "memory_", "tool_search_tool_")
DECLARED = frozenset(("name", "function"))
HARMLESS = frozenset(("functionDeclarations", "function_declarations", "computerUse", "computer_use"))
# Beside the tools: Chat's search, Anthropic's connector, OpenRouter's, xAI's and Qwen's ways to search.
ASIDE = ("web_search_options", "mcp_servers", "plugins", "search_parameters", "enable_search")
OFF = (b"null", b"false", b"[]")
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_decode_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def run_by_vendor(fields: Fields) -> str:
    """The first tool of a chat that its vendor runs, as it is called there; "" when there is none. ``fields``: the
    request's top level, raw or read."""
    if "tools" in fields and (name := next(_hosted(fields["tools"]), "")):
        return name
    return next((name for name in ASIDE if name in fields and _said(fields[name]) not in OFF), "")


def without_vendors(fields: RawFields) -> tuple[RawFields, tuple[str, ...]]:
    """The fields without the tools that the vendor runs, and what these are called. As they are, and nothing, where the
    client would have no tool left, or chose one of these: then it asks for just that."""
    kept: list[Fields] = []
    left_out: list[str] = []
    chosen = _said(fields.get("tool_choice"))
    for tool in _tools(fields.get("tools")):
        names = tuple(_hosted((tool,)))
        rest = {} if "type" in tool else {name: value for name, value in tool.items() if name not in names}
        left_out += names
        if not names or rest:
            kept.append(rest if names else tool)
        if names and (called := _word(tool.get("name"))):
            names = (*names, called)
        if any(name.encode() in chosen for name in names):
            return fields, ()
    if not (kept and left_out):
        return fields, ()
    return {**fields, "tools": msgspec.Raw(msgspec.json.encode(kept))}, tuple(left_out)


def _hosted(tools: object) -> Iterator[str]:
    for tool in _tools(tools):
        kind = _word(tool.get("type"))
        if not kind and DECLARED.isdisjoint(tool):  # Gemini's
            yield from (name for name in tool if name not in HARMLESS)
        elif kind == "shell":
            if b"container" in _said(tool.get("environment")):
                yield kind
        elif kind and kind not in CLIENTS and not kind.startswith(CLIENTS_BEGIN):
            yield kind


def _tools(tools: object) -> Sequence[Fields]:
    if isinstance(tools, msgspec.Raw):
        try:
            return _decode_tools(tools)
        except UNREADABLE:
            return () if bytes(tools) in OFF else ({"type": "unreadable"},)
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list | tuple) else ()


def _said(value: object) -> bytes:
    return bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)


def _word(value: object) -> str:
    try:
        read = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    except UNREADABLE:
        return "unreadable"
    return read if isinstance(read, str) else ""
