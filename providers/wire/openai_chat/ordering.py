"""Messages in the order that a strict upstream demands of them.

Messages are objects whose values are JSON values or raw bytes of them: those a client wrote and those we write alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from providers.wire.translation import joined
from providers.wire.types import Json

Message = dict[str, Any]

BETWEEN = "OK."  # the assistant's word between a tool's result and the user, where one must be
ROLES = {f'"{role}"'.encode(): role for role in ("system", "developer", "user", "assistant", "tool")}


def ordered(messages: list[Message], rule: str) -> list[Message]:
    """The messages by a rule of ``traits.Turns``."""
    return RULES[rule](messages) if rule else messages


def disorderly(roles: Sequence[str], rule: str) -> bool:
    """Whether messages of these roles may break a rule."""
    after = tuple(pairwise(roles))
    if rule == "alternating":
        return ("user", "user") in after or ("assistant", "assistant") in after
    return ("tool", "user") in after or roles[-1:] == ["assistant"]


def role_of(message: Message) -> str:
    """Its role; "" for one that no rule is about."""
    return value(message["role"]) if isinstance(message["role"], str) else ROLES.get(bytes(message["role"]), "")


def value(said: Any) -> Json:
    """What is said, be it raw bytes."""
    return msgspec.json.decode(said) if isinstance(said, msgspec.Raw) else said


def parts(content: Any) -> list[Json]:
    """A content as a list of parts."""
    said = value(content)
    if isinstance(said, list):
        return said
    return [{"type": "text", "text": said}] if isinstance(said, str) and said else []


def _alternating(messages: list[Message]) -> list[Message]:
    """Neighbours of one side become one message."""
    found: list[Message] = []
    for message in messages:
        role = role_of(message)
        both = _both(found[-1], message) if found and role in ("user", "assistant") else None
        if both is not None and role == role_of(found[-1]):
            found[-1] = {**found[-1], **message, "content": both}
        else:
            found.append(message)
    return found


def _both(first: Message, second: Message) -> Json:
    """The content of two messages in one; None where one is of a shape we do not know."""
    said = value(first.get("content")), value(second.get("content"))
    if all(isinstance(one, str) for one in said):
        return joined(said)
    return [*parts(said[0]), *parts(said[1])] if all(isinstance(one, (str, list)) for one in said) else None


def _mistral(messages: list[Message]) -> list[Message]:
    """A word of the assistant's between a result and the user; what it shall go on from is marked as such."""
    found: list[Message] = []
    for message in messages:
        if found and role_of(message) == "user" and role_of(found[-1]) == "tool":
            found.append({"role": "assistant", "content": BETWEEN})
        found.append(message)
    last = found[-1] if found else {"role": ""}
    if role_of(last) == "assistant" and not value(last.get("tool_calls")):
        found[-1] = {**last, "prefix": True}
    return found


RULES: Mapping[str, Callable[[list[Message]], list[Message]]] = {"alternating": _alternating, "mistral": _mistral}
