"""Tools and the choice among them, for one upstream."""

from __future__ import annotations

from typing import Any

from providers.wire.anthropic import schemas
from providers.wire.anthropic.tables import FAMILY, TOOL_BETAS, WEB_SEARCH
from providers.wire.anthropic.turns import Turn
from providers.wire.anthropic.writing import Block, Blocks, marked
from providers.wire.customtools import wrap
from providers.wire.types import HostedTool, Json, Request, Tool, ToolCall, ToolChoice

CHOICES = {"auto": "auto", "required": "any", "none": "none", "one": "tool"}


def write(request: Request, turns: list[Turn], blocks: Blocks, thinking: bool) -> dict[str, Json]:
    """The fields ``tools`` and ``tool_choice``, as far as there is something to say."""
    if request.tools and not blocks.traits.can("tools"):
        blocks.dropped.add("tools")
        return {}
    tools = [entry for tool in _allowed(request) for entry in _entry(tool, request, blocks)]
    if tools:
        choice = _choice(request, blocks, thinking)
        return {"tools": tools} | ({"tool_choice": choice} if choice else {})
    if request.tool_choice is not None and request.tool_choice.mode in ("required", "one"):
        blocks.dropped.add("tool_choice")
    used = {} if request.family == FAMILY else _used(turns, blocks)
    return {"tools": list(used.values()), "tool_choice": {"type": "none"}} if used else {}


def _allowed(request: Request) -> tuple[Tool | HostedTool, ...]:
    """All tools, or those the client allows: the vendor cannot be told of a choice among several."""
    choice = request.tool_choice
    if choice is None or choice.mode == "one" or not choice.names:
        return request.tools
    return tuple(tool for tool in request.tools if isinstance(tool, HostedTool) or tool.name in choice.names)


def _entry(tool: Tool | HostedTool, request: Request, blocks: Blocks) -> list[Block]:
    if isinstance(tool, HostedTool):
        return _hosted(tool, request, blocks)
    own = request.family == FAMILY
    if tool.custom:
        blocks.names.wrapped.add(tool.name)
        tool = wrap(tool)
    entry: Block = {"name": blocks.names.send(tool.name, tool.namespace)}
    if tool.description:
        entry["description"] = tool.description
    entry["input_schema"] = _schema(tool, own)
    if tool.strict:
        entry["strict"] = True
    elif tool.strict is False and own:
        entry["strict"] = False
    for key, values in request.extra.items() if own else ():
        if key.startswith("tools.") and tool.name in values:
            entry[key.removeprefix("tools.")] = values[tool.name]
    return [marked(entry, tool.cache)]


def _schema(tool: Tool, own: bool) -> Json:
    if not isinstance(tool.schema, dict):
        return {"type": "object", "properties": {}}
    if own:
        return tool.schema
    schema = schemas.strict(tool.schema) if tool.strict else tool.schema
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def _hosted(tool: HostedTool, request: Request, blocks: Blocks) -> list[Block]:
    kind = tool.value.get("type") if isinstance(tool.value, dict) else None
    if tool.family == blocks.family and isinstance(tool.value, dict):
        for start, beta in TOOL_BETAS:
            if isinstance(kind, str) and kind.startswith(start):
                blocks.betas[beta] = None
        return [tool.value]
    taken = any(isinstance(other, Tool) and other.name == WEB_SEARCH["name"] for other in request.tools)
    if tool.intent == "web_search" and blocks.traits.can("web_search") and not taken:
        return [dict(WEB_SEARCH)]
    blocks.dropped.add(f"tools.{kind if isinstance(kind, str) and kind else tool.intent}")
    return []


def _choice(request: Request, blocks: Blocks, thinking: bool) -> dict[str, Any]:
    choice = request.tool_choice
    mode = choice.mode if choice is not None else ""
    if thinking and mode in ("required", "one"):
        blocks.dropped.add("tool_choice")  # a forced call and thinking exclude each other
        mode = "auto"
    field: dict[str, Any] = {"type": CHOICES[mode]} if mode in CHOICES else {}
    if mode == "one" and choice is not None:
        name = _one(choice)
        spaces = {tool.name: tool.namespace for tool in request.tools if isinstance(tool, Tool)}
        field["name"] = blocks.names.send(name, spaces.get(name, ""))
    parallel = request.parallel_tools
    if mode != "none" and parallel is not None and (not parallel or request.family == FAMILY):
        field = {"type": "auto"} | field | {"disable_parallel_tool_use": not parallel}
    return field


def _one(choice: ToolChoice) -> str:
    return choice.names[0] if choice.names else ""


def _used(turns: list[Turn], blocks: Blocks) -> dict[str, Block]:
    """Bare definitions of the tools that the history calls: without any, calls in it are refused."""
    calls = (part for turn in turns for part in turn.parts if isinstance(part, ToolCall))
    names = (blocks.names.send(part.name, part.namespace) for part in calls)
    return {name: {"name": name, "input_schema": {"type": "object", "properties": {}}} for name in names}
