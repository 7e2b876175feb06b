"""Canonical request → the body for an upstream that speaks Chat Completions."""

from __future__ import annotations

import hashlib
import re

from providers.wire.customtools import wrap
from providers.wire.errors import Refusal
from providers.wire.openai_chat.messages_out import Messages, keeps_custom
from providers.wire.openai_chat.parts_in import FAMILY
from providers.wire.openai_chat.parts_out import surely, takes_marks
from providers.wire.openai_chat.thinking_out import thinking_fields
from providers.wire.schema import for_openai_strict
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Dumped, Names, json_text, self_contained
from providers.wire.types import HostedTool, Json, Output, Request, Text, Tool, ToolChoice

Body = dict[str, Json]

OPENAI_STOPS = 4  # sequences OpenAI takes
USER_LIMIT = 64  # characters of a user id that OpenAI takes
BAD_IN_SCHEMA_NAME = re.compile(r"[^a-zA-Z0-9_-]")
TIERS = {word: word for word in ("auto", "default", "flex", "scale", "priority", "fast")} | {
    "standard_only": "default",
    "standard": "default",
}
SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
ALSO_SAMPLING = ("logit_bias", "logprobs", "top_logprobs")  # what refuses the others refuses these


def dump(request: Request, traits: Traits) -> Dumped:
    """The body, what it could not carry and the names of its tools. Raises Refusal 400 for what changes the meaning."""
    if request.previous_id:
        raise Refusal(400, "This model cannot continue a stored response.", param="previous_response_id")
    self_contained(request, FAMILY)
    dropped, names = Dropped(), Names()
    own = request.family == FAMILY
    body: Body = {"model": request.model, "messages": []}
    _tools(body, request, traits, names, dropped)
    told = _output(body, request.output, traits, dropped, own)
    body["messages"] = Messages(traits, names, dropped).write(request, told)
    _stream(body, request, traits)
    _limits(body, request, traits, dropped)
    _sampling(body, request, traits, dropped, own)
    thinking_fields(body, request, traits, dropped)
    _account(body, request, traits, dropped, own)
    _extra(body, request, dropped, own)
    return Dumped(body, dropped.names(), names)


def _set(body: Body, **fields: Json) -> None:
    for name, value in fields.items():
        if value not in (None, "", ()):
            body[name] = value


def _stream(body: Body, request: Request, traits: Traits) -> None:
    if not request.stream:
        return
    body["stream"] = True
    if traits.stream_usage:
        body["stream_options"] = {"include_usage": True}


def _limits(body: Body, request: Request, traits: Traits, dropped: Dropped) -> None:
    limit = request.max_tokens
    if limit is not None:
        body[traits.max_tokens_field] = min(limit, traits.max_output) if traits.max_output else limit
    most = traits.stop_limit or (OPENAI_STOPS if traits.developer_role else 0)
    if most and len(request.stop) > most:
        dropped.add("stop")
    stops = list(request.stop[:most] if most else request.stop)
    if stops:
        body["stop"] = stops


def _sampling(body: Body, request: Request, traits: Traits, dropped: Dropped, own: bool) -> None:
    said = {name: getattr(request, name) for name in (*SAMPLING, *ALSO_SAMPLING)}
    if not (own or request.logprobs):
        said.pop("top_logprobs")  # it says how many of what is not wanted: refused alone
    if not traits.sampling:
        dropped.unless_empty(**said)
        said = {}
    elif traits.developer_role or not (own or traits.family == "openrouter" or surely(traits, "top_k")):
        dropped.unless_empty(top_k=said.pop("top_k"))  # OpenAI has none, and strict others refuse what OpenAI has not
    _set(body, **said, seed=request.seed, n=request.n)


def _account(body: Body, request: Request, traits: Traits, dropped: Dropped, own: bool) -> None:
    """What is OpenAI's own: other vendors may refuse it, so it goes to them only when the client spoke to them so."""
    user = request.user
    if len(user) > USER_LIMIT and traits.developer_role:
        user = hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()
    fields: Body = {
        "user": user,
        "metadata": request.metadata,
        "service_tier": request.service_tier if own else TIERS.get(request.service_tier, ""),
        "prompt_cache_key": request.cache_key,
        "verbosity": request.verbosity,
        "store": request.store if own else None,  # of a stored response: the gateway's own matter
        "modalities": [] if request.modalities == ("text",) and not own else list(request.modalities),
    }
    if own or traits.developer_role:
        _set(body, **{name: value for name, value in fields.items() if value != []})
    else:
        dropped.unless_empty(**fields)
    dropped.unless_empty(safety_settings=request.safety, cache_control=request.cache)


def _extra(body: Body, request: Request, dropped: Dropped, own: bool) -> None:
    for name, value in request.extra.items():
        if own:
            body.setdefault(name, value)
        else:
            dropped.add(name)


# -- tools -------------------------------------------------------------------------------------------------------------
def _tools(body: Body, request: Request, traits: Traits, names: Names, dropped: Dropped) -> None:
    choice = request.tool_choice
    if request.tools and not traits.can("tools"):
        if choice is not None and choice.mode in ("required", "one"):
            raise Refusal(400, "This model cannot call tools.", code="unsupported_parameter", param="tool_choice")
        dropped.add("tools")
        return
    tools = _offered(body, request, traits, names, dropped)
    if not tools:
        if choice is not None and choice.mode in ("required", "one"):
            raise Refusal(400, "'tool_choice' names no tool that this model has.", param="tool_choice")
        return
    body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = _choice(choice, request, traits, names)
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _offered(body: Body, request: Request, traits: Traits, names: Names, dropped: Dropped) -> list[Json]:
    found = []
    allowed = _only(request.tool_choice, traits)
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            found += _hosted(body, tool, traits, dropped)
        elif not allowed or tool.name in allowed:
            found.append(_tool(tool, traits, names, dropped, request.family == FAMILY))
    return found


def _only(choice: ToolChoice | None, traits: Traits) -> tuple[str, ...]:
    """The names to offer where a list of allowed tools cannot be sent; empty: all."""
    if choice is None or choice.mode not in ("auto", "required") or traits.developer_role:
        return ()
    return choice.names


def _hosted(body: Body, tool: HostedTool, traits: Traits, dropped: Dropped) -> list[Json]:
    if tool.family == FAMILY:
        if "web_search_options" not in tool.value:
            return [tool.value]
        body["web_search_options"] = tool.value["web_search_options"]
    elif tool.intent == "web_search" and surely(traits, "web_search"):
        body.setdefault("web_search_options", {})
    else:
        dropped.add(f"tools.{_type(tool)}"[:80])
    return []


def _type(tool: HostedTool) -> str:
    """What the vendor calls it: its type, or the name of its only field (Gemini)."""
    value = tool.value if isinstance(tool.value, dict) else {}
    kind = value.get("type") or next(iter(value), "")
    return kind if isinstance(kind, str) and kind else tool.intent


def _strictness(strict: bool | None, schema: Json, own: bool) -> bool | None:
    """Others are strict with schemas that OpenAI refuses as such; its own clients shall hear of it."""
    if not strict or own:
        return strict
    return isinstance(schema, dict) and for_openai_strict(schema) == schema


def _tool(tool: Tool, traits: Traits, names: Names, dropped: Dropped, own: bool) -> Body:
    if tool.custom and not keeps_custom(traits):
        names.wrapped.add(tool.name)
        tool = wrap(tool)
    inner: Body = {"name": names.send(tool.name, tool.namespace)}
    _set(inner, description=tool.description)
    if tool.custom:
        _set(inner, format=_nested(tool.grammar))
        return {"type": "custom", "custom": inner}
    _set(inner, parameters=tool.schema, strict=_strictness(tool.strict, tool.schema, own))
    item: Body = {"type": "function", "function": inner}
    if tool.cache and takes_marks(traits):
        item["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if tool.cache == "1h" else {"type": "ephemeral"}
    elif tool.cache:
        dropped.add("cache_control")
    return item


def _nested(grammar: Json) -> Json:
    if isinstance(grammar, dict) and grammar.get("type") == "grammar" and "definition" in grammar:
        return {"type": "grammar", "grammar": {name: grammar[name] for name in grammar if name != "type"}}
    return grammar


def _choice(choice: ToolChoice, request: Request, traits: Traits, names: Names) -> Json:
    custom = {tool.name for tool in request.tools if isinstance(tool, Tool) and tool.custom and keeps_custom(traits)}
    spaces = {tool.name: tool.namespace for tool in request.tools if isinstance(tool, Tool)}

    def named(name: str) -> Body:
        kind = "custom" if name in custom else "function"
        return {"type": kind, kind: {"name": names.send(name, spaces.get(name, ""))}}

    if choice.mode == "one":
        return named(choice.names[0])
    if choice.names and traits.developer_role:
        allowed = {"mode": choice.mode, "tools": [named(name) for name in choice.names]}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    return choice.mode


# -- output ------------------------------------------------------------------------------------------------------------
def _output(body: Body, output: Output | None, traits: Traits, dropped: Dropped, own: bool) -> tuple[Text, ...]:
    """Set ``response_format``; what it cannot say is returned as instructions."""
    if output is None:
        return ()
    if output.kind != "json_schema":
        body["response_format"] = {"type": output.kind}
        return ()
    if not (traits.can("json_schema") and traits.json_schema):
        dropped.add("json_schema")
        body["response_format"] = {"type": "json_object"}
        return (Text(text=schema_told(output.schema)),)
    inner: Body = {"name": BAD_IN_SCHEMA_NAME.sub("_", output.name)[:64] or "answer"}
    strict = _strictness(output.strict, output.schema, own)
    _set(inner, description=output.description, schema=output.schema, strict=strict)
    body["response_format"] = {"type": "json_schema", "json_schema": inner}
    return ()


def schema_told(schema: Json) -> str:
    """A schema in words, for models that know JSON without one."""
    return f"Answer with JSON only. It must fit this JSON Schema: {json_text(schema)}"
