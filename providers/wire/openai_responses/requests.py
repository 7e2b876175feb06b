"""A client's body as a request; ``dump`` is the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.wire.errors import Refusal
from providers.wire.openai_responses.items import Turns
from providers.wire.openai_responses.tools import read_choice, read_tools
from providers.wire.openai_responses.upstream_body import dump
from providers.wire.openai_responses.vocabulary import FAMILY, LOGPROBS, SEALED
from providers.wire.reading import Fields, wrong
from providers.wire.types import Json, Message, Output, Request, Text, Thinking

__all__ = ["dump", "parse"]

WITHOUT_INPUT = ("previous_response_id", "conversation", "prompt")  # any of these may stand instead of it
PLAIN: tuple[tuple[str, Callable[[Fields, str], Any], str], ...] = (  # our field, its type, their field
    ("parallel_tools", Fields.switch, "parallel_tool_calls"),
    ("max_tokens", Fields.whole, "max_output_tokens"),
    ("temperature", Fields.number, "temperature"),
    ("top_p", Fields.number, "top_p"),
    ("top_logprobs", Fields.whole, "top_logprobs"),
    ("service_tier", Fields.text, "service_tier"),
    ("cache_key", Fields.text, "prompt_cache_key"),
    ("store", Fields.switch, "store"),
    ("previous_id", Fields.text, "previous_response_id"),
    ("user", Fields.text, "user"),
)


def parse(body: dict[str, Json], *, model: str = "", stream: bool | None = None) -> Request:
    """A client's body as a request. Raises Refusal 400 that names the place."""
    fields = Fields(body)
    turns = _turns(fields, body)
    thinking, more_reasoning = _thinking(fields)
    output, verbosity, more_text = _text(fields)
    include, logprobs = _include(fields)
    choice = fields.raw("tool_choice")
    chosen = read_choice(choice) if choice is not None else None
    _no_background(fields)
    named, streamed = fields.text("model"), fields.switch("stream")
    if not (model or named):
        raise _missing("model")
    said: dict[str, Any] = {ours: read(fields, name) for ours, read, name in PLAIN}
    instructions = fields.text("instructions")
    system = (Text(text=instructions),) if instructions else ()
    tools = read_tools(fields.items("tools"))
    metadata = _metadata(fields)
    beside = {
        "include": include,
        "reasoning": more_reasoning,
        "text": more_text,
        "tool_choice": choice if chosen is None else None,
    }
    extra = {name: value for name, value in beside.items() if value} | fields.rest()
    said["user"] = said["user"] or _word(extra.get("safety_identifier"))
    return Request(
        model=model or named,
        stream=bool(streamed) if stream is None else stream,
        system=system + tuple(turns.system),
        messages=tuple(turns.messages),
        tools=tools,
        tool_choice=chosen,
        logprobs=logprobs,
        output=output,
        thinking=thinking,
        verbosity=verbosity,
        metadata=metadata,
        extra=extra,
        family=FAMILY,
        leans_on="prompt" if "prompt" in extra else "",
        **said,
    )


def _missing(name: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _turns(fields: Fields, body: dict[str, Json]) -> Turns:
    turns = Turns()
    value = fields.raw("input")
    if isinstance(value, str):
        turns.messages.append(Message(role="user", parts=(Text(text=value),)))
    elif isinstance(value, list):
        turns.read(value)
    elif value is not None:
        raise wrong("input", "a string or an array", value)
    elif not any(body.get(name) for name in WITHOUT_INPUT):
        raise _missing("input")
    return turns


def _thinking(fields: Fields) -> tuple[Thinking, dict[str, Json]]:
    reasoning = fields.inner("reasoning")
    if reasoning is None:
        return Thinking(), {}
    effort, summary = reasoning.text("effort"), reasoning.text("summary") or reasoning.text("generate_summary")
    thinking = Thinking(effort=effort, off=effort == "none", summary=summary, show=True if summary else None)
    return thinking, reasoning.rest()


def _text(fields: Fields) -> tuple[Output | None, str, dict[str, Json]]:
    text = fields.inner("text")
    if text is None:
        return None, "", {}
    verbosity, form = text.text("verbosity"), text.inner("format")
    if form is None:
        return None, verbosity, text.rest()
    kind = form.text("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise Refusal(400, f"Invalid value: '{kind[:40]}'.", code="invalid_value", param=form.at("type"))
    if kind == "json_schema" and not isinstance(form.raw("schema"), dict):
        raise wrong(form.at("schema"), "an object", form.raw("schema"))
    output = Output(
        kind=kind,
        name=form.text("name"),
        description=form.text("description"),
        schema=form.raw("schema"),
        strict=form.switch("strict"),
    )
    return output, verbosity, text.rest()


def _include(fields: Fields) -> tuple[list[str], bool | None]:
    """What else is wanted in the reply, without what the other fields say (and the seals, which are always asked)."""
    wanted = fields.items("include")
    for number, word in enumerate(wanted):
        if not isinstance(word, str):
            raise wrong(f"include[{number}]", "a string", word)
    return [word for word in wanted if word not in (LOGPROBS, SEALED)], True if LOGPROBS in wanted else None


def _metadata(fields: Fields) -> Json:
    metadata = fields.inner("metadata")
    return metadata.rest() if metadata is not None else None


def _no_background(fields: Fields) -> None:
    if fields.switch("background"):
        message = "'background' is not supported: the answer is made while you wait, or streamed."
        raise Refusal(400, message, code="unsupported_parameter", param="background")


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""
