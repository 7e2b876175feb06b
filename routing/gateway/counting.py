"""How many tokens a request would be: asked of an upstream that counts, else estimated and marked as such."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from providers.body import encode, with_model
from providers.tailoring import traits_of
from providers.tokens import estimate_chat
from providers.transport.base import Timeouts, TransportError
from providers.upstream import MAX_ERROR_BODY, Attempt, transport_failure
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.formats import FORMATS, Counter
from providers.wire.traits import Traits
from routing.gateway.lanes import opened
from routing.gateway.peek import Peek
from routing.gateway.writer import JSON_TYPE

if TYPE_CHECKING:
    from routing.gateway.admission import Ticket
    from routing.gateway.asking import Asking
    from routing.gateway.exchange import Exchange

ESTIMATED = (b"x-omniroute-estimated", b"true")
TIMEOUTS = Timeouts(connect=5, write=30, first_byte=20, idle=20)  # an estimate soon is worth more than a count late
# Failures of one credential; after any other the next one would fail as well.
OF_THE_CREDENTIAL = frozenset((Kind.AUTH, Kind.PERMISSION, Kind.QUOTA, Kind.RATE_LIMITED, Kind.UNENTITLED))


async def count(exchange: Exchange, asking: Asking, ticket: Ticket) -> None:
    """Answer a count: by the counter of the upstream that would be asked, if it has one. Raises Refusal.

    That it has none, or that counting failed, says nothing against answering: no connection rests for it.
    """
    client = FORMATS[exchange.call.endpoint.format].counter
    assert exchange.tries is not None
    assert client is not None  # endpoints count for formats that have a counter only
    async for attempt in exchange.tries:
        counter = FORMATS[attempt.entry.format].counter
        if counter is None or attempt.entry.envelope:
            break
        exchange.note(attempt)
        try:
            body = await _ask(exchange, asking, attempt, counter)
        except Refusal as refusal:
            exchange.tries.unable(refusal)
            continue
        except UpstreamFailure as failure:
            exchange.tries.abandoned("not_counted", failure)
            if failure.kind in OF_THE_CREDENTIAL or failure.status == 403:  # also of one model only
                continue
            break
        exchange.tries.answered()
        await exchange.writer.whole(200, body, (JSON_TYPE, *exchange.reply_headers(attempt, ())))
        exchange.finished = True
        return
    if not exchange.tries.made:
        raise await ticket.refusal()
    exchange.tries.abandoned("not_asked")
    sample = encode(FORMATS["openai_chat"].dump(replace(asking.canonical(), previous_id=""), Traits()).body)
    usage = await asyncio.to_thread(estimate_chat, sample, b"")
    await exchange.writer.whole(200, client.tell(usage.input), (JSON_TYPE, ESTIMATED))
    exchange.finished = True


async def _ask(exchange: Exchange, asking: Asking, attempt: Attempt, counter: Counter) -> bytes:
    """The answer to the client: the upstream's own where both speak one format."""
    peek = asking.seen_by(attempt)
    format = exchange.call.endpoint.format
    if attempt.entry.format == format and isinstance(peek, Peek) and not peek.ours:
        said, _ = FORMATS[format].mended(peek.fields, traits_of(attempt.entry, attempt.model))
        fields = said if format == "gemini" else with_model(said, attempt.model)
        counted = await _counted(exchange, attempt, encode(opened(fields, attempt)), peek.headers)
        counter.read(counted)
        return counted
    wanted = replace(asking.canonical(), model=attempt.model, previous_id="")
    dumped = counter.dump(wanted, traits_of(attempt.entry, attempt.model))
    headers = tuple((name.lower().encode(), value.encode()) for name, value in dumped.headers)
    counted = await _counted(exchange, attempt, msgspec.json.encode(opened(dumped.body, attempt)), headers)
    client = FORMATS[format].counter
    assert client is not None
    return client.tell(counter.read(counted))


async def _counted(
    exchange: Exchange, attempt: Attempt, body: bytes, headers: tuple[tuple[bytes, bytes], ...]
) -> bytes:
    reply = await exchange.upstream.open(attempt, "count", body, stream=False, timeouts=TIMEOUTS, headers=headers)
    try:
        return await reply.read(MAX_ERROR_BODY)
    except TransportError as wrong:
        raise transport_failure(wrong) from None
    finally:
        await reply.aclose()
