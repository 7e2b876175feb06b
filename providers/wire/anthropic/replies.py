"""Whole replies, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from providers.wire.anthropic import citations, usage
from providers.wire.anthropic.errors import failure_in
from providers.wire.anthropic.tables import FAMILY, FINISH, STOP
from providers.wire.customtools import unwrap
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.translation import Asked, Names, arguments_object, json_text, tool_id
from providers.wire.types import (
    Choice,
    Json,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
)

# Reasons that may end a reply without any content.
MAY_BE_EMPTY = ("refusal", "length", "context_window", "content_filter", "pause")


def parse_reply(body: bytes, names: Names) -> Reply:
    """A vendor's reply → canonical. Raises UpstreamFailure for an error inside a 200 and for what is no reply."""
    try:
        message = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise broken(
            "The provider's reply is not JSON." if body.strip() else "The provider's reply is empty."
        ) from None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        raise failure_in(message, 200) or broken("The provider's reply is no message.")
    seen: set[str] = set()
    parts = tuple(part for block in content if (part := _part(block, names, seen, text(message, "id"))) is not None)
    counted = usage.read(message.get("usage"))
    calls = any(isinstance(part, ToolCall) for part in parts)
    reason = finish(message.get("stop_reason"), calls)
    check_content(bool(parts), message.get("stop_reason"), counted)
    return Reply(
        id=text(message, "id"),
        model=text(message, "model"),
        choices=(Choice(parts=parts, finish=reason, stop_sequence=text(message, "stop_sequence")),),
        usage=counted,
        service_tier=text(message.get("usage"), "service_tier"),
    )


def dump_reply(reply: Reply, asked: Asked) -> bytes:
    """Canonical → a message for a client. Only the first of several choices has a place."""
    choice = reply.choices[0] if reply.choices else Choice()
    used: set[str] = set()
    content = [block for part in choice.parts if (block := _block(part, used)) is not None]
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    reason = stop_reason(choice.finish, refused, any(isinstance(part, ToolCall) for part in choice.parts))
    message = opening(asked, reply.usage or Usage()) | {
        "content": content,
        "stop_reason": reason,
        "stop_sequence": choice.stop_sequence or None,
    }
    return msgspec.json.encode(message)


def opening(asked: Asked, counted: Usage) -> dict[str, Json]:
    """The message of a reply that has said nothing yet."""
    return {
        "id": f"msg_{asked.id}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage.whole(counted),
    }


def finish(reason: Json, calls: bool) -> str:
    """The vendor's stop reason → ours. Several vendors forget that a reply with calls ends for them, or say so of one
    without."""
    ours = FINISH.get(reason, "other") if isinstance(reason, str) else "stop"
    if calls and ours == "stop":
        return "tool_calls"
    return "stop" if ours == "tool_calls" and not calls else ours


def stop_reason(reason: str, refused: bool, calls: bool) -> str:
    """Ours → the vendor's."""
    if refused and reason == "stop":
        return "refusal"
    return "tool_use" if calls and reason == "stop" else STOP.get(reason, "end_turn")


def check_content(spoke: bool, reason: Json, counted: Usage | None) -> None:
    """An empty reply is honest when the vendor gives a reason for it, or counts the token that ended the turn."""
    if spoke or (isinstance(reason, str) and FINISH.get(reason) in MAY_BE_EMPTY):
        return
    if isinstance(reason, str) and counted is not None and counted.output > 0:
        return
    raise broken("The provider's reply has no content.")


def broken(message: str) -> UpstreamFailure:
    return UpstreamFailure(Kind.PROTOCOL, message)


def text(value: Json, name: str) -> str:
    """A string of an object that a vendor wrote; "" for anything else."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def unused(value: str, fallback: str, seen: set[str]) -> str:
    """The id of a call, unlike those before: weak models repeat themselves."""
    wanted = value or tool_id(fallback)
    number = 1
    while wanted in seen:
        number += 1
        wanted = tool_id(f"{value or fallback}#{number}")
    seen.add(wanted)
    return wanted


# -- the vendor's blocks → parts ---------------------------------------------------------------------------------------
def _part(block: Json, names: Names, seen: set[str], message_id: str) -> Part | None:
    if not isinstance(block, dict):
        return None
    kind = block.get("type")
    if kind == "tool_use":
        return _call(block, names, seen, message_id)
    reader = READERS.get(kind) if isinstance(kind, str) else None
    return reader(block) if reader else Opaque(family=FAMILY, value=block)


def _text(block: dict[str, Json]) -> Part | None:
    said, sources = text(block, "text"), block.get("citations")
    found = [citations.read(raw) for raw in sources] if isinstance(sources, list) else []
    return Text(text=said, citations=tuple(source for source in found if source is not None)) if said else None


def _thinking(block: dict[str, Json]) -> Part | None:
    said, signature = text(block, "thinking"), text(block, "signature")
    proof = Proof(family=FAMILY, kind="signature", value=signature) if signature else None
    return Reasoning(text=said, proof=proof) if said or proof else None


def _redacted(block: dict[str, Json]) -> Part | None:
    return Reasoning(proof=Proof(family=FAMILY, kind="redacted", value=text(block, "data")))


def _call(block: dict[str, Json], names: Names, seen: set[str], message_id: str) -> ToolCall:
    name = text(block, "name")
    if not name:
        raise broken("The provider's reply calls a tool without a name.")
    given = block.get("input")
    arguments = given if isinstance(given, str) else json_text({} if given is None else given)
    custom = names.original(name) in names.wrapped
    return ToolCall(
        id=unused(text(block, "id"), f"toolu_{message_id}_{len(seen)}", seen),
        name=names.original(name),
        arguments=unwrap(arguments) if custom else arguments,
        custom=custom,
        namespace=names.namespace(name),
    )


READERS: Mapping[str, Callable[[dict[str, Json]], Part | None]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}


# -- parts → blocks for a client ---------------------------------------------------------------------------------------
def _block(part: Part, used: set[str]) -> dict[str, Json] | None:
    match part:
        case Text(text=said):
            block: dict[str, Json] = {"type": "text", "text": said}
            return block | ({"citations": [citations.shown(one) for one in part.citations]} if part.citations else {})
        case Refusal(text=said):
            return {"type": "text", "text": said}
        case Reasoning():
            return _thought(part)
        case ToolCall():
            sent = unused(tool_id(part.id), "toolu", used)
            given = {"input": part.arguments} if part.custom else arguments_object(part.arguments)
            return {"type": "tool_use", "id": sent, "name": part.name, "input": given}
        case Opaque(family=family, value=value) if family == FAMILY and isinstance(value, dict):
            return value
        case _:
            return None


def _thought(part: Reasoning) -> dict[str, Json] | None:
    proof = part.proof if part.proof is not None and part.proof.family == FAMILY else None
    if proof is not None and proof.kind == "redacted":
        return {"type": "redacted_thinking", "data": proof.value}
    if not part.text and proof is None:
        return None
    return {"type": "thinking", "thinking": part.text, "signature": "" if proof is None else proof.value}
