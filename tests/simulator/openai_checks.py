"""What an OpenAI-like vendor refuses: field types, roles, parts, tool call pairing.

The name of a model carries rules: one with `modern` takes no sampling parameters and no `max_tokens`, one with `old`
no developer role and no `max_completion_tokens`, one with `blind` no images.

Source: types of the SDK `openai` 3.54.0 and the public behaviour of api.openai.com (2026-11).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .checks import (
    Check,
    between,
    boolean,
    either,
    integer,
    list_of,
    loose_objects,
    obj,
    one_of,
    optional_properties,
    positive,
    record,
    text,
    whole_between,
)
from .openai_shapes import MESSAGE, RESPONSE_FORMAT, TOOL, TOOL_CHOICE
from .other_checks import FIELDS as OTHER_FIELDS
from .other_checks import REQUIRED as OTHER_REQUIRED
from .other_checks import bad, other_faults, told, transcription_faults, unknown_model
from .shapes import Shape, items
from .types import Received, Refusal, Rules

EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
TIERS = {"auto", "default", "flex", "scale", "priority", "fast"}
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


STREAM_OPTIONS = record(include_usage=boolean, include_obfuscation=boolean)
STOP = either(text, list_of(text, 1, 4))
PENALTY = between(-2, 2)

CHAT: Mapping[str, Check] = {
    "model": text,
    "messages": list_of(obj, 1),  # looked into by their shapes, as are the other objects of SHAPES
    "stream": boolean,
    "stream_options": STREAM_OPTIONS,
    "max_completion_tokens": positive,
    "max_tokens": positive,
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "stop": STOP,
    "n": whole_between(1, 128),
    "seed": integer,
    "logprobs": boolean,
    "top_logprobs": whole_between(0, 20),
    "logit_bias": obj,
    "tools": list_of(obj, 1),
    "tool_choice": either(text, obj),
    "parallel_tool_calls": boolean,
    "response_format": obj,
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
SHAPES: Mapping[str, Shape] = {
    "messages": items(MESSAGE, 1),
    "tools": items(TOOL),
    "tool_choice": TOOL_CHOICE,
    "response_format": RESPONSE_FORMAT,
}
FIELDS: Mapping[str, Mapping[str, Check]] = {"chat": CHAT, "completion": COMPLETION, **OTHER_FIELDS}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "chat": ("model", "messages"),
    "completion": ("model", "prompt"),
    **OTHER_REQUIRED,
}
NOT_NULL = {"model", "messages", "input", "prompt"}  # all others may be null, which means: not given
DEFAULTS = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
UNSUPPORTED = ("max_tokens", "stop", "logprobs", "top_logprobs", "logit_bias")  # by models with `modern` in their name


def refusal(operation: str, received: Received, rules: Rules) -> Refusal | None:
    """Why this vendor would answer with an error; None when it would not."""
    if operation == "transcription":
        return next(transcription_faults(received, rules), None)
    if operation not in FIELDS:
        return None
    try:
        body = received.json
    except ValueError:
        return bad("We could not parse the JSON body of your request.")
    if not isinstance(body, dict):
        return bad("The request body must be a JSON object.")
    if (kind := received.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, f"Unsupported content type {kind!r}.", "invalid_request_error")
    return next(_faults(operation, body, rules), None)


def _faults(operation: str, body: dict[str, Any], rules: Rules) -> Iterator[Refusal]:
    for name in REQUIRED[operation]:
        if name not in body:
            yield bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if rules.strict:
        yield from _field_faults(FIELDS[operation], body, rules)
        if operation == "chat":
            yield from _shape_faults(body, rules)
            yield from _pairing_faults(body["messages"])
            yield from _together_faults(body)
            yield from _schema_faults(body)
            yield from _model_faults(body)
        else:
            yield from other_faults(operation, body)
    if rules.models is not None and "model" in body and body["model"] not in rules.models:
        yield unknown_model(body["model"])


def _field_faults(fields: Mapping[str, Check], body: dict[str, Any], rules: Rules) -> Iterator[Refusal]:
    for name, value in body.items():
        if name in rules.extras:
            continue
        if name not in fields:
            yield bad(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
        elif not (value is None and name not in NOT_NULL) and not fields[name](value):
            yield bad(f"Invalid value or type for '{name}'.", name, "invalid_value")


def _shape_faults(body: dict[str, Any], rules: Rules) -> Iterator[Refusal]:
    for name, shape in SHAPES.items():
        for fault in shape(body[name], name) if body.get(name) is not None else ():
            if not (fault.kind == "unknown" and fault.at.rpartition(".")[2] in rules.extras):
                yield told(fault)


def _pairing_faults(messages: list[dict[str, Any]]) -> Iterator[Refusal]:
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield bad("messages with role 'tool' must answer a preceding 'tool_calls'.", f"{at}.tool_call_id")
            open_calls.discard(message.get("tool_call_id", ""))
        elif open_calls:
            yield bad(f"'tool_calls' without a 'tool' message: {', '.join(sorted(open_calls))}", f"{at}.role")
        calls = [call["id"] for call in message.get("tool_calls") or ()]
        if len(calls) != len(set(calls)):
            yield bad("Duplicate ids in 'tool_calls'.", f"{at}.tool_calls")
        if message["role"] == "assistant" and message.get("content") is None and not _speaks(message):
            yield bad("An assistant message needs 'content' or 'tool_calls'.", f"{at}.content", "invalid_value")
        open_calls |= set(calls)
    if open_calls:
        yield bad(f"'tool_calls' without a 'tool' message: {', '.join(sorted(open_calls))}", "messages")


def _speaks(message: Mapping[str, Any]) -> bool:
    return any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))


def _together_faults(body: dict[str, Any]) -> Iterator[Refusal]:
    """Fields that go only with, or not with, others."""
    if body.get("stream_options") is not None and body.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield bad(message, "stream_options")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            yield bad(f"'{name}' is only allowed when 'tools' are specified.", name)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield bad("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        yield bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens")
    choice, names = body.get("tool_choice"), [it[it["type"]]["name"] for it in body.get("tools") or ()]
    if (
        isinstance(choice, dict)
        and choice["type"] in choice
        and choice[choice["type"]].get("name", names and names[0]) not in names
    ):
        yield bad("The tool of 'tool_choice' is not among 'tools'.", "tool_choice")


def _schema_faults(body: dict[str, Any]) -> Iterator[Refusal]:
    form = body.get("response_format") or {}
    if form.get("type") == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        yield bad(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    named = form.get("json_schema") or {}
    strict = [("response_format", named.get("schema"))] if named.get("strict") else []
    functions = [it["function"] for it in body.get("tools") or () if it["type"] == "function"]
    strict += [("tools", it.get("parameters")) for it in functions if it.get("strict")]
    for at, schema in strict:
        for place in loose_objects(schema):
            yield bad(
                f"Invalid schema: In context={place}, 'additionalProperties' must be false.", at, "invalid_json_schema"
            )
        for name in optional_properties(schema):
            yield bad(
                f"Invalid schema: 'required' must list every property. Missing '{name}'.", at, "invalid_json_schema"
            )


def _model_faults(body: dict[str, Any]) -> Iterator[Refusal]:
    """What the name of the model forbids."""
    model, roles = body["model"], {message["role"] for message in body["messages"]}
    for name in UNSUPPORTED if "modern" in model else ():
        if body.get(name) is not None:
            yield bad(
                f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
            )
    for name, usual in DEFAULTS.items() if "modern" in model else ():
        if body.get(name) not in (None, usual):
            message = f"Unsupported value: '{name}' supports only the default ({usual}) with this model."
            yield bad(message, name, "unsupported_value")
    if "old" in model and "developer" in roles:
        yield bad("developer is not one of ['system', 'assistant', 'user'] - 'messages[0].role'", "messages")
    if "old" in model and body.get("max_completion_tokens") is not None:
        yield bad(
            "Unrecognized request argument supplied: max_completion_tokens",
            "max_completion_tokens",
            "unknown_parameter",
        )
    if "blind" in model and '"image_url"' in json.dumps(body["messages"]):
        yield bad("Invalid content type. image_url is only supported by certain models.", "messages", "invalid_value")
