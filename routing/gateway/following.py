"""An answer that takes several requests, one after another: work is ordered, and asked for until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat

from providers.transport.base import Phase
from providers.upstream import SENTENCES
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.media.job import Answer, Further

PAUSES = (0.5, 1.0, 2.0, 3.0)  # seconds before each question how far the work is; the last again and again
# What a question may fail by while the work goes on; it is paid for, so a few such failures in a row are sat out.
PASSING = frozenset((Kind.TIMEOUT, Kind.NETWORK, Kind.SERVER, Kind.OVERLOADED, Kind.PROTOCOL, Kind.RATE_LIMITED))
MOST_MISSED = 3


async def followed(
    further: Further,
    ask: Callable[[Further], Awaitable[bytes]],
    read: Callable[[bytes], Answer | Further],
    patience: float,
) -> Answer:
    """Make the requests until one is answered. ``patience``: seconds for all of them together. Raises UpstreamFailure;
    when cancelled nothing is asked any more."""
    try:
        async with asyncio.timeout(patience):
            return await _followed(further, ask, read)
    except TimeoutError:
        raise UpstreamFailure(Kind.TIMEOUT, SENTENCES[Phase.FIRST_BYTE]) from None


async def _followed(
    further: Further, ask: Callable[[Further], Awaitable[bytes]], read: Callable[[bytes], Answer | Further]
) -> Answer:
    pauses = chain(PAUSES, repeat(PAUSES[-1]))
    missed = 0
    while True:
        if further.waits:
            await asyncio.sleep(next(pauses))
        try:
            reply = await ask(further)
        except UpstreamFailure as failure:
            missed += 1
            if not further.waits or failure.kind not in PASSING or missed > MOST_MISSED:
                raise
            continue
        missed = 0
        said = read(reply)
        if isinstance(said, Answer):
            return said
        further = said
