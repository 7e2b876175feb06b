"""Responses that were answered earlier: shown again, forgotten, their input listed; each caller's own only."""

from __future__ import annotations

import msgspec

from routing.gateway.conversations import Conversations
from routing.gateway.endpoints import Call
from routing.gateway.writer import Writer
from routing.snapshot import Caller

STORED = frozenset(("stored", "forget", "input_items"))


async def answer_stored(writer: Writer, conversations: Conversations, caller: Caller, call: Call) -> None:
    """Answer GET and DELETE of /responses/{id}. Raises Refusal 404 for what is unknown, expired or another's."""
    owner = str(caller.key_id)
    if call.endpoint.operation == "stored":
        await writer.whole(200, conversations.get(owner, call.name))
    elif call.endpoint.operation == "forget":
        conversations.delete(owner, call.name)
        await writer.whole(200, msgspec.json.encode({"id": call.name, "object": "response", "deleted": True}))
    else:
        items = conversations.input_items(owner, call.name)
        ids = [str(item.get("id", "")) for item in items]
        page = {"object": "list", "data": items, "has_more": False}
        page |= {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
        await writer.whole(200, msgspec.json.encode(page))
