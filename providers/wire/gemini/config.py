"""Tools and ``generationConfig`` of a client's request → canonical."""

from __future__ import annotations

from typing import Any

from providers.wire.errors import Refusal
from providers.wire.reading import Fields, wrong
from providers.wire.schema import from_gemini
from providers.wire.types import HostedTool, Json, Output, Thinking, Tool, ToolChoice

FAMILY = "gemini"
DECLARATIONS = ("functionDeclarations", "function_declarations")
INTENTS = {
    "googleSearch": "web_search", "google_search": "web_search", "googleSearchRetrieval": "web_search",
    "google_search_retrieval": "web_search", "enterpriseWebSearch": "web_search", "codeExecution": "code",
    "code_execution": "code", "fileSearch": "files", "file_search": "files",
}  # fmt: skip
JSON_TYPE = "application/json"
PLAIN_TYPES = ("", "text/plain")


# -- tools -------------------------------------------------------------------------------------------------------------
def tools(given: list[Json]) -> tuple[Tool | HostedTool, ...]:
    made: list[Tool | HostedTool] = []
    for place, group in enumerate(given):
        fields = Fields(group, f"tools[{place}]")
        for number, declared in enumerate(fields.items(*DECLARATIONS)):
            made.append(_tool(Fields(declared, f"{fields.at('functionDeclarations')}[{number}]")))
        for name, value in fields.rest().items():
            made.append(HostedTool(intent=INTENTS.get(name, "other"), family=FAMILY, value={name: value}))
    return tuple(made)


def _tool(fields: Fields) -> Tool:
    name = fields.text("name")
    if not name:
        raise Refusal(400, f"'{fields.at('name')}' is missing.", param=fields.at("name"))
    schema = fields.raw("parametersJsonSchema", "parameters_json_schema")
    if schema is None:
        own = fields.raw("parameters")
        schema = from_gemini(own) if isinstance(own, dict) else own
    if schema is not None and not isinstance(schema, dict):
        raise wrong(fields.at("parameters"), "an object", schema)
    return Tool(name=name, description=fields.text("description"), schema=schema)


def choice(fields: Fields | None) -> ToolChoice | None:
    """``functionCallingConfig``. VALIDATED with names is "auto, but only these"."""
    if fields is None:
        return None
    mode, names = fields.text("mode").upper(), fields.items("allowedFunctionNames", "allowed_function_names")
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise wrong(f"{fields.at('allowedFunctionNames')}[{place}]", "a string", name)
    if mode == "NONE":
        return ToolChoice(mode="none")
    if mode == "ANY":
        return ToolChoice(mode="one" if len(names) == 1 else "required", names=tuple(names))
    return ToolChoice(mode="auto", names=tuple(names)) if mode in ("AUTO", "VALIDATED") else None


# -- generationConfig --------------------------------------------------------------------------------------------------
def generation(fields: Fields) -> dict[str, Any]:
    """Keyword arguments of :class:`Request`; ``rest``: what has no place there."""
    made: dict[str, Any] = {
        "temperature": fields.number("temperature"),
        "top_p": fields.number("topP", "top_p"),
        "top_k": fields.whole("topK", "top_k"),
        "n": fields.whole("candidateCount", "candidate_count"),
        "max_tokens": fields.whole("maxOutputTokens", "max_output_tokens"),
        "stop": _strings(fields, "stopSequences", "stop_sequences"),
        "presence_penalty": fields.number("presencePenalty", "presence_penalty"),
        "frequency_penalty": fields.number("frequencyPenalty", "frequency_penalty"),
        "seed": fields.whole("seed"),
        "logprobs": fields.switch("responseLogprobs", "response_logprobs"),
        "top_logprobs": fields.whole("logprobs"),
        "modalities": tuple(word.lower() for word in _strings(fields, "responseModalities", "response_modalities")),
        "thinking": _thinking(fields.inner("thinkingConfig", "thinking_config")),
    }
    made["output"], odd = _output(fields)
    return made | {"rest": fields.rest() | odd}


def _strings(fields: Fields, *names: str) -> tuple[str, ...]:
    given = fields.items(*names)
    for place, value in enumerate(given):
        if not isinstance(value, str):
            raise wrong(f"{fields.at(names[0])}[{place}]", "a string", value)
    return tuple(given)


def _output(fields: Fields) -> tuple[Output | None, dict[str, Json]]:
    """Structured output; types that nobody else has (``text/x.enum`` …) stay as they are."""
    kind = fields.text("responseMimeType", "response_mime_type")
    full = fields.raw("responseJsonSchema", "response_json_schema", "_responseJsonSchema")
    own = fields.raw("responseSchema", "response_schema")
    if kind not in (JSON_TYPE, *PLAIN_TYPES):
        odd = {"responseMimeType": kind, "responseSchema": own, "responseJsonSchema": full}
        return None, {name: value for name, value in odd.items() if value is not None}
    if own is not None and not isinstance(own, dict):
        raise wrong(fields.at("responseSchema"), "an object", own)
    schema = full if full is not None else (from_gemini(own) if own is not None else None)
    if schema is not None:
        return Output(kind="json_schema", schema=schema), {}
    return (Output(kind="json_object") if kind == JSON_TYPE else None), {}


def _thinking(fields: Fields | None) -> Thinking:
    if fields is None:
        return Thinking()
    show = fields.switch("includeThoughts", "include_thoughts")
    budget = fields.whole("thinkingBudget", "thinking_budget")
    level = fields.text("thinkingLevel", "thinking_level").lower()
    if level == "thinking_level_unspecified":
        level = ""
    if budget == 0:
        return Thinking(off=True, show=show, effort=level)
    return Thinking(effort=level, budget=budget, show=show)
