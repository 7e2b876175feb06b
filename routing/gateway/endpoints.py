"""Path → what is asked for. One table; tools write the version once, twice or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.wire.errors import Refusal


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One client API: the format its clients speak, the operation, the method it takes."""

    format: str
    operation: str
    method: str


CHAT = Endpoint("openai_chat", "chat", "POST")
COMPLETIONS = Endpoint("openai_chat", "completions", "POST")
MODELS = Endpoint("openai_chat", "models", "GET")

ENDPOINTS: Mapping[str, Endpoint] = {
    "/chat/completions": CHAT,
    "/completions": COMPLETIONS,
    "/models": MODELS,
}
USUAL = {(endpoint.method, f"/v1{path}"): endpoint for path, endpoint in ENDPOINTS.items()}
ROOTS = ("/v1", "/v1beta")  # everything below them is the gateway's, known or not


def is_client_path(path: str) -> bool:
    """Whether a path belongs to the client APIs rather than to the dashboard."""
    return path.startswith(("/v1/", "/v1beta/", "/models/")) or path in ROOTS or path.rstrip("/") in ENDPOINTS


def find(method: str, path: str) -> tuple[Endpoint, str]:
    """The endpoint, and what follows it in the path (a model's name). Raises Refusal 404 or 405."""
    if (endpoint := USUAL.get((method, path))) is not None:
        return endpoint, ""
    short = path
    for _ in range(2):
        if short.startswith("/v1/"):
            short = short[3:]
    name = ""
    if short.startswith("/models/"):
        short, name = "/models", short[len("/models/") :]
    endpoint = ENDPOINTS.get(short.rstrip("/") or short)
    if endpoint is None:
        raise Refusal(404, f"Unknown path: {method} {path[:200]}", code="unknown_url")
    if method != endpoint.method and not (method == "HEAD" and endpoint.method == "GET"):
        raise Refusal(405, f"{path[:200]} takes {endpoint.method}, not {method}.", code="method_not_allowed")
    return endpoint, name
