"""One token of chat, sent as the gateway's own requests are: signed, wrapped and through the proxy.

How a connection is tested whose requests are more than a header and the format's body, so that what passes here passes
there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from django.conf import settings

from providers.body import apply
from providers.entry import Entry
from providers.tailoring import traits_of
from providers.transport.base import Timeouts, TransportError
from providers.upstream import MAX_ERROR_BODY, Attempt, Upstream, cleaned, link, transport_failure
from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.formats import FORMATS
from providers.wire.types import Message, Request, Text

WHOLE_TIME = 40.0  # seconds
TIMEOUTS = Timeouts(connect=5, write=10, first_byte=30, idle=20)
FEW = 16  # tokens; some vendors refuse fewer


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went, as a sentence or the vendor's words, without secrets; ``ms`` is None when nothing answered;
    ``unauthorized``: the answer was 401."""

    ok: bool
    message: str
    ms: int | None = None
    unauthorized: bool = False


def needed(entry: Entry) -> bool:
    """Whether only a trial tells of this provider's connections."""
    return entry.signed or bool(entry.envelope) or entry.always_streams


async def trial(entry: Entry, secret: str | None, proxy: str | None, parameters: Mapping[str, str]) -> Trial:
    """Ask the first model that is on. Never raises for what the other side does."""
    model = next((m.id for m in entry.models.values() if m.enabled and m.operation == "chat"), None)
    if model is None:
        return Trial(False, "It has no models to be tested with; add one.")
    entry = entry.of(model)
    sender = Upstream()
    started = time.monotonic()
    try:
        async with asyncio.timeout(WHOLE_TIME):
            await _ask(sender, entry, model, secret, proxy, parameters)
    except TimeoutError:
        return Trial(False, "No answer in time.")
    except Refusal as refusal:
        return Trial(False, refusal.message)
    except UpstreamFailure as failure:
        status = f"HTTP {failure.status}: " if failure.status else ""
        took = _since(started) if failure.status else None
        return Trial(False, status + failure.message, took, failure.status == 401)
    finally:
        await sender.aclose()
    return Trial(True, "It answers.", _since(started))


async def _ask(
    sender: Upstream, entry: Entry, model: str, secret: str | None, proxy: str | None, parameters: Mapping[str, str]
) -> None:
    """Raises UpstreamFailure and Refusal."""
    here = link(
        entry,
        connection_id=0,
        name="",
        priority=0,
        secret=secret,
        proxy=proxy,
        user_agent=settings.USER_AGENT,
        parameters=parameters,
    )
    format, attempt = FORMATS[entry.format], Attempt(entry, here, model)
    hello = Message(role="user", parts=(Text(text="hi"),))
    dumped = format.dump(Request(model=model, messages=(hello,), max_tokens=FEW), traits_of(entry, model))
    body, _ = apply(dumped.body, entry.request)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in dumped.headers)
    encoded = msgspec.json.encode(body)
    reply = await sender.open(attempt, "chat", encoded, stream=False, timeouts=TIMEOUTS, headers=headers)
    try:
        format.parse_reply(await reply.read(MAX_ERROR_BODY), dumped.names)
    except TransportError as wrong:
        raise transport_failure(wrong) from None
    except UpstreamFailure as failure:
        raise cleaned(attempt, failure) from None
    finally:
        await reply.aclose()


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
