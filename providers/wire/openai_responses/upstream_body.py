"""A request's body as an upstream of this format takes it."""

from __future__ import annotations

from providers.wire.efforts import nearest
from providers.wire.openai_responses.dumping import ItemWriter
from providers.wire.openai_responses.tools import choice_json, hosted_json, strictness, tools_json
from providers.wire.openai_responses.vocabulary import FAMILY, LOGPROBS, ROLE, SEALED, own
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Dumped, Names, joined, self_contained
from providers.wire.types import Json, Message, Output, Request, Text

OURS = ("conversation",)  # answered by the gateway's own store: the history is already in the messages
SAID_ELSEWHERE = (
    "include",
    "reasoning",
    "text",
    "tool_choice",
)  # kept in ``extra`` for what they say beside our fields
TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
LEAST_OUTPUT = 16  # tokens; OpenAI refuses a smaller maximum
EFFORTS = ((0, "none"), (4096, "low"), (16384, "medium"), (32768, "high"))  # budget in tokens up to → effort


def dump(request: Request, traits: Traits) -> Dumped:
    """A body for an upstream. Nothing is left to its memory: what ``previous_id`` and conversation stand for must be in
    the messages by now. Raises Refusal 400 for what cannot be sent and changes the meaning."""
    self_contained(request, FAMILY)
    names, dropped = Names(), Dropped()
    body: dict[str, Json] = {"model": request.model}
    _put_input(body, request, traits, names, dropped)
    if request.stream:
        body["stream"] = True
    _put_tools(body, request, traits, names, dropped)
    _put_limits(body, request, traits, dropped)
    _put_reasoning(body, request, traits, dropped)
    _put_format(body, request, traits, dropped)
    _put_labels(body, request, dropped)
    _put_extra(body, request, dropped)
    _put_state(body, request, traits)
    return Dumped(body, dropped.names(), names)


def _put_input(body: dict[str, Json], request: Request, traits: Traits, names: Names, dropped: Dropped) -> None:
    items = ItemWriter(traits, names, dropped, marked=request.family == FAMILY)
    first = [text for text in request.system if own(text.proof, ROLE) is None]
    rest = [text for text in request.system if own(text.proof, ROLE) is not None]
    instructions = joined(text.text for text in first)
    messages = request.messages
    if not traits.prefill and messages and messages[-1].role == "assistant" and _only_words(messages[-1]):
        messages = messages[:-1]
        dropped.add("prefill")
    if not traits.system_role:
        messages, instructions, rest = _in_front(joined(text.text for text in request.system), messages), "", []
    elif not messages and not rest and instructions:
        # An input without any item is refused.
        rest, instructions = [Text(text=instructions)], ""
    items.system(rest)
    items.messages(messages)
    if instructions:
        body["instructions"] = instructions
    body["input"] = items.close()


def _only_words(message: Message) -> bool:
    return all(isinstance(part, Text) for part in message.parts)


def _in_front(system: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """For models without a system role: its text before the first words of the user."""
    if not system:
        return messages
    for number, message in enumerate(messages):
        if message.role == "user":
            first = Message(role="user", parts=(Text(text=system), *message.parts), name=message.name)
            return (*messages[:number], first, *messages[number + 1 :])
    return (Message(role="user", parts=(Text(text=system),)), *messages)


def _put_tools(body: dict[str, Json], request: Request, traits: Traits, names: Names, dropped: Dropped) -> None:
    if not request.tools:
        return
    if not traits.can("tools"):
        dropped.add("tools")
        return
    tools = tools_json(request, names, hosted_json(request.tools, traits, dropped))
    if not tools:
        return
    body["tools"] = tools
    own_choice = request.extra.get("tool_choice") if request.family == FAMILY else None
    choice = own_choice or choice_json(request, names)
    if choice is not None:
        body["tool_choice"] = choice
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _put_limits(body: dict[str, Json], request: Request, traits: Traits, dropped: Dropped) -> None:
    if request.max_tokens is not None:
        most = request.max_tokens if request.family == FAMILY else max(request.max_tokens, LEAST_OUTPUT)
        body["max_output_tokens"] = min(most, traits.max_output) if traits.max_output else most
    if traits.sampling:
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
    else:
        dropped.unless_empty(temperature=request.temperature, top_p=request.top_p)
    if request.n is not None and request.n > 1:
        dropped.add("n")
    dropped.unless_empty(
        stop=request.stop,
        top_k=request.top_k,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=request.seed,
        logit_bias=request.logit_bias,
        safety=request.safety,
        modalities=tuple(kind for kind in request.modalities if kind != "text"),
    )


def _put_reasoning(body: dict[str, Json], request: Request, traits: Traits, dropped: Dropped) -> None:
    thinking = request.thinking
    effort = thinking.effort or ("none" if thinking.off else _effort(thinking.budget))
    if request.family != FAMILY:
        effort = nearest(effort, traits.efforts)
    shown = thinking.show or (thinking.show is None and (thinking.budget is not None or thinking.adaptive))
    reasoning: dict[str, Json] = {"effort": effort} if effort else {}
    if thinking.summary or (shown and effort != "none"):
        reasoning["summary"] = thinking.summary or "auto"
    if request.family == FAMILY and isinstance(more := request.extra.get("reasoning"), dict):
        reasoning |= more
    if not reasoning:
        return
    if traits.thinking == "none" or not traits.can("reasoning"):
        if effort != "none":
            dropped.add("reasoning")
        return
    body["reasoning"] = reasoning


def _effort(budget: int | None) -> str:
    if budget is None or budget < 0:  # left to the model
        return ""
    return next((effort for most, effort in EFFORTS if budget <= most), "xhigh")


def _put_format(body: dict[str, Json], request: Request, traits: Traits, dropped: Dropped) -> None:
    text: dict[str, Json] = {}
    output = request.output
    if output is not None and output.kind == "json_schema" and not traits.can("json_schema"):
        dropped.add("json_schema")
        output = Output(kind="json_object")
    if output is not None:
        text["format"] = _format(output, request.family)
    if request.verbosity:
        text["verbosity"] = request.verbosity
    if request.family == FAMILY and isinstance(more := request.extra.get("text"), dict):
        text |= more
    if text:
        body["text"] = text


def _format(output: Output, family: str) -> Json:
    if output.kind != "json_schema":
        return {"type": output.kind}
    said: dict[str, Json] = {"type": "json_schema", "name": output.name or "response", "schema": output.schema}
    if output.description:
        said["description"] = output.description
    if output.strict is not None:
        said["strict"] = strictness(output.strict, output.schema, family)
    return said


def _put_labels(body: dict[str, Json], request: Request, dropped: Dropped) -> None:
    if request.user and request.extra.get("safety_identifier") != request.user:
        body["user"] = request.user
    if request.metadata is not None:
        body["metadata"] = request.metadata
    if request.cache_key:
        body["prompt_cache_key"] = request.cache_key
    if request.service_tier in TIERS or request.family == FAMILY:
        if request.service_tier:
            body["service_tier"] = request.service_tier
    else:
        dropped.unless_empty(service_tier=request.service_tier)


def _put_extra(body: dict[str, Json], request: Request, dropped: Dropped) -> None:
    if request.family != FAMILY:
        for name in request.extra:
            dropped.add(name)
        return
    for name, value in request.extra.items():
        if name not in OURS and name not in SAID_ELSEWHERE:
            body[name] = value


def _put_state(body: dict[str, Json], request: Request, traits: Traits) -> None:
    """Stateless, and the seals with it: without them earlier reasoning could not be given back."""
    own_words = request.extra.get("include", []) if request.family == FAMILY else []
    include = list(own_words)
    if traits.thinking != "none" and traits.can("reasoning"):
        include.append(SEALED)
    if request.logprobs:
        include.append(LOGPROBS)
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    if include:
        body["include"] = include
    body["store"] = bool(request.store) and request.family == FAMILY
