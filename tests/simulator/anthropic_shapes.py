"""The fields of Messages requests. Source: types of the SDK `anthropic` 2.12.0 (2026-11)."""

from collections.abc import Iterator
from typing import Any

from .checks import (
    base64_text,
    between,
    boolean,
    integer,
    json_schema,
    list_of,
    matching,
    obj,
    one_of,
    positive,
    text,
    whole_between,
)
from .shapes import Fault, Shape, any_of, fields, items, maybe, tagged, that

SAMPLING = {"temperature", "top_p", "top_k"}
NAME = that(matching(r"[a-zA-Z0-9_-]{1,128}"), "a string that matches '^[a-zA-Z0-9_-]{1,128}$'")
ID = that(matching(r"[a-zA-Z0-9_-]+"), "a string that matches '^[a-zA-Z0-9_-]+$'")
TEXT = that(text, "a valid string")
SAID = that(lambda value: isinstance(value, str) and bool(value.strip()), "text that contains non-whitespace")
FREE = that(obj, "a valid dictionary")
FLAG = that(boolean, "a valid boolean")
DATA = that(base64_text, "valid base64 data")
SERVER_TOOLS = (
    r"(web_search|web_fetch|code_execution|bash|text_editor|computer|computer_toolset|browser_toolset|memory"
    r"|tool_search_tool_regex|tool_search_tool_bm25)_\d{8}"
)


def word(*values: str) -> Shape:
    return that(one_of(values), " or ".join(repr(it) for it in values))


CACHE = {"cache_control": maybe(fields({"type": word("ephemeral")}, {"ttl": word("5m", "1h")}))}
KIND = {"type": TEXT}
TEXT_BLOCK = fields({**KIND, "text": SAID}, {**CACHE, "citations": maybe(that(list_of(obj), "a list"))})
BY_URL, BY_FILE = fields({**KIND, "url": TEXT}), fields({**KIND, "file_id": TEXT})
IMAGE_TYPE = word("image/jpeg", "image/png", "image/gif", "image/webp")
IMAGE = fields(
    {
        **KIND,
        "source": tagged(
            "type",
            {"base64": fields({**KIND, "media_type": IMAGE_TYPE, "data": DATA}), "url": BY_URL, "file": BY_FILE},
        ),
    },
    CACHE,
)
DOCUMENT_SOURCE = tagged(
    "type",
    {
        "base64": fields({**KIND, "media_type": word("application/pdf"), "data": DATA}),
        "text": fields({**KIND, "media_type": word("text/plain"), "data": TEXT}),
        "url": BY_URL,
        "file": BY_FILE,
        "content": fields(
            {**KIND, "content": any_of(TEXT, items(tagged("type", {"text": TEXT_BLOCK, "image": IMAGE})))}
        ),
    },
)
CITATIONS = maybe(fields({}, {"enabled": FLAG}))
DOCUMENT = fields(
    {**KIND, "source": DOCUMENT_SOURCE},
    {**CACHE, "title": maybe(TEXT), "context": maybe(TEXT), "citations": CITATIONS},
)
SEARCH_RESULT = fields(
    {**KIND, "source": TEXT, "title": TEXT, "content": items(tagged("type", {"text": TEXT_BLOCK}))},
    {**CACHE, "citations": CITATIONS},
)
SHOWN = {"text": TEXT_BLOCK, "image": IMAGE, "document": DOCUMENT, "search_result": SEARCH_RESULT}
TOOL_RESULT = fields(
    {**KIND, "tool_use_id": ID},
    {
        **CACHE,
        "content": any_of(
            TEXT, items(tagged("type", {**SHOWN, "tool_reference": fields({**KIND, "tool_name": NAME}, CACHE)}))
        ),
        "is_error": FLAG,
    },
)
TOOL_USE = fields({**KIND, "id": ID, "name": NAME, "input": FREE}, {**CACHE, "caller": FREE})
ANY_BLOCK = fields(KIND, others=True)  # of hosted tools: replayed as they came
HOSTED = ("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result")
MORE_HOSTED = ("bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result")
USER = tagged("type", {**SHOWN, "tool_result": TOOL_RESULT, "container_upload": ANY_BLOCK})
ASSISTANT = tagged(
    "type",
    {
        "text": TEXT_BLOCK,
        "tool_use": TOOL_USE,
        "thinking": fields({**KIND, "thinking": TEXT, "signature": TEXT}),
        "redacted_thinking": fields({**KIND, "data": TEXT}),
        **dict.fromkeys((*HOSTED, *MORE_HOSTED), ANY_BLOCK),
    },
)
SYSTEM = any_of(TEXT, items(tagged("type", {"text": TEXT_BLOCK})))
MESSAGE = tagged(
    "role",
    {
        "user": fields({"role": TEXT, "content": any_of(TEXT, items(USER))}),
        "assistant": fields({"role": TEXT, "content": any_of(TEXT, items(ASSISTANT))}),
        "system": fields({"role": TEXT, "content": SYSTEM}),
    },
)
VALID_SCHEMA = that(json_schema, "a valid JSON schema")
OBJECT_SCHEMA = fields({"type": word("object")}, others=True)


def input_schema(value: Any, at: str) -> Iterator[Fault]:
    """A JSON schema of an object."""
    yield from OBJECT_SCHEMA(value, at)
    yield from VALID_SCHEMA(value, at)


CUSTOM_TOOL = fields(
    {"name": NAME, "input_schema": input_schema},
    {
        **CACHE,
        "type": maybe(word("custom")),
        "description": TEXT,
        "strict": FLAG,
        "defer_loading": FLAG,
        "eager_input_streaming": maybe(FLAG),
        "input_examples": that(list_of(obj), "a list of objects"),
        "allowed_callers": that(list_of(text), "a list of strings"),
    },
)
SERVER_TOOL = fields({"type": that(matching(SERVER_TOOLS), "a known tool type"), "name": NAME}, others=True)
PARALLEL = {"disable_parallel_tool_use": FLAG}
DISPLAY = {"display": maybe(word("summarized", "omitted"))}
COMMON = {
    "system": SYSTEM,
    "tools": items(any_of(CUSTOM_TOOL, SERVER_TOOL)),
    "tool_choice": tagged(
        "type",
        {
            "auto": fields(KIND, PARALLEL),
            "any": fields(KIND, PARALLEL),
            "tool": fields({**KIND, "name": NAME}, PARALLEL),
            "none": fields(KIND),
        },
    ),
    "thinking": tagged(
        "type",
        {
            "enabled": fields(
                {**KIND, "budget_tokens": that(lambda it: integer(it) and it >= 1024, ">= 1024")}, DISPLAY
            ),
            "adaptive": fields(KIND, DISPLAY),
            "disabled": fields(KIND),
            "between_tools": fields(KIND, DISPLAY),
        },
    ),
    "output_config": fields(
        {},
        {
            "effort": maybe(word("low", "medium", "high", "xhigh", "max")),
            "format": maybe(fields({"type": word("json_schema"), "schema": VALID_SCHEMA})),
        },
    ),
    **CACHE,
    "speed": maybe(word("standard", "fast")),
}
BODY = {"model": that(lambda it: isinstance(it, str) and bool(it), "a model name"), "messages": items(MESSAGE, 1)}
CREATE = fields(
    {**BODY, "max_tokens": that(positive, "an integer greater than or equal to 1")},
    {
        **COMMON,
        "stream": FLAG,
        "temperature": that(between(0, 1), "between 0 and 1"),
        "top_p": that(between(0, 1), "between 0 and 1"),
        "top_k": that(whole_between(0, 500), "a whole number"),
        "stop_sequences": items(SAID),
        "metadata": fields({}, {"user_id": maybe(TEXT)}),
        "service_tier": word("auto", "standard_only"),
        "container": maybe(any_of(TEXT, FREE)),
        "inference_geo": maybe(TEXT),
        "diagnostics": maybe(FREE),
    },
)
COUNT = fields(BODY, COMMON)
