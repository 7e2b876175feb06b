"""Our events → events of this format's stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.wire.errors import Refusal
from providers.wire.openai_responses.blocks import CallBlock, MessageBlock, OpaqueBlock, ReasoningBlock
from providers.wire.openai_responses.errors import failed_code
from providers.wire.openai_responses.response import ended, failed, head, running
from providers.wire.openai_responses.vocabulary import ENCRYPTED, FAMILY, PHASE, REASONS, own
from providers.wire.translation import Asked, sse
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    OpaqueAdded,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Start,
    TextDelta,
    Tool,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)

KEEP_ALIVE = b": keep-alive\n\n"
Block = MessageBlock | ReasoningBlock | CallBlock


class Writer:
    """Events of one reply → its stream; sans-I/O. One item is open at a time, whatever comes for another waits.

    Only the first choice is written, for this format has no others. ``response`` is the terminal response object once
    :meth:`end` has been called.
    """

    def __init__(self, asked: Asked) -> None:
        self.response: dict[str, Json] = {}
        self._asked = asked
        self._head = head(asked)
        self._spaces = _namespaces(asked)
        self._number = 0
        self._bytes: list[bytes] = []
        self._begun = False
        self._open: Block | None = None
        self._output: list[Json] = []
        self._held: list[Event] = []  # while a call is being written: what is not a part of it
        self._finish = "stop"
        self._usage: Usage | None = None

    # -- what the gateway calls ------------------------------------------------------------------------------------
    def write(self, event: Event) -> bytes:
        """The bytes of one event; none while it waits for another to end."""
        if isinstance(event, Start):
            self._usage = event.usage
            self._begin()
        elif isinstance(event, UsageSeen):
            self._usage = event.usage
        elif event.choice == 0:
            self._begin()
            self._take(event)
        return self._flush()

    def end(self, usage: Usage | None) -> bytes:
        """The closing events with the whole response, once."""
        self._begin()
        self._settle()
        self.response = ended(self._head, self._output, self._finish, usage or self._usage)
        self.emit(f"response.{self.response['status']}", response=self.response)
        return self._flush()

    def fail(self, refusal: Refusal) -> bytes:
        """The end of a reply that broke off: what was open stays open, what was complete is in the response."""
        self._begin()
        self.emit("error", code=refusal.code, message=refusal.message, param=refusal.param)
        response = failed(self._head, self._output, failed_code(refusal), refusal.message)
        self.emit("response.failed", response=response)
        return self._flush()

    # -- what the blocks call --------------------------------------------------------------------------------------
    def emit(self, kind: str, **fields: Any) -> None:
        self._bytes.append(sse({"type": kind, "sequence_number": self._number, **fields}, kind))
        self._number += 1

    def item_id(self, prefix: str) -> str:
        number = len(self._output)
        return f"{prefix}_{self._asked.id}_{number}" if number else f"{prefix}_{self._asked.id}"

    def opened(self, item: dict[str, Json]) -> int:
        """Announce an item; its place in the output."""
        self.emit("response.output_item.added", output_index=len(self._output), item=item)
        return len(self._output)

    def closed(self, item: dict[str, Json]) -> None:
        self.emit("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    # -- events ----------------------------------------------------------------------------------------------------
    def _flush(self) -> bytes:
        said = b"".join(self._bytes)
        self._bytes.clear()
        return said

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            response = running(self._head)
            self.emit("response.created", response=response)
            self.emit("response.in_progress", response=response)

    def _take(self, event: Event) -> None:
        block = self._open
        if type(block) is CallBlock:
            if type(event) is ToolDelta and event.index == block.index:
                block.add(event.arguments)
            elif type(event) is ToolEnd and event.index == block.index:
                self._close()
                self._release()
            else:
                self._held.append(event)
            return
        handler = HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _release(self) -> None:
        """Write what waited; the next call among it makes the rest wait again."""
        waiting, self._held = self._held, []
        for event in waiting:
            self._take(event)

    def _close(self, status: str = "completed") -> None:
        block, self._open = self._open, None
        if block is not None:
            block.close(status)

    def _settle(self) -> None:
        """Close what is open; a call that the vendor cut is incomplete."""
        cut = "incomplete" if self._finish in REASONS else "completed"
        while self._open is not None:
            self._close(cut)
            self._release()

    def _finished(self, event: Finish) -> None:
        self._finish = event.reason
        self._settle()

    def _message(self, phase: str | None) -> MessageBlock:
        block = self._open
        if type(block) is MessageBlock and phase in (None, block.phase):
            return block
        self._close()
        block = self._open = MessageBlock(self, phase or "")
        return block

    def _text(self, event: TextDelta) -> None:
        if not event.text and type(self._open) is not MessageBlock:
            return  # an empty beginning is not worth an item
        proof = own(event.proof, PHASE)
        phase = proof.value if proof is not None else None
        self._message(phase).text(event.text, event.block, (event.logprobs or {}).get("content") or [])

    def _refusal(self, event: RefusalDelta) -> None:
        self._message(None).refusal(event.text)

    def _citation(self, event: CitationAdded) -> None:
        if type(self._open) is MessageBlock:
            self._open.cite(event.citation)

    def _thought(self, event: ReasoningDelta) -> None:
        if event.text:
            self._reasoning(event.block, "").add(event.text)

    def _reasoning(self, number: int, name: str) -> ReasoningBlock:
        block = self._open
        if type(block) is ReasoningBlock and block.number == number:
            return block
        self._close()
        block = self._open = ReasoningBlock(self, number, name)
        return block

    def _proof(self, event: ReasoningProof) -> None:
        """Its id opens the item, its value seals and closes it. Others' proofs cannot be shown."""
        proof = event.proof
        if proof.family != FAMILY or proof.kind != ENCRYPTED:
            return
        block = self._reasoning(event.block, proof.id)
        if proof.value:
            block.sealed = proof.value
            self._close()

    def _call(self, event: ToolStart) -> None:
        self._close()
        space = event.namespace or self._spaces.get(event.name, "")
        self._open = CallBlock(self, event.index, event.id, event.name, space, custom=event.custom)

    def _opaque(self, event: OpaqueAdded) -> None:
        if event.part.family == FAMILY and isinstance(event.part.value, dict):
            self._close()
            OpaqueBlock(self, event.part.value)


HANDLERS: dict[type[Any], Callable[[Writer, Any], None]] = {
    TextDelta: Writer._text,
    RefusalDelta: Writer._refusal,
    CitationAdded: Writer._citation,
    ReasoningDelta: Writer._thought,
    ReasoningProof: Writer._proof,
    ToolStart: Writer._call,
    OpaqueAdded: Writer._opaque,
    Finish: Writer._finished,
}


def _namespaces(asked: Asked) -> dict[str, str]:
    """Tool name → its namespace, for calls of which the upstream's format does not tell it."""
    tools = [tool for tool in asked.request.tools if isinstance(tool, Tool)]
    plain = {tool.name for tool in tools if not tool.namespace}
    return {tool.name: tool.namespace for tool in tools if tool.namespace and tool.name not in plain}
