"""Path → what is asked for. Tables; tools write the version once, twice or not at all, and stray slashes."""

from __future__ import annotations

import re
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
    for a list of models or a stored response."""

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
STORED: Mapping[str, tuple[Endpoint, ...]] = {
    "": (Endpoint("openai_responses", "stored", "GET"), Endpoint("openai_responses", "forget", "DELETE")),
    "/input_items": (Endpoint("openai_responses", "input_items", "GET"),),
}
USUAL = {(endpoint.method, f"/v1{path}"): Call(endpoint) for path, endpoint in ENDPOINTS.items() if path != "/models"}
USUAL_FORMATS = {path: call.endpoint.format for (_, path), call in USUAL.items()}
ROOTS = ("/v1", "/v1beta")  # everything below them is the gateway's, known or not
OURS = ("/v1/", "/v1beta/", "/models/", "/responses/")
STORED_ID = "resp_"  # what is posted to another word is one of OpenAI's operations that there is not here
VERSION = re.compile(r"/v1(?:beta)?(?=/)")
SLASHES = re.compile(r"//+")


def is_client_path(path: str) -> bool:
    """Whether a path belongs to the client APIs rather than to the dashboard."""
    if path.startswith(OURS) or path in ROOTS or path.rstrip("/") in ENDPOINTS:
        return True
    return path.startswith("//") and is_client_path(SLASHES.sub("/", path))


def find(method: str, path: str, query: bytes = b"", headers: Headers = ()) -> Call:
    """What is asked for. Raises Refusal 404, or 405 with the methods that are taken."""
    if (usual := USUAL.get((method, path))) is not None:
        return usual
    short = _short(path)
    if short.startswith("/models/") and ((method == "POST" and ":" in short) or short.rpartition(":")[2] in ACTIONS):
        return _gemini(method, short, query)
    if short.startswith("/responses/") and short not in ENDPOINTS:
        return _stored(method, path, short, query)
    name = ""
    if short.startswith("/models/"):
        short, name = "/models", unquote(short[len("/models/") :])
    endpoint = ENDPOINTS.get(short)
    if endpoint is None:
        raise _unknown(method, path)
    _taken(method, path, endpoint)
    if endpoint is MODELS:
        return Call(Endpoint(format_of(path, headers), "models", "GET"), name, query=query)
    return Call(endpoint)


def format_of(path: str, headers: Headers) -> str:
    """The format in which a caller of this path expects an answer, an error included."""
    if (usual := USUAL_FORMATS.get(path)) is not None:
        return usual
    short = _short(path)
    if short.rpartition("/")[2].partition(":")[2] in ACTIONS or "/v1beta/" in path.partition("/models")[0] + "/":
        return "gemini"
    if short.startswith("/messages"):
        return "anthropic"
    if short.startswith("/responses"):
        return "openai_responses"
    if short in ENDPOINTS and short != "/models":
        return "openai_chat"
    names = {name for name, _ in headers}
    if b"anthropic-version" in names:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in names else "openai_chat"


def _short(path: str) -> str:
    """A path without its versions, and without slashes that only somebody's joining of addresses put there."""
    if "//" in path:
        path = SLASHES.sub("/", path)
    for _ in range(2):
        if (version := VERSION.match(path)) is not None:
            path = path[version.end() :]
    return path.rstrip("/")


def _gemini(method: str, short: str, query: bytes) -> Call:
    model, _, action = short[len("/models/") :].rpartition(":")
    endpoint, stream = ACTIONS.get(action, (None, False))
    if endpoint is None or not model:
        raise Refusal(404, f"Unknown action: {action[:60]}", code="unknown_url")
    _taken(method, action, endpoint)
    array = stream and parse_qs(query.decode("latin-1")).get("alt") != ["sse"]
    return Call(endpoint, unquote(model), stream, array)


def _stored(method: str, path: str, short: str, query: bytes) -> Call:
    name, slash, rest = short[len("/responses/") :].partition("/")
    endpoints = STORED.get(slash + rest)
    if endpoints is None or not name or (method == "POST" and not name.startswith(STORED_ID)):
        raise _unknown(method, path)
    return Call(_taken(method, path, *endpoints), unquote(name), query=query)


def _taken(method: str, path: str, *endpoints: Endpoint) -> Endpoint:
    """Which of the endpoints of a path takes the method. Raises Refusal 405."""
    for endpoint in endpoints:
        if method == endpoint.method or (method == "HEAD" and endpoint.method == "GET"):
            return endpoint
    takes = [name for each in endpoints for name in ((each.method, "HEAD") if each.method == "GET" else (each.method,))]
    words = f"{path[:200]} takes {' or '.join(each.method for each in endpoints)}, not {method}."
    raise Refusal(405, words, code="method_not_allowed", allow=tuple(takes))


def _unknown(method: str, path: str) -> Refusal:
    return Refusal(404, f"Unknown path: {method} {path[:200]}", code="unknown_url")
