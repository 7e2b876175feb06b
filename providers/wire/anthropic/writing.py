"""Parts → content blocks for one upstream."""

from __future__ import annotations

from typing import Any

from providers.wire.anthropic import citations, media
from providers.wire.anthropic.tables import FAMILY, FILES_BETA
from providers.wire.anthropic.turns import Turn, own
from providers.wire.errors import Refusal as Refused
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names, arguments_object
from providers.wire.types import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any]


class Blocks:
    """Writes blocks, and collects what could not be carried, which names were changed and which betas are needed."""

    __slots__ = ("betas", "dropped", "family", "names", "thinking", "traits")

    def __init__(self, traits: Traits) -> None:
        self.traits, self.family = traits, traits.family or FAMILY
        self.names, self.dropped = Names(), Dropped()
        self.betas: dict[str, None] = {}
        self.thinking = True  # whether signed thinking is replayed

    def turn(self, turn: Turn) -> list[Block]:
        """The content of one turn: results first in a user's, no thinking at the end of an assistant's."""
        if turn.role == "assistant":
            blocks = [block for part in turn.parts for block in self._assistant(part)]
            while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
                blocks.pop()
            return blocks
        results = [self._result(result) for result in turn.results]
        return results + [block for part in turn.parts for block in self._user(part)]

    def text(self, part: Text) -> list[Block]:
        """Blank texts are refused by the vendor and say nothing."""
        if not part.text or part.text.isspace():
            return []
        block: Block = {"type": "text", "text": part.text}
        if part.citations and self.family == FAMILY:
            sources = [raw for raw in map(citations.replayed, part.citations) if raw is not None]
            block |= {"citations": sources} if sources else {}
        return [marked(block, part.cache)]

    def _user(self, part: Part) -> list[Block]:
        match part:
            case Text():
                return self.text(part)
            case Image():
                return [self._image(part)]
            case Document():
                return [self._document(part)]
            case Audio():
                raise Refused(
                    400,
                    "This model's provider does not take audio input.",
                    code="unsupported_content",
                    param="messages",
                )
            case Refusal(text=text):
                return self.text(Text(text=text))
            case Opaque():
                return self._opaque(part)
            case _:
                return []  # reasoning and calls are the assistant's

    def _assistant(self, part: Part) -> list[Block]:
        match part:
            case Text():
                return self.text(part)
            case Refusal(text=text):
                return self.text(Text(text=text))
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return [self._call(part)]
            case Opaque():
                return self._opaque(part)
            case _:
                self.dropped.add(_name(part))  # a picture that another vendor's model made
                return []

    def _reasoning(self, part: Reasoning) -> list[Block]:
        proof = own(part, self.family, self.traits.reasoning_in)
        if proof is None or not self.thinking:
            return []
        if proof.kind == "redacted":
            return [{"type": "redacted_thinking", "data": proof.value}]
        return [{"type": "thinking", "thinking": part.text, "signature": proof.value}]

    def _call(self, part: ToolCall) -> Block:
        given = {"input": part.arguments} if part.custom else arguments_object(part.arguments)
        return {"type": "tool_use", "id": part.id, "name": self.names.send(part.name, part.namespace), "input": given}

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": part.id}
        content = [inner for piece in part.parts for inner in self._user(piece)]
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        if part.error:
            block["is_error"] = True
        return marked(block, part.cache)

    def _image(self, part: Image) -> Block:
        if not self.traits.can("vision"):
            return self._omitted("image")
        return self._filed(marked(media.image(part), part.cache))

    def _document(self, part: Document) -> Block:
        block = media.document(part)
        if block["source"]["type"] != "text" and not self.traits.can("pdf"):
            return self._omitted("document")
        return self._filed(marked(block, part.cache))

    def _filed(self, block: Block) -> Block:
        if block["source"]["type"] == "file":
            self.betas[FILES_BETA] = None
        return block

    def _omitted(self, what: str) -> Block:
        """The model is told that something was there, so that it can say so."""
        self.dropped.add(what)
        return {"type": "text", "text": f"[{what} left out: this model cannot read it]"}

    def _opaque(self, part: Opaque) -> list[Block]:
        if part.family == self.family and isinstance(part.value, dict):
            return [part.value]
        self.dropped.add(_name(part))
        return []


def marked(block: Block, cache: str) -> Block:
    """The block with its cache mark, if it has one."""
    if cache:
        block["cache_control"] = {"type": "ephemeral"} if cache == "5m" else {"type": "ephemeral", "ttl": cache}
    return block


def _name(part: Part) -> str:
    if isinstance(part, Opaque):
        kind = part.value.get("type") if isinstance(part.value, dict) else None
        return kind if isinstance(kind, str) and kind else "part"
    return type(part).__name__.lower()
