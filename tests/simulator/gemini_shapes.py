"""The fields of Gemini requests, in camelCase; `tidy` brings the other spelling to it.

Source: types of the SDK `google-genai` 3.4.0 and the public REST reference (2026-11).
"""

import re
from collections.abc import Iterator
from typing import Any

from .checks import (
    anything,
    base64_text,
    between,
    boolean,
    integer,
    json_schema,
    list_of,
    matching,
    number,
    obj,
    one_of,
    positive,
    text,
    whole_between,
)
from .shapes import Fault, Shape, any_of, fields, items, mapping, that

FREE_FIELDS = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels", "default", "example"}
MAPS = {"properties", "$defs", "defs"}  # their names are the caller's own
KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")
THRESHOLDS = ("BLOCK_NONE", "OFF", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE")
TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
FORMATS = {
    "STRING": {"enum", "date-time"},
    "NUMBER": {"float", "double"},
    "INTEGER": {"int32", "int64"},
}


def tidy(value: Any) -> Any:
    """The same JSON with the names of fields in camelCase; names inside free objects stay as they are."""
    if isinstance(value, list):
        return [tidy(it) for it in value]
    if not isinstance(value, dict):
        return value
    return {camel: _tidied(camel, it) for name, it in value.items() for camel in [_camel(name)]}


def _tidied(name: str, value: Any) -> Any:
    if name in FREE_FIELDS:
        return value
    if name in MAPS and isinstance(value, dict):
        return {inner: tidy(it) for inner, it in value.items()}
    return tidy(value)


def _camel(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda found: found[1].upper(), name)


def message(required: dict[str, Shape] | None = None, /, **optional: Shape) -> Shape:
    return fields(required or {}, optional, nulls=True)


def schema(value: Any, at: str) -> Iterator[Fault]:
    """Gemini's own subset of JSON schema, with its rules between fields."""
    faults = list(SCHEMA(value, at))
    yield from faults
    if faults or not isinstance(value, dict):
        return
    kind = str(value.get("type", "")).upper()
    if "enum" in value and kind != "STRING":
        yield Fault(f"{at}.enum", "value", "only allowed for STRING type")
    if (form := value.get("format")) and kind in FORMATS and form not in FORMATS[kind]:
        yield Fault(f"{at}.format", "value", f"only {sorted(FORMATS[kind])} are supported for {kind} type")
    if kind == "ARRAY" and "items" not in value:
        yield Fault(f"{at}.items", "missing", "missing field")
    if kind == "OBJECT" and value.get("properties") == {}:
        yield Fault(f"{at}.properties", "value", "should be non-empty for OBJECT type")
    for place, name in enumerate(value.get("required") or ()):
        if name not in (value.get("properties") or {}):
            yield Fault(f"{at}.required[{place}]", "value", "property is not defined")


TEXT, FLAG = that(text, "a string"), that(boolean, "a boolean")
WHOLE, NUMBER, FREE = that(integer, "an integer"), that(number, "a number"), that(obj, "an object")
COUNT = any_of(
    that(whole_between(0, 2**63), "an integer"), that(matching(r"\d{1,19}"), "an integer")
)  # int64: also text
BYTES = that(base64_text, "base64")
VALID_SCHEMA = that(json_schema, "a valid JSON schema")
STRINGS = that(list_of(text), "strings")
NAME = that(
    matching(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"), "a name: a letter or _, then letters, digits, _ . : -, at most 64"
)
SCHEMA = message(
    type=that(lambda it: isinstance(it, str) and it.upper() in TYPES, f"one of {sorted(TYPES)}"),
    format=TEXT,
    title=TEXT,
    description=TEXT,
    nullable=FLAG,
    enum=STRINGS,
    items=schema,
    properties=mapping(schema),
    required=STRINGS,
    propertyOrdering=STRINGS,
    pattern=TEXT,
    example=that(anything, "a value"),
    default=that(anything, "a value"),
    anyOf=items(schema, 1),
    minimum=NUMBER,
    maximum=NUMBER,
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), COUNT),
)
BLOB = message({"mimeType": TEXT, "data": BYTES}, displayName=TEXT)
FILE = message({"fileUri": TEXT}, mimeType=TEXT, displayName=TEXT)
CALL = message({"name": NAME}, id=TEXT, args=FREE)
ANSWER = message(
    {"name": NAME, "response": FREE},
    id=TEXT,
    scheduling=TEXT,
    willContinue=FLAG,
    parts=items(message(inlineData=BLOB, fileData=FILE)),
)
PART = message(
    text=TEXT,
    thought=FLAG,
    thoughtSignature=any_of(BYTES, TEXT),
    inlineData=BLOB,
    fileData=FILE,
    functionCall=CALL,
    functionResponse=ANSWER,
    executableCode=message({"code": TEXT}, language=TEXT, id=TEXT),
    codeExecutionResult=message({"outcome": TEXT}, output=TEXT, id=TEXT),
    videoMetadata=FREE,
    mediaResolution=FREE,
)
CONTENT = message(
    {"parts": items(PART, 1)}, role=that(one_of(("user", "model", "function")), "a valid role: user, model")
)
DECLARATION = message(
    {"name": NAME},
    description=TEXT,
    parameters=schema,
    parametersJsonSchema=VALID_SCHEMA,
    response=FREE,
    responseJsonSchema=VALID_SCHEMA,
    behavior=TEXT,
)
TOOL = message(
    functionDeclarations=items(DECLARATION),
    **dict.fromkeys(
        (
            "googleSearch",
            "googleSearchRetrieval",
            "urlContext",
            "codeExecution",
            "googleMaps",
            "fileSearch",
            "computerUse",
        ),
        FREE,
    ),
    mcpServers=that(list_of(obj), "a list"),
)
TOOL_CONFIG = message(
    functionCallingConfig=message(
        mode=that(one_of(("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")), "a mode"),
        allowedFunctionNames=STRINGS,
        streamFunctionCallArguments=FLAG,
    ),
    retrievalConfig=FREE,
    includeServerSideToolInvocations=FLAG,
)
GENERATION = message(
    temperature=that(between(0, 2), "in the range [0.0, 2.0]"),
    topP=that(between(0, 1), "in the range [0.0, 1.0]"),
    topK=that(lambda it: number(it) and it >= 1 and it == int(it), "a positive integer"),
    candidateCount=that(whole_between(1, 8), "in the range [1, 8]"),
    maxOutputTokens=that(positive, "positive"),
    stopSequences=that(list_of(text, 0, 5), "at most 5 strings"),
    presencePenalty=that(between(-2, 2), "in the range [-2.0, 2.0)"),
    frequencyPenalty=that(between(-2, 2), "in the range [-2.0, 2.0)"),
    seed=that(whole_between(-(2**31), 2**31 - 1), "an int32"),
    responseLogprobs=FLAG,
    logprobs=that(whole_between(0, 20), "in the range [0, 20]"),
    responseMimeType=that(one_of(("text/plain", "application/json", "text/x.enum")), "an allowed mimetype"),
    responseSchema=schema,
    responseJsonSchema=VALID_SCHEMA,
    responseModalities=that(list_of(one_of(("TEXT", "IMAGE", "AUDIO"))), "modalities"),
    thinkingConfig=message(
        includeThoughts=FLAG,
        thinkingBudget=that(whole_between(-1, 32768), "between -1 and 32768"),
        thinkingLevel=that(one_of(("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")), "a level"),
    ),
    speechConfig=FREE,
    imageConfig=message(aspectRatio=TEXT, imageSize=TEXT),
    mediaResolution=TEXT,
    enableEnhancedCivicAnswers=FLAG,
)
SAFETY = message(
    {
        "category": that(one_of([f"HARM_CATEGORY_{it}" for it in HARMS]), "a category"),
        "threshold": that(one_of(THRESHOLDS), "a threshold"),
    }
)
BODY: dict[str, Shape] = {
    "model": TEXT,
    "systemInstruction": message({"parts": items(PART, 1)}, role=TEXT),
    "tools": items(TOOL),
    "toolConfig": TOOL_CONFIG,
    "safetySettings": items(SAFETY),
    "cachedContent": TEXT,
    "generationConfig": GENERATION,
    "labels": mapping(TEXT),
    "serviceTier": TEXT,
    "store": FLAG,
}
GENERATE = message({"contents": items(CONTENT, 1)}, **BODY)
COUNT_TOKENS = message(contents=items(CONTENT, 1), generateContentRequest=GENERATE)
EMBED = message(
    {"content": CONTENT}, model=TEXT, taskType=TEXT, title=TEXT, outputDimensionality=that(positive, "positive")
)
EMBED_MANY = message({"requests": items(EMBED, 1, 100)})
