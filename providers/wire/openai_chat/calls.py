"""Tool calls of one choice of a stream, however a vendor cuts and labels them → ordered events.

Handled: no index, one index for all calls, id and name in every delta, the name after arguments, whole arguments in one
delta or as an object, calls that interleave, calls without ids, the deprecated ``function_call``.
"""

from __future__ import annotations

import msgspec

from providers.wire.customtools import unwrap
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_chat.messages_in import google_proof
from providers.wire.openai_chat.replies import made_id
from providers.wire.openai_chat.said import arguments_text, text_of
from providers.wire.translation import Names
from providers.wire.types import Event, Json, Proof, ToolDelta, ToolEnd, ToolStart


class _Call:
    """One call as far as it has come."""

    __slots__ = ("custom", "ended", "held", "id", "index", "name", "pieces", "proof", "sent", "started", "wrapped")

    def __init__(self) -> None:
        self.index = -1  # until it is started
        self.id = self.name = self.sent = ""  # sent: the name as the vendor says it
        self.custom = self.wrapped = self.started = self.ended = False
        self.held: list[str] = []  # arguments that cannot go out yet
        self.pieces: list[str] = []  # all arguments
        self.proof: Proof | None = None

    def may_be(self, name: str) -> bool:
        """Whether a delta that says no more than this name goes on with this call."""
        return not name or not self.sent or (name == self.sent and not self.whole())

    def whole(self) -> bool:
        """Whether the arguments are complete JSON: nothing more can follow."""
        try:
            return isinstance(msgspec.json.decode("".join(self.pieces)), dict)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False


class Calls:
    """Feed it every ``tool_calls`` delta of a choice; :meth:`close` ends what is open."""

    __slots__ = ("_all", "_by_id", "_by_key", "_choice", "_last", "_names", "_open", "_seed", "_starts")

    def __init__(self, names: Names, choice: int, seed: str) -> None:
        self._names, self._choice, self._seed = names, choice, seed
        self._by_key: dict[int, _Call] = {}  # by the vendor's index
        self._by_id: dict[str, _Call] = {}
        self._last: _Call | None = None
        self._all: list[_Call] = []
        self._open: list[_Call] = []  # started and not ended
        self._starts = 0

    def __bool__(self) -> bool:
        return self._last is not None

    def feed(self, item: dict[str, Json]) -> list[Event]:
        """One entry of a delta's ``tool_calls``."""
        custom = item.get("custom")
        inner = custom if isinstance(custom, dict) else item.get("function")
        inner = inner if isinstance(inner, dict) else {}
        events: list[Event] = []
        call = self._find(item, text_of(inner.get("name")), events)
        if isinstance(custom, dict):
            call.custom = True
        if not call.started:
            call.id = call.id or text_of(item.get("id"))
            call.name = call.sent = call.name or text_of(inner.get("name"))
        call.proof = call.proof or google_proof(item)
        piece = arguments_text(inner.get("input") if call.custom else inner.get("arguments"))
        if piece and not call.ended:
            call.pieces.append(piece)
            call.held.append(piece)
        if call.name and (call.started or call.id or call.held):
            self._start(call, events)
            self._pour(call, events)
        return events

    def close(self) -> list[Event]:
        """The choice is at its end. Raises UpstreamFailure for a call that never got a name."""
        events: list[Event] = []
        for call in self._all:
            if not call.ended:
                self._end(call, events)
        return events

    def _find(self, item: dict[str, Json], name: str, events: list[Event]) -> _Call:
        """The call a delta belongs to: by index, else by id, else the last one; a new one when it is none of them."""
        index, id = item.get("index"), text_of(item.get("id"))
        key = index if isinstance(index, int) and not isinstance(index, bool) else None
        if key is not None:
            known = self._by_key.get(key)
            if known is not None and id and known.id and id != known.id and name:
                known = self._by_id.get(id)  # a vendor that gives all calls one index
        elif id:
            known = self._by_id.get(id)
        else:
            known = self._last if self._last is None or self._last.may_be(name) else None
        if known is None:
            known = self._new(events)
        if key is not None:
            self._by_key[key] = known
        if id:
            self._by_id.setdefault(id, known)
        self._last = known
        return known

    def _new(self, events: list[Event]) -> _Call:
        """A further call begins: those before it whose arguments are complete can end."""
        for call in [call for call in self._open if call.whole()]:
            self._end(call, events)
        call = _Call()
        self._all.append(call)
        return call

    def _start(self, call: _Call, events: list[Event]) -> None:
        if call.started:
            return
        call.started, call.index = True, self._starts
        self._starts += 1
        self._open.append(call)
        call.id = call.id or made_id(f"{self._seed} {call.index}")
        call.name = self._names.original(call.sent)
        call.wrapped = call.name in self._names.wrapped and not call.custom
        events.append(
            ToolStart(
                index=call.index,
                id=call.id,
                name=call.name,
                custom=call.custom or call.wrapped,
                namespace=self._names.namespace(call.sent),
                choice=self._choice,
            )
        )

    def _pour(self, call: _Call, events: list[Event]) -> None:
        """Arguments that were held back; a wrapped tool's wait for the end, when they can be unwrapped."""
        if call.wrapped or not call.held:
            return
        events.append(ToolDelta(index=call.index, arguments="".join(call.held), choice=self._choice))
        call.held.clear()

    def _end(self, call: _Call, events: list[Event]) -> None:
        if not call.name:
            if call.pieces or call.id:
                raise UpstreamFailure(Kind.PROTOCOL, "The provider's tool call has no name.")
            call.ended = True
            return
        self._start(call, events)
        if call.wrapped:
            text = unwrap("".join(call.held))
            if text:
                events.append(ToolDelta(index=call.index, arguments=text, choice=self._choice))
        else:
            self._pour(call, events)
        call.ended = True
        self._open.remove(call)
        events.append(ToolEnd(index=call.index, choice=self._choice, proof=call.proof))
