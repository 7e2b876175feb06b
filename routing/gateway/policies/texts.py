"""Where people's words are in a body: the texts of every operation in every client format, read and replaced.

Thinking and what tools are called with are left alone: vendors sign them, and a changed text breaks the seal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from providers.wire.errors import Refusal
from routing.gateway.policies.base import Draft, Fields

Change = Callable[[str, str], str]  # (who says it, text) → text; who: system, user, assistant, tool
Walk = Callable[[Any, str, Change], Any]

ROLES: Mapping[str, str] = {
    "system": "system", "developer": "system", "assistant": "assistant", "model": "assistant", "tool": "tool",
    "function": "tool",
}  # fmt: skip
# Where else words may be, and what says that they are not to be touched, in a message whose content is a text.
BESIDE = frozenset(
    (
        "type", "output", "thought", "text", "title", "context", "parts", "functionResponse", "function_response",
        "source",
    )
)  # fmt: skip
SEALED = frozenset(("thinking", "redacted_thinking", "reasoning", "tool_use", "function_call", "server_tool_use"))
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def rewrite(draft: Draft, change: Change) -> Fields:
    """The fields with every text changed; what did not change keeps its bytes. Raises Refusal 400."""
    changed: dict[str, msgspec.Raw] = {}
    for name, walk, role in PLACES.get((draft.operation, draft.format), ()):
        raw = draft.fields.get(name)
        if raw is None:
            continue
        before, after = _walked(name, raw, walk, role, change)
        if after != before:
            changed[name] = msgspec.Raw(msgspec.json.encode(after))
    return {**draft.fields, **changed} if changed else draft.fields


def texts(draft: Draft) -> list[tuple[str, str]]:
    """Every (who, text), in the order of the body."""
    found: list[tuple[str, str]] = []

    def note(role: str, text: str) -> str:
        found.append((role, text))
        return text

    for name, walk, role in PLACES.get((draft.operation, draft.format), ()):
        if (raw := draft.fields.get(name)) is not None:
            _walked(name, raw, walk, role, note)
    return found


def _walked(name: str, raw: Any, walk: Walk, role: str, change: Change) -> tuple[Any, Any]:
    """A field's value before and after. Raises Refusal 400."""
    try:
        before = msgspec.json.decode(raw)
        return before, walk(before, role, change)
    except UNREADABLE as wrong:
        raise Refusal(400, f"The body is not valid JSON: {wrong}.", code="invalid_json", param=name) from None


# -- walks -------------------------------------------------------------------------------------------------------------
def _content(value: Any, role: str, change: Change) -> Any:
    """A text, a part with a text, or a list of such."""
    if isinstance(value, str):
        return change(role, value)
    if isinstance(value, list):
        return [_content(each, role, change) for each in value]
    if not isinstance(value, dict) or value.get("thought") is True or value.get("type") in SEALED:
        return value
    if value.get("type") == "tool_result":
        role = "tool"
    made = dict(value)
    for name in ("text", "title", "context"):  # the last two of documents
        if isinstance(value.get(name), str):
            made[name] = change(role, value[name])
    for name in ("content", "parts"):
        if isinstance(value.get(name), (str, list)):
            made[name] = _content(value[name], role, change)
    for name in ("functionResponse", "function_response"):
        if isinstance(value.get(name), dict):
            made[name] = value[name] | {"response": _everything(value[name].get("response"), "tool", change)}
    source = value.get("source")
    if isinstance(source, dict) and source.get("type") == "text" and isinstance(source.get("data"), str):
        made["source"] = source | {"data": change(role, source["data"])}
    return made


def _messages(value: Any, role: str, change: Change) -> Any:
    """Messages of any format: a role, and content or parts."""
    if not isinstance(value, list):
        return _content(value, role, change)
    return [_message(each, change) for each in value]


def _message(value: Any, change: Change) -> Any:
    if not isinstance(value, dict):
        return _content(value, "user", change)
    said, content = value.get("role"), value.get("content")
    role = ROLES.get(said, "user") if isinstance(said, str) else "user"
    if isinstance(content, str) and BESIDE.isdisjoint(value):  # as most are
        return value | {"content": change(role, content)}
    if str(value.get("type", "")).endswith("_output") and "output" in value:
        return value | {"output": _content(value["output"], "tool", change)}
    return _content(value, role, change)


def _everything(value: Any, role: str, change: Change) -> Any:
    """Every text in any JSON, names excepted."""
    if isinstance(value, str):
        return change(role, value)
    if isinstance(value, list):
        return [_everything(each, role, change) for each in value]
    if isinstance(value, dict):
        return {name: _everything(each, role, change) for name, each in value.items()}
    return value


def _gemini_request(value: Any, role: str, change: Change) -> Any:
    """A whole request inside another (Gemini's count of tokens, its embeddings in batches)."""
    if isinstance(value, list):
        return [_gemini_request(each, role, change) for each in value]
    if not isinstance(value, dict):
        return value
    walks = {name: (walk, who) for name, walk, who in (*GEMINI, ("content", _content, "user"))}
    return {
        name: walks[name][0](each, walks[name][1], change) if name in walks else each for name, each in value.items()
    }


Place = tuple[str, Walk, str]  # field, how to walk it, who says what has no role
GEMINI: tuple[Place, ...] = (
    ("systemInstruction", _content, "system"),
    ("system_instruction", _content, "system"),
    ("contents", _messages, "user"),
)
CHAT: Mapping[str, tuple[Place, ...]] = {
    "openai_chat": (("messages", _messages, "user"),),
    "openai_responses": (("instructions", _content, "system"), ("input", _messages, "user")),
    "anthropic": (("system", _content, "system"), ("messages", _messages, "user")),
    "gemini": GEMINI,
}
PLACES: Mapping[tuple[str, str], tuple[Place, ...]] = {
    **{("chat", format): places for format, places in CHAT.items()},
    **{("count", format): places for format, places in CHAT.items()},
    ("count", "gemini"): (*GEMINI, ("generateContentRequest", _gemini_request, "user")),
    ("completions", "openai_chat"): (("prompt", _content, "user"), ("suffix", _content, "user")),
    ("embeddings", "openai_chat"): (("input", _content, "user"),),
    ("embeddings", "gemini"): (("content", _content, "user"), ("requests", _gemini_request, "user")),
    ("images", "openai_chat"): (("prompt", _content, "user"),),
    ("speech", "openai_chat"): (("input", _content, "user"), ("instructions", _content, "user")),
    ("moderation", "openai_chat"): (("input", _content, "user"),),
    ("rerank", "openai_chat"): (("query", _content, "user"), ("documents", _content, "user")),
    ("transcription", "openai_chat"): (("prompt", _content, "user"),),
}
