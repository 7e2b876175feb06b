"""Amazon Bedrock's Converse, which speaks to all its models: Messages ⇄ Converse.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …ConverseStream (2026-11).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from providers.special.base import Decoder, Headers, Sending, unsupported, without
from providers.special.bedrock import CLIENT_HEADERS, Bedrock, betas_in
from providers.special.converse_replies import Conversation, message_of
from providers.special.events import ACCEPT, Messages
from providers.wire.types import Json

Block = dict[str, Any]
CACHE: Block = {"cachePoint": {"type": "default"}}
NOTHING = "(nothing)"  # blank text is refused
# Of the Messages body into additionalModelRequestFields, which go to the model as they are.
MODEL_FIELDS = ("top_k", "thinking", "output_config", "context_management")
LIMITS = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop_sequences": "stopSequences"}
BAD_IN_NAME = re.compile(r"[^A-Za-z0-9()\[\] -]+")
CHOICES = {"auto": "auto", "any": "any"}


class Converse(Bedrock):
    rewrites = True

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        said = msgspec.json.decode(sending.body)
        body: Block = {"messages": [_message(message) for message in said.get("messages", [])]}
        if system := _content(said.get("system")):
            body["system"] = system
        if limits := {ours: said[name] for name, ours in LIMITS.items() if said.get(name) is not None}:
            body["inferenceConfig"] = limits
        if said.get("tools"):
            body["toolConfig"] = _tools(said)
        more = {name: said[name] for name in MODEL_FIELDS if said.get(name) is not None}
        if betas := betas_in(sending.headers):
            more["anthropic_beta"] = betas
        if more:
            body["additionalModelRequestFields"] = more
        headers = without(sending.headers, *CLIENT_HEADERS)
        return msgspec.json.encode(body), (*headers, ACCEPT) if sending.stream else headers

    def whole(self, raw: bytes, sending: Sending) -> bytes:
        return message_of(raw, sending)

    def decoder(self, sending: Sending) -> Decoder:
        conversation = Conversation(sending)
        return Messages(conversation.told, conversation.ended)


def _message(message: Block) -> Block:
    return {"role": message["role"], "content": _content(message.get("content")) or [{"text": NOTHING}]}


def _content(content: Json) -> list[Block]:
    """A text or blocks → Converse's blocks; a cache mark is a block after the one it is on."""
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    made: list[Block] = []
    for block in content or ():
        made += _block(block)
        if block.get("cache_control"):
            made.append(CACHE)
    return made


def _block(block: Block) -> Iterable[Block]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [{"text": text}] if text.strip() else []
        case {"type": "image", "source": source}:
            return [_image(source)]
        case {"type": "document", "source": source}:
            return [_document(block, source)]
        case {"type": "tool_use", "id": id, "name": name}:
            return [{"toolUse": {"toolUseId": id, "name": name, "input": block.get("input", {})}}]
        case {"type": "tool_result", "tool_use_id": id}:
            status = {"status": "error"} if block.get("is_error") else {}
            content = _content(block.get("content")) or [{"text": NOTHING}]
            return [{"toolResult": {"toolUseId": id, "content": content, **status}}]
        case {"type": "thinking", "thinking": text}:
            signed = {"signature": block["signature"]} if block.get("signature") else {}
            return [{"reasoningContent": {"reasoningText": {"text": text, **signed}}}]
        case {"type": "redacted_thinking", "data": data}:
            return [{"reasoningContent": {"redactedContent": data}}]
    raise unsupported(f"content of type '{block.get('type')}'")


def _image(source: Block) -> Block:
    if source.get("type") != "base64":
        raise unsupported("images by address; send the image itself")
    kind = str(source.get("media_type")).rpartition("/")[2]
    return {"image": {"format": kind, "source": {"bytes": source["data"]}}}


def _document(block: Block, source: Block) -> Block:
    name = BAD_IN_NAME.sub(" ", block.get("title") or "document").strip()[:200] or "document"
    match source:
        case {"type": "base64", "media_type": "application/pdf", "data": data}:
            return {"document": {"format": "pdf", "name": name, "source": {"bytes": data}}}
        case {"type": "text", "data": str(text)}:
            data = b64encode(text.encode()).decode()
            return {"document": {"format": "txt", "name": name, "source": {"bytes": data}}}
    raise unsupported("documents by address or of this type")


def _tools(said: Block) -> Block:
    """``none`` cannot be said: the tools stay, for the history may call them, and nothing asks for one."""
    made: list[Block] = []
    for tool in said["tools"]:
        if tool.get("type", "custom") != "custom":
            raise unsupported(f"the tool '{tool['type']}', which the vendor itself would run")
        spec = {"name": tool["name"], "inputSchema": {"json": tool.get("input_schema", {"type": "object"})}}
        if tool.get("description"):
            spec["description"] = tool["description"]
        made.append({"toolSpec": spec})
        if tool.get("cache_control"):
            made.append(CACHE)
    match said.get("tool_choice"):
        case {"type": "tool", "name": name}:
            return {"tools": made, "toolChoice": {"tool": {"name": name}}}
        case {"type": str(kind)} if kind in CHOICES:
            return {"tools": made, "toolChoice": {CHOICES[kind]: {}}}
    return {"tools": made}
