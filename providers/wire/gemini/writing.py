"""Events → a client's stream: chunks that hold only what is new, the last one with reason and usage.

Google's SDK breaks on comment lines and on ``data:`` without its space, and drops a turn from its history when a
chunk has no parts: every chunk has some.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from providers.wire.errors import Refusal
from providers.wire.gemini import answers, sources
from providers.wire.gemini.errors import error_object
from providers.wire.translation import Asked, arguments_object
from providers.wire.types import (
    Citation,
    CitationAdded,
    Event,
    Finish,
    Json,
    OpaqueAdded,
    Proof,
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

FAMILY = "gemini"
KEEP_ALIVE: Final = b""  # there is nothing that all clients would skip

_encode = answers.encode


class _Choice:
    __slots__ = ("citations", "finish", "logprobs", "said")

    def __init__(self) -> None:
        self.said: list[str] = []  # for offsets of citations
        self.citations: list[Citation] = []
        self.logprobs: list[Json] = []
        self.finish = ""


class _Call:
    __slots__ = ("id", "name", "pieces")

    def __init__(self, start: ToolStart) -> None:
        self.id, self.name, self.pieces = start.id, start.name, list[str]()


class Writer:
    """Calls go out whole: their arguments are collected until they end."""

    __slots__ = ("_calls", "_choices", "_ended", "_tail", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._tail = b',"modelVersion":' + _encode(asked.model) + b',"responseId":' + _encode(asked.id) + b"}"
        self._choices: dict[int, _Choice] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._usage: Usage | None = None
        self._ended = False

    def write(self, event: Event) -> bytes:
        """What goes to the client now: often nothing."""
        if self._ended:
            return b""
        if isinstance(event, TextDelta):
            return self._text(event)
        if isinstance(event, ReasoningDelta):
            if not event.text:
                return b""
            return self._part(event.choice, b'{"text":' + _encode(event.text) + b',"thought":true}')
        if isinstance(event, (ToolStart, ToolDelta, ToolEnd)):
            return self._tool(event)
        if isinstance(event, (Start, UsageSeen)):
            self._usage = event.usage or self._usage
            return b""
        return self._other(event)

    def end(self, usage: Usage | None) -> bytes:
        """The last chunk: reasons of all candidates, sources, usage. Only once."""
        if self._ended:
            return b""
        self._ended = True
        candidates = [self._last(index, choice) for index, choice in sorted((self._choices or {0: _Choice()}).items())]
        known = usage or self._usage
        said = b',"usageMetadata":' + _encode(answers.usage_out(known)) if known is not None else b""
        return self._frame(b'{"candidates":' + _encode(candidates) + said + self._tail) + self._close()

    def fail(self, refusal: Refusal) -> bytes:
        """An error in mid-stream: the last thing that is said."""
        if self._ended:
            return b""
        self._ended = True
        return self._frame(_encode({"error": error_object(refusal)})) + self._close()

    # -- events --------------------------------------------------------------------------------------------------------
    def _text(self, event: TextDelta) -> bytes:
        choice = self._choice(event.choice)
        if event.logprobs is not None:
            choice.logprobs.append(event.logprobs)
        signature = _signature(event.proof)
        if not event.text and not signature:
            return b""
        choice.said.append(event.text)
        return self._part(event.choice, b'{"text":' + _encode(event.text) + signature + b"}")

    def _tool(self, event: ToolStart | ToolDelta | ToolEnd) -> bytes:
        key = (event.choice, event.index)
        if isinstance(event, ToolStart):
            self._calls[key] = _Call(event)
            return b""
        if isinstance(event, ToolDelta):
            if key in self._calls:
                self._calls[key].pieces.append(event.arguments)
            return b""
        call = self._calls.pop(key, None)
        if call is None:
            return b""
        made = {"id": call.id, "name": call.name, "args": arguments_object("".join(call.pieces))}
        return self._part(event.choice, b'{"functionCall":' + _encode(made) + _signature(event.proof) + b"}")

    def _other(self, event: Event) -> bytes:
        if isinstance(event, ReasoningProof):
            signature = _signature(event.proof)
            return self._part(event.choice, b'{"text":"","thought":true' + signature + b"}") if signature else b""
        if isinstance(event, RefusalDelta):
            if not event.text:
                return b""
            self._choice(event.choice).said.append(event.text)
            return self._part(event.choice, b'{"text":' + _encode(event.text) + b"}")
        if isinstance(event, OpaqueAdded):
            own = event.part.family == FAMILY and isinstance(event.part.value, dict) and event.part.value
            return self._part(event.choice, _encode(event.part.value)) if own else b""
        if isinstance(event, CitationAdded):
            self._choice(event.choice).citations.append(event.citation)
        elif isinstance(event, Finish):
            self._choice(event.choice).finish = event.reason
        return b""

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _last(self, index: int, choice: _Choice) -> dict[str, Json]:
        """A candidate of the last chunk; its empty text is there for clients that refuse a chunk without parts."""
        made: dict[str, Json] = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": answers.FINISH_OUT.get(choice.finish or "stop", "OTHER"),
            "index": index,
        }
        grounding = sources.grounding_out(choice.citations, "".join(choice.said))
        if grounding is not None:
            made["groundingMetadata"] = grounding
        rows = [row for logprobs in choice.logprobs for row in answers.objects(logprobs.get("content"))]
        likely = answers.logprobs_out({"content": rows})
        return made | ({"logprobsResult": likely} if likely is not None else {})

    # -- bytes ---------------------------------------------------------------------------------------------------------
    def _part(self, choice: int, part: bytes) -> bytes:
        self._choice(choice)
        return self._frame(
            b'{"candidates":[{"content":{"parts":[' + part + b'],"role":"model"},"index":%d}]' % choice + self._tail
        )

    def _frame(self, data: bytes) -> bytes:
        return b"data: " + data + b"\n\n"

    def _close(self) -> bytes:
        return b""


class ArrayWriter(Writer):
    """For clients that stream without ``alt=sse``: the chunks are the elements of one JSON array."""

    __slots__ = ("_begun",)

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._begun = False

    def _frame(self, data: bytes) -> bytes:
        opening = b",\r\n" if self._begun else b"["
        self._begun = True
        return opening + data

    def _close(self) -> bytes:
        return b"]"


def array_body(chunks: Iterable[bytes]) -> bytes:
    """The JSON array that whole chunks (bodies without ``data:``) make."""
    return b"[" + b",\r\n".join(chunks) + b"]"


def _signature(proof: Proof | None) -> bytes:
    """Only Gemini's own go to a client, as they came."""
    if proof is None or proof.family != FAMILY or not proof.value:
        return b""
    return b',"thoughtSignature":' + _encode(proof.value)
