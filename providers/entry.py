"""A provider as data: what the catalogue says of it, merged with what the operator overrides.

Everything past this module works with :class:`Entry`; nobody asks a provider for its name to decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from urllib.parse import quote, urlsplit

from providers.parameters import Parameter, filled
from providers.quirks import NO_RULES, RequestRules, ServiceRules, Variant
from providers.vocabulary import USUAL_PATHS, nothing
from providers.wire.errors import Kind
from providers.wire.traits import Traits

TIERS = ("subscription", "api_key", "cheap", "free")
FORMATS = ("openai_chat", "openai_responses", "anthropic", "gemini")
TRANSPORTS = ("fast", "aiohttp")
# How a secret is sent: header and form. "optional_" before a name: works without a secret as well.
AUTH_HEADERS: Mapping[str, tuple[str, str]] = {
    "bearer": ("authorization", "Bearer {}"),
    "x_api_key": ("x-api-key", "{}"),
    "x_goog_api_key": ("x-goog-api-key", "{}"),
    "api_key": ("api-key", "{}"),
    "token": ("authorization", "Token {}"),
    "authorization": ("authorization", "{}"),
    "xi_api_key": ("xi-api-key", "{}"),
}
# Schemes of ``providers.auth``: the secret is more than a header's text.
SIGNED = ("sigv4", "vertex", "copilot", "oauth")
AUTH_SCHEMES = ("none", *AUTH_HEADERS, *(f"optional_{name}" for name in AUTH_HEADERS), *SIGNED)
# What an upstream of a format takes when nothing else is known.
USUAL_AUTH: Mapping[str, str] = {"anthropic": "x_api_key", "gemini": "x_goog_api_key"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens, by class; None = not known. ``per``: USD per unit of ``vocabulary.UNITS``. ``source``
    names where the figures come from."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_over_200k: Decimal | None = None
    output_over_200k: Decimal | None = None
    per: Mapping[str, Decimal] = field(default_factory=nothing)
    source: str = "catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a provider. ``context`` and ``max_output`` are tokens; ``dimensions`` an embedding's; ``shutdown`` is
    the announced last day; ``own``: the operator has a row for it, which decides whether it is offered."""

    id: str
    name: str = ""
    operation: str = "chat"
    context: int | None = None
    max_output: int | None = None
    dimensions: int | None = None
    capabilities: frozenset[str] = frozenset()
    efforts: frozenset[str] = frozenset()  # of reasoning, beside low, medium and high; empty: not known
    price: Price | None = None
    shutdown: date | None = None
    uncertain: bool = False
    enabled: bool = True
    own: bool = False

    def offered(self, today: date) -> bool:
        """Whether it may be asked for: switched on, and its last day is not over or the operator keeps it."""
        return self.enabled and (self.own or self.shutdown is None or self.shutdown >= today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit of an account as the vendor tells it, in words: "5h", "1 month"; ``limit`` and ``resets`` may be ""."""

    window: str
    kind: str = ""
    limit: str = ""
    resets: str = ""
    uncertain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One provider, checked and complete."""

    id: str
    name: str
    alias: str
    also: tuple[str, ...] = ()  # further prefixes
    format: str
    base_url: str
    elsewhere: tuple[str, ...] = ()  # other base URLs of the same vendor: another region, another plan
    envelope: str = ""
    auth: str = "bearer"
    token_url: str = ""  # where the secret is exchanged for a token, when that is not the scheme's usual place
    login: str = ""  # the vendor's login that makes its connections; "" = keys only
    tier: str = "api_key"
    headers: Mapping[str, str] = field(default_factory=nothing)
    operations: Mapping[str, str] = field(default_factory=nothing)
    only: frozenset[str] = frozenset()  # the operations there are; empty = all of the format
    unspoken: frozenset[str] = frozenset()  # of these, those in a shape of the vendor's own that we do not speak
    shapes: Mapping[str, str] = field(default_factory=nothing)  # those in one that we do: a word of wire.media.shapes
    parameters: tuple[Parameter, ...] = ()
    models: Mapping[str, Model] = field(default_factory=nothing)
    any_model: bool = False  # names that are not in ``models`` are forwarded as they are
    allow_private_network: bool = False
    transport: str = "fast"
    stream_usage: bool = True  # takes stream_options.include_usage
    always_streams: bool = False  # answers in streams only
    # Fields of wire.traits.Traits that differ from the default: of all models, and by pattern over model ids.
    traits: Mapping[str, object] = field(default_factory=nothing)
    model_traits: tuple[tuple[str, Mapping[str, object]], ...] = ()
    variants: tuple[Variant, ...] = ()
    services_take: tuple[ServiceRules, ...] = ()
    lists_models: bool = True  # has a list of models that can be asked for
    models_public: bool = False  # lists its models to anybody, so a listing says nothing about a credential
    request: RequestRules = NO_RULES
    failures: Mapping[str, Kind] = field(default_factory=nothing)  # status or code, as text → kind
    quota: tuple[Quota, ...] = ()
    plans: Mapping[str, Decimal] = field(default_factory=nothing)  # USD a month, by the plan's name
    uncertain: tuple[str, ...] = ()  # keys of this entry whose values should be checked before relying on them
    ended: date | None = None  # the vendor's last day: shown as such, never connected, never offered
    terms_risk: str = ""  # what the vendor's terms say against use from here; read and accepted before connecting
    key_prefix: str = ""
    website: str = ""
    key_url: str = ""
    notes: str = ""
    custom: bool = False
    tailored: dict[str, Traits] = field(default_factory=dict, init=False, repr=False, compare=False)  # see tailoring

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
    def login_only(self) -> bool:
        """Whether nothing but a login authenticates its requests: no API key does."""
        return self.auth == "oauth"

    @property
    def needs_secret(self) -> bool:
        return self.takes_secret and not self.auth.startswith("optional_")

    @property
    def signed(self) -> bool:
        """Whether ``providers.auth`` signs its requests; else the secret is a fixed header."""
        return self.auth in SIGNED

    @property
    def services(self) -> tuple[str, ...]:
        """The operations its listed models are for, chat first; those that can be asked for."""
        found = {model.operation for model in self.models.values()}
        return tuple(sorted(filter(self.has, found), key=lambda name: (name != "chat", name)))

    def on(self, day: date) -> Entry:
        """The entry as it is offered on a day: models that are over, or for what we do not speak, are off."""
        off = [m for m in self.models.values() if m.enabled and not (m.offered(day) and self.has(m.operation))]
        return replace(self, models={**self.models, **{m.id: replace(m, enabled=False) for m in off}}) if off else self

    def has(self, operation: str) -> bool:
        """Whether the operation can be asked for."""
        try:
            return bool(self.path(operation))
        except KeyError:
            return False

    def credential(self, secret: str) -> tuple[str, str]:
        """The header that carries a secret. KeyError when the provider takes none, or one that signs."""
        header, form = AUTH_HEADERS[self.auth.removeprefix("optional_")]
        return header, form.format(secret)

    def path(self, operation: str) -> str:
        """The path of an operation under ``base_url``. KeyError when there is no such operation."""
        if operation in self.unspoken:
            raise KeyError(operation)
        if path := self.operations.get(operation):
            return path
        if self.only and operation not in self.only:
            raise KeyError(operation)
        return USUAL_PATHS[self.format][operation]

    def target(self, operation: str, model: str, *, stream: bool = False) -> str:
        """Path and query of a request under ``base_url``; some formats name the model there, or the stream."""
        if stream and (streamed := self.operations.get(f"{operation}_stream") or self._usual(f"{operation}_stream")):
            path = streamed
        else:
            path = self.path(operation)
        if "{model}" not in path:
            return path
        return path.replace("{model}", quote(model, safe="" if "{model}/" in path else "/"))

    def _usual(self, operation: str) -> str | None:
        return USUAL_PATHS[self.format].get(operation)

    def of(self, model: str) -> Entry:
        """The entry as one of its models is spoken to: itself, or with the variants that match, later ones last."""
        entry = self
        for variant in self.variants:
            if variant.matches(model):
                entry = entry._spoken(variant)
        return entry

    def rules_of(self, operation: str, model: str) -> RequestRules:
        """What an operation beside chat does not take as it is, of this model."""
        return sum((one.request for one in self.services_take if one.about(operation, model)), NO_RULES)

    def _spoken(self, variant: Variant) -> Entry:
        if not variant.format:
            return replace(self, request=self.request + variant.request)
        return replace(
            self,
            format=variant.format,
            envelope=variant.envelope,
            operations=variant.operations,
            shapes=variant.shapes,
            request=variant.request,
        )

    def values(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """What the placeholders stand for with a connection's values. Raises ValueError, as ``at``."""
        values: dict[str, str] = {}
        for parameter in self.parameters:
            values |= parameter.values(parameters.get(parameter.name, ""))
        return values

    def at(self, parameters: Mapping[str, str]) -> Entry:
        """The entry with a connection's values in its base URL and headers; defaults where it gives none.

        Raises ValueError with a sentence that names the parameter that is missing or does not fit.
        """
        if not self.parameters:
            return self
        values = self.values(parameters) | {"client": "{client}"}  # filled when it is known who asks
        headers = {name: filled(text, values) for name, text in self.headers.items()}
        return replace(
            self,
            base_url=filled(self.base_url, values),
            headers={name: text for name, text in headers.items() if text},
        )

    def sends(self, client: str) -> dict[str, str]:
        """Its headers by their names in lower case, ``{client}`` filled by what we call ourselves."""
        return {name.lower(): text.replace("{client}", client) for name, text in self.headers.items()}

    @property
    def sample(self) -> Entry:
        """As :meth:`at`, with the examples of parameters that have no default."""
        return self.at({parameter.name: parameter.default or parameter.example for parameter in self.parameters})
