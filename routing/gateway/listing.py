"""The list of models, in the shape of whoever asks. Whole unless the client asks for pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import parse_qs

import msgspec

from providers.entry import Model
from providers.wire.errors import Refusal
from routing.names import Branch, Leaf, find
from routing.resolve import allowed, offered
from routing.snapshot import Caller, Snapshot

Row = dict[str, Any]
Named = tuple[str, str]  # name, owner
LARGEST_PAGE = 1000  # models; Anthropic's and Google's number
METHODS: Mapping[str, Sequence[str]] = {
    "chat": ("generateContent", "streamGenerateContent", "countTokens"),
    "embeddings": ("embedContent", "batchEmbedContents"),
}


def listed(snapshot: Snapshot, caller: Caller, format: str, name: str = "", query: bytes = b"") -> bytes:
    """Everything the caller may ask for, the page of it that the query names, or the one model named.

    Raises Refusal 404 when there is no such model, 400 for a page that there is not.
    """
    name = name.removeprefix("models/") if format == "gemini" else name
    row, whole = SHAPES[format]
    snapshot = snapshot.seen_by(caller)
    if name:
        return msgspec.json.encode(row(snapshot, name, _owner(snapshot, caller, name)))
    return msgspec.json.encode(whole(snapshot, list(dict(offered(snapshot, caller)).items()), query))


def _owner(snapshot: Snapshot, caller: Caller, name: str) -> str:
    """Who has the model of this name, in any spelling that may be asked for: more than the list, which has one each."""
    try:
        node = find(snapshot, name)
    except Refusal:
        node = None
    if node is None or not allowed(caller, name, node):
        raise Refusal(404, f"The model '{name[:260]}' does not exist.", code="model_not_found", param="model")
    return "omniroute" if isinstance(node, Branch) or name in snapshot.aliases else node.provider.entry.id


def _known(snapshot: Snapshot, name: str) -> Model | None:
    """What is known of the one model that a name stands for; None of a combo, and of a name that leads nowhere now."""
    try:
        node = find(snapshot, name)
    except Refusal:
        return None
    return node.provider.entry.models.get(node.model) if isinstance(node, Leaf) else None


# -- rows -------------------------------------------------------------------------------------------------------------
def _openai(snapshot: Snapshot, model: str, owner: str) -> Row:
    return {"id": model, "object": "model", "created": int(snapshot.built_at), "owned_by": owner}


def _anthropic(snapshot: Snapshot, model: str, owner: str) -> Row:
    known = _known(snapshot, model)
    last = known.shutdown if known is not None else None
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": _instant(datetime.fromtimestamp(int(snapshot.built_at), UTC)),
        "max_input_tokens": known.context if known is not None else None,
        "max_tokens": known.max_output if known is not None else None,
        "capabilities": None,
        "line": None,
        "lifecycle": "active" if last is None else "deprecated",
        "deprecated_at": None,
        "retires_at": None if last is None else _instant(datetime.combine(last, time(), UTC)),
    }


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _gemini(snapshot: Snapshot, model: str, owner: str) -> Row:
    known = _known(snapshot, model)
    methods = METHODS.get(known.operation if known is not None else "chat", ())
    row: Row = {"name": f"models/{model}", "displayName": model, "supportedGenerationMethods": methods}
    if known is not None and known.context:
        row["inputTokenLimit"] = known.context
    if known is not None and known.max_output:
        row["outputTokenLimit"] = known.max_output
    return row


# -- pages ------------------------------------------------------------------------------------------------------------
def _openai_list(snapshot: Snapshot, models: Sequence[Named], query: bytes) -> Row:
    return {"object": "list", "data": [_openai(snapshot, *model) for model in models]}


def _anthropic_list(snapshot: Snapshot, models: Sequence[Named], query: bytes) -> Row:
    """``limit`` models after ``after_id``, or the last ``limit`` before ``before_id``."""
    said = _said(query)
    limit = _size(said, "limit", 1) or len(models)
    begin, end, more = 0, len(models), False
    if after := said.get("after_id"):
        begin = _place(models, after, "after_id") + 1
    if before := said.get("before_id"):
        end = _place(models, before, "before_id")
        more, begin = end - limit > begin, max(begin, end - limit)
    else:
        more, end = begin + limit < end, min(begin + limit, end)
    rows = [_anthropic(snapshot, *model) for model in models[begin:end]]
    edges = {"first_id": rows[0]["id"] if rows else None, "last_id": rows[-1]["id"] if rows else None}
    return {"data": rows, "has_more": more, **edges}


def _gemini_list(snapshot: Snapshot, models: Sequence[Named], query: bytes) -> Row:
    """``pageSize`` models from where ``pageToken`` says, which is the name of the last one before."""
    said = _said(query)
    size = _size(said, "pageSize", 0) or len(models)
    token = said.get("pageToken")
    begin = _place(models, token, "pageToken") + 1 if token else 0
    page: Row = {"models": [_gemini(snapshot, *model) for model in models[begin : begin + size]]}
    return page | ({"nextPageToken": models[begin + size - 1][0]} if begin + size < len(models) else {})


def _said(query: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()} if query else {}


def _size(said: Mapping[str, str], name: str, least: int) -> int:
    """How many are wanted, LARGEST_PAGE at most; 0 when that is not said."""
    text = said.get(name)
    if text is None:
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < least:
        raise _wrong(name, f"expected a whole number from {least} to {LARGEST_PAGE}")
    return min(int(text), LARGEST_PAGE)


def _place(models: Sequence[Named], name: str, where: str) -> int:
    place = next((place for place, (model, _) in enumerate(models) if model == name), None)
    if place is None:
        raise _wrong(where, "there is no such model")
    return place


def _wrong(name: str, why: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{name}': {why}.", code="invalid_value", param=name)


Shape = tuple[Callable[[Snapshot, str, str], Row], Callable[[Snapshot, Sequence[Named], bytes], Row]]
SHAPES: Mapping[str, Shape] = {
    "openai_chat": (_openai, _openai_list),
    "openai_responses": (_openai, _openai_list),
    "anthropic": (_anthropic, _anthropic_list),
    "gemini": (_gemini, _gemini_list),
}
