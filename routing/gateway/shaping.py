"""A request under its caller's policies. Who has none pays nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from providers.wire.media import multipart
from routing.gateway.peek import fields_of
from routing.gateway.policies import Draft, Refused, obey

if TYPE_CHECKING:
    from routing.gateway.exchange import Exchange

LARGE = 128 * 1024  # bytes of a body whose scan is done beside the event loop


async def shaped(exchange: Exchange, fields: dict[str, msgspec.Raw], size: int) -> Draft:
    """What the policies make of a body's top level; ``size`` in bytes. Raises Refusal."""
    call, record = exchange.call, exchange.record
    draft = Draft(
        operation=call.endpoint.operation, format=call.endpoint.format, fields=fields, model=record.requested_model
    )
    rules = exchange.rules
    try:
        draft = await asyncio.to_thread(obey, rules, draft) if size > LARGE else obey(rules, draft)
    except Refused as refusal:
        record.policies = refusal.notes
        raise
    record.policies = draft.notes
    return draft


async def shaped_body(exchange: Exchange, body: bytes, content_type: str) -> bytes:
    """The body of an operation beside chat as the policies leave it. Raises Refusal."""
    if not exchange.rules:
        return body
    if exchange.call.endpoint.operation == "transcription":
        return await _form(exchange, body, content_type)
    fields = fields_of(body)
    draft = await shaped(exchange, fields, len(body))
    return body if draft.fields is fields else msgspec.json.encode(draft.fields)


async def _form(exchange: Exchange, body: bytes, content_type: str) -> bytes:
    """Of a form the prompt is people's words; the recording is not looked at."""
    found = multipart.parts(body, multipart.boundary_of(content_type))
    prompt = next((part for part in found if part.name == "prompt" and not part.file), None)
    if prompt is None:
        return body
    text = body[prompt.start : prompt.end].decode("utf-8", "replace")
    fields = {"prompt": msgspec.Raw(msgspec.json.encode(text))}
    draft = await shaped(exchange, fields, len(text))
    if draft.fields is fields:
        return body
    words = msgspec.json.decode(draft.fields["prompt"], type=str).encode()
    return b"".join((body[: prompt.start], words, body[prompt.end :]))
