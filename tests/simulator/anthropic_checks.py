"""What Anthropic refuses: field types, blocks out of place, tool pairing, signatures it did not make.

The name of a model carries rules: one with `modern` takes no sampling parameters, no prefill and no budget thinking;
one with `budget` takes budget thinking only; one with `blind` takes no images. All others take everything.
Source: types of the SDK `anthropic` 2.12.0 and the public behaviour of api.anthropic.com (2026-11).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from . import seals
from .anthropic_shapes import COUNT, CREATE, SAMPLING
from .checks import loose_objects
from .types import Received, Refusal, Rules

FAMILY = "anthropic"
OLD_VERSIONS = ("2023-01-01", "2023-06-01")
NEW_VERSION = "2026-10-21"  # sampling parameters do not exist any more
BETA_FIELDS = {"context_management", "mcp_servers", "compaction", "fallbacks"}
CACHE_MARKS = 4
Turn = tuple[str, int, list[dict[str, Any]]]  # role, number of its first message, its blocks


def refusal(operation: str, received: Received, rules: Rules) -> Refusal | None:
    """Why this vendor would answer with an error; None when it would not."""
    version = received.header("anthropic-version")
    if version is None:
        return _bad("anthropic-version: header is required")
    if version not in (*OLD_VERSIONS, NEW_VERSION):
        return _bad(f'anthropic-version: "{version}" is not a valid version')
    if operation not in ("chat", "count"):
        return None
    try:
        body = received.json
    except ValueError:
        return _bad("The request body is not valid JSON")
    if (received.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return _bad("Content-Type: should be application/json")
    return next(_faults(operation, body, received, rules), None)


def _faults(operation: str, body: Any, received: Received, rules: Rules) -> Iterator[Refusal]:
    for fault in (CREATE if operation == "chat" else COUNT)(body, ""):
        known = fault.at in rules.extras or (fault.at in BETA_FIELDS and received.header("anthropic-beta"))
        if fault.kind == "missing" or (rules.strict and not (fault.kind == "unknown" and known)):
            yield _bad(f"{fault.at}: {fault.message}" if fault.at else fault.message)
    if rules.models is not None and body["model"] not in rules.models:
        yield unknown_model(body["model"])
    if rules.strict:
        yield from _parameter_faults(body, received.header("anthropic-version") or "")
        yield from _thinking_faults(body)
        yield from _tool_faults(body)
        yield from _message_faults(body)


def _parameter_faults(body: Mapping[str, Any], version: str) -> Iterator[Refusal]:
    model = body["model"]
    for name in SAMPLING & body.keys():
        if version == NEW_VERSION:
            yield _bad(f"{name}: Extra inputs are not permitted")
        if "modern" in model:
            yield _bad(f"`{name}` is deprecated for this model.")
    output = body.get("output_config") or {}
    if "effort" in output and "budget" in model:
        yield _bad("This model does not support the effort parameter.")
    for at in loose_objects((output.get("format") or {}).get("schema")):
        yield _bad(f"output_config.format.schema: For 'object' type, 'additionalProperties' must be false (at {at})")
    if sum(1 for _ in _cache_marks(body)) > CACHE_MARKS:
        yield _bad(f"A maximum of {CACHE_MARKS} blocks with cache_control may be provided.")


def _cache_marks(value: Any) -> Iterator[Any]:
    """The cache marks of blocks and tools; what tools are called with or take is not looked into."""
    if isinstance(value, list):
        for it in value:
            yield from _cache_marks(it)
    elif isinstance(value, dict):
        if value.get("cache_control") and "messages" not in value:
            yield value["cache_control"]
        for name in ("system", "tools", "messages", "content"):
            yield from _cache_marks(value.get(name))


def _thinking_faults(body: Mapping[str, Any]) -> Iterator[Refusal]:
    thinking, model = body.get("thinking") or {"type": "disabled"}, body["model"]
    kind = thinking["type"]
    if kind == "enabled" and "modern" in model:
        yield _bad('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
    if kind in ("adaptive", "between_tools") and "budget" in model:
        yield _bad(f"thinking.type: {kind} thinking is not supported on this model")
    if kind == "disabled":
        return
    if kind == "enabled" and thinking["budget_tokens"] >= body.get("max_tokens", float("inf")):
        yield _bad("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield _bad("Thinking may not be enabled when tool_choice forces tool use.")
    if body.get("temperature", 1) != 1:
        yield _bad("`temperature` may only be set to 1 when thinking is enabled.")
    if "top_k" in body:
        yield _bad("`top_k` must be unset when thinking is enabled.")
    if body.get("top_p", 1) < 0.95:
        yield _bad("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")


def _tool_faults(body: Mapping[str, Any]) -> Iterator[Refusal]:
    tools, choice = body.get("tools") or [], body.get("tool_choice") or {}
    names = [it["name"] for it in tools if "name" in it]
    if len(names) != len(set(names)):
        yield _bad("tools: Tool names must be unique.")
    if choice and not tools:
        yield _bad("tool_choice may only be specified while providing tools.")
    if choice.get("type") == "tool" and choice["name"] not in names:
        yield _bad(f"Tool '{choice['name']}' not found in provided tools")
    for number, it in enumerate(tools):
        schema = it.get("input_schema") or {}
        if any(word in schema for word in ("oneOf", "allOf", "anyOf")):
            yield _bad(
                f"tools.{number}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf "
                "at the top level"
            )
        if it.get("strict") and (loose := next(loose_objects(schema), None)):
            yield _bad(f"tools.{number}.custom: For 'object' type, 'additionalProperties' must be false (at {loose})")


def _message_faults(body: Mapping[str, Any]) -> Iterator[Refusal]:
    turns = _turns(body["messages"])
    if turns[0][0] != "user":
        yield _bad("messages: first message must use the user role")
    if any(role == "system" for role, _, _ in turns) and "modern" not in body["model"]:
        yield _bad('messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter.')
    turns = [turn for turn in turns if turn[0] != "system"]
    for role, at, blocks in turns:
        if not blocks and not (role == "assistant" and at == len(body["messages"]) - 1):
            yield _bad(
                f"messages.{at}: all messages must have non-empty content "
                "except for the optional final assistant message"
            )
    yield from _pairing_faults(turns)
    yield from _proof_faults(turns)
    yield from _last_turn_faults(turns, body)
    if "blind" in body["model"] and any(_has_image(blocks) for _, _, blocks in turns):
        yield _bad("This model does not support image input.")


def _turns(messages: list[dict[str, Any]]) -> list[Turn]:
    """Neighbours of one role are one turn. An empty text of a whole message is no block."""
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        content = message["content"]
        blocks = ([{"type": "text", "text": content}] if content else []) if isinstance(content, str) else content
        if turns and turns[-1][0] == message["role"]:
            turns[-1][2].extend(blocks)
        else:
            turns.append((message["role"], number, list(blocks)))
    return turns


def _pairing_faults(turns: list[Turn]) -> Iterator[Refusal]:
    calls: list[str] = []
    seen: set[str] = set()
    for role, at, blocks in turns:
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for name in results:
            if name not in calls:
                yield _bad(
                    f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if len(results) != len(set(results)):
            yield _bad(f"messages.{at}: each tool_use must have a single result.")
        first = [block["type"] for block in blocks[: len(results)]]
        if (missing := set(calls) - set(results)) or any(kind != "tool_result" for kind in first):
            yield _unanswered(at - 1, missing or set(results))
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        if len(calls) != len(set(calls)) or seen & set(calls):
            yield _bad(f"messages.{at}: `tool_use` ids must be unique")
        seen |= set(calls)
    if calls:
        yield _unanswered(turns[-1][1], set(calls))


def _unanswered(at: int, ids: set[str]) -> Refusal:
    return _bad(
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(sorted(ids))}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _proof_faults(turns: list[Turn]) -> Iterator[Refusal]:
    """Whether the thinking that comes back is what this vendor gave out, to the byte."""
    for _, at, blocks in turns:
        for number, block in enumerate(blocks):
            where = f"messages.{at}.content.{number}"
            if block["type"] == "thinking" and not seals.signed(FAMILY, block["thinking"], block["signature"]):
                yield _bad(f"{where}: Invalid `signature` in `thinking` block")
            if block["type"] == "redacted_thinking" and seals.unseal(FAMILY, block["data"]) is None:
                yield _bad(f"{where}: Invalid `data` in `redacted_thinking` block")


def _last_turn_faults(turns: list[Turn], body: Mapping[str, Any]) -> Iterator[Refusal]:
    role, _, blocks = turns[-1]
    kind = (body.get("thinking") or {}).get("type", "disabled")
    if role == "assistant":
        if "modern" in body["model"] or kind != "disabled":
            yield _bad(
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
        if blocks and blocks[-1].get("text", "").endswith((" ", "\n", "\t")):
            yield _bad("messages: final assistant content cannot end with trailing whitespace")
    answered = any(block["type"] == "tool_result" for block in blocks)
    if role == "user" and answered and kind == "enabled" and len(turns) > 1:
        first = turns[-2][2][0]["type"]
        if first not in ("thinking", "redacted_thinking"):
            yield _bad(
                f"messages.{turns[-2][1]}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
            )


def _has_image(blocks: list[dict[str, Any]]) -> bool:
    inner = [it for block in blocks if isinstance(block.get("content"), list) for it in block["content"]]
    return any(block["type"] == "image" for block in [*blocks, *inner])


def unknown_model(model: object) -> Refusal:
    return Refusal(404, f"model: {model}")


def _bad(message: str) -> Refusal:
    return Refusal(400, message)
