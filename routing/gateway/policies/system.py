"""A system prompt before or after what the client says itself. Only where there is one: chat, and its count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from providers.wire.errors import Refusal
from routing.gateway.policies.base import Draft, Fields, Settings

Raw = msgspec.Raw
SYSTEM = frozenset(("system", "developer"))
LONGEST = 50_000  # characters


class SystemPrompt(Settings, frozen=True, kw_only=True):
    """Texts that stand ``before`` and ``after`` the client's own; a blank line parts them."""

    before: str = ""
    after: str = ""

    def fault(self) -> str | None:
        if not self.before.strip() and not self.after.strip():
            return "before: give a text before or after the client's."
        if max(len(self.before), len(self.after)) > LONGEST:
            return f"before: a text may have at most {LONGEST} characters."
        return None

    def rule(self) -> Rule:
        return Rule(self)


@dataclass(frozen=True, slots=True)
class Rule:
    settings: SystemPrompt
    kind: str = "system_prompt"

    def __call__(self, draft: Draft) -> Draft:
        put = PUT.get(draft.format)
        if put is None or draft.operation not in ("chat", "count"):
            return draft
        try:
            return draft.noting(self.kind, fields=put(draft.fields, self.settings))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refusal(400, "The request's instructions or messages are not of their format.") from None


def _joined(said: SystemPrompt, text: str) -> str:
    return "\n\n".join(part for part in (said.before, text, said.after) if part)


def _around(said: SystemPrompt, blocks: list[Any], block: Callable[[str], Any]) -> list[Any]:
    before = [block(said.before)] if said.before else []
    return before + blocks + ([block(said.after)] if said.after else [])


def _block(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _around_content(said: SystemPrompt, content: Any) -> Any:
    """Around a text or a list of blocks; nothing there is a text of nothing."""
    if isinstance(content, list):
        return _around(said, content, _block)
    return _joined(said, content if isinstance(content, str) else "")


# -- formats -----------------------------------------------------------------------------------------------------------
def _chat(fields: Fields, said: SystemPrompt) -> Fields:
    """Around the system or developer messages at the beginning; without any, as a message of its own."""
    messages = msgspec.json.decode(fields.get("messages", b"[]"), type=list[Raw])
    leading = 0
    while leading < len(messages) and msgspec.json.decode(messages[leading], type=_Roled).role in SYSTEM:
        leading += 1
    if not leading:
        messages.insert(0, _encoded({"role": "system", "content": _joined(said, "")}))
    else:
        _within(messages, 0, SystemPrompt(before=said.before))
        _within(messages, leading - 1, SystemPrompt(after=said.after))
    return {**fields, "messages": _encoded(messages)}


def _within(messages: list[Raw], place: int, said: SystemPrompt) -> None:
    message = msgspec.json.decode(messages[place], type=dict[str, Raw])
    content = msgspec.json.decode(message.get("content", b'""'))
    messages[place] = _encoded({**message, "content": _around_content(said, content)})


def _responses(fields: Fields, said: SystemPrompt) -> Fields:
    return _field(fields, said, "instructions")


def _anthropic(fields: Fields, said: SystemPrompt) -> Fields:
    return _field(fields, said, "system")


def _field(fields: Fields, said: SystemPrompt, name: str) -> Fields:
    content = msgspec.json.decode(fields[name]) if name in fields else None
    return {**fields, name: _encoded(_around_content(said, content))}


def _gemini(fields: Fields, said: SystemPrompt) -> Fields:
    if "generateContentRequest" in fields:  # a count of tokens
        inner = msgspec.json.decode(fields["generateContentRequest"], type=dict[str, Raw])
        return {**fields, "generateContentRequest": _encoded(_gemini(inner, said))}
    name = "system_instruction" if "system_instruction" in fields else "systemInstruction"
    found = msgspec.json.decode(fields[name]) if name in fields else None
    given = found if isinstance(found, dict) else {"parts": [{"text": found}] if isinstance(found, str) else []}
    parts = given.get("parts") or []
    parts = _around(said, parts if isinstance(parts, list) else [parts], lambda text: {"text": text})
    return {**fields, name: _encoded({**given, "parts": parts})}


class _Roled(msgspec.Struct):
    role: str = ""


def _encoded(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


PUT: Mapping[str, Callable[[Fields, SystemPrompt], Fields]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
