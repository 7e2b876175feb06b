"""A chat request that goes through as its client wrote it, put right where this upstream would refuse or misread it.

Looked for by searching bytes, which costs next to nothing; only a request that needs it is read. What is not mended
keeps the client's bytes, fields newer than this module included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from providers.wire.openai_chat.messages_out import INSTRUCTIONS, USER
from providers.wire.openai_chat.ordering import Message, ordered, parts, role_of, value
from providers.wire.openai_chat.passing import UNREADABLE
from providers.wire.openai_chat.requests_out import schema_told
from providers.wire.traits import Traits
from providers.wire.translation import joined, tool_id

Raw = msgspec.Raw
Fields = Mapping[str, Raw]
Step = Callable[[list[Message], Traits], bool]  # changes the messages in place; whether it did

SYSTEMS = ("system", "developer")
DEVELOPER, SYSTEM = b'"developer"', b'"system"'
# Thinking that a client sends back with an assistant's turn: only some upstreams take it, strict ones refuse it.
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")

_decode = msgspec.json.Decoder(list[dict[str, Raw]]).decode
encode = msgspec.json.encode


def mended(fields: Fields, traits: Traits) -> tuple[Fields, tuple[str, ...]]:
    """The request as a model of these traits takes it, and the names of what was lost. ``fields`` itself, when there is
    nothing to mend."""
    raw = fields.get("messages")
    if raw is None:
        return fields, ()
    try:
        return _mended(fields, raw, traits)
    except UNREADABLE:  # no shape we know: the vendor says what is wrong with it
        return fields, ()


def _mended(fields: Fields, raw: Raw, traits: Traits) -> tuple[Fields, tuple[str, ...]]:
    schema = None if traits.json_schema else _schema(fields)
    steps = _steps(bytes(raw), traits)
    if not steps and schema is None:
        return fields, ()
    messages: list[Message] = _decode(raw)
    lost: list[str] = []
    changed = schema is not None
    if schema is not None:
        fields = {**fields, "response_format": Raw(b'{"type":"json_object"}')}
        lost.append("json_schema")
        _tell(messages, schema_told(schema))
    for name, step in steps:
        if step(messages, traits):
            changed = True
            lost += [name] if name else []
    return ({**fields, "messages": Raw(encode(messages))} if changed else fields), tuple(lost)


def _steps(raw: bytes, traits: Traits) -> list[tuple[str, Step]]:
    """What may have to be done, in order; each with the name of what it takes away, "" where nothing is lost."""
    steps: list[tuple[str, Step]] = []
    if not traits.reasoning_in and b'"reasoning' in raw:
        steps.append(("", _no_thoughts))
    if not traits.system_role:
        if SYSTEM in raw or DEVELOPER in raw:
            steps.append(("", _folded))
    elif not (traits.developer_role or traits.takes_developer) and DEVELOPER in raw:
        steps.append(("", _no_developer))
    if not traits.message_names and b'"name"' in raw:
        steps.append(("name", _no_names))
    if traits.tool_id and b'"tool_call' in raw:
        steps.append(("", _ids))
    if traits.turns:
        steps.append(("", _ordered))
    return steps


# -- the steps ---------------------------------------------------------------------------------------------------------
def _no_thoughts(messages: list[Message], traits: Traits) -> bool:
    """Told to nobody: the client has no use for what the vendor does not take."""
    found = [(message, name) for message in messages for name in THOUGHTS if name in message]
    for message, name in found:
        del message[name]
    return bool(found)


def _no_developer(messages: list[Message], traits: Traits) -> bool:
    found = [message for message in messages if role_of(message) == "developer"]
    for message in found:
        message["role"] = "system"
    return bool(found)


def _folded(messages: list[Message], traits: Traits) -> bool:
    """System text goes in front of the first user message; such that comes later becomes the user's own."""
    opening = 0
    while opening < len(messages) and role_of(messages[opening]) in SYSTEMS:
        opening += 1
    late = [message for message in messages[opening:] if role_of(message) in SYSTEMS]
    for message in late:
        message |= {"role": "user", "content": INSTRUCTIONS + _text(message)}
    text = joined(map(_text, messages[:opening]))
    del messages[:opening]
    if text:
        _in_front(messages, text, late)
    return bool(opening or late)


def _in_front(messages: list[Message], text: str, late: list[Message]) -> None:
    opened = INSTRUCTIONS + text + USER
    for message in messages:
        content = value(message.get("content"))
        if role_of(message) != "user" or any(message is one for one in late) or not isinstance(content, (str, list)):
            continue
        first = [{"type": "text", "text": opened}]
        message["content"] = opened + content if isinstance(content, str) else [*first, *content]
        return
    messages.insert(0, {"role": "user", "content": INSTRUCTIONS + text})


def _no_names(messages: list[Message], traits: Traits) -> bool:
    found = [message for message in messages if "name" in message]
    for message in found:
        del message["name"]
    return bool(found)


def _ids(messages: list[Message], traits: Traits) -> bool:
    """Ids of calls and of their results, by the same rule."""
    changed = False
    for message in messages:
        if (id := value(message.get("tool_call_id"))) and isinstance(id, str):
            message["tool_call_id"] = sent = tool_id(id, traits.tool_id)
            changed = changed or sent != id
        calls = value(message.get("tool_calls"))
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(id := call.get("id"), str):
                call["id"] = sent = tool_id(id, traits.tool_id)
                if sent != id:
                    message["tool_calls"], changed = calls, True
    return changed


def _ordered(messages: list[Message], traits: Traits) -> bool:
    found = ordered(messages, traits.turns)
    if found is messages:
        return False
    messages[:] = found
    return True


# -- structured output in words ----------------------------------------------------------------------------------------
def _schema(fields: Fields) -> Any:
    """The schema that the answer shall follow, None when none is asked for."""
    raw = fields.get("response_format")
    if raw is None or b'"json_schema"' not in bytes(raw):
        return None
    said = msgspec.json.decode(raw)
    inner = said.get("json_schema") if isinstance(said, dict) and said.get("type") == "json_schema" else None
    return inner.get("schema") or {} if isinstance(inner, dict) else None


def _tell(messages: list[Message], text: str) -> None:
    """One more instruction, behind those that open the conversation."""
    content = value(messages[0].get("content"))
    if role_of(messages[0]) not in SYSTEMS or not isinstance(content, (str, list)):
        messages.insert(0, {"role": "system", "content": text})
        return
    messages[0]["content"] = joined((content, text)) if isinstance(content, str) else [*content, *parts(text)]


def _text(message: Message) -> str:
    """A message's words."""
    said = (part.get("text") for part in parts(message.get("content")) if isinstance(part, dict))
    return joined(text for text in said if isinstance(text, str))
