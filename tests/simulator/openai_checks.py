"""What an OpenAI-like vendor refuses: field types, roles, parts, tool call pairing.

Source: types of the SDK `openai` 3.54.0 and the public behaviour of api.openai.com (2026-11).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .types import Received, Refusal, Rules

Check = Callable[[Any], bool]

EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
TIERS = {"auto", "default", "flex", "scale", "priority", "fast"}
ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
PARTS = {  # role → kinds of content parts
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
# Fields seen in requests of OpenAI's relatives; OpenAI itself refuses them.
DIALECT_EXTRAS = frozenset(
    [
        "thinking",
        "enable_thinking",
        "reasoning",
        "top_k",
        "min_p",
        "repetition_penalty",
        "chat_template_kwargs",
    ]
)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def positive(value: Any) -> bool:
    return integer(value) and value >= 1


def text(value: Any) -> bool:
    return isinstance(value, str)


def obj(value: Any) -> bool:
    return isinstance(value, dict)


def between(low: float, high: float) -> Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def one_of(values: set[str]) -> Check:
    return lambda value: isinstance(value, str) and value in values


def list_of(check: Check, low: int = 0, high: int = 100_000) -> Check:
    return lambda value: isinstance(value, list) and low <= len(value) <= high and all(map(check, value))


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def record(**fields: Check) -> Check:
    """An object with these fields and no others; none is required."""
    return lambda value: obj(value) and all(name in fields and fields[name](it) for name, it in value.items())


def tool(value: Any) -> bool:
    kind = value.get("type") if obj(value) else None
    return kind in ("function", "custom") and obj(value.get(kind)) and text(value[kind].get("name"))


def tool_choice(value: Any) -> bool:
    return value in ("none", "auto", "required") if text(value) else obj(value) and text(value.get("type"))


STREAM_OPTIONS = record(include_usage=boolean, include_obfuscation=boolean)
STOP = either(text, list_of(text, 1, 4))
PENALTY = between(-2, 2)

CHAT: Mapping[str, Check] = {
    "model": text,
    "messages": list_of(obj, 1),
    "stream": boolean,
    "stream_options": STREAM_OPTIONS,
    "max_completion_tokens": positive,
    "max_tokens": positive,
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "stop": STOP,
    "n": positive,
    "seed": integer,
    "logprobs": boolean,
    "top_logprobs": between(0, 20),
    "logit_bias": obj,
    "tools": list_of(tool, 1),
    "tool_choice": tool_choice,
    "parallel_tool_calls": boolean,
    "response_format": lambda value: obj(value) and value.get("type") in ("text", "json_object", "json_schema"),
    "reasoning_effort": one_of(EFFORTS),
    "verbosity": one_of({"low", "medium", "high"}),
    "modalities": list_of(one_of({"text", "audio"}), 1),
    "audio": obj,
    "prediction": obj,
    "web_search_options": obj,
    "service_tier": one_of(TIERS),
    "store": boolean,
    "metadata": lambda value: obj(value) and len(value) <= 16,
    "user": text,
    "safety_identifier": text,
    "prompt_cache_key": text,
    "prompt_cache_retention": one_of({"in_memory", "24h"}),
    "prompt_cache_options": obj,
    "moderation": obj,
    "functions": list_of(obj, 1),
    "function_call": either(text, obj),
}
COMPLETION: Mapping[str, Check] = {
    **{name: CHAT[name] for name in ("model", "stream", "stream_options", "max_tokens", "temperature", "top_p")},
    **{name: CHAT[name] for name in ("presence_penalty", "frequency_penalty", "stop", "n", "seed", "user")},
    "logit_bias": obj,
    "logprobs": between(0, 5),
    "prompt": either(text, list_of(text, 1), list_of(integer, 1), list_of(list_of(integer, 1), 1)),
    "suffix": text,
    "echo": boolean,
    "best_of": positive,
}
EMBEDDING: Mapping[str, Check] = {
    "model": text,
    "input": either(text, list_of(text, 1, 2048), list_of(integer, 1), list_of(list_of(integer, 1), 1, 2048)),
    "dimensions": positive,
    "encoding_format": one_of({"float", "base64"}),
    "user": text,
}
FIELDS = {"chat": CHAT, "completion": COMPLETION, "embeddings": EMBEDDING}
REQUIRED = {
    "chat": ("model", "messages"),
    "completion": ("model", "prompt"),
    "embeddings": ("model", "input"),
}
NOT_NULL = {"model", "messages", "input", "prompt"}  # all others may be null, which means: not given


def refusal(operation: str, received: Received, rules: Rules) -> Refusal | None:
    """Why this vendor would answer with an error; None when it would not."""
    if operation not in FIELDS:
        return None
    try:
        body = received.json
    except ValueError:
        return _bad("We could not parse the JSON body of your request.")
    if not isinstance(body, dict):
        return _bad("The request body must be a JSON object.")
    if (kind := received.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, f"Unsupported content type {kind!r}.", "invalid_request_error")
    return next(_faults(operation, body, rules), None)


def _faults(operation: str, body: dict[str, Any], rules: Rules) -> Iterator[Refusal]:
    for name in REQUIRED[operation]:
        if name not in body:
            yield _bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if rules.strict:
        yield from _field_faults(FIELDS[operation], body, rules)
        yield from _message_faults(body.get("messages", []))
    if rules.models is not None and body["model"] not in rules.models:
        yield unknown_model(body["model"])


def _field_faults(fields: Mapping[str, Check], body: dict[str, Any], rules: Rules) -> Iterator[Refusal]:
    for name, value in body.items():
        if name in rules.extras:
            continue
        if name not in fields:
            yield _bad(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
        elif not (value is None and name not in NOT_NULL) and not fields[name](value):
            yield _bad(f"Invalid value or type for '{name}'.", name, "invalid_value")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield _bad(message, "stream_options")


def _message_faults(messages: list[dict[str, Any]]) -> Iterator[Refusal]:
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        at, role = f"messages.[{number}]", message.get("role")
        if role not in ROLES:
            yield _bad(
                f"Invalid value: {role!r}. Supported values are: {sorted(ROLES)}.",
                f"{at}.role",
                "invalid_value",
            )
            return
        if not _content_fits(message):
            yield _bad(f"Invalid content of a message with role '{role}'.", f"{at}.content", "invalid_value")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield _bad("messages with role 'tool' must answer a preceding 'tool_calls'.", f"{at}.tool_call_id")
            open_calls.discard(message.get("tool_call_id", ""))
        elif open_calls:
            yield _bad(f"'tool_calls' without a 'tool' message: {', '.join(sorted(open_calls))}", f"{at}.role")
        open_calls |= {call.get("id", "") for call in message.get("tool_calls") or ()}
    if open_calls:
        yield _bad(f"'tool_calls' without a 'tool' message: {', '.join(sorted(open_calls))}", "messages")


def _content_fits(message: dict[str, Any]) -> bool:
    role, content = message["role"], message.get("content")
    if content is None:
        return role == "assistant" and any(
            message.get(it) for it in ("tool_calls", "function_call", "refusal", "audio")
        )
    if isinstance(content, str):
        return True
    kinds = PARTS.get(role, set())
    return isinstance(content, list) and bool(content) and all(obj(it) and it.get("type") in kinds for it in content)


def unknown_model(model: object) -> Refusal:
    message = f"The model '{model}' does not exist or you do not have access to it."
    return Refusal(404, message, "invalid_request_error", "model_not_found")


def _bad(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, message, "invalid_request_error", code, param)
