"""A client's body → canonical request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.wire.errors import Refusal
from providers.wire.openai_chat.messages_in import Conversation
from providers.wire.openai_chat.parts_in import FAMILY, cache_of
from providers.wire.reading import Fields, wrong
from providers.wire.types import HostedTool, Json, Output, Request, Thinking, Tool, ToolChoice

EFFORTS = frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max"))
# Tools that vendors run themselves, by the beginning of their type.
INTENTS = {
    "web_search": "web_search",
    "code_interpreter": "code",
    "code_execution": "code",
    "file_search": "files",
    "image_generation": "image",
}
MODES = {"none": "none", "auto": "auto", "required": "required", "any": "required"}


def parse(body: dict[str, Json], *, model: str = "", stream: bool | None = None) -> Request:
    """A Chat Completions body as a canonical request. Raises Refusal 400 naming the field."""
    fields = Fields(body)
    talk = _conversation(fields)
    tools = _tools(fields)
    legacy = [_function(Fields(item, f"functions[{n}]")) for n, item in enumerate(fields.items("functions"))]
    options = fields.inner("stream_options")
    return Request(
        model=_model(fields, model),
        stream=bool(fields.switch("stream")) if stream is None else stream,
        include_usage=bool(options and options.switch("include_usage")),
        system=tuple(talk.system),
        messages=tuple(talk.messages),
        tools=(*tools, *legacy),
        tool_choice=_choice(fields),
        parallel_tools=fields.switch("parallel_tool_calls"),
        legacy_functions=bool(legacy),
        output=_output(fields),
        thinking=_thinking(fields),
        family=FAMILY,
        user=fields.text("user") or Fields(body).text("safety_identifier"),  # which stays in extra as well
        **_settings(fields),
        extra=fields.rest(),
    )


def _model(fields: Fields, given: str) -> str:
    model = fields.text("model") or given
    if not model:
        raise Refusal(400, "Say which model to use: 'model' must be a non-empty string.", param="model")
    return model


def _conversation(fields: Fields) -> Conversation:
    messages = fields.items("messages")
    if not messages:
        raise Refusal(
            400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    talk = Conversation()
    for number, item in enumerate(messages):
        talk.read(item, f"messages[{number}]")
    return talk


def _settings(fields: Fields) -> dict[str, Any]:
    """Fields that have one canonical place and need no thought; what is not there costs nothing."""
    said = {place: read(fields, name) for name, (place, read) in SETTINGS.items() if name in fields}
    newer, older = fields.whole("max_completion_tokens"), fields.whole("max_tokens")
    said["max_tokens"] = newer if newer is not None else older
    return said


def _object(fields: Fields, name: str) -> Json:
    inner = fields.inner(name)
    return None if inner is None else inner.rest()


def _words(fields: Fields, name: str) -> tuple[str, ...]:
    for number, item in enumerate(items := fields.items(name)):
        if not isinstance(item, str):
            raise wrong(f"{name}[{number}]", "a string", item)
    return tuple(items)


def _stop(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.raw(name)
    if isinstance(value, str):
        return (value,) if value else ()
    return _words(fields, name)


SETTINGS: Mapping[str, tuple[str, Callable[[Fields, str], Any]]] = {
    "temperature": ("temperature", Fields.number),
    "top_p": ("top_p", Fields.number),
    "top_k": ("top_k", Fields.whole),
    "presence_penalty": ("presence_penalty", Fields.number),
    "frequency_penalty": ("frequency_penalty", Fields.number),
    "seed": ("seed", Fields.whole),
    "n": ("n", Fields.whole),
    "stop": ("stop", _stop),
    "logprobs": ("logprobs", Fields.switch),
    "top_logprobs": ("top_logprobs", Fields.whole),
    "logit_bias": ("logit_bias", _object),
    "verbosity": ("verbosity", Fields.text),
    "metadata": ("metadata", _object),
    "service_tier": ("service_tier", Fields.text),
    "prompt_cache_key": ("cache_key", Fields.text),
    "modalities": ("modalities", _words),
    "store": ("store", Fields.switch),
}


# -- tools -------------------------------------------------------------------------------------------------------------
def _tools(fields: Fields) -> list[Tool | HostedTool]:
    found = [_tool(Fields(item, f"tools[{n}]"), item) for n, item in enumerate(fields.items("tools"))]
    search = fields.inner("web_search_options")
    if search is not None:
        value = {"web_search_options": search.rest()}
        found.append(HostedTool(intent="web_search", family=FAMILY, value=value))
    return found


def _tool(fields: Fields, item: Json) -> Tool | HostedTool:
    kind, cache = fields.text("type") or "function", cache_of(fields)
    if kind == "function":
        inner = fields.inner("function")
        return _function(inner if inner is not None else fields, cache)  # some clients write it flat
    if kind == "custom" and (custom := fields.inner("custom")) is not None:
        grammar = flat_grammar(_object(custom, "format"))
        return Tool(
            name=_name(custom), description=custom.text("description"), custom=True, grammar=grammar, cache=cache
        )
    intent = next((intent for word, intent in INTENTS.items() if kind.startswith(word)), "other")
    return HostedTool(intent=intent, family=FAMILY, value=item)


def _function(fields: Fields, cache: str = "") -> Tool:
    return Tool(
        name=_name(fields),
        description=fields.text("description"),
        schema=_object(fields, "parameters"),
        strict=fields.switch("strict"),
        cache=cache or cache_of(fields),
    )


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if not name:
        raise wrong(fields.at("name"), "a non-empty string", fields.raw("name"))
    return name


def flat_grammar(format: Json) -> Json:
    """Here a grammar is one level deeper than in Responses; the canonical form is the flat one."""
    if isinstance(format, dict) and isinstance(format.get("grammar"), dict):
        return {"type": "grammar", **format["grammar"]}
    return format


def _choice(fields: Fields) -> ToolChoice | None:
    value = fields.raw("tool_choice")
    legacy = fields.raw("function_call")
    if value is None and legacy is not None:
        value = legacy if isinstance(legacy, str) else {"type": "function", "function": legacy}
    if value is None:
        return None
    if isinstance(value, str):
        return ToolChoice(mode=_mode(value))
    inner = Fields(value, "tool_choice")
    kind = inner.text("type") or "function"
    if kind == "allowed_tools":
        return _allowed(Fields(inner.raw("allowed_tools"), "tool_choice.allowed_tools"))
    if kind in MODES:
        return ToolChoice(mode=MODES[kind])
    named = inner.inner(kind)
    return ToolChoice(mode="one", names=(_name(named if named is not None else inner),))


def _mode(word: str) -> str:
    if word not in MODES:
        raise Refusal(
            400,
            "Invalid value for 'tool_choice': use none, auto, required or one tool.",
            code="invalid_value",
            param="tool_choice",
        )
    return MODES[word]


def _allowed(fields: Fields) -> ToolChoice:
    names = []
    for number, item in enumerate(fields.items("tools")):
        tool = Fields(item, f"{fields.at('tools')}[{number}]")
        inner = tool.inner(tool.text("type") or "function")
        names.append(_name(inner if inner is not None else tool))
    return ToolChoice(mode=_mode(fields.text("mode") or "auto"), names=tuple(names))


# -- output and thinking -----------------------------------------------------------------------------------------------
def _output(fields: Fields) -> Output | None:
    format = fields.inner("response_format")
    if format is None:
        return None
    kind = format.text("type")
    if kind in ("text", "json_object"):
        return Output(kind=kind)
    if kind != "json_schema":
        raise Refusal(
            400,
            "Invalid value for 'response_format.type': use text, json_object or json_schema.",
            code="invalid_value",
            param="response_format.type",
        )
    inner = Fields(format.raw("json_schema"), "response_format.json_schema")
    return Output(
        kind=kind,
        name=inner.text("name"),
        description=inner.text("description"),
        schema=_object(inner, "schema"),
        strict=inner.switch("strict"),
    )


def _thinking(fields: Fields) -> Thinking:
    """OpenAI's effort and the dialects: ``thinking``, ``reasoning``, ``enable_thinking`` with ``thinking_budget``."""
    effort = fields.text("reasoning_effort")
    anthropic, router = fields.inner("thinking"), fields.inner("reasoning")
    enabled, budget = fields.switch("enable_thinking"), fields.whole("thinking_budget")
    show, off, adaptive = None, enabled is False, False
    if router is not None:
        effort = effort or router.text("effort")
        budget = budget if budget is not None else router.whole("max_tokens")
        show = False if router.switch("exclude") else None
        on = router.switch("enabled")
        off, enabled = off or on is False, enabled or on
    if anthropic is not None:
        kind = anthropic.text("type")
        off, adaptive, enabled = off or kind == "disabled", kind == "adaptive", enabled or kind in ("enabled", "auto")
        budget = anthropic.whole("budget_tokens") if budget is None else budget
    if enabled and budget is None and not effort and not off:
        budget = -1
    return Thinking(effort=_effort(effort), budget=budget, adaptive=adaptive, off=off, show=show)


def _effort(word: str) -> str:
    if word in ("default", "auto"):
        return ""
    if word and word not in EFFORTS:
        raise Refusal(
            400,
            f"Invalid value for 'reasoning_effort': use {', '.join(sorted(EFFORTS))}.",
            code="invalid_value",
            param="reasoning_effort",
        )
    return word
