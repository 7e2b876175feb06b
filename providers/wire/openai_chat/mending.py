"""A chat request that goes through as its client wrote it, put right where this upstream would refuse or misread it.

What was read of each message on the way in tells whether there is anything to mend; only then is the conversation taken
apart. What is not mended keeps the client's bytes, fields newer than this module included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers.wire.openai_chat.messages_out import INSTRUCTIONS, USER
from providers.wire.openai_chat.ordering import Message, disorderly, ordered, parts, role_of, value
from providers.wire.openai_chat.passing import ABSENT, UNREADABLE, Seen, seen
from providers.wire.openai_chat.requests_out import schema_told
from providers.wire.traits import Traits
from providers.wire.translation import joined, tool_id

Raw = msgspec.Raw
Fields = Mapping[str, Raw]

SYSTEMS = ("system", "developer")
# Thinking that a client sends back with an assistant's turn: only some upstreams take it, strict ones refuse it.
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")


class _Call(msgspec.Struct, gc=False):
    id: str | None = None


_calls_in = msgspec.json.Decoder(list[_Call] | None).decode
_decode = msgspec.json.Decoder(list[dict[str, Raw]]).decode
encode = msgspec.json.encode


def mended(fields: Fields, traits: Traits, messages: Sequence[Seen] | None = None) -> tuple[Fields, tuple[str, ...]]:
    """The request as a model of these traits takes it, and the names of what was lost. ``fields`` itself, when there is
    nothing to mend. ``messages``: as they were seen, when they were."""
    try:
        return _mended(fields, traits, seen(fields["messages"]) if messages is None else messages)
    except UNREADABLE:  # no shape we know: the vendor says what is wrong with it
        return fields, ()


def _mended(fields: Fields, traits: Traits, seen: Sequence[Seen]) -> tuple[Fields, tuple[str, ...]]:
    schema = None if traits.json_schema or not seen else _schema(fields)
    steps = [(name, step) for looks, step, name in STEPS if looks(seen, traits)]
    if not steps and schema is None:
        return fields, ()
    messages: list[Message] = _decode(fields["messages"])
    lost: list[str] = []
    if schema is not None:
        fields = {**fields, "response_format": Raw(b'{"type":"json_object"}')}
        lost.append("json_schema")
        _tell(messages, schema_told(schema))
    for name, step in steps:
        step(messages, traits)
        lost += [name] if name else []
    return {**fields, "messages": Raw(encode(messages))}, tuple(lost)


# -- whether there is something to mend -------------------------------------------------------------------------------
def _thinks(messages: Sequence[Seen], traits: Traits) -> bool:
    if traits.reasoning_in:
        return False
    return any(
        message.reasoning_content is not ABSENT
        or message.reasoning is not ABSENT
        or message.reasoning_details is not ABSENT
        for message in messages
    )


def _instructs(messages: Sequence[Seen], traits: Traits) -> bool:
    return not traits.system_role and any(message.role in SYSTEMS for message in messages)


def _develops(messages: Sequence[Seen], traits: Traits) -> bool:
    if traits.developer_role or traits.takes_developer or not traits.system_role:
        return False
    return any(message.role == "developer" for message in messages)


def _is_named(messages: Sequence[Seen], traits: Traits) -> bool:
    return not traits.message_names and any(message.name is not ABSENT for message in messages)


def _calls(messages: Sequence[Seen], traits: Traits) -> bool:
    return bool(traits.tool_id) and any(tool_id(id, traits.tool_id) != id for one in messages for id in _ids_in(one))


def _ids_in(message: Seen) -> Iterator[str]:
    if message.tool_call_id is not ABSENT and isinstance(id := value(message.tool_call_id), str):
        yield id
    if message.tool_calls is not ABSENT:
        yield from (call.id for call in _calls_in(message.tool_calls) or () if call.id)


def _is_disorderly(messages: Sequence[Seen], traits: Traits) -> bool:
    return bool(traits.turns) and disorderly([message.role for message in messages], traits.turns)


# -- the steps ---------------------------------------------------------------------------------------------------------
def _no_thoughts(messages: list[Message], traits: Traits) -> None:
    for message in messages:
        for name in THOUGHTS:
            message.pop(name, None)


def _no_developer(messages: list[Message], traits: Traits) -> None:
    for message in messages:
        if role_of(message) == "developer":
            message["role"] = "system"


def _folded(messages: list[Message], traits: Traits) -> None:
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


def _no_names(messages: list[Message], traits: Traits) -> None:
    for message in messages:
        message.pop("name", None)


def _ids(messages: list[Message], traits: Traits) -> None:
    """Ids of calls and of their results, by the same rule."""
    for message in messages:
        if isinstance(id := value(message.get("tool_call_id")), str):
            message["tool_call_id"] = tool_id(id, traits.tool_id)
        calls = value(message.get("tool_calls"))
        if not isinstance(calls, list):
            continue
        for call in calls:
            if isinstance(call, dict) and isinstance(id := call.get("id"), str):
                call["id"] = tool_id(id, traits.tool_id)
        message["tool_calls"] = calls


def _ordered(messages: list[Message], traits: Traits) -> None:
    messages[:] = ordered(messages, traits.turns)


Look = Callable[[Sequence[Seen], Traits], bool]
Step = Callable[[list[Message], Traits], None]  # changes the messages in place
# Whether there is something to do, what is done, and what is lost by it: "" where the client misses nothing.
STEPS: tuple[tuple[Look, Step, str], ...] = (
    (_thinks, _no_thoughts, ""),
    (_instructs, _folded, ""),
    (_develops, _no_developer, ""),
    (_is_named, _no_names, "name"),
    (_calls, _ids, ""),
    (_is_disorderly, _ordered, ""),
)


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
