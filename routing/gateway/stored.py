"""Responses that were answered earlier: shown again, forgotten, their input listed; each caller's own only."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from providers.wire.errors import Refusal
from providers.wire.types import Json
from routing.gateway.conversations import Conversations
from routing.gateway.endpoints import Call
from routing.gateway.writer import Writer
from routing.snapshot import Caller

STORED = frozenset(("stored", "forget", "input_items"))
USUAL_PAGE, LARGEST_PAGE = 20, 100  # items; OpenAI's numbers
ORDERS = ("desc", "asc")  # newest first unless the client says otherwise


async def answer_stored(writer: Writer, conversations: Conversations, caller: Caller, call: Call) -> None:
    """Answer GET and DELETE of /responses/{id}. Raises Refusal 404 for what is unknown, expired or another's, and 400
    for a query that cannot be answered."""
    owner = str(caller.key_id)
    if call.endpoint.operation == "stored":
        if _said(call, "stream") == "true":
            raise _wrong("stream", "a stored response is shown whole, not streamed")
        await writer.whole(200, conversations.get(owner, call.name))
    elif call.endpoint.operation == "forget":
        conversations.delete(owner, call.name)
        await writer.whole(200, msgspec.json.encode({"id": call.name, "object": "response", "deleted": True}))
    else:
        await writer.whole(200, msgspec.json.encode(_page(call, conversations.input_items(owner, call.name))))


def _page(call: Call, items: list[Json]) -> dict[str, Json]:
    """The part of a list that the query asks for: ``order``, ``after`` an item, at most ``limit``."""
    order = _said(call, "order") or ORDERS[0]
    if order not in ORDERS:
        raise _wrong("order", "expected 'asc' or 'desc'")
    if order == "desc":
        items = items[::-1]
    ids = [str(item.get("id", "")) for item in items]
    begin = 0
    if after := _said(call, "after"):
        if after not in ids:
            raise _wrong("after", "there is no such item")
        begin = ids.index(after) + 1
    end = begin + _limit(call)
    shown = ids[begin:end]
    edges = {"first_id": shown[0] if shown else None, "last_id": shown[-1] if shown else None}
    return {"object": "list", "data": items[begin:end], "has_more": end < len(items), **edges}


def _limit(call: Call) -> int:
    said = _said(call, "limit") or str(USUAL_PAGE)
    if not said.isascii() or not said.isdecimal() or not 1 <= len(said) <= 3 or not 1 <= int(said) <= LARGEST_PAGE:
        raise _wrong("limit", f"expected a whole number from 1 to {LARGEST_PAGE}")
    return int(said)


def _said(call: Call, name: str) -> str:
    return parse_qs(call.query.decode("latin-1")).get(name, [""])[-1]


def _wrong(name: str, why: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{name}': {why}.", code="invalid_value", param=name)
