"""In front of the client APIs, before anybody is looked up: which addresses may ask, and how often."""

from __future__ import annotations

import time

from routing.addresses import Rule, subscriber
from routing.gateway import denials
from routing.gateway.writer import Writer
from routing.snapshot import Snapshot
from routing.state import Claim, State, Why, Window


async def check(
    snapshot: Snapshot, state: State, client: tuple[str, int] | None, request_id: str, writer: Writer
) -> None:
    """Let an address in. Raises Refusal 403, or 429 with the limit in its headers. ``client`` is true already: see
    ``omniroute.forwarded``."""
    address = client[0] if client else ""
    now = time.time()
    if snapshot.addresses is not None and (refused := snapshot.addresses.refuses(address, now)):
        raise denials.address_refused(refused if isinstance(refused, Rule) else None, now)
    most = snapshot.switches.requests_per_address
    if most is not None and address:
        taken = await state.take(Claim(request_id, windows=(Window(f"a:{subscriber(address)}", most, 1),)))
        if taken.why is Why.WINDOW:
            rows = [("requests", most, *level) for level in taken.levels]
            writer.always(denials.limit_headers(writer.format, rows))
            raise denials.too_many_from_address(most, taken.retry_after)
