"""A client's request on its way: read as far as each attempt needs, with what the gateway remembers put back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from providers.tailoring import traits_of
from providers.upstream import Attempt
from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS
from providers.wire.openai_chat.passing import ChatRequest, parse
from providers.wire.traits import Traits
from providers.wire.translation import Asked
from providers.wire.types import Part, Request
from providers.wrapping import rewrites
from routing.gateway.conversations import Conversations, conversation_of
from routing.gateway.foreign import foreign
from routing.gateway.hosted import without_vendors
from routing.gateway.keeper import Keeper
from routing.gateway.lanes import Lane, Prepared, lane_for
from routing.gateway.peek import Peek, document, peek
from routing.gateway.policies import Draft
from routing.gateway.policies.base import Fields
from routing.gateway.policies.saying import in_place, on
from routing.gateway.replay.question import Question
from routing.gateway.shaping import shaped
from routing.gateway.worst import Demand

if TYPE_CHECKING:
    from routing.gateway.exchange import Exchange

# Fields that lean on state which the gateway keeps or refuses: such a request cannot be passed through as it is.
STATE: Mapping[str, tuple[str, ...]] = {
    "openai_responses": ("previous_response_id", "conversation"),
    "anthropic": ("thread",),
}
# Headers of the client's that belong to its format and go to an upstream of the same.
CARRIED: Mapping[str, tuple[bytes, ...]] = {"anthropic": (b"anthropic-version", b"anthropic-beta")}
# What such an upstream wants and some clients leave out.
USUAL: Mapping[str, tuple[tuple[bytes, bytes], ...]] = {"anthropic": ((b"anthropic-version", b"2023-06-01"),)}
REFERENCE = b'"item_reference"'
STORE_CAPACITY, STORE_SECONDS, STORE_BYTES = 2000, 24 * 3600.0, 64 * 1024 * 1024


class Memory:
    """What outlives a request: proofs of reasoning, and answered responses. One per gateway."""

    __slots__ = ("conversations", "keeper")

    def __init__(self) -> None:
        self.keeper = Keeper()
        self.conversations = Conversations(STORE_CAPACITY, STORE_SECONDS, time.time, STORE_BYTES)


class Spared(msgspec.Struct, frozen=True):
    """Tools that a hard budget does not let through, by their ``names``, were left out of one attempt; ``peek`` and
    ``body`` have them, for the next."""

    attempt: Attempt
    peek: Peek | ChatRequest
    body: bytes | None
    names: tuple[str, ...]


class Asking:
    """One request of an exchange: peeked at first, parsed only when an attempt must be translated."""

    __slots__ = ("_asked", "_body", "_canonical", "_exchange", "_prepared", "_spared", "draft", "peek")

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        call = exchange.call
        self._exchange = exchange
        self._body: bytes | None = body  # None once ``peek`` has other fields than it
        self._canonical: Request | None = None
        self._asked: Asked | None = None
        self._prepared: tuple[Attempt, Lane, Prepared] | None = None
        self._spared: Spared | None = None
        self.draft: Draft | None = None  # what the policies made of it
        self.peek: Peek | ChatRequest
        if call.endpoint.format == "openai_chat":
            self.peek = parse(body, call.endpoint.operation)
            return
        found = peek(body, model=call.name, stream=call.stream, state=STATE.get(call.endpoint.format, ()))
        carried = CARRIED.get(call.endpoint.format, ())
        headers = tuple(row for row in exchange.headers if row[0] in carried)
        said = {name for name, _ in headers}
        headers += tuple(row for row in USUAL.get(call.endpoint.format, ()) if row[0] not in said)
        self.peek = replace(found, headers=headers, ours=found.ours or call.array or _refers(found.fields))

    @property
    def model(self) -> str:
        return self.peek.model

    @property
    def stream(self) -> bool:
        return self.peek.stream

    def demand(self, body: bytes) -> Demand:
        """What it may need at most: as it leaves here, not as it came."""
        operation = self._exchange.call.endpoint.operation
        if self.draft is not None and self.draft.notes:
            body = msgspec.json.encode(self.peek.fields)
        if operation == "count":
            return Demand(operation, body, self.peek.fields)
        return Demand(operation, body, self.peek.fields, leaving=self._leaving, spare=self._spare)

    def _leaving(self, attempt: Attempt) -> tuple[bytes, Mapping[str, object]] | None:
        try:
            prepared = self.prepare(attempt)[1]
        except Refusal:  # told when the attempt is to be made
            return None
        return prepared.body, prepared.fields

    def _spare(self, attempt: Attempt) -> bool:
        """Leave out of an attempt the tools that vendors run, where the client has others; whether there were such."""
        fields, names = without_vendors(self.peek.fields)
        if names:
            self._spared = Spared(attempt, self.peek, self._body, tuple(f"tools.{name}"[:80] for name in names))
            self._go_on(_with_fields(self.peek, fields), None)
        return bool(names)

    def _go_on(self, peek: Peek | ChatRequest, body: bytes | None) -> None:
        """With other fields: what was read of those before is forgotten."""
        self.peek, self._body = peek, body
        self._canonical = self._asked = self._prepared = None

    async def obey(self, size: int) -> None:
        """Go on as the caller's policies leave it; ``size`` of the body in bytes. Raises Refusal."""
        self.draft = await shaped(self._exchange, self.peek.fields, size)
        if self.draft.fields is not self.peek.fields:
            self.peek, self._body = _with_fields(self.peek, self.draft.fields), None

    def question(self) -> Question:
        """What is asked, for whoever keeps answers."""
        call, peek = self._exchange.call, self.peek
        endpoint = call.endpoint
        return Question(
            draft=self.draft or Draft(operation=endpoint.operation, format=endpoint.format, fields=peek.fields),
            model=self.model,
            name=call.name,
            stream=self.stream,
            array=call.array,
            include_usage=getattr(peek, "include_usage", False),
            headers=getattr(peek, "headers", ()),
            asked=self.asked if endpoint.operation == "chat" else None,
        )

    def prepare(self, attempt: Attempt) -> tuple[Lane, Prepared]:
        """How this attempt is asked, and what it is sent; worked out once. Raises Refusal for what its provider cannot
        be told."""
        if self._spared is not None and self._spared.attempt is not attempt:
            self._go_on(self._spared.peek, self._spared.body)
            self._spared = None
        if self._prepared is None or self._prepared[0] is not attempt:
            lane = self.lane(attempt)
            prepared = lane.prepare(attempt)
            if self._spared is not None:
                prepared = replace(prepared, dropped=(*self._spared.names, *prepared.dropped))
            self._prepared = (attempt, lane, prepared)
        return self._prepared[1:]

    def let_go(self) -> None:
        """Nobody is asked any more. The lane tells us what was said, so that each would keep the other in memory."""
        self._prepared = None

    def lane(self, attempt: Attempt) -> Lane:
        """How this attempt is asked and its answer told."""
        peek, canonical = self.seen_by(attempt), self.canonical
        if self.draft is not None and self.draft.wants:
            traits = traits_of(attempt.entry, attempt.model)
            if attempt.entry.format == self._exchange.call.endpoint.format:
                peek = self._wanted(self.draft, peek, traits, attempt.model)
            canonical = partial(self._canonical_of, self.draft, traits)
        return lane_for(attempt, self._exchange.call, peek, canonical, self.asked, self._remember)

    def seen_by(self, attempt: Attempt) -> Peek | ChatRequest:
        """The request as it was peeked at, ``ours`` also when this attempt's vendor would not take it as it is."""
        peek = self.peek
        if isinstance(peek, Peek) and attempt.entry.format == self._exchange.call.endpoint.format and not peek.ours:
            traits = traits_of(attempt.entry, attempt.model)
            mended = foreign(attempt.entry.format, peek.fields, traits) or rewrites(attempt.entry)
            peek = replace(peek, ours=mended)
        return peek

    def _wanted(self, draft: Draft, peek: Peek | ChatRequest, traits: Traits, model: str) -> Peek | ChatRequest:
        """What the policies want of this attempt, in the client's own body; where that cannot be, it is translated."""
        fields = in_place(draft.format, peek.fields, draft.wants, traits, model, draft.operation)
        if fields is None and isinstance(peek, Peek):
            return replace(peek, ours=True)
        return peek if fields is None else _with_fields(peek, fields)

    def _canonical_of(self, draft: Draft, traits: Traits) -> Request:
        return on(self.canonical(), draft.wants, traits)

    def canonical(self) -> Request:
        """The whole request, its history and proofs put back. Raises Refusal."""
        if self._canonical is None:
            call = self._exchange.call
            format = FORMATS[call.endpoint.format]
            body = document(self._body or msgspec.json.encode(self.peek.fields))
            if call.endpoint.operation == "count" and format.counter is not None:
                parsed = format.counter.parse(body, call.name)
            else:
                parsed = format.parse(body, model=call.name, stream=call.stream)
            if call.endpoint.format == "openai_responses":
                parsed = self._exchange.memory.conversations.resume(self._caller, parsed)
            self._canonical = self._exchange.memory.keeper.attach(self._caller, parsed)
        return self._canonical

    def asked(self) -> Asked:
        if self._asked is None:
            self._asked = Asked(
                request=self.canonical(),
                model=self.model,
                id=self._exchange.record.request_id,
                created=int(self._exchange.record.started_at),
            )
        return self._asked

    @property
    def _caller(self) -> str:
        return str(self._exchange.record.caller.key_id)

    def _remember(self, parts: tuple[Part, ...], body: Callable[[], bytes]) -> None:
        """What was answered, for the requests that come back to it. ``body`` is the reply as the client has it."""
        memory = self._exchange.memory
        memory.keeper.remember(self._caller, parts)
        if self._exchange.call.endpoint.format != "openai_responses" or self._unstored():
            return
        request = self.canonical()
        answered = body()
        name = msgspec.json.decode(answered, type=_Named).id
        memory.conversations.remember(self._caller, name, request, parts, answered, conversation_of(request))

    def _unstored(self) -> bool:
        return bytes(self.peek.fields.get("store", b"")) == b"false"


def _with_fields(peek: Peek | ChatRequest, fields: Fields) -> Peek | ChatRequest:
    if isinstance(peek, ChatRequest):
        return peek.with_fields(fields)
    return replace(peek, fields=dict(fields))


def _refers(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a request of Responses leans on what the gateway keeps, or would be answered into the upstream's memory
    (``background``, which parsing refuses): the upstream must not see it as it is."""
    return REFERENCE in bytes(fields.get("input", b"")) or bytes(fields.get("background", b"")) == b"true"


class _Named(msgspec.Struct):
    id: str
