"""A provider as data: what the catalogue says of it, merged with what the operator overrides.

Everything past this module works with :class:`Entry`; nobody asks a provider for its name to decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from urllib.parse import quote, urlsplit

from providers.wire.errors import Kind

TIERS = ("subscription", "api_key", "cheap", "free")
FORMATS = ("openai_chat", "openai_responses", "anthropic", "gemini")
TRANSPORTS = ("fast", "aiohttp")
# How a secret is sent: header and form. "optional_" before a name: works without a secret as well.
AUTH_HEADERS: Mapping[str, tuple[str, str]] = {
    "bearer": ("authorization", "Bearer {}"),
    "x_api_key": ("x-api-key", "{}"),
    "x_goog_api_key": ("x-goog-api-key", "{}"),
}
AUTH_SCHEMES = ("none", *AUTH_HEADERS, *(f"optional_{name}" for name in AUTH_HEADERS))
# What an upstream of a format takes when nothing else is known.
USUAL_AUTH: Mapping[str, str] = {"anthropic": "x_api_key", "gemini": "x_goog_api_key"}
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
    "openai_responses": {"chat": "/responses", "models": "/models"},
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
# What ``operations`` may name. ``check``: a path whose GET tells whether a credential is good.
OPERATIONS = frozenset(
    (
        "chat",
        "chat_stream",
        "completions",
        "count",
        "models",
        "check",
        "embeddings",
        "images",
        "transcription",
        "speech",
        "moderation",
        "rerank",
    )
)
CAPABILITIES = frozenset(
    ("vision", "audio_in", "pdf", "tools", "parallel_tools", "json_schema", "reasoning", "cache", "web_search")
)
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens, by class; None = not known. ``source`` names where the figures come from."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    input_over_200k: Decimal | None = None
    output_over_200k: Decimal | None = None
    source: str = "catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a provider. ``context`` and ``max_output`` are tokens; ``shutdown`` is the announced last day."""

    id: str
    name: str = ""
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    price: Price | None = None
    shutdown: date | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRules:
    """What an upstream does not take as it is: applied by ``providers.body`` to top-level request fields."""

    drop: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    default: Mapping[str, object] = field(default_factory=dict)
    clamp: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One provider, checked and complete."""

    id: str
    name: str
    alias: str
    also: tuple[str, ...] = ()  # further prefixes
    format: str
    base_url: str
    auth: str = "bearer"
    tier: str = "api_key"
    headers: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    any_model: bool = False  # names that are not in ``models`` are forwarded as they are
    allow_private_network: bool = False
    transport: str = "fast"
    stream_usage: bool = True  # takes stream_options.include_usage
    # Fields of wire.traits.Traits that differ from the default: of all models, and by pattern over model ids.
    traits: Mapping[str, object] = field(default_factory=dict)
    model_traits: tuple[tuple[str, Mapping[str, object]], ...] = ()
    models_public: bool = False  # lists its models to anybody, so a listing says nothing about a credential
    request: RequestRules = RequestRules()
    failures: Mapping[str, Kind] = field(default_factory=dict)  # status or code, as text → kind
    key_prefix: str = ""
    website: str = ""
    key_url: str = ""
    notes: str = ""
    custom: bool = False

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Every word that may stand before the slash in a model name."""
        return tuple(dict.fromkeys((self.alias, self.id, *self.also)))

    @property
    def origin(self) -> str:
        """scheme://host:port of the base URL: what a stored secret is bound to."""
        parts = urlsplit(self.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"{parts.scheme}://{parts.hostname}:{port}"

    @property
    def takes_secret(self) -> bool:
        return self.auth != "none"

    @property
    def needs_secret(self) -> bool:
        return self.takes_secret and not self.auth.startswith("optional_")

    def credential(self, secret: str) -> tuple[str, str]:
        """The header that carries a secret. KeyError when the provider takes none."""
        header, form = AUTH_HEADERS[self.auth.removeprefix("optional_")]
        return header, form.format(secret)

    def path(self, operation: str) -> str:
        """The path of an operation under ``base_url``. KeyError when the format has no such operation."""
        return self.operations.get(operation) or USUAL_PATHS[self.format][operation]

    def target(self, operation: str, model: str, *, stream: bool = False) -> str:
        """Path and query of a request under ``base_url``; some formats name the model there, or the stream."""
        if stream and (streamed := self.operations.get(f"{operation}_stream") or self._usual(f"{operation}_stream")):
            path = streamed
        else:
            path = self.path(operation)
        return path.replace("{model}", quote(model, safe="/")) if "{model}" in path else path

    def _usual(self, operation: str) -> str | None:
        return USUAL_PATHS[self.format].get(operation)
