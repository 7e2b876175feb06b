"""The list of models, in the shape of whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers.wire.errors import Refusal
from routing.resolve import Branch, Leaf, allowed, find, offered
from routing.snapshot import Caller, Snapshot

Row = dict[str, Any]
GENERATE = ["generateContent", "streamGenerateContent", "countTokens"]


def listed(snapshot: Snapshot, caller: Caller, format: str, name: str = "") -> bytes:
    """Everything the caller may ask for, or the one model named. Raises Refusal 404 when there is no such."""
    name = name.removeprefix("models/") if format == "gemini" else name
    row, whole = SHAPES[format]
    snapshot = snapshot.seen_by(caller)
    if name:
        return msgspec.json.encode(row(snapshot, name, _owner(snapshot, caller, name)))
    return msgspec.json.encode(whole([row(snapshot, model, owner) for model, owner in offered(snapshot, caller)]))


def _owner(snapshot: Snapshot, caller: Caller, name: str) -> str:
    """Who has the model of this name, in any spelling that may be asked for: more than the list, which has one each."""
    try:
        node = find(snapshot, name)
    except Refusal:
        node = None
    if node is None or not allowed(caller, name, node):
        raise Refusal(404, f"The model '{name[:260]}' does not exist.", code="model_not_found", param="model")
    return "omniroute" if isinstance(node, Branch) or name in snapshot.aliases else node.provider.entry.id


def _openai(snapshot: Snapshot, model: str, owner: str) -> Row:
    return {"id": model, "object": "model", "created": int(snapshot.built_at), "owned_by": owner}


def _anthropic(snapshot: Snapshot, model: str, owner: str) -> Row:
    created = datetime.fromtimestamp(int(snapshot.built_at), UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": model, "display_name": model, "created_at": created}


def _gemini(snapshot: Snapshot, model: str, owner: str) -> Row:
    row: Row = {"name": f"models/{model}", "displayName": model, "supportedGenerationMethods": GENERATE}
    node = find(snapshot, model)
    known = node.provider.entry.models.get(node.model) if isinstance(node, Leaf) else None
    if known is not None and known.context:
        row["inputTokenLimit"] = known.context
    if known is not None and known.max_output:
        row["outputTokenLimit"] = known.max_output
    return row


def _page(rows: list[Row]) -> Row:
    ids = [row["id"] for row in rows]
    return {"data": rows, "has_more": False, "first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}


Shape = tuple[Callable[[Snapshot, str, str], Row], Callable[[list[Row]], Row]]
SHAPES: Mapping[str, Shape] = {
    "openai_chat": (_openai, lambda rows: {"object": "list", "data": rows}),
    "openai_responses": (_openai, lambda rows: {"object": "list", "data": rows}),
    "anthropic": (_anthropic, _page),
    "gemini": (_gemini, lambda rows: {"models": rows}),
}
