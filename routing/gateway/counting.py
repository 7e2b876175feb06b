"""How many tokens a request would be: asked of an upstream that counts, else estimated and marked as such."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from providers.body import encode, with_model
from providers.tokens import estimate_chat
from providers.transport.base import TransportError
from providers.upstream import MAX_ERROR_BODY, Attempt
from providers.wire.errors import UpstreamFailure
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits
from routing.gateway.lanes import opened
from routing.gateway.writer import JSON_TYPE

if TYPE_CHECKING:
    from routing.gateway.admission import Ticket
    from routing.gateway.asking import Asking
    from routing.gateway.exchange import Exchange

ESTIMATED = (b"x-omniroute-estimated", b"true")


async def count(exchange: Exchange, asking: Asking, ticket: Ticket) -> None:
    """Answer a count: by the first upstream's own counter when it speaks the client's format. Raises Refusal."""
    format = exchange.call.endpoint.format
    assert exchange.tries is not None
    async for attempt in exchange.tries:
        if attempt.entry.format != format or attempt.entry.envelope:
            break
        exchange.note(attempt)
        try:
            body = await _ask(exchange, asking, attempt)
        except UpstreamFailure as failure:
            exchange.tries.failed(failure)
            continue
        exchange.tries.answered()
        await exchange.writer.whole(200, body, (JSON_TYPE, *exchange.reply_headers(attempt, ())))
        exchange.finished = True
        return
    if not exchange.tries.made:
        raise await ticket.refusal()
    exchange.tries.abandoned("not_asked")
    body = encode(FORMATS["openai_chat"].dump(asking.counted(), Traits()).body)
    usage = await asyncio.to_thread(estimate_chat, body, b"")
    await exchange.writer.whole(200, _told(format, usage.input), (JSON_TYPE, ESTIMATED))
    exchange.finished = True


async def _ask(exchange: Exchange, asking: Asking, attempt: Attempt) -> bytes:
    fields = asking.peek.fields
    if attempt.entry.format != "gemini":
        fields = with_model(fields, attempt.model)
    body = encode(opened(fields, attempt))
    headers = getattr(asking.peek, "headers", ())
    timeouts = exchange.limits.stream
    reply = await exchange.upstream.open(attempt, "count", body, stream=False, timeouts=timeouts, headers=headers)
    try:
        return await reply.read(MAX_ERROR_BODY)
    except TransportError as wrong:
        from providers.upstream import transport_failure

        raise transport_failure(wrong) from None
    finally:
        await reply.aclose()


def _told(format: str, tokens: int) -> bytes:
    return msgspec.json.encode({"totalTokens": tokens} if format == "gemini" else {"input_tokens": tokens})
