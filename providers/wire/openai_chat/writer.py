"""Events → chunks of a client's stream, strictly as OpenAI sends them; ``reasoning_content`` is the one addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.wire.errors import Refusal
from providers.wire.openai_chat.passing import DONE, error_event
from providers.wire.openai_chat.said import FAMILY, FINISH_OUT, annotation_body, audio_body, logprobs_body, usage_body
from providers.wire.translation import Asked
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    OpaqueAdded,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
)

encode = msgspec.json.encode


class _Choice:
    """What was written of one of n answers."""

    __slots__ = ("annotations", "block", "called", "customs", "finished", "length", "refused", "silent")

    def __init__(self) -> None:
        self.block = -1  # of the reasoning that was written last
        self.length = 0  # characters of text
        self.called = self.finished = self.refused = False
        self.customs: set[int] = set()  # indexes of calls of custom tools
        self.silent: set[int] = set()  # indexes of functions whose arguments have not begun
        self.annotations: list[Json] = []


class Writer:
    """Events of one reply → bytes. ``end`` or ``fail`` is called once, at the end."""

    __slots__ = ("_asked", "_choices", "_head", "_legacy", "_tail", "_usage_of_chunks")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        same = {"id": f"chatcmpl-{asked.id}", "object": "chat.completion.chunk", "created": asked.created}
        self._head = b"data: " + encode({**same, "model": asked.model})[:-1] + b',"choices":['
        self._usage_of_chunks = b',"usage":null}\n\n' if asked.request.include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._usage_of_chunks
        self._choices: dict[int, _Choice] = {}
        self._legacy = asked.request.legacy_functions

    def write(self, event: Event) -> bytes:
        """The chunks that one event becomes; b"" for what this format does not say."""
        if isinstance(event, Start):
            return self._open(0)
        if isinstance(event, TextDelta):
            choice = self._choices.get(event.choice)
            if choice is None or event.logprobs is not None:
                return self._text(event)
            choice.length += len(event.text)
            delta = b'{"content":' + encode(event.text) + b"}"
            return self._head + b'{"index":%d,"delta":' % event.choice + delta + self._tail if event.text else b""
        writer = WRITERS.get(type(event))
        return b"" if writer is None else self._open(event.choice) + writer(self, event)  # type: ignore[union-attr]

    def end(self, usage: Usage | None) -> bytes:
        """Finish what was not finished, the usage chunk if it was asked for, ``[DONE]``."""
        last = b"" if self._choices else self._open(0)
        for index, choice in self._choices.items():
            if not choice.finished:
                reason = "tool_calls" if choice.called else "stop"
                last += self._finish(Finish(reason=reason, choice=index))
        if usage is not None and self._asked.request.include_usage:
            last += self._head + b'],"usage":' + encode(usage_body(usage)) + b"}\n\n"
        return last + DONE

    def fail(self, refusal: Refusal) -> bytes:
        """An error in the middle: one event, nothing follows."""
        return error_event(refusal.message, refusal.type, refusal.code, refusal.param)

    # -- chunks --------------------------------------------------------------------------------------------------------
    def _open(self, index: int) -> bytes:
        """The chunk with the role, the first of a choice."""
        if index in self._choices:
            return b""
        self._choices[index] = _Choice()
        return self._chunk(index, {"role": "assistant", "content": "", "refusal": None})

    def _chunk(self, index: int, delta: Json, logprobs: Json = None, finish: str | None = None) -> bytes:
        head = self._head + b'{"index":%d,"delta":' % index + encode(delta)
        if logprobs is None and finish is None:
            return head + self._tail
        said = b"null" if logprobs is None else encode(logprobs)
        return head + b',"logprobs":' + said + b',"finish_reason":' + encode(finish) + b"}]" + self._usage_of_chunks

    def _text(self, event: TextDelta) -> bytes:
        opening = self._open(event.choice)
        self._choices[event.choice].length += len(event.text)
        if not event.text and event.logprobs is None:
            return opening
        return opening + self._chunk(event.choice, {"content": event.text}, logprobs_body(event.logprobs))

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        choice = self._choices[event.choice]
        between = "\n\n" if event.block != choice.block >= 0 else ""
        if not event.text:
            return b""
        choice.block = event.block
        return self._chunk(event.choice, {"reasoning_content": between + event.text})

    def _refusal(self, event: RefusalDelta) -> bytes:
        self._choices[event.choice].refused = True
        return self._chunk(event.choice, {"refusal": event.text}) if event.text else b""

    def _citation(self, event: CitationAdded) -> bytes:
        choice = self._choices[event.choice]
        if event.citation.url:
            choice.annotations.append(annotation_body(event.citation, choice.length))
        return b""

    def _call(self, event: ToolStart) -> bytes:
        choice = self._choices[event.choice]
        choice.called = True
        if event.custom:
            choice.customs.add(event.index)
            kind, inner = "custom", {"name": event.name, "input": ""}
        else:
            choice.silent.add(event.index)
            kind, inner = "function", {"name": event.name, "arguments": ""}
        if self._legacy:
            return self._chunk(event.choice, {"function_call": inner}) if event.index == 0 else b""
        call = {"index": event.index, "id": event.id, "type": kind, kind: inner}
        return self._chunk(event.choice, {"tool_calls": [call]})

    def _arguments(self, event: ToolDelta) -> bytes:
        choice = self._choices[event.choice]
        if not event.arguments:
            return b""
        choice.silent.discard(event.index)
        inner = {"input" if event.index in choice.customs else "arguments": event.arguments}
        if self._legacy:
            return self._chunk(event.choice, {"function_call": inner}) if event.index == 0 else b""
        kind = "custom" if event.index in choice.customs else "function"
        return self._chunk(event.choice, {"tool_calls": [{"index": event.index, kind: inner}]})

    def _called(self, event: ToolEnd) -> bytes:
        """Clients read the arguments as JSON: there must be some."""
        if event.index not in self._choices[event.choice].silent:
            return b""
        return self._arguments(ToolDelta(index=event.index, arguments="{}", choice=event.choice))

    def _opaque(self, event: OpaqueAdded) -> bytes:
        value = event.part.value
        if event.part.family != FAMILY or not isinstance(value, dict):
            return b""
        if value.get("type") == "audio":
            return self._chunk(event.choice, {"audio": audio_body(value["audio"], False)})
        if value.get("type") == "image_url":  # generated images go where OpenRouter's clients look
            return self._chunk(event.choice, {"images": [value]})
        return b""

    def _finish(self, event: Finish) -> bytes:
        choice = self._choices[event.choice]
        if choice.finished:
            return b""
        choice.finished = True
        reason = FINISH_OUT.get(event.reason, "stop")
        if choice.refused and event.reason == "refusal":
            reason = "stop"
        if self._legacy and reason == "tool_calls":
            reason = "function_call"
        delta = {"annotations": choice.annotations} if choice.annotations else {}
        return self._chunk(event.choice, delta, finish=reason)


WRITERS: dict[type, Callable[[Writer, Any], bytes]] = {
    ReasoningDelta: Writer._reasoning,
    RefusalDelta: Writer._refusal,
    CitationAdded: Writer._citation,
    ToolStart: Writer._call,
    ToolDelta: Writer._arguments,
    ToolEnd: Writer._called,
    OpaqueAdded: Writer._opaque,
    Finish: Writer._finish,
}
