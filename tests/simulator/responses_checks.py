"""What the Responses API refuses: types, items out of place, call and output pairing, foreign or unsealed reasoning.

The name of a model carries rules: one with `modern` takes no sampling parameters but the defaults, one with `blind`
no images. Source: types of the SDK `openai` 3.54.0 and the public behaviour of api.openai.com (2026-11).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from . import seals
from .checks import loose_objects, optional_properties
from .other_checks import bad, told, unknown_model
from .responses_shapes import CREATE
from .types import Received, Refusal, Rules

FAMILY = "openai_responses"
CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
PATH = "/v1/responses/"
COUNTED = {  # what may be said when tokens are counted
    "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text", "truncation",
    "previous_response_id", "conversation",
}  # fmt: skip
Item = Mapping[str, Any]


def refusal(operation: str, received: Received, rules: Rules) -> Refusal | None:
    """Why this vendor would answer with an error; None when it would not."""
    if operation in ("models", "model"):
        return None
    if operation in ("get", "delete", "input_items"):
        name = received.path.removeprefix(PATH).partition("/")[0]
        return (
            None
            if name in rules.kept
            else Refusal(404, f"Response with id '{name}' not found.", "invalid_request_error")
        )
    try:
        body = received.json
    except ValueError:
        return bad("We could not parse the JSON body of your request.")
    if (received.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, "Unsupported content type.", "invalid_request_error")
    strange = set(body) - COUNTED if operation == "count" and isinstance(body, dict) else ()
    for name in strange:
        return bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    return next(_faults(body, rules), None)


def conversation(body: Mapping[str, Any], rules: Rules) -> list[dict[str, Any]]:
    """Everything the model reads: what came before, by id, and the input as items."""
    before = rules.kept.get(body.get("previous_response_id") or "", {"conversation": []})["conversation"]
    return [*before, *items_of(body)]


def items_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input") or []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given


def _faults(body: Any, rules: Rules) -> Iterator[Refusal]:
    for fault in CREATE(body, ""):
        if fault.kind == "unknown" and (not rules.strict or fault.at in rules.extras):
            continue
        if rules.strict or fault.kind == "missing":
            yield told(fault)
    if rules.models is not None and body["model"] not in rules.models:
        yield unknown_model(body["model"])
    previous = body.get("previous_response_id")
    if previous and previous not in rules.kept:
        message = f"Previous response with id '{previous}' not found."
        yield bad(message, "previous_response_id", "previous_response_not_found")
    if rules.strict:
        yield from _parameter_faults(body)
        yield from _schema_faults(body)
        items = conversation(body, rules)
        yield from _pairing_faults(items)
        yield from _reasoning_faults(items, rules)
        if "blind" in body["model"] and "input_image" in json.dumps(items):
            yield bad("Invalid content type. image inputs are not supported by this model.", "input", "invalid_value")


def _parameter_faults(body: Mapping[str, Any]) -> Iterator[Refusal]:
    if not any(body.get(name) for name in ("input", "prompt", "previous_response_id", "conversation")):
        yield bad("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if body.get("previous_response_id") and body.get("conversation"):
        yield bad("Mutually exclusive parameters: 'previous_response_id', 'conversation'.", "conversation")
    if body.get("background") and body.get("store") is False:
        yield bad("Background mode requires 'store' to be true.", "store")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        yield bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if "modern" in body["model"]:
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                yield bad(message, name, "unsupported_parameter")
    choice, tools = body.get("tool_choice"), body.get("tools") or []
    if choice == "required" and not tools:
        yield bad("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    named = choice["name"] if isinstance(choice, dict) and choice["type"] in ("function", "custom") else None
    if named and named not in [it.get("name") for it in tools]:
        yield bad(f"Tool choice '{named}' not found in 'tools' parameter.", "tool_choice")


def _schema_faults(body: Mapping[str, Any]) -> Iterator[Refusal]:
    form = (body.get("text") or {}).get("format") or {}
    if (
        form.get("type") == "json_object"
        and "json" not in json.dumps([body.get("input"), body.get("instructions")]).lower()
    ):
        message = "Response input messages must contain the word 'json' to use 'text.format' of type 'json_object'."
        yield bad(message, "input")
    strict = [("text.format.schema", form.get("schema"))] if form.get("strict") else []
    strict += [
        (f"tools[{n}].parameters", it.get("parameters"))
        for n, it in enumerate(body.get("tools") or ())
        if it.get("strict")
    ]
    for at, schema in strict:
        for place in loose_objects(schema):
            yield bad(
                f"Invalid schema: In context={place}, 'additionalProperties' must be false.", at, "invalid_json_schema"
            )
        for name in optional_properties(schema):
            yield bad(
                f"Invalid schema: 'required' must list every property. Missing '{name}'.", at, "invalid_json_schema"
            )


def _pairing_faults(items: list[dict[str, Any]]) -> Iterator[Refusal]:
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    for item in items:
        kind, name = item.get("type", "message"), item.get("call_id", "")
        if kind in CALLS:
            if name in seen:
                yield bad(f"Duplicate call_id '{name}'.", "input")
            seen.add(name)
            open_calls[name] = CALLS[kind]
        elif kind in CALLS.values() and open_calls.pop(name, None) != kind:
            yield bad(f"No tool call found for {kind.replace('_', ' ')} with call_id {name}.", "input")
    for name in open_calls:
        yield bad(f"No tool output found for function call {name}.", "input")


def _reasoning_faults(items: list[dict[str, Any]], rules: Rules) -> Iterator[Refusal]:
    for number, item in enumerate(items):
        if item.get("type") == "item_reference" and item["id"] not in rules.kept.get("items", {}):
            yield Refusal(404, f"Item with id '{item['id']}' not found.", "invalid_request_error", None, "input")
        if item.get("type") == "reasoning":
            yield from _proof_faults(item, rules)
            after = items[number + 1] if number + 1 < len(items) else {"role": "user"}
            if after.get("role", "assistant") != "assistant" or after.get("type", "").endswith("_output"):
                yield bad(
                    f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.",
                    "input",
                )
        thought = rules.kept.get("thoughts", {}).get(item.get("id"))
        if thought and thought not in [it.get("id") for it in items[:number]]:
            kind = f"Item '{item['id']}' of type '{item['type']}'"
            message = f"{kind} was provided without its required 'reasoning' item: '{thought}'."
            yield bad(message, "input")


def _proof_faults(item: Item, rules: Rules) -> Iterator[Refusal]:
    proof = item.get("encrypted_content")
    if proof and seals.unseal(FAMILY, proof) is None:
        message = f"The encrypted content for item {item.get('id')} could not be verified."
        yield bad(message, None, "invalid_encrypted_content")
    if not proof and item.get("id") not in rules.kept.get("items", {}):
        message = f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false."
        yield Refusal(404, message, "invalid_request_error", None, "input")
