"""The fields of Responses requests. Source: types of the SDK `openai` 3.54.0 (2026-11)."""

from collections.abc import Mapping

from .checks import (
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
from .shapes import Shape, any_of, fields, items, mapping, maybe, tagged, that

TEXT, FLAG, FREE = that(text, "a string"), that(boolean, "a boolean"), that(obj, "an object")
NAME = that(matching(r"[a-zA-Z0-9_-]{1,64}"), "a string that matches the pattern '^[a-zA-Z0-9_-]+$', at most 64 long")
CALL_ID = that(lambda it: isinstance(it, str) and 1 <= len(it) <= 64, "a string of 1 to 64 characters")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
INCLUDABLE = (
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "web_search_call.action.sources",
    "web_search_call.results",
    "file_search_call.results",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)
HOSTED_TOOLS = (
    "web_search",
    "web_search_preview",
    "web_search_2025_08_26",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "computer",
    "computer_use_preview",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "programmatic_tool_calling",
)
HOSTED_ITEMS = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "computer_call",
    "computer_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "tool_search_call",
    "tool_search_output",
    "compaction",
    "compaction_trigger",
    "program",
    "program_output",
    "additional_tools",
)


def word(*values: str) -> Shape:
    return that(one_of(values), f"one of {', '.join(map(repr, values))}")


def own_id(prefix: str, *others: str) -> Shape:
    """An item's id; `others` are longer prefixes that are as good."""
    begins = "|".join((prefix, *others))
    return that(matching(rf"(?:{begins})_[a-zA-Z0-9_-]{{1,60}}"), f"an ID that begins with '{prefix}'")


SCHEMA = that(json_schema, "a valid JSON schema")
KIND = {"type": TEXT}
STATUS = {"status": maybe(word("in_progress", "completed", "incomplete"))}
MARK = {"prompt_cache_breakpoint": FREE}
DETAIL = {"detail": word("auto", "low", "high", "original")}
INPUT_PARTS: Mapping[str, Shape] = {
    "input_text": fields({**KIND, "text": TEXT}, MARK),
    "input_image": fields(KIND, {**MARK, **DETAIL, "image_url": maybe(TEXT), "file_id": maybe(TEXT)}),
    "input_file": fields(
        KIND,
        {**MARK, **DETAIL, **dict.fromkeys(("file_data", "file_url", "filename"), TEXT), "file_id": maybe(TEXT)},
    ),
}
AUDIO = fields({**KIND, "input_audio": fields({"data": TEXT, "format": word("wav", "mp3")})})
OUTPUT_PARTS = {
    "output_text": fields(
        {**KIND, "text": TEXT}, {"annotations": that(list_of(obj), "a list"), "logprobs": that(list_of(obj), "a list")}
    ),
    "refusal": fields({**KIND, "refusal": TEXT}),
}
ROLE = {"role": TEXT}
ASKED = fields(
    {**ROLE, "content": any_of(TEXT, items(tagged("type", {**INPUT_PARTS, "input_audio": AUDIO})))},
    {**STATUS, "type": TEXT, "id": own_id("msg")},
)
SAID = fields(
    {**ROLE, "content": any_of(TEXT, items(tagged("type", OUTPUT_PARTS)))},
    {**STATUS, "type": TEXT, "id": own_id("msg"), "phase": maybe(word("commentary", "final_answer"))},
)
MESSAGE = tagged("role", {"user": ASKED, "system": ASKED, "developer": ASKED, "assistant": SAID})
OUTPUT = any_of(TEXT, items(tagged("type", INPUT_PARTS)))
CALLER = {"caller": maybe(FREE), "namespace": TEXT}
ITEM = tagged(
    "type",
    {
        "message": MESSAGE,
        "reasoning": fields(
            {**KIND, "summary": items(fields({"type": word("summary_text"), "text": TEXT}))},
            {
                **STATUS,
                "id": own_id("rs"),
                "content": maybe(items(fields({"type": word("reasoning_text"), "text": TEXT}))),
                "encrypted_content": maybe(TEXT),
            },
        ),
        "function_call": fields(
            {**KIND, "call_id": CALL_ID, "name": NAME, "arguments": TEXT}, {**STATUS, **CALLER, "id": own_id("fc")}
        ),
        "function_call_output": fields(
            {**KIND, "call_id": CALL_ID, "output": OUTPUT},
            {**STATUS, **CALLER, "id": maybe(own_id("fc", "fco")), "name": maybe(TEXT)},
        ),
        "custom_tool_call": fields(
            {**KIND, "call_id": CALL_ID, "name": NAME, "input": TEXT}, {**STATUS, **CALLER, "id": own_id("ctc")}
        ),
        "custom_tool_call_output": fields(
            {**KIND, "call_id": CALL_ID, "output": OUTPUT},
            {**STATUS, **CALLER, "id": own_id("ctc", "ctco"), "name": maybe(TEXT)},
        ),
        "item_reference": fields({"type": TEXT, "id": TEXT}),
        **dict.fromkeys(HOSTED_ITEMS, fields(KIND, others=True)),
    },
    default="message",
)
LOADING = {"allowed_callers": maybe(that(list_of(text), "a list")), "defer_loading": FLAG}
FUNCTION = fields(
    {**KIND, "name": NAME},
    {
        **LOADING,
        "parameters": maybe(SCHEMA),
        "strict": maybe(FLAG),
        "description": maybe(TEXT),
        "output_schema": maybe(FREE),
    },
)
GRAMMAR = tagged(
    "type",
    {
        "text": fields(KIND),
        "grammar": fields({**KIND, "syntax": word("lark", "regex"), "definition": TEXT}),
    },
)
CUSTOM = fields({**KIND, "name": NAME}, {**LOADING, "description": TEXT, "format": GRAMMAR})
TOOLS: Mapping[str, Shape] = {
    "function": FUNCTION,
    "custom": CUSTOM,
    "namespace": fields(
        {**KIND, "name": TEXT, "tools": items(tagged("type", {"function": FUNCTION, "custom": CUSTOM}))},
        {"description": TEXT},
    ),
    **dict.fromkeys(HOSTED_TOOLS, fields(KIND, others=True)),
}
CHOICE = any_of(
    word("none", "auto", "required"),
    tagged(
        "type",
        {
            "function": fields({**KIND, "name": NAME}),
            "custom": fields({**KIND, "name": NAME}),
            "mcp": fields({**KIND, "server_label": TEXT}, {"name": maybe(TEXT)}),
            "allowed_tools": fields(
                {**KIND, "mode": word("auto", "required"), "tools": that(list_of(obj, 1), "a list")}
            ),
            **dict.fromkeys(HOSTED_TOOLS, fields(KIND)),
        },
    ),
)
FORMAT = tagged(
    "type",
    {
        "text": fields(KIND),
        "json_object": fields(KIND),
        "json_schema": fields({**KIND, "name": NAME, "schema": SCHEMA}, {"description": TEXT, "strict": maybe(FLAG)}),
    },
)
OPTIONAL: dict[str, Shape] = {
    "input": any_of(that(lambda it: isinstance(it, str) and bool(it), "a string"), items(ITEM, 1)),
    "instructions": TEXT,
    "max_output_tokens": that(lambda it: integer(it) and it >= 16, "an integer >= 16"),
    "max_tool_calls": that(positive, "a positive integer"),
    "temperature": that(between(0, 2), "between 0 and 2"),
    "top_p": that(between(0, 1), "between 0 and 1"),
    "top_logprobs": that(whole_between(0, 20), "between 0 and 20"),
    "tools": items(tagged("type", TOOLS)),
    "tool_choice": CHOICE,
    "parallel_tool_calls": FLAG,
    "text": fields({}, {"format": maybe(FORMAT), "verbosity": maybe(word("low", "medium", "high"))}),
    "reasoning": fields(
        {},
        {
            "effort": maybe(word(*EFFORTS)),
            "summary": maybe(word("auto", "concise", "detailed")),
            "generate_summary": maybe(word("auto", "concise", "detailed")),
            "context": maybe(word("auto", "current_turn", "all_turns")),
            "mode": maybe(word("standard", "pro")),
        },
    ),
    "include": items(word(*INCLUDABLE)),
    "store": FLAG,
    "previous_response_id": TEXT,
    "conversation": any_of(TEXT, fields({"id": TEXT})),
    "background": FLAG,
    "prompt": fields({"id": TEXT}, {"version": maybe(TEXT), "variables": maybe(FREE)}),
    "truncation": word("auto", "disabled"),
    "context_management": that(list_of(obj), "a list"),
    "stream": FLAG,
    "stream_options": fields({}, {"include_obfuscation": FLAG}),
    "metadata": mapping(TEXT),
    "service_tier": word("auto", "default", "flex", "scale", "priority", "fast"),
    "prompt_cache_retention": word("in_memory", "24h"),
    "prompt_cache_options": FREE,
    "moderation": FREE,
    "client_metadata": mapping(TEXT),  # what the vendor's own command-line tool sends
    **dict.fromkeys(("user", "safety_identifier", "prompt_cache_key"), TEXT),
}
CREATE = fields({"model": TEXT}, OPTIONAL, nulls=True)
