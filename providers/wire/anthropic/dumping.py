"""A canonical request → a body for an upstream that speaks Messages."""

from __future__ import annotations

from typing import Any

from providers.wire.anthropic import schemas, tools
from providers.wire.anthropic.tables import FAMILY, FIELD_BETAS, LONGEST_USER_ID, SERVICE_TIER, VERSION
from providers.wire.anthropic.thinking import Plan, plan
from providers.wire.anthropic.turns import Turn, gather, paired, sealed
from providers.wire.anthropic.writing import Block, Blocks, marked
from providers.wire.errors import Refusal
from providers.wire.traits import Traits
from providers.wire.translation import Dumped, json_text, self_contained
from providers.wire.types import Json, Request, Text

OPENING = "Continue."  # where a conversation does not begin with its user
JSON_ONLY = "Answer with one valid JSON object and nothing else: no explanation, no Markdown fence."
BY_SCHEMA = "Answer with one valid JSON value that follows this JSON Schema, and nothing else:\n"
COUNTED = (
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control",
    "context_management", "mcp_servers",
)  # fmt: skip


def dump(request: Request, traits: Traits) -> Dumped:
    """The body, what it could not carry, tool names as sent, and the headers that go with it.

    Raises Refusal 400 for what the format cannot say and what cannot be left out.
    """
    self_contained(request, FAMILY)
    try:
        return _dumped(request, traits)
    except RecursionError:
        raise Refusal(400, "The request is nested too deeply.", code="invalid_value") from None


def dump_count(request: Request, traits: Traits) -> Dumped:
    """The same for the vendor's count_tokens, which takes fewer fields."""
    whole = dump(request, traits)
    body = {name: value for name, value in whole.body.items() if name in COUNTED}
    return Dumped(body, whole.dropped, whole.names, whole.headers)


def _dumped(request: Request, traits: Traits) -> Dumped:
    blocks = Blocks(traits)
    turns, late = gather(request.messages)
    turns = paired(turns, traits.tool_id)
    thinking = plan(request, traits, sealed(turns, blocks.family, traits.reasoning_in), blocks.dropped)
    # A model that just does not think is asked nothing; where thinking was wanted and went, its blocks go as well.
    blocks.thinking = thinking.on or (thinking.thinking is None and traits.thinking != "none")
    turns = _without_prefill(turns, traits, thinking, blocks)
    system = [*request.system, *late, *_instructions(request, traits)]
    body: dict[str, Json] = {"model": request.model, "max_tokens": thinking.max_tokens}
    body |= _conversation(turns, system, blocks)
    body |= tools.write(request, turns, blocks, thinking.on)
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    config = _output_config(request, traits, thinking)
    if config:
        body["output_config"] = config
    body |= _sampling(request, traits, thinking, blocks)
    body |= _options(request, traits, blocks)
    if request.stream:
        body["stream"] = True
    _own_fields(request, body, thinking, blocks)
    _note_the_rest(request, blocks)
    return Dumped(body, blocks.dropped.names(), blocks.names, _headers(body, blocks))


def _without_prefill(turns: list[Turn], traits: Traits, thinking: Plan, blocks: Blocks) -> list[Turn]:
    """A last word of the assistant's is refused by newer models, and by all while they think."""
    if turns and turns[-1].role == "assistant" and (thinking.on or not traits.prefill):
        blocks.dropped.add("prefill")
        return turns[:-1]
    return turns


def _conversation(turns: list[Turn], system: list[Text], blocks: Blocks) -> dict[str, Json]:
    messages: list[dict[str, Any]] = []
    for turn in turns:
        content = blocks.turn(turn)
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += content
        elif content:
            messages.append({"role": turn.role, "content": content})
    said = [block for part in system for block in blocks.text(part)]
    if messages and messages[-1]["role"] == "assistant":
        _strip_end(messages[-1]["content"])
    if said and not (messages and blocks.traits.system_role):
        return {"messages": _opened(said, messages)}
    return ({"system": said} if said else {}) | {"messages": _opened([], messages)}


def _opened(first: list[Block], messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Beginning with the user: with these blocks in front of the user's own, else with a word that says nothing."""
    if messages and messages[0]["role"] == "user":
        content = messages[0]["content"]
        results = sum(block["type"] == "tool_result" for block in content)
        content[results:results] = first
        return messages
    return [{"role": "user", "content": first or [{"type": "text", "text": OPENING}]}, *messages]


def _strip_end(content: list[Block]) -> None:
    """The vendor refuses white space at the end of a prefill."""
    if content[-1]["type"] == "text":
        content[-1] = {**content[-1], "text": content[-1]["text"].rstrip()}


def _instructions(request: Request, traits: Traits) -> list[Text]:
    """JSON without a schema is unknown to the format, JSON by schema to some models: both are told in words."""
    output = request.output
    if output is None or output.kind == "text":
        return []
    if output.kind == "json_schema" and isinstance(output.schema, dict):
        return [] if traits.can("json_schema") else [Text(text=BY_SCHEMA + json_text(output.schema))]
    return [Text(text=JSON_ONLY)]


def _output_config(request: Request, traits: Traits, thinking: Plan) -> dict[str, Json]:
    config: dict[str, Json] = {"effort": thinking.effort} if thinking.effort else {}
    output = request.output
    if output is not None and output.kind == "json_schema" and isinstance(output.schema, dict):
        schema = output.schema if request.family == FAMILY else schemas.strict(output.schema)
        config |= {"format": {"type": "json_schema", "schema": schema}} if traits.can("json_schema") else {}
    return config


def _sampling(request: Request, traits: Traits, thinking: Plan, blocks: Blocks) -> dict[str, Json]:
    """Thinking wants a temperature of 1 and a high top_p; newer models take one of the two, or none at all."""
    given = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    wanted = {name: value for name, value in given.items() if value is not None}
    kept: dict[str, Json] = dict(wanted) if traits.sampling else {}
    if "temperature" in kept:
        kept["temperature"] = min(max(kept["temperature"], 0), 1)
    if thinking.on:
        high = kept.get("top_p", 0) >= 0.95
        kept = {"top_p": kept["top_p"]} if high else {}
    elif request.family != FAMILY and len({"temperature", "top_p"} & kept.keys()) == 2:
        del kept["top_p"]
    for name in wanted:
        if name not in kept:
            blocks.dropped.add(name)
    return kept


def _options(request: Request, traits: Traits, blocks: Blocks) -> dict[str, Json]:
    options: dict[str, Json] = {}
    stops = [stop for stop in request.stop if stop.strip()]  # the vendor refuses white space alone
    if traits.stop_limit:
        stops = stops[: traits.stop_limit]
    if len(stops) < len(request.stop):
        blocks.dropped.add("stop")
    if stops:
        options["stop_sequences"] = stops
    if request.user and (request.family == FAMILY or len(request.user) <= LONGEST_USER_ID):
        options["metadata"] = {"user_id": request.user}
    elif request.user:
        blocks.dropped.add("user")
    tier = SERVICE_TIER.get(request.service_tier)
    if tier:
        options["service_tier"] = tier
    elif request.service_tier:
        blocks.dropped.add("service_tier")
    return marked(options, request.cache)


def _own_fields(request: Request, body: dict[str, Json], thinking: Plan, blocks: Blocks) -> None:
    """Fields only this format has, of a client that speaks it; those of another dialect are noted."""
    for name, value in request.extra.items():
        if request.family != FAMILY:
            blocks.dropped.add(name)
        elif name == "context_management" and not thinking.on and "thinking" not in request.extra:
            _without_thinking_edits(body, value, blocks)
        elif name == "output_config" and isinstance(value, dict):
            body[name] = value | body.get(name, {})
        elif not name.startswith("tools."):
            body.setdefault(name, value)


def _without_thinking_edits(body: dict[str, Json], value: Json, blocks: Blocks) -> None:
    """Edits that clear thinking are refused while there is none."""
    edits = value.get("edits") if isinstance(value, dict) else None
    if not isinstance(edits, list):
        body["context_management"] = value
        return
    kept = [edit for edit in edits if not _clears_thinking(edit)]
    if len(kept) < len(edits):
        blocks.dropped.add("context_management")
    if kept or not edits:
        body["context_management"] = {**value, "edits": kept}


def _clears_thinking(edit: Json) -> bool:
    return isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking")


def _note_the_rest(request: Request, blocks: Blocks) -> None:
    spoken = [kind for kind in request.modalities if kind != "text"]
    if spoken and len(spoken) == len(request.modalities):
        raise Refusal(
            400,
            f"This model's provider generates text only, not {' or '.join(spoken)}.",
            code="unsupported_value",
            param="modalities",
        )
    blocks.dropped.unless_empty(
        modalities=spoken,
        n=request.n if request.n != 1 else None,
        seed=request.seed,
        presence_penalty=request.presence_penalty or None,
        frequency_penalty=request.frequency_penalty or None,
        logprobs=request.logprobs or None,
        top_logprobs=request.top_logprobs,
        logit_bias=request.logit_bias,
        verbosity=request.verbosity,
        metadata=request.metadata,
        safety=request.safety,
    )


def _headers(body: dict[str, Json], blocks: Blocks) -> tuple[tuple[str, str], ...]:
    for name, beta in FIELD_BETAS.items():
        if name in body:
            blocks.betas[beta] = None
    betas = (("anthropic-beta", ",".join(blocks.betas)),) if blocks.betas else ()
    return (("anthropic-version", VERSION), *betas)
