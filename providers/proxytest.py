"""Testing a proxy: does a provider answer through it, how quickly, and which address does the world see?

Nobody is asked but the provider itself, without a credential, and the echo that ``PROXY_ECHO_URL`` names: any address
that answers with the caller's, as text or as JSON. Without one the exit address stays unknown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils import timezone

from providers import outward, registry
from providers.addresses import AddressRefused
from providers.entry import Entry
from providers.fields import reveal
from providers.models import Connection, Provider, Proxy
from providers.vault import SecretUnreadable
from providers.words import clean_words

WHOLE_TIME = 30.0  # seconds for both questions
LONGEST_ECHO = 10_000  # bytes
GATEWAY_FAILURES = (502, 503, 504)  # what a proxy answers itself to a plain http request it could not pass on
ECHO_KEYS = ("ip", "origin", "query", "address", "ip_addr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a test went. ``exit_address`` is None when nobody could say it; ``provider``: who was asked, if anybody."""

    ok: bool
    message: str
    latency_ms: int | None = None
    exit_address: str | None = None
    provider: str = ""


def try_out(proxy: Proxy, provider: Provider | None = None) -> Trial:
    """Call a provider through the proxy (the given one, else one that goes through it) and keep the result on the row.
    Not from within an event loop."""
    trial = _tried(proxy, provider)
    proxy.tested_at, proxy.test_ok, proxy.test_message = timezone.now(), trial.ok, trial.message[:500]
    proxy.test_latency_ms, proxy.exit_address = trial.latency_ms, trial.exit_address
    names = ("tested_at", "test_ok", "test_message", "test_latency_ms", "exit_address")
    # Not save(): a test changes nothing the hot path reads, so the configuration's version stays.
    Proxy.objects.filter(pk=proxy.pk).update(**{name: getattr(proxy, name) for name in names})
    return trial


def _tried(proxy: Proxy, provider: Provider | None) -> Trial:
    try:
        url = reveal(proxy, "url")
    except SecretUnreadable:
        url = None
    if url is None:
        return Trial(ok=False, message="Its URL cannot be decrypted with this installation's keys; enter it again.")
    entry = _asked(proxy, provider)
    if entry is None and not settings.PROXY_ECHO_URL:
        return Trial(ok=False, message="Nobody to ask: no provider goes through it, and PROXY_ECHO_URL is not set.")
    return asyncio.run(_trial(url, entry, settings.PROXY_ECHO_URL))


def _asked(proxy: Proxy, provider: Provider | None) -> Entry | None:
    """The entry of whom to ask: the given provider, else the first usable one behind the proxy."""
    for row in [provider] if provider else _behind(proxy):
        with suppress(registry.BadProvider):
            return registry.effective_of(row)
    return None


def _behind(proxy: Proxy) -> Iterator[Provider]:
    yield from (row.provider for row in proxy.connections.select_related("provider"))
    yield from proxy.providers.all()
    if proxy.is_global:
        rows = Connection.objects.filter(enabled=True, proxy=None, direct=False)
        rows = rows.filter(provider__proxy=None, provider__direct=False, provider__enabled=True)
        yield from (row.provider for row in rows.select_related("provider"))


async def _trial(url: str, entry: Entry | None, echo: str | None) -> Trial:
    secrets = (url, urlsplit(url).password, urlsplit(url).hostname)
    try:
        async with asyncio.timeout(WHOLE_TIME):
            status, ms = await _reach(url, entry) if entry else (0, 0)
            seen, echo_ms = await _echoed(url, echo, required=entry is None) if echo else (None, None)
    except AddressRefused as refused:
        return Trial(ok=False, message=str(refused), provider=entry.id if entry else "")
    except (TimeoutError, httpx.TimeoutException):
        return Trial(ok=False, message="No answer in time.", provider=entry.id if entry else "")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
        words = clean_words(str(wrong), secrets)
        said = f"No way through it: {words}" if words else "No way through it."
        return Trial(ok=False, message=said, provider=entry.id if entry else "")
    if entry is None:
        return Trial(ok=True, message="The echo answers through it.", latency_ms=echo_ms, exit_address=seen)
    said = f"{entry.name} answers through it (HTTP {status})."
    return Trial(ok=True, message=said, latency_ms=ms, exit_address=seen, provider=entry.id)


async def _reach(url: str, entry: Entry) -> tuple[int, int]:
    """Status and milliseconds of the provider's answer to a request without credentials. Any status is an answer."""
    headers = {"user-agent": settings.USER_AGENT}
    async with outward.client(entry.base_url, headers, allow_private=entry.allow_private_network, proxy=url) as client:
        started = time.monotonic()
        async with client.stream("GET", entry.base_url.rstrip("/") + entry.path("models")) as response:
            ms = round((time.monotonic() - started) * 1000)
    plain = entry.base_url.startswith("http://") and url.startswith("http")
    if plain and response.status_code in GATEWAY_FAILURES:
        raise httpx.ProxyError(f"it answered HTTP {response.status_code}")
    return response.status_code, ms


async def _echoed(url: str, echo: str, *, required: bool) -> tuple[str | None, int]:
    """The address the echo saw, None when it said none, and milliseconds. Fails only when it is all that is asked."""
    headers = {"user-agent": settings.USER_AGENT, "accept": "application/json, text/plain"}
    started = time.monotonic()
    try:
        async with (
            outward.client(echo, headers, allow_private=True, proxy=url) as client,
            client.stream("GET", echo) as response,
        ):
            raw = bytearray()
            async for chunk in response.aiter_bytes():
                raw += chunk
                if len(raw) > LONGEST_ECHO:
                    break
        seen = _address(raw.decode("utf-8", "replace")) if response.status_code == 200 else None
    except (httpx.HTTPError, AddressRefused):
        if required:
            raise
        seen = None
    return seen, round((time.monotonic() - started) * 1000)


def _address(text: str) -> str | None:
    """The IP address in an echo's answer: alone on a line, or in one of the usual keys of an object."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        text = next((str(document[key]) for key in ECHO_KEYS if document.get(key)), "")
    try:
        return str(ipaddress.ip_address(text.partition(",")[0].strip()))
    except ValueError:
        return None
