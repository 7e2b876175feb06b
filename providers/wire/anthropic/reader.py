"""An upstream's stream → events."""

from __future__ import annotations

import msgspec

from providers.wire.anthropic import citations, usage
from providers.wire.anthropic.errors import failure_in
from providers.wire.anthropic.replies import broken, check_content, finish, text, unused
from providers.wire.anthropic.tables import FAMILY
from providers.wire.customtools import unwrap
from providers.wire.translation import Names, json_text
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    Proof,
    ReasoningDelta,
    ReasoningProof,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)

MAX_HELD = 8 * 1024 * 1024  # characters of a tool's input that are kept until it is whole

_decode = msgspec.json.Decoder().decode


class Block:
    """A content block that has begun. ``number`` counts blocks, ``call`` the client's tool calls."""

    __slots__ = ("call", "held", "kind", "number", "sealed", "size", "start", "wrapped")

    def __init__(self, number: int, kind: str, start: dict[str, Json], call: int = 0) -> None:
        self.number, self.kind, self.start, self.call = number, kind, start, call
        self.held: list[str] = []
        self.size = 0
        self.sealed = False  # got arguments (a call) or its signature (thinking) by deltas
        self.wrapped = False  # a call of a custom tool: its arguments are held until they can be unwrapped


class Reader:
    """Payloads of one reply's events → events. Source: docs.anthropic.com/en/api/messages-streaming (2026-11).

    Tolerates what compatible vendors do: no ``message_start`` or one without usage, input tokens only at the end, a
    tool's input whole in its block's start, blocks that are not closed or not opened, no ``message_stop``.
    """

    __slots__ = (
        "_blocks", "_calls", "_finished", "_id", "_last", "_names", "_opened", "_seen", "_spoke", "_started", "_stop",
        "_usage", "done",
    )  # fmt: skip

    def __init__(self, names: Names) -> None:
        self._names = names
        self._blocks: dict[int, Block] = {}
        self._usage: dict[str, Json] = {}
        self._seen: set[str] = set()
        self._calls = self._last = self._opened = 0
        self._id = ""
        self._stop: Json = None
        self._started = self._finished = self._spoke = False
        self.done = False

    def frame(self, data: bytes) -> list[Event]:
        """The events of one payload. Raises UpstreamFailure for an error in it and for what is no event."""
        if self.done or not data or data == b"[DONE]":
            return []
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise broken("The provider's stream holds an event that is not JSON.") from None
        if not isinstance(event, dict):
            raise broken("The provider's stream holds something that is no event.")
        try:
            return self._event(event)
        except RecursionError:
            raise broken("The provider's stream holds an event that is nested too deeply.") from None

    def end(self) -> list[Event]:
        """The upstream closed. Raises UpstreamFailure when it did so before it had finished."""
        if self.done:
            return []
        if not self._finished:
            raise broken("The provider's stream was cut before it ended.")
        return self._stopped()

    def _event(self, event: dict[str, Json]) -> list[Event]:
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta")
                return self._delta(self._index(event), delta) if isinstance(delta, dict) else []
            case "content_block_start":
                return self._block_start(self._index(event), event.get("content_block"))
            case "content_block_stop":
                return self._close(self._index(event))
            case "message_start":
                return self._message_start(event.get("message"))
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                return self._stopped()
        failure = failure_in(event) if event.get("type") == "error" or event.get("error") else None
        if failure is not None:
            raise failure
        return []  # ping, and whatever is newer than this

    def _index(self, event: dict[str, Json]) -> int:
        index = event.get("index")
        if isinstance(index, int):
            self._last = index
        return self._last

    def _start(self) -> list[Event]:
        """What must come before anything else, when the vendor left it out."""
        if self._started:
            return []
        self._started = True
        return [Start()]

    def _message_start(self, message: Json) -> list[Event]:
        if self._started:
            return []
        self._started = True
        self._id = text(message, "id")
        if isinstance(message, dict):
            self._usage = usage.merged(self._usage, message.get("usage"))
        return [Start(id=self._id, model=text(message, "model"), usage=usage.read(self._usage))]

    def _block_start(self, index: int, block: Json) -> list[Event]:
        if not isinstance(block, dict):
            return []
        events = self._start()
        if index in self._blocks:
            events += self._close(index)
        kind = text(block, "type")
        begun = self._blocks[index] = Block(self._opened, kind, block, self._calls)
        self._opened += 1
        if kind == "tool_use":
            events.append(self._tool_start(block, begun))
        elif kind == "text" and text(block, "text"):
            events += self._text(begun, text(block, "text"))
        elif kind == "thinking" and text(block, "thinking"):
            events += self._reasoning(begun, text(block, "thinking"))
        return events

    def _tool_start(self, block: dict[str, Json], begun: Block) -> Event:
        name = text(block, "name")
        if not name:
            raise broken("The provider's stream calls a tool without a name.")
        index, self._calls, self._spoke = self._calls, self._calls + 1, True
        fresh = unused(text(block, "id"), f"toolu_{self._id}_{index}", self._seen)
        known = self._names.original(name)
        begun.wrapped = known in self._names.wrapped
        return ToolStart(index=index, id=fresh, name=known, custom=begun.wrapped, namespace=self._names.namespace(name))

    def _delta(self, index: int, delta: dict[str, Json]) -> list[Event]:
        block = self._blocks.get(index)
        kind = delta.get("type")
        if block is None:
            return self._unopened(index, kind, delta)
        if kind == "text_delta":
            return self._text(block, text(delta, "text"))
        if kind == "input_json_delta":
            return self._input(block, text(delta, "partial_json"))
        if kind == "thinking_delta":
            return self._reasoning(block, text(delta, "thinking"))
        if kind == "signature_delta":
            block.sealed = True
            return self._proof(block, "signature", text(delta, "signature"))
        if kind == "citations_delta":
            citation = citations.read(delta.get("citation"))
            return [] if citation is None else [CitationAdded(citation=citation)]
        return []

    def _unopened(self, index: int, kind: Json, delta: dict[str, Json]) -> list[Event]:
        """A delta of a block that never began."""
        opened = {"text_delta": "text", "thinking_delta": "thinking"}.get(kind) if isinstance(kind, str) else None
        if opened is None:
            if kind == "input_json_delta":
                raise broken("The provider's stream has arguments of a tool that was not called.")
            return []
        return self._block_start(index, {"type": opened}) + self._delta(index, delta)

    def _text(self, block: Block, piece: str) -> list[Event]:
        if not piece:
            return []
        self._spoke = True
        return [TextDelta(text=piece, block=block.number)]

    def _reasoning(self, block: Block, piece: str) -> list[Event]:
        if not piece:
            return []
        self._spoke = True
        return [ReasoningDelta(text=piece, block=block.number)]

    def _proof(self, block: Block, kind: str, value: str) -> list[Event]:
        if not value:
            return []
        self._spoke = True
        return [ReasoningProof(proof=Proof(family=FAMILY, kind=kind, value=value), block=block.number)]

    def _input(self, block: Block, piece: str) -> list[Event]:
        if not piece:
            return []
        block.sealed = True
        if block.kind == "tool_use" and not block.wrapped:
            return [ToolDelta(index=block.call, arguments=piece)]
        block.size += len(piece)
        if block.size > MAX_HELD:
            raise broken("The provider's stream holds a tool's input without end.")
        block.held.append(piece)
        return []

    def _close(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        if block is None or block.kind == "text":
            return []
        if block.kind == "tool_use":
            return self._close_call(block)
        if block.kind == "thinking":
            return [] if block.sealed else self._proof(block, "signature", text(block.start, "signature"))
        if block.kind == "redacted_thinking":
            return self._proof(block, "redacted", text(block.start, "data"))
        self._spoke = True
        return [OpaqueAdded(part=Opaque(family=FAMILY, value=_whole(block)))]

    def _close_all(self) -> list[Event]:
        return [event for index in list(self._blocks) for event in self._close(index)]

    def _close_call(self, block: Block) -> list[Event]:
        events: list[Event] = []
        given = block.start.get("input")
        if given and not block.sealed:
            block.held.append(given if isinstance(given, str) else json_text(given))
        whole = "".join(block.held)
        if whole:
            events.append(ToolDelta(index=block.call, arguments=unwrap(whole) if block.wrapped else whole))
        return [*events, ToolEnd(index=block.call)]

    def _message_delta(self, event: dict[str, Json]) -> list[Event]:
        events = self._start()
        delta = event.get("delta")
        if isinstance(event.get("usage"), dict):
            self._usage = usage.merged(self._usage, event["usage"])
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if reason is not None and not self._finished:
            events += self._finish(reason, text(delta, "stop_sequence"))
        counted = usage.read(self._usage)
        return events if counted is None else [*events, UsageSeen(usage=counted)]

    def _finish(self, reason: Json, sequence: str) -> list[Event]:
        self._finished, self._stop = True, reason
        return [*self._close_all(), Finish(reason=finish(reason, self._calls > 0), stop_sequence=sequence)]

    def _stopped(self) -> list[Event]:
        events = self._start()
        events += self._close_all() if self._finished else self._finish(None, "")
        self.done = True
        check_content(self._spoke, self._stop, usage.read(self._usage))
        return events


def _whole(block: Block) -> Json:
    """A block that is only passed on, with the input that came in pieces."""
    if not block.held:
        return block.start
    try:
        return {**block.start, "input": _decode("".join(block.held))}
    except (msgspec.DecodeError, RecursionError):
        raise broken("The provider's stream holds a server tool's input that is not JSON.") from None
