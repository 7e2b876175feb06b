"""Messages → ``contents``: alternating, beginning with the user, every call answered in the content after it."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

from providers.wire import customtools
from providers.wire.gemini import media
from providers.wire.gemini.contents import response_of
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names, arguments_object, tool_id
from providers.wire.types import (
    Audio,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)

FAMILY = media.FAMILY
USER, MODEL = "user", "model"
# Documented for histories that another model wrote: ai.google.dev/gemini-api/docs/thought-signatures (2026-11).
PLACEHOLDER: Final = "skip_thought_signature_validator"
NO_PLACEHOLDER = ("budget", "none")  # kinds of thinking whose models never demand a signature
BEGIN: Final = "Continue."  # the user's turn that has to come before a model's
NO_RESULT: Final = "The tool gave no result."


class Turns:
    """One run over the messages of one request. ``first``: system text for models without a system role."""

    __slots__ = ("_dropped", "_first", "_made", "_names", "_own", "_request", "_results", "_traits", "_waiting")

    def __init__(
        self, request: Request, traits: Traits, names: Names, dropped: Dropped, first: tuple[str, ...] = ()
    ) -> None:
        self._request, self._traits, self._names, self._dropped = request, traits, names, dropped
        self._first = first
        self._own = traits.family in ("", FAMILY)  # its proofs and opaque parts may go there
        self._made: list[tuple[str, list[dict[str, Json]]]] = []
        self._waiting: list[ToolCall] = []  # calls of the model's content that is being written
        self._results: dict[str, deque[ToolResult]] = defaultdict(deque)

    def contents(self) -> list[dict[str, Json]]:
        messages = self._request.messages
        for message in messages:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self._results[part.id].append(part)
        for place, message in enumerate(messages):
            if message.role == "assistant":
                last = place == len(messages) - 1
                self._model(message, last)
            else:
                self._user(message)
        self._answer()
        if any(self._results.values()):
            self._dropped.add("tool_result")
        return self._finished()

    # -- turns ---------------------------------------------------------------------------------------------------------
    def _model(self, message: Message, last: bool) -> None:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if last and not calls and not self._traits.prefill:
            self._dropped.add("prefill")
            return
        if self._waiting and not calls:
            self._answer()  # text after calls is a step of its own
        for part in message.parts:
            made = self._call(part) if isinstance(part, ToolCall) else self._model_part(part)
            if made is not None:
                self._add(MODEL, made)
        self._waiting += calls

    def _user(self, message: Message) -> None:
        self._answer()
        for part in message.parts:
            made = None if isinstance(part, ToolResult) else self._user_part(part)
            if made is not None:
                self._add(USER, made)

    def _answer(self) -> None:
        """All results of the calls that wait, in the order of the calls, in one content."""
        for call in self._waiting:
            found = self._results.get(call.id)
            result = found.popleft() if found else ToolResult(id=call.id, parts=(Text(text=NO_RESULT),), error=True)
            self._add(USER, self._response(call, result))
        self._waiting = []

    def _add(self, role: str, part: dict[str, Json]) -> None:
        if self._made and self._made[-1][0] == role:
            self._made[-1][1].append(part)
        else:
            self._made.append((role, [part]))

    def _finished(self) -> list[dict[str, Json]]:
        first: list[dict[str, Json]] = [{"text": text} for text in self._first]
        if not self._made or self._made[0][0] != USER:
            self._made.insert(0, (USER, first or [{"text": BEGIN}]))
        elif first:
            self._made[0][1][:0] = first
        if self._own and self._traits.thinking not in NO_PLACEHOLDER:
            self._seal()
        return [{"role": role, "parts": parts} for role, parts in self._made]

    def _seal(self) -> None:
        """Gemini 3 demands a signature on the first call of each step of the current turn, which begins after the last
        content that the user wrote."""
        for role, parts in reversed(self._made):
            if role == USER and not any("functionResponse" in part for part in parts):
                return
            call = next((part for part in parts if "functionCall" in part), None)
            if call is not None:
                call.setdefault("thoughtSignature", PLACEHOLDER)

    # -- parts ---------------------------------------------------------------------------------------------------------
    def _user_part(self, part: Part) -> dict[str, Json] | None:
        if isinstance(part, Text):
            return self._text(part)
        if isinstance(part, Image):
            return self._image(part)
        if isinstance(part, Document):
            return self._document(part)
        if isinstance(part, Audio):
            if not self._allowed("audio_in", "audio"):
                return None
            return media.audio_part(part)
        if isinstance(part, Refusal):
            return {"text": part.text} if part.text else None
        return self._opaque(part) if isinstance(part, Opaque) else None

    def _model_part(self, part: Part) -> dict[str, Json] | None:
        if isinstance(part, Reasoning):
            return self._thought(part)
        return self._user_part(part)

    def _text(self, part: Text) -> dict[str, Json] | None:
        value = self._signature(part.proof)
        if not part.text and not value:
            return None
        return {"text": part.text, "thoughtSignature": value} if value else {"text": part.text}

    def _thought(self, part: Reasoning) -> dict[str, Json] | None:
        """Thoughts go back when they are Gemini's own; others are dropped, which no answer misses."""
        value = self._signature(part.proof)
        if value:
            return {"text": part.text, "thought": True, "thoughtSignature": value}
        if part.proof is None and part.text and self._own and self._request.family == FAMILY:
            return {"text": part.text, "thought": True}
        return None

    def _image(self, part: Image) -> dict[str, Json] | None:
        if not self._allowed("vision", "image"):
            return None
        made = media.part_of(part.media, "image/jpeg", "image")
        level = media.DETAIL_OUT.get(part.detail)
        if level and self._traits.thinking == "level":  # older models refuse it on a part
            made["mediaResolution"] = {"level": level}
        elif level:
            self._dropped.add("detail")
        return made

    def _document(self, part: Document) -> dict[str, Json] | None:
        if part.media is not None and not self._allowed("pdf", "document"):
            return None
        if part.context:
            self._dropped.add("context")
        if part.citations:
            self._dropped.add("citations")
        return media.document_part(part)

    def _opaque(self, part: Opaque) -> dict[str, Json] | None:
        if part.family == FAMILY and self._own and isinstance(part.value, dict):
            return part.value
        self._dropped.add(_kind(part))
        return None

    def _call(self, part: ToolCall) -> dict[str, Json]:
        args = {customtools.FIELD: part.arguments} if part.custom else arguments_object(part.arguments)
        name = self._names.send(part.name, part.namespace)
        call = {"id": tool_id(part.id, self._traits.tool_id), "name": name, "args": args}
        value = self._signature(part.proof)
        return {"functionCall": call, "thoughtSignature": value} if value else {"functionCall": call}

    def _response(self, call: ToolCall, result: ToolResult) -> dict[str, Json]:
        words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        others = [self._user_part(part) for part in result.parts if not isinstance(part, Text)]
        made: dict[str, Json] = {
            "id": tool_id(call.id, self._traits.tool_id),
            "name": self._names.send(call.name, call.namespace),
            "response": response_of(words, result.error, unwrap=self._request.family == FAMILY),
        }
        parts = [part for part in others if part is not None]
        if parts:
            made["parts"] = parts
        return {"functionResponse": made}

    def _signature(self, proof: Proof | None) -> str:
        return proof.value if proof is not None and proof.family == FAMILY and self._own else ""

    def _allowed(self, capability: str, name: str) -> bool:
        if self._traits.can(capability):
            return True
        self._dropped.add(name)
        return False


def _kind(part: Opaque) -> str:
    kind = part.value.get("type") if isinstance(part.value, dict) else None
    return kind if isinstance(kind, str) else "part"
