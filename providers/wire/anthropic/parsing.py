"""A client's request → canonical."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.wire.anthropic import blocks
from providers.wire.anthropic.tables import FAMILY, INTENTS
from providers.wire.errors import Refusal
from providers.wire.reading import Fields, wrong
from providers.wire.types import (
    HostedTool,
    Json,
    Message,
    Output,
    Part,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

ROLES = ("user", "assistant", "system")
CHOICES = {"auto": "auto", "any": "required", "none": "none", "tool": "one"}
SHOWN = {"summarized": True, "omitted": False}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
TOOL_OPTIONS = frozenset(("defer_loading", "eager_input_streaming", "input_examples", "allowed_callers"))


def parse(body: dict[str, Json], *, model: str = "", stream: bool | None = None, counting: bool = False) -> Request:
    """A Messages body → canonical. ``counting``: a body of count_tokens, which has no max_tokens.

    Options of tools that only Anthropic has travel in ``extra`` as ``tools.<option>``: tool name → value.
    Raises Refusal 400 naming the place.
    """
    try:
        return _request(Fields(body), model, stream, counting)
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.", code="invalid_value") from None


def _request(fields: Fields, model: str, stream: bool | None, counting: bool) -> Request:
    if fields.raw("thread") is not None:
        raise Refusal(
            400,
            "Threads are not supported here: send the full conversation without 'thread'.",
            code="thread_unsupported_request",
            param="thread",
        )
    extra: dict[str, Json] = {}
    config = fields.inner("output_config")
    asks_stream = fields.switch("stream")
    choice, parallel = _choice(fields.inner("tool_choice"))
    return Request(
        model=model or _model(fields),
        stream=bool(asks_stream) if stream is None else stream,
        system=_system(fields.raw("system")),
        messages=_messages(fields),
        tools=_tools(fields, extra),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=_max_tokens(fields, counting),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.whole("top_k"),
        stop=_strings(fields, "stop_sequences"),
        output=_output(config, fields.inner("output_format")),
        thinking=_thinking(fields, config, extra),
        **_about_the_caller(fields),
        service_tier=fields.text("service_tier"),
        cache=blocks.cache(fields),
        extra=_rest(config, fields.rest()) | extra,
        family=FAMILY,
    )


def _model(fields: Fields) -> str:
    name = fields.text("model")
    if not name:
        raise _missing("model")
    return name


def _max_tokens(fields: Fields, counting: bool) -> int | None:
    limit = fields.whole("max_tokens")
    if counting:
        return limit
    if limit is None:
        raise _missing("max_tokens")
    if limit < 1:
        raise _invalid("max_tokens", "must be greater than or equal to 1")
    return limit


def _system(value: Json) -> tuple[Text, ...]:
    return () if value is None else blocks.texts(value, "system")


def _messages(fields: Fields) -> tuple[Message, ...]:
    items = fields.items("messages")
    if fields.raw("messages") is None:
        raise _missing("messages")
    if not items:
        raise _invalid("messages", "at least one message is required")
    names: dict[str, str] = {}
    return tuple(_message(Fields(item, f"messages[{number}]"), names) for number, item in enumerate(items))


def _message(message: Fields, names: dict[str, str]) -> Message:
    """``names``: the tool names of the calls so far, by id; results are given theirs."""
    role = blocks.required(message, "role")
    if role not in ROLES:
        raise _invalid(message.at("role"), "must be 'user' or 'assistant'")
    content, where = message.raw("content"), message.at("content")
    if role == "system":
        return Message(role=role, parts=blocks.texts(content, where))
    parts = blocks.read(content, where)
    if role == "assistant":
        names.update({part.id: part.name for part in parts if isinstance(part, ToolCall)})
    elif names and any(isinstance(part, ToolResult) for part in parts):
        parts = tuple(_named(part, names) for part in parts)
    return Message(role=role, parts=parts)


def _named(part: Part, names: dict[str, str]) -> Part:
    if isinstance(part, ToolResult) and part.id in names:
        return msgspec.structs.replace(part, name=names[part.id])
    return part


def _tools(fields: Fields, extra: dict[str, Json]) -> tuple[Tool | HostedTool, ...]:
    return tuple(
        _plain_tool(item) or _tool(Fields(item, f"tools[{number}]"), item, extra)
        for number, item in enumerate(fields.items("tools"))
    )


def _plain_tool(raw: Json) -> Tool | None:
    """A tool without options, as nearly all are, read at once."""
    if type(raw) is not dict or len(raw) != 3:
        return None
    name, description, schema = raw.get("name"), raw.get("description"), raw.get("input_schema")
    if name and type(name) is str and type(description) is str and type(schema) is dict:
        return Tool(name=name, description=description, schema=schema)
    return None


def _tool(fields: Fields, raw: Json, extra: dict[str, Json]) -> Tool | HostedTool:
    kind = fields.text("type") or "custom"
    if kind != "custom":
        intent = next((intent for start, intent in INTENTS if kind.startswith(start)), "other")
        return HostedTool(intent=intent, family=FAMILY, value=raw)
    name = blocks.required(fields, "name")
    if not name:
        raise _invalid(fields.at("name"), "must not be empty")
    schema = fields.raw("input_schema")
    if not isinstance(schema, dict):
        raise wrong(fields.at("input_schema"), "an object", schema)
    for option in TOOL_OPTIONS & raw.keys():
        if raw[option] is not None:
            extra.setdefault(f"tools.{option}", {})[name] = raw[option]
    return Tool(
        name=name,
        description=fields.text("description"),
        schema=schema,
        strict=fields.switch("strict"),
        cache=blocks.cache(fields),
    )


def _choice(choice: Fields | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    kind = blocks.required(choice, "type")
    if kind not in CHOICES:
        raise _invalid(choice.at("type"), "must be one of 'auto', 'any', 'tool', 'none'")
    names = (blocks.required(choice, "name"),) if kind == "tool" else ()
    single = choice.switch("disable_parallel_tool_use")
    return ToolChoice(mode=CHOICES[kind], names=names), None if single is None else not single


def _thinking(fields: Fields, config: Fields | None, extra: dict[str, Json]) -> Thinking:
    effort = config.text("effort") if config is not None else ""
    if effort and effort not in EFFORTS:
        raise _invalid("output_config.effort", f"must be one of {', '.join(EFFORTS)}")
    asked = fields.inner("thinking")
    if asked is None:
        return Thinking(effort=effort)
    kind, show = blocks.required(asked, "type"), SHOWN.get(asked.text("display"))
    if kind == "enabled":
        budget = asked.whole("budget_tokens")
        if budget is None or budget < 1:
            raise _invalid("thinking.budget_tokens", "must be a positive integer")
        return Thinking(effort=effort, budget=budget, show=show)
    if kind == "adaptive":
        return Thinking(effort=effort, adaptive=True, show=show)
    if kind == "disabled":
        return Thinking(effort=effort, off=True)
    extra["thinking"] = fields.raw("thinking")  # a newer form: its own family will know it
    return Thinking(effort=effort)


def _output(config: Fields | None, older: Fields | None) -> Output | None:
    """``output_config.format``, or ``output_format`` as the beta called it."""
    wanted = (config.inner("format") if config is not None else None) or older
    if wanted is None:
        return None
    if blocks.required(wanted, "type") != "json_schema":
        raise _invalid(wanted.at("type"), "must be 'json_schema'")
    schema = wanted.raw("schema")
    if not isinstance(schema, dict):
        raise wrong(wanted.at("schema"), "an object", schema)
    return Output(kind="json_schema", schema=schema)


def _about_the_caller(fields: Fields) -> dict[str, Any]:
    metadata = fields.inner("metadata")
    if metadata is None:
        return {"user": "", "metadata": None}
    return {"user": metadata.text("user_id"), "metadata": metadata.rest() or None}


def _rest(config: Fields | None, rest: dict[str, Json]) -> dict[str, Json]:
    newer = config.rest() if config is not None else {}
    return rest | ({"output_config": newer} if newer else {})


def _strings(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.items(name)
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise wrong(f"{fields.at(name)}[{number}]", "a string", value)
    return tuple(values)


def _missing(name: str) -> Refusal:
    return Refusal(400, f"{name}: Field required", code="missing_required_parameter", param=name)


def _invalid(where: str, rule: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{where}': {rule}.", code="invalid_value", param=where)
