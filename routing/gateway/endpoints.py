"""Path → what is asked for. Tables; tools write the version once, twice or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from providers.wire.errors import Refusal

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One client API: the format its clients speak, the operation, the method it takes."""

    format: str
    operation: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Call:
    """An endpoint as it was called. ``name`` is what the path names (a model, a response); ``stream`` and ``array``
    are Gemini's: its path says whether to stream, its query whether as events or as one JSON array. ``query`` of a call
    for a stored response."""

    endpoint: Endpoint
    name: str = ""
    stream: bool | None = None
    array: bool = False
    query: bytes = b""


CHAT = Endpoint("openai_chat", "chat")
COMPLETIONS = Endpoint("openai_chat", "completions")
MODELS = Endpoint("openai_chat", "models", "GET")
RESPONSES = Endpoint("openai_responses", "chat")
MESSAGES = Endpoint("anthropic", "chat")
COUNT_MESSAGES = Endpoint("anthropic", "count")
EMBEDDINGS = Endpoint("openai_chat", "embeddings")

ENDPOINTS: Mapping[str, Endpoint] = {
    "/chat/completions": CHAT,
    "/completions": COMPLETIONS,
    "/models": MODELS,
    "/responses": RESPONSES,
    "/responses/input_tokens": Endpoint("openai_responses", "count"),
    "/messages": MESSAGES,
    "/messages/count_tokens": COUNT_MESSAGES,
    "/embeddings": EMBEDDINGS,
    "/images/generations": Endpoint("openai_chat", "images"),
    "/audio/transcriptions": Endpoint("openai_chat", "transcription"),
    "/audio/speech": Endpoint("openai_chat", "speech"),
    "/moderations": Endpoint("openai_chat", "moderation"),
    "/rerank": Endpoint("openai_chat", "rerank"),
    "/v2/rerank": Endpoint("openai_chat", "rerank"),  # where Cohere's clients ask; the shape is the same
}
# What may follow a model's name behind a colon.
ACTIONS: Mapping[str, tuple[Endpoint, bool]] = {
    "generateContent": (Endpoint("gemini", "chat"), False),
    "streamGenerateContent": (Endpoint("gemini", "chat"), True),
    "countTokens": (Endpoint("gemini", "count"), False),
    "embedContent": (Endpoint("gemini", "embeddings"), False),
    "batchEmbedContents": (Endpoint("gemini", "embeddings"), False),
}
# What may follow a stored response's id.
STORED: Mapping[tuple[str, str], Endpoint] = {
    ("GET", ""): Endpoint("openai_responses", "stored", "GET"),
    ("DELETE", ""): Endpoint("openai_responses", "forget", "DELETE"),
    ("GET", "/input_items"): Endpoint("openai_responses", "input_items", "GET"),
}
USUAL = {(endpoint.method, f"/v1{path}"): Call(endpoint) for path, endpoint in ENDPOINTS.items() if path != "/models"}
USUAL_FORMATS = {path: call.endpoint.format for (_, path), call in USUAL.items()}
ROOTS = ("/v1", "/v1beta")  # everything below them is the gateway's, known or not
OURS = ("/v1/", "/v1beta/", "/models/", "/responses/")


def is_client_path(path: str) -> bool:
    """Whether a path belongs to the client APIs rather than to the dashboard."""
    return path.startswith(OURS) or path in ROOTS or path.rstrip("/") in ENDPOINTS


def find(method: str, path: str, query: bytes = b"", headers: Headers = ()) -> Call:
    """What is asked for. Raises Refusal 404 or 405."""
    if (usual := USUAL.get((method, path))) is not None:
        return usual
    short = _short(path)
    if short.startswith("/models/") and (method == "POST" or short.rpartition(":")[2] in ACTIONS):
        return _gemini(method, short, query)
    if short.startswith("/responses/") and short.rstrip("/") not in ENDPOINTS:
        return _stored(method, short, query)
    name = ""
    if short.startswith("/models/"):
        short, name = "/models", unquote(short[len("/models/") :])
    endpoint = ENDPOINTS.get(short.rstrip("/") or short)
    if endpoint is None:
        raise Refusal(404, f"Unknown path: {method} {path[:200]}", code="unknown_url")
    if method != endpoint.method and not (method == "HEAD" and endpoint.method == "GET"):
        raise Refusal(405, f"{path[:200]} takes {endpoint.method}, not {method}.", code="method_not_allowed")
    if endpoint is MODELS:
        endpoint = Endpoint(format_of(path, headers), "models", "GET")
    return Call(endpoint, name)


def format_of(path: str, headers: Headers) -> str:
    """The format in which a caller of this path expects an answer, an error included."""
    if (usual := USUAL_FORMATS.get(path)) is not None:
        return usual
    if path.startswith("/v1beta") or (path.rpartition("/")[2].partition(":")[2] in ACTIONS):
        return "gemini"
    short = _short(path)
    if short.startswith("/messages"):
        return "anthropic"
    if short.startswith("/responses"):
        return "openai_responses"
    if short.startswith("/models"):
        names = {name for name, _ in headers}
        if b"anthropic-version" in names:
            return "anthropic"
        return "gemini" if b"x-goog-api-key" in names else "openai_chat"
    return "openai_chat"


def _short(path: str) -> str:
    if path.startswith("/v1beta/"):
        return path[7:]
    for _ in range(2):
        if path.startswith("/v1/"):
            path = path[3:]
    return path


def _gemini(method: str, short: str, query: bytes) -> Call:
    model, _, action = short[len("/models/") :].rpartition(":")
    endpoint, stream = ACTIONS.get(action, (None, False))
    if endpoint is None or not model:
        raise Refusal(404, f"Unknown action: {action[:60]}", code="unknown_url")
    if method != "POST":
        raise Refusal(405, f"{action} takes POST, not {method}.", code="method_not_allowed")
    array = stream and parse_qs(query.decode("latin-1")).get("alt") != ["sse"]
    return Call(endpoint, unquote(model), stream, array)


def _stored(method: str, short: str, query: bytes) -> Call:
    name, slash, rest = short[len("/responses/") :].partition("/")
    endpoint = STORED.get((method, slash + rest))
    if endpoint is None or not name:
        raise Refusal(404, f"Unknown path: {method} {short[:200]}", code="unknown_url")
    return Call(endpoint, unquote(name), query=query)
