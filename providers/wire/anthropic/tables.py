"""The vendor's words and ours."""

from __future__ import annotations

from collections.abc import Mapping

FAMILY = "anthropic"
VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 8192  # where neither the client nor the catalogue says more
MIN_BUDGET = 1024  # tokens of thinking; always lower than max_tokens
LONGEST_USER_ID = 256  # characters

# stop_reason → ours; compatible vendors also write OpenAI's words.
FINISH: Mapping[str, str] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
STOP: Mapping[str, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "context_window": "model_context_window_exceeded",
    "other": "end_turn",
}

# Reasoning: effort → tokens for models that know budgets, and effort → output_config.effort for the others.
BUDGET: Mapping[str, int] = {
    "minimal": MIN_BUDGET,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}
EFFORT: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
EFFORT_UP_TO = ((4096, "low"), (10240, "medium"), (32768, "high"))  # budget → effort; above: xhigh

SERVICE_TIER: Mapping[str, str] = {
    "auto": "auto",
    "standard_only": "standard_only",
    "default": "standard_only",
    "priority": "auto",  # takes priority capacity where the account has it
}

# Beginnings of server tools' dated types → what they are for.
INTENTS: tuple[tuple[str, str], ...] = (("web_search_", "web_search"), ("code_execution_", "code"))
WEB_SEARCH: Mapping[str, str] = {"type": "web_search_20250305", "name": "web_search"}

# What still needs a beta header: by the beginning of a tool's type, and by a field of the body.
FILES_BETA = "files-api-2025-04-14"
TOOL_BETAS: tuple[tuple[str, str], ...] = (
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("code_execution_20250522", "code-execution-2025-05-22"),
    ("code_execution_20250825", "code-execution-2025-08-25"),
    ("web_fetch_20250910", "web-fetch-2025-09-10"),
    ("memory_20250818", "context-management-2025-06-27"),
    ("mcp_toolset", "mcp-client-2025-11-20"),
)
FIELD_BETAS: Mapping[str, str] = {
    "context_management": "context-management-2025-06-27",
    "mcp_servers": "mcp-client-2025-11-20",
    "speed": "fast-mode-2026-02-01",
}
