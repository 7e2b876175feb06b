"""Events → a client's stream."""

from __future__ import annotations

import msgspec

from providers.wire.anthropic import citations
from providers.wire.anthropic import usage as tokens
from providers.wire.anthropic.errors import envelope
from providers.wire.anthropic.replies import opening, stop_reason, unused
from providers.wire.anthropic.tables import FAMILY
from providers.wire.errors import Refusal
from providers.wire.translation import Asked, json_text, sse, tool_id
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)

KEEP_ALIVE = b'event: ping\ndata: {"type": "ping"}\n\n'
DELTA = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%s","%s":'

_encode = msgspec.json.encode


class Writer:
    """Blocks are numbered from 0 and never overlap: what comes while another call is unfinished waits for its end."""

    __slots__ = (
        "_asked", "_calls", "_ended", "_head", "_ids", "_kind", "_number", "_open", "_refused", "_sequence", "_started",
        "_stop", "_usage", "_waiting",
    )  # fmt: skip

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._number = 0  # of the block that is open, else of the next
        self._kind = ""  # text | refusal | thinking | call of the open block
        self._open = 0  # its number among the events' blocks or calls
        self._head = b""  # of its deltas
        self._ids: set[str] = set()
        self._waiting: list[Event] = []
        self._usage: Usage | None = None
        self._stop, self._sequence = "stop", ""
        self._started = self._ended = self._refused = self._calls = False

    def write(self, event: Event) -> bytes:
        """The bytes of one event; b"" for what this format does not say. Only the first choice has a place."""
        if isinstance(event, TextDelta) and self._kind == "text" and event.block == self._open and not event.choice:
            return b"%b%b}}\n\n" % (self._head, _encode(event.text)) if event.text else b""
        if self._ended or getattr(event, "choice", None):
            return b""
        if isinstance(event, UsageSeen):
            self._usage = event.usage
            return b""
        if isinstance(event, Finish):
            self._stop, self._sequence = event.reason, event.stop_sequence
            return b""
        if isinstance(event, Start):
            return self._begin(event.usage)
        return self._begin(None) + self._content(event)

    def end(self, usage: Usage | None) -> bytes:
        """The close of a good reply, once. ``usage`` wins over what the events told."""
        if self._ended:
            return b""
        data = self._begin(None) + self._flush()
        self._ended = True
        delta = {
            "stop_reason": stop_reason(self._stop, self._refused, self._calls),
            "stop_sequence": self._sequence or None,
        }
        counted = tokens.totals(usage or self._usage or Usage())
        return (
            data
            + sse({"type": "message_delta", "delta": delta, "usage": counted}, "message_delta")
            + sse({"type": "message_stop"}, "message_stop")
        )

    def fail(self, refusal: Refusal) -> bytes:
        """An error in mid-stream: nothing follows it."""
        if self._ended:
            return b""
        self._ended, self._kind = True, ""
        return sse(envelope(refusal), "error")

    def _begin(self, counted: Usage | None) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._usage = self._usage or counted
        return sse(
            {"type": "message_start", "message": opening(self._asked, counted or Usage(estimated=True))},
            "message_start",
        )

    def _content(self, event: Event) -> bytes:
        if self._kind == "call" and not (isinstance(event, (ToolDelta, ToolEnd)) and event.index == self._open):
            self._waiting.append(event)
            return b""
        match event:
            case TextDelta(text=text):
                return self._piece("text", event.block, text) if text else b""
            case RefusalDelta(text=text):
                self._refused = True
                return self._piece("refusal", 0, text) if text else b""
            case ReasoningDelta(text=text):
                return self._piece("thinking", event.block, text) if text else b""
            case ReasoningProof():
                return self._proof(event)
            case ToolStart():
                return self._call(event)
            case ToolDelta(arguments=arguments):
                return b"%b%b}}\n\n" % (self._head, _encode(arguments)) if arguments and self._kind == "call" else b""
            case ToolEnd():
                return self._close() + self._release() if self._kind == "call" else b""
            case CitationAdded(citation=citation) if self._kind == "text":
                return self._delta({"type": "citations_delta", "citation": citations.shown(citation)})
            case OpaqueAdded(part=part):
                return self._opaque(part)
        return b""  # a citation without its text

    def _piece(self, kind: str, number: int, text: str) -> bytes:
        """Text of a kind of block, which is opened if another one is."""
        data = b""
        if self._kind != kind or self._open != number:
            data = self._close() + self._open_block(kind, number)
        return b"%b%b%b}}\n\n" % (data, self._head, _encode(text))

    def _open_block(self, kind: str, number: int) -> bytes:
        self._kind, self._open = kind, number
        if kind == "thinking":
            self._head = (DELTA % (self._number, "thinking_delta", "thinking")).encode()
            return self._start({"type": "thinking", "thinking": "", "signature": ""})
        self._head = (DELTA % (self._number, "text_delta", "text")).encode()
        return self._start({"type": "text", "text": ""})

    def _call(self, event: ToolStart) -> bytes:
        data = self._close()
        self._kind, self._open, self._calls = "call", event.index, True
        self._head = (DELTA % (self._number, "input_json_delta", "partial_json")).encode()
        sent = unused(tool_id(event.id), f"toolu_{self._asked.id}", self._ids)
        return data + self._start({"type": "tool_use", "id": sent, "name": event.name, "input": {}})

    def _proof(self, event: ReasoningProof) -> bytes:
        """Only the vendor's own: a client sends it back, and then it must be what the vendor made."""
        proof = event.proof
        if proof.family != FAMILY:
            return b""
        if proof.kind == "redacted":
            return self._close() + self._whole({"type": "redacted_thinking", "data": proof.value})
        data = b""
        if self._kind != "thinking" or self._open != event.block:
            data = self._close() + self._open_block("thinking", event.block)
        return data + self._delta({"type": "signature_delta", "signature": proof.value}) + self._close()

    def _opaque(self, part: Opaque) -> bytes:
        value = part.value
        if part.family != FAMILY or not isinstance(value, dict):
            return b""
        given = value.get("input")
        if not isinstance(given, dict) or not given:
            return self._close() + self._whole(value)
        begun = self._close() + self._start({**value, "input": {}})
        self._kind = "opaque"
        return begun + self._delta({"type": "input_json_delta", "partial_json": json_text(given)}) + self._close()

    def _whole(self, block: dict[str, Json]) -> bytes:
        data = self._start(block)
        self._kind = "opaque"
        return data + self._close()

    def _start(self, block: dict[str, Json]) -> bytes:
        return sse(
            {"type": "content_block_start", "index": self._number, "content_block": block}, "content_block_start"
        )

    def _delta(self, delta: dict[str, Json]) -> bytes:
        return sse({"type": "content_block_delta", "index": self._number, "delta": delta}, "content_block_delta")

    def _close(self) -> bytes:
        if not self._kind:
            return b""
        data = sse({"type": "content_block_stop", "index": self._number}, "content_block_stop")
        self._kind = ""
        self._number += 1
        return data

    def _release(self) -> bytes:
        """What waited for a call to end; some of it may wait again, for the next."""
        waiting, self._waiting = self._waiting, []
        return b"".join([self._content(event) for event in waiting])

    def _flush(self) -> bytes:
        data = [self._close()]
        while self._waiting:
            data += [self._release(), self._close()]
        return b"".join(data)
