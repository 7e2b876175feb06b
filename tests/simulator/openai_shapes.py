"""The objects inside Chat Completions requests. Source: types of the SDK `openai` 3.54.0 (2026-11)."""

from .checks import boolean, json_schema, list_of, matching, obj, one_of, text
from .shapes import Shape, any_of, fields, items, maybe, tagged, that

TEXT, FLAG, FREE = that(text, "a string"), that(boolean, "a boolean"), that(obj, "an object")
NAME = that(matching(r"[a-zA-Z0-9_-]{1,64}"), "a string that matches the pattern '^[a-zA-Z0-9_-]+$', at most 64 long")
ID = that(lambda it: isinstance(it, str) and bool(it), "a string, not empty")
SCHEMA = that(json_schema, "a valid JSON schema")
KIND = {"type": TEXT}


def word(*values: str) -> Shape:
    return that(one_of(values), f"one of {', '.join(map(repr, values))}")


MARK = {"prompt_cache_breakpoint": FREE}
TEXT_PART = fields({**KIND, "text": TEXT}, MARK)
URL = that(matching(r"(?s)https?://.+|data:[a-z]+/[a-z0-9.+-]+;base64,.+"), "a URL or a data URI")
IMAGE = fields({"url": URL}, {"detail": word("auto", "low", "high", "original")})
ASKED = {
    "text": TEXT_PART,
    "image_url": fields({**KIND, "image_url": IMAGE}, MARK),
    "input_audio": fields({**KIND, "input_audio": fields({"data": TEXT, "format": word("wav", "mp3")})}, MARK),
    "file": fields({**KIND, "file": fields({}, dict.fromkeys(("file_data", "file_id", "filename"), TEXT))}, MARK),
}
SAID = {"text": TEXT_PART, "refusal": fields({**KIND, "refusal": TEXT})}


def content(**parts: Shape) -> Shape:
    return any_of(TEXT, items(tagged("type", parts), 1))


ROLE = {"role": TEXT}
NAMED = {"name": TEXT}
INSTRUCTION = fields({**ROLE, "content": content(text=TEXT_PART)}, NAMED)
CALL = tagged(
    "type",
    {
        "function": fields({**KIND, "id": ID, "function": fields({"name": NAME, "arguments": TEXT})}),
        "custom": fields({**KIND, "id": ID, "custom": fields({"name": NAME, "input": TEXT})}),
    },
)
MESSAGE = tagged(
    "role",
    {
        "system": INSTRUCTION,
        "developer": INSTRUCTION,
        "user": fields({**ROLE, "content": content(**ASKED)}, NAMED),
        "assistant": fields(
            ROLE,
            {
                **NAMED,
                "content": maybe(content(**SAID)),
                "tool_calls": items(CALL, 1),
                "refusal": maybe(TEXT),
                "audio": maybe(fields({"id": TEXT})),
                "function_call": maybe(fields({"name": NAME, "arguments": TEXT})),
                "annotations": that(list_of(obj), "a list"),
            },
        ),
        "tool": fields({**ROLE, "tool_call_id": TEXT, "content": content(text=TEXT_PART)}),
        "function": fields({**ROLE, "name": TEXT, "content": maybe(TEXT)}),
    },
)
FUNCTION = fields({"name": NAME}, {"description": TEXT, "parameters": SCHEMA, "strict": maybe(FLAG)})
GRAMMAR = fields({"syntax": word("lark", "regex"), "definition": TEXT})
CUSTOM_FORMAT = tagged("type", {"text": fields(KIND), "grammar": fields({**KIND, "grammar": GRAMMAR})})
TOOL = tagged(
    "type",
    {
        "function": fields({**KIND, "function": FUNCTION}),
        "custom": fields({**KIND, "custom": fields({"name": NAME}, {"description": TEXT, "format": CUSTOM_FORMAT})}),
    },
)
BY_NAME = fields({"name": NAME})
ALLOWED = fields({"mode": word("auto", "required"), "tools": that(list_of(obj, 1), "a list")})
TOOL_CHOICE = any_of(
    word("none", "auto", "required"),
    tagged(
        "type",
        {
            "function": fields({**KIND, "function": BY_NAME}),
            "custom": fields({**KIND, "custom": BY_NAME}),
            "allowed_tools": fields({**KIND, "allowed_tools": ALLOWED}),
        },
    ),
)
NAMED_SCHEMA = fields({"name": NAME}, {"description": TEXT, "schema": SCHEMA, "strict": maybe(FLAG)})
RESPONSE_FORMAT = tagged(
    "type",
    {
        "text": fields(KIND),
        "json_object": fields(KIND),
        "json_schema": fields({**KIND, "json_schema": NAMED_SCHEMA}),
    },
)
