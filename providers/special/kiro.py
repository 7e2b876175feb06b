"""Kiro: Messages → one conversation state; replies always come as an AWS event stream.

Source: shared knowledge of several open clients (2026-11); the vendor documents no such interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers.special.base import Decoder, Headers, Plain, Sending, conversation_id, unsupported, without
from providers.special.bedrock import CLIENT_HEADERS
from providers.special.events import ACCEPT, Messages
from providers.special.kiro_replies import Conversation
from providers.wire.errors import UpstreamFailure
from providers.wire.eventstream import error_from
from providers.wire.types import Json

Block = dict[str, Any]
GO_ON = "Continue."  # where a turn has no words: content must not be empty
ORIGIN = "AI_EDITOR"
LIMITS = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}


class Kiro(Plain):
    rewrites = True

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        said = msgspec.json.decode(sending.body)
        turns = _turns(said)
        *history, current = [_turn(role, blocks, sending.model) for role, blocks in turns]
        if tools := _tools(said):
            current["userInputMessage"].setdefault("userInputMessageContext", {})["tools"] = tools
        state = {
            "chatTriggerType": "MANUAL",
            "conversationId": _conversation(turns),
            "currentMessage": current,
            "history": history,
        }
        body: Block = {"conversationState": state}
        if profile := sending.values.get("profile_arn"):
            body["profileArn"] = profile
        if limits := {ours: said[name] for name, ours in LIMITS.items() if said.get(name) is not None}:
            body["inferenceConfig"] = limits
        call = (b"amz-sdk-invocation-id", sending.id.encode())
        return msgspec.json.encode(body), (*without(sending.headers, *CLIENT_HEADERS), ACCEPT, call)

    def decoder(self, sending: Sending) -> Decoder:
        conversation = Conversation(sending)
        return Messages(conversation.told, conversation.ended)

    def failure(self, raw: bytes, status: int, named: str) -> UpstreamFailure | None:
        return error_from(raw, status)


def _turns(said: Block) -> list[tuple[str, list[Block]]]:
    """Neighbours of one side merged; the user opens, with the system's words in front, and has the last word."""
    turns: list[tuple[str, list[Block]]] = [("user", _blocks(said.get("system")))]
    for message in said.get("messages", []):
        blocks = _blocks(message.get("content"))
        if turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], blocks))
    if turns[-1][0] != "user":
        turns.append(("user", []))
    return turns


def _blocks(content: Json) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _turn(role: str, blocks: list[Block], model: str) -> Block:
    words = "\n\n".join(text for block in blocks if (text := _text(block)).strip())
    if role == "assistant":
        calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
        answer: Block = {"content": words or GO_ON} | ({"toolUses": calls} if calls else {})
        return {"assistantResponseMessage": answer}
    message: Block = {"content": words or GO_ON, "modelId": model, "origin": ORIGIN}
    results = [_result(block) for block in blocks if block.get("type") == "tool_result"]
    if images := list(_images(blocks)):
        message["images"] = images
    if results:
        message["userInputMessageContext"] = {"toolResults": results}
    return {"userInputMessage": message}


def _text(block: Block) -> str:
    """A block's words; thinking of earlier turns is left out, for there is no place for it."""
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "document", "source": {"type": "text", "data": str(text)}}:
            return text
        case {"type": "image" | "tool_use" | "tool_result" | "thinking" | "redacted_thinking"}:
            return ""
    raise unsupported(f"content of type '{block.get('type')}'")


def _images(blocks: Iterable[Block]) -> Iterable[Block]:
    """A turn's images, those in the results of its tools included."""
    for block in blocks:
        if block.get("type") == "tool_result":
            yield from _images(_blocks(block.get("content")))
        if block.get("type") != "image":
            continue
        source = block["source"]
        if source.get("type") != "base64":
            raise unsupported("images by address; send the image itself")
        kind = str(source.get("media_type")).rpartition("/")[2]
        yield {"format": kind, "source": {"bytes": source["data"]}}


def _call(block: Block) -> Block:
    return {"toolUseId": block["id"], "name": block["name"], "input": block.get("input", {})}


def _result(block: Block) -> Block:
    words = [_text(inner) for inner in _blocks(block.get("content"))]
    content = [{"text": text} for text in words if text.strip()] or [{"text": "(nothing)"}]
    return {
        "toolUseId": block["tool_use_id"],
        "status": "error" if block.get("is_error") else "success",
        "content": content,
    }


def _tools(said: Block) -> list[Block]:
    if (said.get("tool_choice") or {}).get("type") == "none":
        return []
    made = []
    for tool in said.get("tools") or ():
        if tool.get("type", "custom") != "custom":
            raise unsupported(f"the tool '{tool['type']}', which the vendor itself would run")
        schema = {"type": "object", "properties": {}, "required": [], **tool.get("input_schema", {})}
        spec = {"name": tool["name"], "description": tool.get("description") or tool["name"]}
        made.append({"toolSpecification": {**spec, "inputSchema": {"json": schema}}})
    return made


def _conversation(turns: list[tuple[str, list[Block]]]) -> str:
    """The same for each request of one conversation: how it began."""
    return conversation_id(msgspec.json.encode(turns[0]))
