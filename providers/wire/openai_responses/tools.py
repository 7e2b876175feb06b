"""Tools and the choice among them, both ways."""

from __future__ import annotations

from providers.wire.errors import Refusal
from providers.wire.openai_responses.vocabulary import FAMILY, INTENTS
from providers.wire.reading import Fields, wrong
from providers.wire.schema import for_openai_strict
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names
from providers.wire.types import HostedTool, Json, Request, Tool, ToolChoice

MODES = ("none", "auto", "required")
OPENAIS = ("openai_chat", FAMILY)  # formats of the one vendor
NO_PARAMETERS: Json = {"type": "object", "properties": {}}


# -- from clients ------------------------------------------------------------------------------------------------------
def read_tools(items: list[Json], where: str = "tools") -> tuple[Tool | HostedTool, ...]:
    """Raises Refusal for what has a wrong type or no name."""
    tools: list[Tool | HostedTool] = []
    for number, raw in enumerate(items):
        tool = Fields(raw, f"{where}[{number}]")
        kind = tool.text("type")
        if kind in ("function", "custom"):
            tools.append(_tool(tool, kind))
        elif kind == "namespace":
            tools += _inner_tools(tool)
        elif kind:
            tools.append(HostedTool(intent=INTENTS.get(kind, "other"), family=FAMILY, value=raw))
        else:
            raise _missing(tool.at("type"))
    return tuple(tools)


def _tool(tool: Fields, kind: str, namespace: str = "", about: str = "") -> Tool:
    name = tool.text("name")
    if not name:
        raise _missing(tool.at("name"))
    schema = tool.raw("parameters")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(tool.at("parameters"), "an object", schema)
    return Tool(
        name=name,
        description=tool.text("description"),
        schema=schema,
        strict=tool.switch("strict"),
        custom=kind == "custom",
        grammar=tool.raw("format") if kind == "custom" else None,
        namespace=namespace,
        namespace_description=about,
    )


def _inner_tools(space: Fields) -> list[Tool]:
    name, about = space.text("name"), space.text("description")
    if not name:
        raise _missing(space.at("name"))
    inner = [Fields(raw, f"{space.at('tools')}[{number}]") for number, raw in enumerate(space.items("tools"))]
    return [_tool(tool, tool.text("type") or "function", name, about) for tool in inner]


def read_choice(value: Json, where: str = "tool_choice") -> ToolChoice | None:
    """None for a choice only this vendor knows (a hosted tool). Raises Refusal for a wrong type."""
    if isinstance(value, str):
        if value not in MODES:
            raise Refusal(400, f"Invalid value: '{value[:40]}'.", code="invalid_value", param=where)
        return ToolChoice(mode=value)
    choice = Fields(value, where)
    kind = choice.text("type")
    if kind in ("function", "custom"):
        if not choice.text("name"):
            raise _missing(choice.at("name"))
        return ToolChoice(mode="one", names=(choice.text("name"),))
    if kind != "allowed_tools":
        return None
    tools = [Fields(raw, f"{choice.at('tools')}[{number}]") for number, raw in enumerate(choice.items("tools"))]
    names = tuple(name for tool in tools if (name := tool.text("name")))
    return ToolChoice(mode=choice.text("mode") or "auto", names=names) if len(names) == len(tools) else None


def _missing(where: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where)


# -- to upstreams, and back to clients ---------------------------------------------------------------------------------
def tool_json(tool: Tool, name: str, family: str) -> dict[str, Json]:
    """A function or custom tool under this name. ``family``: whose words it is in. What this format's own clients left
    out stays out: here the vendor makes strict what it can, elsewhere silence about ``strict`` means false."""
    if tool.custom:
        said: dict[str, Json] = {"type": "custom", "name": name}
        if tool.description:
            said["description"] = tool.description
        if tool.grammar is not None:
            said["format"] = tool.grammar
        return said
    said = {"type": "function", "name": name, "parameters": tool.schema if tool.schema is not None else NO_PARAMETERS}
    if tool.description:
        said["description"] = tool.description
    if tool.strict is not None or family != FAMILY:
        said["strict"] = bool(strictness(tool.strict, tool.schema, family))
    return said


def strictness(strict: bool | None, schema: Json, family: str) -> bool | None:
    """Other vendors are strict with schemas that OpenAI refuses as such: those go without. Its own clients shall hear
    of it."""
    if not strict or family in OPENAIS:
        return strict
    return isinstance(schema, dict) and for_openai_strict(schema) == schema


def tools_json(request: Request, names: Names, hosted: list[Json]) -> list[Json]:
    """The list as this format writes it: functions, namespaces with their tools, then what the vendor runs."""
    said: list[Json] = []
    spaces: dict[str, list[Json]] = {}
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            continue
        if not tool.namespace:
            said.append(tool_json(tool, names.send(tool.name), request.family))
            continue
        inner = spaces.get(tool.namespace)
        if inner is None:
            inner = spaces[tool.namespace] = []
            about = tool.namespace_description or tool.namespace
            said.append({"type": "namespace", "name": tool.namespace, "description": about, "tools": inner})
        inner.append(tool_json(tool, names.send(tool.name), request.family))
    return said + hosted


def hosted_json(tools: tuple[Tool | HostedTool, ...], traits: Traits, dropped: Dropped) -> list[Json]:
    """Hosted tools as this vendor names them; what it has no equivalent for is noted."""
    said: list[Json] = []
    for tool in tools:
        if not isinstance(tool, HostedTool):
            continue
        if tool.family == FAMILY:
            said.append(tool.value)
        elif tool.intent == "web_search" and traits.can("web_search"):
            said.append(_web_search(tool.value))
        else:
            dropped.add(f"tools.{tool.intent}" if tool.intent != "other" else _named(tool.value))
    return said


def _web_search(value: Json) -> dict[str, Json]:
    """Where it searches is kept when the other vendor wrote it the same way."""
    said: dict[str, Json] = {"type": "web_search"}
    if isinstance(value, dict):
        if isinstance(domains := value.get("allowed_domains"), list) and domains:
            said["filters"] = {"allowed_domains": domains}
        if isinstance(place := value.get("user_location"), dict) and place.get("type") == "approximate":
            said["user_location"] = place
    return said


def _named(value: Json) -> str:
    """What a foreign tool is called in ``x-omniroute-dropped``."""
    if isinstance(value, dict):
        kind = value.get("type")
        return f"tools.{kind if isinstance(kind, str) else next(iter(value), 'other')}"[:60]
    return "tools.other"


def choice_json(request: Request, names: Names) -> Json:
    """None when nothing was said."""
    choice = request.tool_choice
    if choice is None:
        return None
    custom = {tool.name for tool in request.tools if isinstance(tool, Tool) and tool.custom}
    chosen = [{"type": "custom" if name in custom else "function", "name": names.send(name)} for name in choice.names]
    if choice.mode == "one" and chosen:
        return chosen[0]
    mode = choice.mode if choice.mode in MODES else "auto"
    if chosen and mode != "none":
        return {"type": "allowed_tools", "mode": mode, "tools": chosen}
    return mode
