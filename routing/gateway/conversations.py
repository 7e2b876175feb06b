"""What Responses clients expect to be remembered: answered responses and conversations, bounded, per caller.

It makes ``previous_response_id``, ``conversation`` and ``item_reference`` work over every upstream: the history is put
into the request, no upstream has to know of it. Kept in memory of one process and for a while only; ``store: false`` is
obeyed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice

import msgspec

from providers.wire.errors import Refusal
from providers.wire.openai_responses.history import (
    carried,
    items_of,
    leading_system,
    made_for,
    output_items,
    read_item,
    reference,
    shown,
    told_now,
    turn,
)
from providers.wire.openai_responses.vocabulary import FAMILY
from providers.wire.types import Json, Message, Part, Request

NOT_FOUND = 404


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """One answered response. ``asked`` is its whole input with the history, ``messages`` that and the answer."""

    asked: tuple[Message, ...]
    messages: tuple[Message, ...]
    body: bytes
    items: tuple[str, ...]  # ids of its output items
    expires: float
    size: int


Key = tuple[Hashable, str]  # caller, id: nobody sees what another caller was answered


class Conversations:
    """Answered responses by caller and id. Least recently used ones go first when there are more than ``capacity``, or
    more than ``max_bytes`` of them; each goes ``ttl_seconds`` after it was made. ``clock`` tells seconds."""

    def __init__(self, capacity: int, ttl_seconds: float, clock: Callable[[], float], max_bytes: int) -> None:
        self._capacity, self._ttl, self._clock, self._max_bytes = capacity, ttl_seconds, clock, max_bytes
        self._responses: OrderedDict[Key, Remembered] = OrderedDict()
        self._latest: OrderedDict[Key, str] = OrderedDict()  # conversation → its last response; kept when that is gone
        self._items: dict[Key, str] = {}  # output item → its response
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._responses)

    @property
    def size(self) -> int:
        """Bytes that are kept, about."""
        return self._bytes

    # -- the gateway asks ----------------------------------------------------------------------------------------------
    def resume(self, caller: Hashable, request: Request) -> Request:
        """The request with all that it refers to in its messages. Raises Refusal when something is not known (any
        more): to go on without it would silently lose what was said."""
        before = self._before(caller, request)
        own_system, late = told_now(request) if before else (request.system, ())
        leading, before = leading_system(before)
        messages = (*before, *late, *self._resolved(caller, request.messages))
        return msgspec.structs.replace(request, system=(*own_system, *leading), messages=messages)

    def remember(
        self,
        caller: Hashable,
        response_id: str,
        request: Request,
        parts: Sequence[Part],
        body: bytes,
        conversation_id: str = "",
    ) -> None:
        """Keep an answer. ``request`` is the resumed one, ``parts`` its reply, ``body`` the response object as the
        client has it. Nothing is kept when the client said ``store: false``, or when it is larger than all the room."""
        if request.store is False:
            return
        asked = carried(request)
        messages = (*asked, Message(role="assistant", parts=tuple(parts))) if parts else asked
        size = len(body) + _size(messages)
        ids = tuple(name for item in output_items(body) if (name := _id(item)))
        self._forget(caller, response_id)
        if size <= self._max_bytes:
            self._keep(caller, response_id, Remembered(asked, messages, body, ids, self._clock() + self._ttl, size))
        if conversation_id:
            self._latest[caller, conversation_id] = response_id
            self._latest.move_to_end((caller, conversation_id))
        self._shrink()

    def history(self, caller: Hashable, previous_response_id: str) -> tuple[Message, ...]:
        """All that was said up to and with a response. Raises Refusal when it is not known, or not any more."""
        kept = self._find(caller, previous_response_id)
        if kept is None:
            raise Refusal(
                NOT_FOUND,
                f"Previous response with id '{previous_response_id}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return kept.messages

    def conversation(self, caller: Hashable, conversation_id: str) -> tuple[Message, ...]:
        """What was said in a conversation; nothing in one that begins. Raises Refusal when it has expired."""
        latest = self._latest.get((caller, conversation_id))
        if latest is None:
            return ()
        kept = self._find(caller, latest)
        if kept is None:
            raise _gone(
                f"Conversation with id '{conversation_id}' not found.", "conversation_not_found", "conversation"
            )
        return kept.messages

    # -- GET and DELETE ------------------------------------------------------------------------------------------------
    def get(self, caller: Hashable, response_id: str) -> bytes:
        """The response object as it was answered. Raises Refusal 404."""
        return self._known(caller, response_id).body

    def delete(self, caller: Hashable, response_id: str) -> None:
        """Forget a response. Raises Refusal 404 when it is not known."""
        self._known(caller, response_id)
        self._forget(caller, response_id)

    def input_items(self, caller: Hashable, response_id: str) -> list[Json]:
        """The items a response was made from, oldest first, each with an id. Raises Refusal 404."""
        return _listed(response_id, self._known(caller, response_id))

    # -- inside --------------------------------------------------------------------------------------------------------
    def _before(self, caller: Hashable, request: Request) -> tuple[Message, ...]:
        conversation_id = conversation_of(request)
        if request.previous_id and conversation_id:
            message = "'previous_response_id' and 'conversation' cannot be used together."
            raise Refusal(400, message, code="invalid_value", param="previous_response_id")
        if request.previous_id:
            return self.history(caller, request.previous_id)
        return self.conversation(caller, conversation_id) if conversation_id else ()

    def _keep(self, caller: Hashable, response_id: str, kept: Remembered) -> None:
        self._responses[caller, response_id] = kept
        self._bytes += kept.size
        for name in kept.items:
            self._items[caller, name] = response_id

    def _forget(self, caller: Hashable, response_id: str) -> None:
        kept = self._responses.pop((caller, response_id), None)
        if kept is None:
            return
        self._bytes -= kept.size
        for name in kept.items:
            if self._items.get((caller, name)) == response_id:  # an upstream may give an id twice
                del self._items[caller, name]

    def _find(self, caller: Hashable, response_id: str) -> Remembered | None:
        kept = self._responses.get((caller, response_id))
        if kept is None:
            return None
        if kept.expires <= self._clock():
            self._forget(caller, response_id)
            return None
        self._responses.move_to_end((caller, response_id))
        return kept

    def _known(self, caller: Hashable, response_id: str) -> Remembered:
        kept = self._find(caller, response_id)
        if kept is None:
            raise _gone(f"Response with id '{response_id}' not found.", None, "response_id")
        return kept

    def _shrink(self) -> None:
        now = self._clock()
        # Uses change the order, not the expiry: the few oldest are looked at, the rest when somebody asks for them.
        for key in [key for key, kept in islice(self._responses.items(), 8) if kept.expires <= now]:
            self._forget(*key)
        while self._responses and (len(self._responses) > self._capacity or self._bytes > self._max_bytes):
            self._forget(*next(iter(self._responses)))
        while len(self._latest) > self._capacity:
            self._latest.popitem(last=False)

    def _resolved(self, caller: Hashable, messages: tuple[Message, ...]) -> Iterable[Message]:
        """The messages with what ``item_reference`` stands for in its place."""
        for message in messages:
            parts: list[Part] = []
            for part in message.parts:
                name = reference(part)
                if not name:
                    parts.append(part)
                    continue
                for found in self._item(caller, name):
                    if found.role == message.role:
                        parts += found.parts
                    else:
                        yield from turn(message, parts)
                        parts = []
                        yield found
            yield from turn(message, parts)

    def _item(self, caller: Hashable, name: str) -> tuple[Message, ...]:
        """An item of a response of this caller that is still known. Raises Refusal 404."""
        response_id = self._items.get((caller, name)) or made_for(name)
        kept = self._find(caller, response_id)
        if kept is not None:
            for item in (*output_items(kept.body), *_listed(response_id, kept)):
                if isinstance(item, dict) and item.get("id") == name:
                    return read_item(item)
        raise _gone(f"Item with id '{name}' not found.", None, "input")


def conversation_of(request: Request) -> str:
    """The id of the conversation a request belongs to; "" for none. Raises Refusal for a wrong type."""
    said = request.extra.get("conversation") if request.family == FAMILY else None
    name = said.get("id") if isinstance(said, dict) else said
    if name is None:
        return ""
    if not isinstance(name, str):
        raise Refusal(400, "Invalid type for 'conversation'.", code="invalid_type", param="conversation")
    return name


def _gone(message: str, code: str | None, param: str) -> Refusal:
    return Refusal(NOT_FOUND, message, code=code, param=param)


def _listed(response_id: str, kept: Remembered) -> list[Json]:
    return [shown(item, response_id, number) for number, item in enumerate(items_of(kept.asked))]


def _id(item: Json) -> str:
    name = item.get("id") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""


def _size(messages: tuple[Message, ...]) -> int:
    """Counted in full, though the turns of one conversation share them: never too little."""
    return len(msgspec.msgpack.encode(messages))
