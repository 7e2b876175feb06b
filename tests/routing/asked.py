"""The same question in every client format."""

from __future__ import annotations

from typing import Any

import httpx

FORMATS = ("openai_chat", "openai_responses", "anthropic", "gemini")


def asked(
    format: str, text: str, *, stream: bool = False, model: str = "acme/large", temperature: float = 0
) -> tuple[str, dict[str, Any]]:
    """Path and body."""
    turn = [{"role": "user", "content": text}]
    usual = {"model": model, "stream": stream, "temperature": temperature}
    match format:
        case "openai_chat":
            return "/chat/completions", usual | {"messages": turn}
        case "openai_responses":
            return "/responses", usual | {"input": text, "store": False}
        case "anthropic":
            return "/messages", usual | {"messages": turn, "max_tokens": 100}
    action = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return f"/models/{model}:{action}", {"contents": contents, "generationConfig": {"temperature": temperature}}


def ask(http: httpx.Client, format: str, text: str = "Hello", **said: Any) -> httpx.Response:
    """``headers`` go with the request; the rest as :func:`asked`."""
    headers = said.pop("headers", {})
    more = said.pop("more", {})
    path, body = asked(format, text, **said)
    return http.post(path, json=body | more, headers=headers)
