"""Lists of models that a GET with a key is not enough for: signed, exchanged or at a place of their own. One row each.

Sources: docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html; for Copilot and Antigravity
shared knowledge of open clients (2026-11).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from providers import catalogue
from providers.addresses import AddressRefused, check_url
from providers.auth.exchange import route_of
from providers.entry import Entry
from providers.listing import Listed, read
from providers.parameters import filled
from providers.probe import NoList
from providers.transport.base import Outbound, Timeouts, TransportError
from providers.transport.pools import Transports
from providers.upstream import Link, link, transport_failure
from providers.wire.errors import UpstreamFailure
from providers.words import clean_words

WHOLE_TIME = 40.0  # seconds
TIMEOUTS = Timeouts(connect=5, write=10, first_byte=20, idle=10)
LONGEST_REPLY = 8 * 1024 * 1024  # bytes


def _copilot(document: Any) -> list[dict[str, Any]]:
    """Those for chat that the account's policy allows."""
    return [
        row
        for row in _rows(document, "data")
        if _inner(row, "capabilities").get("type") == "chat" and _inner(row, "policy").get("state") != "disabled"
    ]


def _bedrock(document: Any) -> list[dict[str, Any]]:
    rows = _rows(document, "modelSummaries")
    return [{"id": row.get("modelId"), "display_name": row.get("modelName")} for row in rows]


def _antigravity(document: Any) -> list[dict[str, Any]]:
    models = _inner(document, "models")
    shown = ((id, _inner(models, id)) for id in models)
    return [{"id": id, "display_name": row.get("displayName")} for id, row in shown if not row.get("isInternal")]


def _rows(document: Any, name: str) -> list[dict[str, Any]]:
    found = document.get(name) if isinstance(document, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _inner(document: Any, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class ListCall:
    """``url``: below the provider's address, or a whole one, which is asked only while the provider has its own.
    ``body`` names values of the connection. ``rows``: the reply → rows as ``listing.read`` takes them."""

    url: str
    rows: Callable[[Any], list[dict[str, Any]]]
    body: Mapping[str, str] | None = None


LISTS: Mapping[str, ListCall] = {
    "antigravity": ListCall(
        "https://cloudcode-pa.googleapis.com/v1internal:fetchAvailableModels", _antigravity, {"project": "{project}"}
    ),
    "bedrock": ListCall("https://bedrock.{region}.amazonaws.com/foundation-models", _bedrock),
    "github": ListCall("/models", _copilot),
}


async def fetch(
    entry: Entry, secret: str | None, proxy: str | None, parameters: Mapping[str, str]
) -> tuple[Listed, ...]:
    """What the provider lists to this connection now; arguments as ``connections.prepared`` gives them. Raises
    NoList."""
    call = LISTS[entry.id]
    try:
        async with asyncio.timeout(WHOLE_TIME):
            document = await _document(call, entry, secret, proxy, parameters)
    except TimeoutError:
        raise NoList("No answer in time.") from None
    except AddressRefused as wrong:
        raise NoList(str(wrong)) from None
    except TransportError as wrong:
        raise NoList(transport_failure(wrong).message) from None
    except UpstreamFailure as wrong:
        raise NoList(wrong.message) from None
    return read({"data": call.rows(document)}) or ()


async def _document(
    call: ListCall, entry: Entry, secret: str | None, proxy: str | None, parameters: Mapping[str, str]
) -> Any:
    """The vendor's JSON, asked for as requests are: by the connection's credential and way. Raises NoList."""
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
    outbound = _outbound(call, entry, here)
    transports = Transports()
    try:
        signed = await here.credential.sign(outbound) if here.credential else outbound
        reply = await transports.of(signed.route, here.transport).send(signed)
        try:
            status, raw = reply.status, await reply.read(LONGEST_REPLY)
        finally:
            await reply.aclose()
    finally:
        await transports.aclose()
    if not 200 <= status < 300:
        raise NoList(f"HTTP {status}: the vendor does not give its list.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise NoList(clean_words("The vendor's answer is not JSON.", here.secrets)) from None


def _outbound(call: ListCall, entry: Entry, here: Link) -> Outbound:
    """Raises NoList and AddressRefused."""
    whole = "://" in call.url
    known = catalogue.entries().get(entry.id)
    if whole and (known is None or known.at(here.values).origin != entry.origin):
        raise NoList("The provider has another address than its vendor's; its list is not asked for.")
    try:
        url = filled(call.url, here.values) if whole else entry.base_url.rstrip("/") + call.url
        said = None if call.body is None else {name: filled(text, here.values) for name, text in call.body.items()}
    except KeyError as missing:
        raise NoList(f"The connection has no {missing.args[0]}, which the vendor wants to know.") from None
    check_url(url, allow_private=entry.allow_private_network)
    return Outbound(
        "GET" if said is None else "POST",
        urlsplit(url).path,
        (*here.headers, (b"accept", b"application/json")),
        b"" if said is None else json.dumps(said).encode(),
        route_of(url, entry.allow_private_network, here.route.proxy),
        TIMEOUTS,
    )
