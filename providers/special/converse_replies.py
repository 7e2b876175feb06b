"""Converse's replies and streams → those of the Messages format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.special.base import Sending
from providers.special.events import Said, object_in
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.eventstream import Message
from providers.wire.types import Json

Block = dict[str, Any]
STOPS: Mapping[str, str] = {"guardrail_intervened": "refusal", "content_filtered": "refusal"}
USAGE = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheWriteInputTokens": "cache_creation_input_tokens",
}


def message_of(raw: bytes, sending: Sending) -> bytes:
    """A whole reply. Raises UpstreamFailure when it is none."""
    try:
        said = msgspec.json.decode(raw)
        content = said["output"]["message"]["content"]
        blocks = [made for block in content if (made := _block(block))]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's reply is no Converse reply.") from None
    message = {
        "id": f"msg_{sending.id.replace('-', '')}",
        "type": "message",
        "role": "assistant",
        "model": sending.model,
        "content": blocks,
        "stop_reason": _stop(said.get("stopReason")),
        "stop_sequence": None,
        "usage": _usage(said.get("usage")),
    }
    return msgspec.json.encode(message)


def _block(block: Block) -> Block | None:
    match block:
        case {"text": str(text)}:
            return {"type": "text", "text": text}
        case {"toolUse": {"toolUseId": id, "name": name, **rest}}:
            return {"type": "tool_use", "id": id, "name": name, "input": rest.get("input", {})}
        case {"reasoningContent": {"reasoningText": {"text": text, **rest}}}:
            return {"type": "thinking", "thinking": text, "signature": rest.get("signature", "")}
        case {"reasoningContent": {"redactedContent": data}}:
            return {"type": "redacted_thinking", "data": data}
    return None  # citations and newer kinds: there is nothing they could become


def _stop(reason: Json) -> str:
    return STOPS.get(reason, reason) if isinstance(reason, str) else "end_turn"


def _usage(said: Json) -> dict[str, Json]:
    """Converse counts as Anthropic does: what the cache read or wrote is not among the input tokens."""
    given = said if isinstance(said, dict) else {}
    return {ours: given[name] for name, ours in USAGE.items() if isinstance(given.get(name), int)}


class Conversation:
    """One ConverseStream. Usage comes after the end of the message, so the end is told with it."""

    __slots__ = ("_said", "_stop", "_usage")

    def __init__(self, sending: Sending) -> None:
        self._said = Said(sending.id, sending.model)
        self._stop = ""
        self._usage: dict[str, Json] = {}

    def told(self, message: Message) -> bytes:
        event = object_in(message)
        key = str(event.get("contentBlockIndex", 0))
        match message.name, event:
            case "contentBlockStart", {"start": {"toolUse": {"toolUseId": id, "name": name}}}:
                return self._said.tool(id, name)
            case "contentBlockDelta", {"delta": dict(delta)}:
                return self._delta(delta, key)
            case "contentBlockStop", _:
                return self._said.close()
            case "messageStop", _:
                self._stop = _stop(event.get("stopReason"))
            case "metadata", _:
                self._usage = _usage(event.get("usage"))
        return b""

    def ended(self) -> bytes:
        """The closing events; none when the message did not end, which the reader then says."""
        return self._said.finish(self._stop, self._usage) if self._stop else b""

    def _delta(self, delta: Block, key: str) -> bytes:
        said = self._said
        match delta:
            case {"text": str(text)}:
                return said.text(text, key)
            case {"toolUse": {"input": str(piece)}}:
                return said.delta("input_json_delta", partial_json=piece)
            case {"reasoningContent": {"text": str(text)}}:
                return self._thinking(key) + said.delta("thinking_delta", thinking=text)
            case {"reasoningContent": {"signature": str(signature)}}:
                return self._thinking(key) + said.delta("signature_delta", signature=signature)
            case {"reasoningContent": {"redactedContent": str(data)}}:
                return said.block("redacted_thinking", key, {"type": "redacted_thinking", "data": data})
        return b""

    def _thinking(self, key: str) -> bytes:
        return self._said.block("thinking", key, {"type": "thinking", "thinking": "", "signature": ""})
