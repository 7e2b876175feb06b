"""What Gemini refuses: unknown names, values out of range, schemas beyond its subset, turns out of order, calls
without answers, thought signatures it did not make.

The name of a model carries rules: one with `-3` wants the thought signatures of the current turn back and takes
hosted tools beside functions; one with `2.5` takes thinking budgets, no levels; one with `blind` takes no images.
Source: types of the SDK `google-genai` 3.4.0 and the public behaviour of its API (2026-11).
"""

import base64
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from . import seals
from .gemini_shapes import COUNT_TOKENS, EMBED, EMBED_MANY, GENERATE, KINDS, tidy
from .types import Received, Refusal, Rules

FAMILY = "gemini"
PLACEHOLDERS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
KNOWN_PROOFS = {form for it in PLACEHOLDERS for form in (it, base64.b64encode(it.encode()).decode())}
SHAPES = {
    "chat": GENERATE,
    "stream": GENERATE,
    "count": COUNT_TOKENS,
    "embed": EMBED,
    "embed_many": EMBED_MANY,
}
Content = Mapping[str, Any]


def refusal(operation: str, received: Received, rules: Rules) -> Refusal | None:
    """Why this vendor would answer with an error; None when it would not."""
    if operation not in SHAPES:
        return None
    model = model_of(received)
    if rules.models is not None and model not in rules.models:
        return unknown_model(model)
    try:
        body = tidy(received.json)
    except ValueError:
        return _bad("Invalid JSON payload received. Unexpected token.")
    return next(_faults(operation, body, model, rules), None)


def model_of(received: Received) -> str:
    """The model that a path names."""
    return received.path.partition("/models/")[2].partition(":")[0]


def call_text(call: Mapping[str, Any]) -> str:
    """What the signature of a call is made of."""
    return json.dumps([call["name"], call.get("args") or {}], sort_keys=True)


def _faults(operation: str, body: Any, model: str, rules: Rules) -> Iterator[Refusal]:
    for fault in SHAPES[operation](body, ""):
        if fault.kind == "unknown" and (not rules.strict or fault.at in rules.extras):
            continue
        if rules.strict or fault.kind == "missing":
            yield _bad(_words(fault.at, fault.kind, fault.message))
    if operation in ("embed", "embed_many") or not rules.strict:
        return
    inner = body.get("generateContentRequest") or body
    contents = inner.get("contents") or []
    yield from _part_faults([*contents, *filter(None, [inner.get("systemInstruction")])])
    yield from _turn_faults(contents)
    yield from _pairing_faults(contents)
    yield from _proof_faults(contents, model)
    yield from _tool_faults(inner, model)
    yield from _generation_faults(inner.get("generationConfig") or {}, model)
    if "blind" in model and "inlineData" in json.dumps(contents):
        yield _bad("Image input modality is not enabled for this model.")


def _words(at: str, kind: str, message: str) -> str:
    if kind == "unknown":
        parent, _, name = at.rpartition(".")
        return f"Invalid JSON payload received. Unknown name \"{name}\" at '{parent}': Cannot find field."
    return f"Invalid value at '{at}': {message}"


def _part_faults(contents: list[Content]) -> Iterator[Refusal]:
    for number, content in enumerate(contents):
        for place, part in enumerate(content["parts"]):
            at = f"contents[{number}].parts[{place}]"
            said = [kind for kind in KINDS if part.get(kind) is not None]
            if len(said) != 1:
                yield _bad(f"{at}.data: required oneof field 'data' must have one initialized field, found {said}")
            if part.get("text") == "" and not part.get("thoughtSignature"):
                yield _bad(f"{at}.text: must not be empty")
            if part.get("functionCall") and content.get("role") != "model":
                yield _bad(f"{at}: functionCall is only valid in the role model")
            if part.get("functionResponse") and content.get("role") == "model":
                yield _bad(f"{at}: functionResponse is not valid in the role model")


def _turn_faults(contents: list[Content]) -> Iterator[Refusal]:
    roles = ["model" if content.get("role") == "model" else "user" for content in contents]
    if len(contents) > 1 and any(not content.get("role") for content in contents):
        yield _bad("Please use a valid role: user, model.")
    if roles and roles[0] != "user":
        yield _bad("Please ensure that multiturn requests start with a user turn.")
    if any(one == other for one, other in pairwise(roles)):
        yield _bad("Please ensure that multiturn requests alternate between user and model.")


def _pairing_faults(contents: list[Content]) -> Iterator[Refusal]:
    calls: list[Mapping[str, Any]] = []
    for content in contents:
        answers = _of(content, "functionResponse")
        if len(answers) != len(calls):
            yield _bad(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        open_calls = list(calls)
        for answer in answers:
            fitting = [it for it in open_calls if it["name"] == answer["name"] and _same_id(it, answer)]
            if not fitting:
                yield _bad(f"Function response '{answer['name']}' answers no function call of the turn before.")
            open_calls.remove(fitting[0])
        calls = _of(content, "functionCall")
    if calls:
        yield _bad("Please ensure that a function call turn is followed by a function response turn.")


def _same_id(call: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    return not call.get("id") or not answer.get("id") or call["id"] == answer["id"]


def _of(content: Content, kind: str) -> list[Mapping[str, Any]]:
    return [part[kind] for part in content["parts"] if part.get(kind)]


def _proof_faults(contents: list[Content], model: str) -> Iterator[Refusal]:
    asked = [
        number for number, it in enumerate(contents) if it.get("role") != "model" and not _of(it, "functionResponse")
    ]
    current = asked[-1] if asked else -1
    for number, content in enumerate(contents):
        first_call = next((part for part in content["parts"] if part.get("functionCall")), None)
        for place, part in enumerate(content["parts"]):
            proof = part.get("thoughtSignature")
            if proof is None:
                if "-3" in model and number > current and part is first_call:
                    yield _bad(
                        "Function call is missing a thought_signature in functionCall parts. This is required for "
                        f"tools to work correctly: content {number}, part {place}."
                    )
            elif proof not in KNOWN_PROOFS and not _ours(part, proof):
                yield _bad("Thought signature is not valid.")


def _ours(part: Mapping[str, Any], proof: Any) -> bool:
    """Whether this vendor gave it out, and for the same call."""
    sealed = seals.unseal(FAMILY, proof)
    call = part.get("functionCall")
    return sealed is not None and (not call or sealed == call_text(call))


def _tool_faults(body: Mapping[str, Any], model: str) -> Iterator[Refusal]:
    tools = body.get("tools") or []
    declared = [it for tool in tools for it in tool.get("functionDeclarations") or ()]
    names = [it["name"] for it in declared]
    hosted = {name for tool in tools for name in tool if name != "functionDeclarations"}
    if len(names) != len(set(names)):
        yield _bad("Duplicate function declaration found.")
    if hosted and declared and "-3" not in model:
        yield _bad("Built-in tools and Function Calling cannot be combined in the same request.")
    if any(it.get("parameters") is not None and it.get("parametersJsonSchema") is not None for it in declared):
        yield _bad("parameters and parameters_json_schema are mutually exclusive.")
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed, mode = config.get("allowedFunctionNames") or [], config.get("mode", "AUTO")
    if mode in ("ANY", "VALIDATED") and not declared:
        yield _bad("Function calling config is set without function_declarations.")
    if allowed and mode not in ("ANY", "VALIDATED"):
        yield _bad("Allowed function names should only be set when function calling mode is ANY.")
    if unknown := set(allowed) - set(names):
        yield _bad(f"Allowed function names are not declared: {sorted(unknown)}")


def _generation_faults(config: Mapping[str, Any], model: str) -> Iterator[Refusal]:
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name) is not None]
    if len(schemas) == 2:
        yield _bad("Only one of response_schema and response_json_schema may be set.")
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        yield _bad("A response schema is only supported with response mime type application/json.")
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        yield _bad("logprobs is only valid with response_logprobs.")
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        yield _bad("You can only set only one of thinking budget and thinking level.")
    if thinking.get("thinkingLevel") is not None and "2.5" in model:
        yield _bad("Thinking level is not supported for this model.")


def unknown_model(model: str) -> Refusal:
    message = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
    return Refusal(404, message, "NOT_FOUND")


def _bad(message: str) -> Refusal:
    return Refusal(400, message, "INVALID_ARGUMENT")
