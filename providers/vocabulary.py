"""The longer tables of the catalogue's closed vocabulary: what its files may say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Where each operation of a format lies under base_url, unless an entry's ``operations`` says otherwise.
USUAL_PATHS: Mapping[str, Mapping[str, str]] = {
    "openai_chat": {
        "chat": "/chat/completions",
        "completions": "/completions",
        "models": "/models",
        "embeddings": "/embeddings",
        "images": "/images/generations",
        "transcription": "/audio/transcriptions",
        "speech": "/audio/speech",
        "moderation": "/moderations",
        "rerank": "/rerank",
    },
    "openai_responses": {"chat": "/responses", "count": "/responses/input_tokens", "models": "/models"},
    "anthropic": {"chat": "/messages", "count": "/messages/count_tokens", "models": "/models"},
    # Gemini names the model in the path; a stream is another path.
    "gemini": {
        "chat": "/models/{model}:generateContent",
        "chat_stream": "/models/{model}:streamGenerateContent?alt=sse",
        "count": "/models/{model}:countTokens",
        "embeddings": "/models/{model}:batchEmbedContents",
        "models": "/models",
    },
}
# Top-level request fields that ``RequestRules`` may speak of, per format.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "openai_chat": frozenset(
        (
            "audio",
            "best_of",
            "echo",
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
            "max_tokens",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "reasoning_effort",
            "response_format",
            "safety_identifier",
            "seed",
            "service_tier",
            "stop",
            "store",
            "stream_options",
            "suffix",
            "temperature",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
            "user",
            "verbosity",
            "web_search_options",
        )
    ),
    "openai_responses": frozenset(
        (
            "frequency_penalty",
            "include",
            "instructions",
            "logprobs",
            "max_output_tokens",
            "max_tokens",
            "metadata",
            "n",
            "parallel_tool_calls",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_retention",
            "reasoning",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "stream",
            "stream_options",
            "temperature",
            "text",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
            "truncation",
            "user",
        )
    ),
}
# The same of operations beside chat, whose bodies are OpenAI's with vendors' own words in them.
SERVICE_PARAMETERS: Mapping[str, frozenset[str]] = {
    "embeddings": frozenset(("dimensions", "encoding_format", "input_type", "output_dimension", "user")),
    "images": frozenset(
        ("background", "moderation", "n", "output_format", "quality", "response_format", "size", "style", "user")
    ),
}
# How a body is wrapped for upstreams that carry a known format inside a shape of their own; "" = not at all.
ENVELOPES = (
    "",
    "antigravity",
    "bedrock_converse",
    "bedrock_invoke",
    "code_assist",
    "codex",
    "copilot",
    "cursor",
    "kiro",
    "vertex_raw",
)
# The vendors' own logins an entry may name: whose connections are grants, not keys.
LOGINS = frozenset(
    (
        "antigravity",
        "claude",
        "cline",
        "codex",
        "cursor",
        "gemini-cli",
        "github",
        "iflow",
        "kilocode",
        "kimi-coding",
        "kiro",
        "qwen",
    )
)
# What some models are billed by beside text tokens: image and audio tokens (per million), images, minutes of audio,
# characters (per million), rerank queries.
UNITS = ("image_output", "audio_input", "audio_output", "image", "audio_minute", "characters", "query")
QUOTA_KINDS = ("rolling", "fixed")


def nothing() -> Mapping[str, Any]:
    """An empty table that stays empty: the default of every table of an entry."""
    return MappingProxyType({})
