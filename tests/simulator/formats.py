"""The wire formats the simulator speaks: name → Format. A new one is a module and a row."""

from . import anthropic, gemini, openai_chat, openai_responses
from .types import Format, Received

ALL = "all"  # every format at once, by path
FORMATS: dict[str, Format] = {
    "openai_chat": openai_chat.FORMAT,
    "openai_responses": openai_responses.FORMAT,
    "anthropic": anthropic.FORMAT,
    "gemini": gemini.FORMAT,
}
DOORS = {"/v1/messages": "anthropic", "/v1/responses": "openai_responses", "/v1beta": "gemini"}


def of_request(received: Received) -> Format:
    """The format that a request to any of their paths speaks. Model lists share a path: headers tell them apart."""
    for door, name in DOORS.items():
        if received.path == door or received.path.startswith(door + "/"):
            return FORMATS[name]
    if received.path.startswith("/v1/models"):
        if received.header("anthropic-version"):
            return FORMATS["anthropic"]
        if received.header("x-goog-api-key") or ":" in received.path:
            return FORMATS["gemini"]
    return FORMATS["openai_chat"]
