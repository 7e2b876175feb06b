"""Asking a provider whether a credential works."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from providers import outward, trial
from providers.addresses import AddressRefused, check_url
from providers.entry import Entry
from providers.words import clean_words

WHOLE_TIME = 40.0  # seconds for all requests of one test
LONGEST_REPLY = 8 * 1024 * 1024  # bytes; the longest lists of models come to one or two
MOST_MODELS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a test went. ``message``: a sentence or the vendor's words, without secrets; ``models``: the ids listed."""

    ok: bool
    message: str
    latency_ms: int | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Any  # None when the body is not JSON
    text: str
    ms: int

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300 and isinstance(self.document, dict) and "error" not in self.document


NO_LIST = _Answer(404, None, "", 0)  # as from a provider that has none


class _TooLong(Exception):
    """A reply beyond the limit."""


async def probe(
    entry: Entry, secret: str | None, proxy: str | None = None, parameters: Mapping[str, str] | None = None
) -> Probe:
    """Ask for the list of models, or where that says nothing of the credential, for one token of chat. Never raises
    for what the other side does; the address is checked first and nothing is redirected. ``parameters`` are in the
    entry's address already."""
    if trial.needed(entry):
        tried = await trial.trial(entry, secret, proxy, parameters or {})
        return Probe(ok=tried.ok, message=tried.message, latency_ms=tried.ms)
    secrets = (secret, proxy, urlsplit(proxy).password if proxy else None, urlsplit(entry.base_url).netloc)
    try:
        check_url(entry.base_url, allow_private=entry.allow_private_network)
        async with asyncio.timeout(WHOLE_TIME), AsyncExitStack() as stack:
            client = await stack.enter_async_context(_client(entry, secret, proxy))
            return await _ask(client, entry, secrets)
    except AddressRefused as refused:
        return Probe(ok=False, message=str(refused))
    except (TimeoutError, httpx.TimeoutException):
        return Probe(ok=False, message="No answer in time.")
    except _TooLong:
        return Probe(ok=False, message="The answer is too long to be one.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
        words = clean_words(str(wrong), secrets)
        return Probe(ok=False, message=f"No connection: {words}" if words else "No connection.")


async def _ask(client: httpx.AsyncClient, entry: Entry, secrets: tuple[str | None, ...]) -> Probe:
    listed = entry.lists_models and entry.has("models")
    listing = await _send(client, "GET", entry.path("models")) if listed else NO_LIST
    models = _model_ids(listing.document) if listing.good else ()
    if listing.good and models is not None and not entry.models_public:
        return _passed(listing, models)
    if listing.good and "check" in entry.operations:
        checked = await _send(client, "GET", entry.path("check"))
        return _passed(checked, models or ()) if checked.good else _failed(checked, secrets)
    if not listing.good and listing.status not in (404, 405, 501) and listing.document is not None:
        return _failed(listing, secrets)
    if not entry.has("chat"):
        return Probe(ok=False, message="It has no list of models and no chat to test the key with.")
    model = next((m.id for m in entry.models.values() if m.enabled and m.operation == "chat"), None)
    model = model or next(iter(models or ()), None)
    if model is None:
        return Probe(ok=False, message="It lists no models; name one to test it with.", latency_ms=listing.ms)
    tiny = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    chat = await _send(client, "POST", entry.path("chat"), tiny)
    return _passed(chat, models or ()) if chat.good and "choices" in chat.document else _failed(chat, secrets)


def _client(entry: Entry, secret: str | None, proxy: str | None) -> httpx.AsyncClient:
    headers = {"user-agent": settings.USER_AGENT, "accept-encoding": "identity", **entry.headers}
    if secret and entry.takes_secret:
        header, value = entry.credential(secret)
        headers[header] = value
    return outward.client(entry.base_url, headers, allow_private=entry.allow_private_network, proxy=proxy)


async def _send(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> _Answer:
    started = time.monotonic()
    async with client.stream(method, str(client.base_url).rstrip("/") + path, json=body) as response:
        raw = bytearray()
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > LONGEST_REPLY:
                raise _TooLong
    text = raw.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    return _Answer(response.status_code, document, text, round((time.monotonic() - started) * 1000))


def _model_ids(document: Any) -> tuple[str, ...] | None:
    """The ids of a models list; None when the document is none."""
    listed = document.get("data", document.get("models"))
    if not isinstance(listed, list):
        return None
    ids = (row.get("id") for row in listed[:MOST_MODELS] if isinstance(row, dict))
    return tuple(id for id in ids if isinstance(id, str) and 0 < len(id) <= 200)


def _passed(answer: _Answer, models: tuple[str, ...]) -> Probe:
    listed = {0: "It answers.", 1: "It answers and lists 1 model."}.get(
        len(models), f"It answers and lists {len(models)} models."
    )
    return Probe(ok=True, message=listed, latency_ms=answer.ms, models=models)


def _failed(answer: _Answer, secrets: tuple[str | None, ...]) -> Probe:
    if 300 <= answer.status < 400:
        words = "It redirects to another address; give the final one as base URL."
    elif answer.document is None:
        words = "The answer is not JSON; is the base URL right?"
    else:
        words = clean_words(_vendor_words(answer.document), secrets) or "It refuses without a reason."
    return Probe(ok=False, message=f"HTTP {answer.status}: {words}", latency_ms=answer.ms)


def _vendor_words(document: Any) -> str:
    """What an error document says, in the shapes that are about."""
    for _ in range(3):
        if isinstance(document, list) and document:
            document = document[0]
        if not isinstance(document, dict):
            break
        document = next(
            (document[key] for key in ("error", "message", "detail", "msg", "title") if document.get(key)), ""
        )
    return document if isinstance(document, str) else ""
