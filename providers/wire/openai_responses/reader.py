"""Events of an upstream's stream → our events."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_responses.errors import UNREADABLE, failure_of, not_a_reply
from providers.wire.openai_responses.progress import Item
from providers.wire.openai_responses.vocabulary import ENCRYPTED, FAMILY, INCOMPLETE, PHASE, citation_of, usage_of
from providers.wire.translation import Names
from providers.wire.types import (
    CitationAdded,
    Event,
    Finish,
    Json,
    Opaque,
    OpaqueAdded,
    Proof,
    ReasoningProof,
    Start,
    ToolEnd,
    ToolStart,
    UsageSeen,
)

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
Where = int | str


class Reader:
    """Payloads of one reply's events → events; sans-I/O. Rebuilds from ``output_item.done`` what deltas left out.

    A reasoning item's id comes with an empty proof when it begins, for a writer of this format needs it then.
    ``done``: the terminal event was seen.
    """

    def __init__(self, names: Names) -> None:
        self.done = False
        self._names = names
        self._started = False
        self._items: dict[Where, Item] = {}
        self._ended: set[Where] = set()
        self._calls = 0
        self._blocks = count()

    def frame(self, data: bytes) -> list[Event]:
        """The events of one payload. Raises UpstreamFailure when the provider reports an error, or talks nonsense."""
        if self.done or not data or data == b"[DONE]":
            return []
        try:
            said = msgspec.json.decode(data)
        except UNREADABLE:
            raise UpstreamFailure(Kind.PROTOCOL, not_a_reply(data)) from None
        if not isinstance(said, dict):
            raise UpstreamFailure(Kind.PROTOCOL, not_a_reply(b"?"))
        kind = said.get("type")
        handler = HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            self._stranger(said)
            return []
        events = handler(self, said)
        return events if self._started or not events else [self._start({}), *events]

    def end(self) -> list[Event]:
        """The upstream closed. Raises UpstreamFailure when it did so before its terminal event."""
        if not self.done:
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")
        return []

    def whole(self, response: dict[str, Json]) -> list[Event]:
        """A reply that came at once, as events. Raises UpstreamFailure as :meth:`frame` does."""
        return [self._start(response), *self._terminal({"response": response})]

    # -- beginning and end -----------------------------------------------------------------------------------------
    def _stranger(self, said: dict[str, Json]) -> None:
        """An event of no known type: new ones carry nothing we know; an error often has no type at all."""
        if said.get("error"):
            raise failure_of(said) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")

    def _start(self, response: dict[str, Json]) -> Event:
        self._started = True
        return Start(id=_text(response, "id"), model=_text(response, "model"), usage=None)

    def _opening(self, said: dict[str, Json]) -> list[Event]:
        return [] if self._started else [self._start(_object(said, "response"))]

    def _failed(self, said: dict[str, Json]) -> list[Event]:
        raise failure_of(said) or UpstreamFailure(Kind.SERVER, "The provider failed without a reason.")

    def _terminal(self, said: dict[str, Json]) -> list[Event]:
        response = _object(said, "response")
        status = response.get("status", "completed")
        if status in ("failed", "cancelled", "queued", "in_progress"):
            raise failure_of(said) or UpstreamFailure(Kind.SERVER, f"The provider's response is {status}.")
        events: list[Event] = []
        for number, item in enumerate(_list(response, "output")):
            if isinstance(item, dict) and not self._is_ended(number, item):
                place = {} if _text(item, "id") in self._items else {"output_index": number}
                events += self._item_done({**place, "item": item})
        for where, item in self._items.items():
            if item.call >= 0 and where not in self._ended:
                events.append(ToolEnd(index=item.call))
        if not self._items and status != "incomplete":
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no content.")
        self.done = True
        usage = usage_of(response.get("usage"))
        if usage is not None:
            events.append(UsageSeen(usage=usage))
        return [*events, Finish(reason=self._reason(status, response))]

    def _is_ended(self, number: int, item: dict[str, Json]) -> bool:
        names = (number, _text(item, "id"), _text(item, "call_id"))
        return any(name in self._ended for name in names if name != "")

    def _reason(self, status: Json, response: dict[str, Json]) -> str:
        if status == "incomplete":
            return INCOMPLETE.get(_text(_object(response, "incomplete_details"), "reason"), "other")
        if self._calls:
            return "tool_calls"
        return "refusal" if any(item.refused for item in self._items.values()) else "stop"

    # -- items -----------------------------------------------------------------------------------------------------
    def _at(self, said: dict[str, Json]) -> tuple[Where, Item]:
        where = said.get("output_index")
        if type(where) is not int:  # some proxies leave it out
            where = _text(said, "item_id") or _text(_object(said, "item"), "id")
        item = self._items.get(where)
        if item is None:
            item = self._items[where] = Item(self._blocks)
        return where, item

    def _item_added(self, said: dict[str, Json]) -> list[Event]:
        _, item = self._at(said)
        value = _object(said, "item")
        kind = _text(value, "type")
        if kind in CALLS:
            return self._call(item, value, _text(value, "call_id"))
        if kind == "message" and (phase := _text(value, "phase")):
            item.phase = Proof(family=FAMILY, kind=PHASE, value=phase)
        return _begun(item, value) if kind == "reasoning" else []

    def _call(self, item: Item, value: dict[str, Json], call_id: str) -> list[Event]:
        """The start of a call as soon as both its id and its name are known."""
        name = _text(value, "name")
        if item.call >= 0 or not call_id or not name:
            return []
        item.call = self._calls
        self._calls += 1
        return [
            ToolStart(
                index=item.call,
                id=call_id,
                name=self._names.original(name),
                custom=value.get("type") == "custom_tool_call",
                namespace=_text(value, "namespace"),
            )
        ]

    def _item_done(self, said: dict[str, Json]) -> list[Event]:
        where, item = self._at(said)
        value = _object(said, "item")
        if self._is_ended(-1, value) or where in self._ended:
            return []
        self._ended |= {where} | {name for key in ("id", "call_id") if (name := _text(value, key))}
        kind = _text(value, "type")
        if kind == "message":
            return self._message_done(item, value)
        if kind == "reasoning":
            return self._reasoning_done(item, value)
        if kind in CALLS:
            return self._call_done(item, value, CALLS[kind])
        return [OpaqueAdded(part=Opaque(family=FAMILY, value=value))]

    def _message_done(self, item: Item, value: dict[str, Json]) -> list[Event]:
        if item.phase is None and (phase := _text(value, "phase")):
            item.phase = Proof(family=FAMILY, kind=PHASE, value=phase)
        events: list[Event] = []
        for number, part in enumerate(_list(value, "content")):
            if not isinstance(part, dict):
                continue
            if part.get("type") == "refusal":
                events += item.complete("refusal", _text(part, "refusal"), number)
            else:
                logprobs = part.get("logprobs") or None
                events += item.complete("text", _text(part, "text"), number, logprobs)
                for said in _list(part, "annotations")[item.annotations.get(number, 0) :]:
                    events.append(CitationAdded(citation=citation_of(said)))
        return events

    def _reasoning_done(self, item: Item, value: dict[str, Json]) -> list[Event]:
        events = _begun(item, value)
        for kind, name in (("summary", "summary"), ("thought", "content")):
            told = "\n\n".join(_text(part, "text") for part in _list(value, name) if isinstance(part, dict))
            events += item.complete(kind, told)
        if seal := _text(value, "encrypted_content"):
            proof = Proof(family=FAMILY, kind=ENCRYPTED, value=seal, id=_text(value, "id"))
            kind = "thought" if ("thought", 0) in item.texts else "summary"
            events.append(ReasoningProof(proof=proof, block=item.at(kind).block))
        return events

    def _call_done(self, item: Item, value: dict[str, Json], name: str) -> list[Event]:
        events = self._call(item, value, _text(value, "call_id") or _text(value, "id"))
        if item.call < 0:
            return []
        events += item.complete("call", _text(value, name))
        return [*events, ToolEnd(index=item.call)]

    # -- texts -----------------------------------------------------------------------------------------------------
    def _text_delta(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].add("text", _text(said, "delta"), _number(said), said.get("logprobs"))

    def _text_done(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].complete("text", _text(said, "text"), _number(said), said.get("logprobs"))

    def _annotation(self, said: dict[str, Json]) -> list[Event]:
        known, number = self._at(said)[1].annotations, _number(said)
        known[number] = known.get(number, 0) + 1
        return [CitationAdded(citation=citation_of(said.get("annotation")))]

    def _refusal_delta(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].add("refusal", _text(said, "delta"), _number(said))

    def _refusal_done(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].complete("refusal", _text(said, "refusal"), _number(said))

    def _summary_delta(self, said: dict[str, Json]) -> list[Event]:
        """Parts of a summary become one text with blank lines between."""
        _, item = self._at(said)
        text, number = _text(said, "delta"), said.get("summary_index")
        if type(number) is int and number > item.summaries and text:
            item.summaries = number
            text = f"\n\n{text}" if item.at("summary").length else text
        return item.add("summary", text)

    def _thought_delta(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].add("thought", _text(said, "delta"))

    def _call_delta(self, said: dict[str, Json]) -> list[Event]:
        return self._at(said)[1].add("call", _text(said, "delta"))


HANDLERS: dict[str, Callable[[Reader, dict[str, Json]], list[Event]]] = {
    "response.created": Reader._opening,
    "response.in_progress": Reader._opening,
    "response.queued": Reader._opening,
    "response.output_item.added": Reader._item_added,
    "response.output_text.delta": Reader._text_delta,
    "response.output_text.done": Reader._text_done,
    "response.output_text.annotation.added": Reader._annotation,
    "response.refusal.delta": Reader._refusal_delta,
    "response.refusal.done": Reader._refusal_done,
    "response.reasoning_summary_text.delta": Reader._summary_delta,
    "response.reasoning_text.delta": Reader._thought_delta,
    "response.function_call_arguments.delta": Reader._call_delta,
    "response.custom_tool_call_input.delta": Reader._call_delta,
    "response.output_item.done": Reader._item_done,
    "response.completed": Reader._terminal,
    "response.incomplete": Reader._terminal,
    "response.failed": Reader._failed,
    "response.cancelled": Reader._failed,
    "error": Reader._failed,
}


def _begun(item: Item, value: dict[str, Json]) -> list[Event]:
    """The id of a reasoning item, once."""
    name = _text(value, "id")
    if not name or ("summary", 0) in item.texts:
        return []
    proof = Proof(family=FAMILY, kind=ENCRYPTED, value="", id=name)
    return [ReasoningProof(proof=proof, block=item.at("summary").block)]


def _text(fields: dict[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _object(fields: dict[str, Json], name: str) -> dict[str, Json]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _list(fields: dict[str, Json], name: str) -> list[Json]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _number(said: dict[str, Json]) -> int:
    value = said.get("content_index")
    return value if type(value) is int else 0
