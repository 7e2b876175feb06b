"""Streams: an upstream's chunks → events. Writing to clients is in ``writing``."""

from __future__ import annotations

from typing import Final

from providers.wire import customtools
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.gemini import answers, sources
from providers.wire.gemini.partial import PartialArguments
from providers.wire.gemini.writing import KEEP_ALIVE, ArrayWriter, Writer, array_body
from providers.wire.translation import Names, json_text
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    ReasoningDelta,
    ReasoningProof,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)

__all__ = ["KEEP_ALIVE", "ArrayWriter", "Reader", "Writer", "array_body"]

FAMILY = "gemini"
MOST_CHOICES: Final = 16
ENVELOPE_FIELDS = ("candidates", "usageMetadata", "promptFeedback", "responseId", "modelVersion")


class _Choice:
    """What is known of one candidate while its chunks come."""

    __slots__ = ("block", "calls", "cited", "finished", "index", "kind", "open", "said", "spoke", "wrapped")

    def __init__(self, index: int) -> None:
        self.index = index
        self.kind = ""  # of the last part: text | reasoning | other
        self.block = -1
        self.calls = 0
        self.open: PartialArguments | None = None  # of a call that comes in pieces
        self.said: list[str] = []  # for offsets of citations
        self.cited: set[tuple[str, int | None, int | None]] = set()
        self.spoke = self.finished = self.wrapped = False  # wrapped: the open call is of a custom tool

    def enter(self, kind: str) -> int:
        """The number of the block of this kind that is open now."""
        if self.kind != kind:
            self.kind = kind
            self.block += 1
        return self.block


class Reader:
    """Chunks of one reply → events. Gemini has no terminal event: the reply ends with the connection."""

    __slots__ = ("_choices", "_names", "_seed", "_started", "done")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._choices: dict[int, _Choice] = {}
        self._seed = ""
        self._started = False
        self.done = False

    def frame(self, data: bytes) -> list[Event]:
        """The events of one chunk. Raises UpstreamFailure: an error inside, something that is no chunk, a broken call
        or an empty answer before anything was said."""
        if not data.strip() or data == b"[DONE]" or self.done:
            return []
        whole = answers.envelope(data)
        events: list[Event] = []
        if not self._started:
            self._started = True
            self._seed = answers.seed_of(whole, data)
            events.append(
                Start(id=answers.text(whole.get("responseId")), model=answers.text(whole.get("modelVersion")))
            )
        candidates = answers.objects(whole.get("candidates"))
        for candidate in candidates:
            self._candidate(candidate, events)
        if not candidates:
            self._blocked(whole.get("promptFeedback"), events)
        usage = answers.usage_in(whole.get("usageMetadata"))
        if usage is not None:
            events.append(UsageSeen(usage=usage))
        return events

    def end(self) -> list[Event]:
        """The upstream closed. Raises UpstreamFailure when an answer that began did not finish, or none began."""
        if self.done:
            return []
        if not self._choices:
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended without an answer.")
        if not all(choice.finished for choice in self._choices.values()):
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")
        self.done = True
        return []

    def _choice(self, index: Json) -> _Choice | None:
        number = answers.number(index)
        if number >= MOST_CHOICES:
            return None
        return self._choices.setdefault(number, _Choice(number))

    def _candidate(self, candidate: dict[str, Json], events: list[Event]) -> None:
        choice = self._choice(candidate.get("index"))
        if choice is None or choice.finished:
            return
        content = candidate.get("content")
        logprobs = answers.logprobs_in(candidate.get("logprobsResult"))
        for part in answers.objects(content.get("parts")) if isinstance(content, dict) else ():
            before = len(events)
            self._part(choice, part, logprobs, events)
            if len(events) > before and isinstance(events[before], TextDelta):
                logprobs = None
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            self._cite(choice, candidate, events)
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and reason and reason != "FINISH_REASON_UNSPECIFIED":
            self._finish(choice, reason, candidate.get("finishMessage"), events)

    def _part(self, choice: _Choice, part: dict[str, Json], logprobs: Json, events: list[Event]) -> None:
        words = part.get("text")
        call = part.get("functionCall")
        if isinstance(words, str):
            self._words(choice, part, words, logprobs, events)
        elif isinstance(call, dict):
            self._call(choice, call, part, events)
        elif set(part) <= {"thoughtSignature", "thought"}:
            self._words(choice, part, "", logprobs, events)
        else:
            choice.enter(f"other{len(choice.said)}")
            choice.spoke = True
            events.append(OpaqueAdded(part=Opaque(family=FAMILY, value=part), choice=choice.index))

    def _words(self, choice: _Choice, part: dict[str, Json], words: str, logprobs: Json, events: list[Event]) -> None:
        proof = answers.proof_of(part)
        if part.get("thought") is True:
            if words or proof is not None:
                block = choice.enter("reasoning")
            if words:
                events.append(ReasoningDelta(text=words, choice=choice.index, block=block))
            if proof is not None:
                events.append(ReasoningProof(proof=proof, choice=choice.index, block=block))
        elif words or proof is not None:
            block = choice.enter("text")
            choice.said.append(words)
            choice.spoke = choice.spoke or bool(words)
            events.append(TextDelta(text=words, choice=choice.index, block=block, proof=proof, logprobs=logprobs))

    def _call(self, choice: _Choice, call: dict[str, Json], part: dict[str, Json], events: list[Event]) -> None:
        """A whole call, or a piece of one."""
        name = answers.text(call.get("name"))
        pieces, more = answers.objects(call.get("partialArgs")), call.get("willContinue") is True
        if choice.open is not None and (name or not (pieces or more or call.get("args") is None)):
            self._close(choice, None, events)
        if choice.open is None:
            if not name:
                return
            self._begin(choice, call, name, events)
        held = choice.open
        assert held is not None
        for piece in pieces:
            held.add(piece)
        args = call.get("args")
        if isinstance(args, dict):
            held.value = {**held.value, **args} if held.value else args
        if not more:
            self._close(choice, part, events)

    def _begin(self, choice: _Choice, call: dict[str, Json], name: str, events: list[Event]) -> None:
        choice.enter(f"call{choice.calls}")
        made = answers.call_id(call.get("id"), self._seed, choice.index, choice.calls)
        known = self._names.original(name)
        choice.wrapped = known in self._names.wrapped
        events.append(
            ToolStart(
                index=choice.calls,
                id=made,
                name=known,
                custom=choice.wrapped,
                namespace=self._names.namespace(name),
                choice=choice.index,
            )
        )
        choice.open = PartialArguments()
        choice.spoke = True

    def _close(self, choice: _Choice, part: dict[str, Json] | None, events: list[Event]) -> None:
        if choice.open is None:
            return
        index, proof = choice.calls, answers.proof_of(part) if part is not None else None
        arguments = json_text(choice.open.value)
        if choice.wrapped:
            arguments = customtools.unwrap(arguments)
        events.append(ToolDelta(index=index, arguments=arguments, choice=choice.index))
        events.append(ToolEnd(index=index, choice=choice.index, proof=proof))
        choice.calls += 1
        choice.open = None

    def _cite(self, choice: _Choice, candidate: dict[str, Json], events: list[Event]) -> None:
        for citation in sources.citations_in(candidate, "".join(choice.said)):
            key = (citation.url, citation.start, citation.end)
            if key not in choice.cited:
                choice.cited.add(key)
                events.append(CitationAdded(citation=citation, choice=choice.index))

    def _finish(self, choice: _Choice, reason: str, message: Json, events: list[Event]) -> None:
        self._close(choice, None, events)
        said = any(other.spoke for other in self._choices.values())
        if not said and reason in answers.BROKEN:
            raise answers.broken(reason, message)
        if not said and reason == "STOP":
            raise UpstreamFailure(Kind.PROTOCOL, answers.NOTHING_SAID)
        choice.finished = True
        word = answers.FINISH_IN.get(reason, "other")
        if choice.calls and word == "stop":
            word = "tool_calls"
        events.append(Finish(reason=word, choice=choice.index))

    def _blocked(self, feedback: Json, events: list[Event]) -> None:
        """A prompt that was blocked has no candidates, only the reason."""
        if not isinstance(feedback, dict) or not feedback.get("blockReason") or self._choices:
            return
        choice = self._choice(0)
        if choice is not None:
            choice.finished = True
            events.append(Finish(reason="content_filter"))
