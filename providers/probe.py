"""Asking a provider whether a credential works."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from django.conf import settings

from providers import outward, trial
from providers.addresses import AddressRefused, check_url
from providers.body import apply
from providers.entry import Entry
from providers.listing import Listed, next_page, read
from providers.tailoring import traits_of
from providers.wire.anthropic.tables import VERSION
from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.formats import FORMATS
from providers.wire.types import Message, Request, Text
from providers.words import clean_words

WHOLE_TIME = 40.0  # seconds for all requests of one test
LONGEST_REPLY = 8 * 1024 * 1024  # bytes; the longest lists of models come to one or two
MOST_PAGES = 20
ENOUGH = {"openai_responses": 16}  # the fewest output tokens that may be asked for, where that is more than one
# Headers that a format's own vendor wants of every request.
USUAL_HEADERS = {"anthropic": {"anthropic-version": VERSION}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a test went. ``message``: a sentence or the vendor's words, without secrets; ``models``: the ids listed;
    ``unauthorized``: the answer was 401."""

    ok: bool
    message: str
    latency_ms: int | None = None
    models: tuple[str, ...] = ()
    unauthorized: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Any  # None when the body is not JSON
    text: str
    ms: int

    @property
    def good(self) -> bool:
        if not 200 <= self.status < 300:
            return False
        return isinstance(self.document, list) or (isinstance(self.document, dict) and not self.document.get("error"))


NO_LIST = _Answer(404, None, "", 0)  # as from a provider that has none


class _TooLong(Exception):
    """A reply beyond the limit."""


class NoList(Exception):
    """The provider gave no list of models; the message is a sentence or the vendor's words."""


async def probe(
    entry: Entry, secret: str | None, proxy: str | None = None, parameters: Mapping[str, str] | None = None
) -> Probe:
    """Ask for the list of models, or where that says nothing of the credential, for one token of chat. Never raises
    for what the other side does; the address is checked first and nothing is redirected. ``parameters`` are in the
    entry's address already."""
    if trial.needed(entry):
        tried = await trial.trial(entry, secret, proxy, parameters or {})
        return Probe(ok=tried.ok, message=tried.message, latency_ms=tried.ms, unauthorized=tried.unauthorized)
    secrets = _hidden(entry, secret, proxy)
    try:
        async with _asking(entry, secret, proxy) as client:
            return await _ask(client, entry, secrets)
    except FAULTS as wrong:
        return Probe(ok=False, message=_fault(wrong, secrets))


async def fetch_models(entry: Entry, secret: str | None, proxy: str | None = None) -> tuple[Listed, ...]:
    """What the provider lists now, over all its pages. Raises NoList."""
    if not (entry.lists_models and entry.has("models")) or trial.needed(entry):
        raise NoList("Its vendor gives no list of models that can be asked for; models are added by hand.")
    secrets = _hidden(entry, secret, proxy)
    found: dict[str, Listed] = {}
    path = entry.path("models")
    try:
        async with _asking(entry, secret, proxy) as client:
            for _ in range(MOST_PAGES):
                answer = await _send(client, "GET", path)
                models = read(answer.document) if answer.good else None
                if models is None:
                    raise NoList(_failed(answer, secrets).message if not answer.good else "It gives no list of models.")
                found |= {model.id: model for model in models}
                if (more := next_page(entry.path("models"), answer.document)) is None:
                    break
                path = more
    except FAULTS as wrong:
        raise NoList(_fault(wrong, secrets)) from None
    return tuple(found.values())


@asynccontextmanager
async def _asking(entry: Entry, secret: str | None, proxy: str | None) -> AsyncIterator[httpx.AsyncClient]:
    check_url(entry.base_url, allow_private=entry.allow_private_network)
    async with asyncio.timeout(WHOLE_TIME), _client(entry, secret, proxy) as client:
        yield client


FAULTS = (AddressRefused, TimeoutError, _TooLong, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


def _hidden(entry: Entry, secret: str | None, proxy: str | None) -> tuple[str | None, ...]:
    """What no message may hold."""
    return secret, proxy, urlsplit(proxy).password if proxy else None, urlsplit(entry.base_url).netloc


def _fault(wrong: Exception, secrets: tuple[str | None, ...]) -> str:
    if isinstance(wrong, AddressRefused):
        return str(wrong)
    if isinstance(wrong, TimeoutError | httpx.TimeoutException):
        return "No answer in time."
    if isinstance(wrong, _TooLong):
        return "The answer is too long to be one."
    words = clean_words(str(wrong), secrets)
    return f"No connection: {words}" if words else "No connection."


async def _ask(client: httpx.AsyncClient, entry: Entry, secrets: tuple[str | None, ...]) -> Probe:
    listed = entry.lists_models and entry.has("models")
    listing = await _send(client, "GET", entry.path("models")) if listed else NO_LIST
    models = read(listing.document) if listing.good else None
    if models is not None and not entry.models_public:
        return _passed(listing, models)
    if listing.good and "check" in entry.operations:
        checked = await _send(client, "GET", entry.path("check"))
        return _passed(checked, models or ()) if checked.good else _failed(checked, secrets)
    if not listing.good and listing.status not in (404, 405, 501) and listing.document is not None:
        return _failed(listing, secrets)
    if not entry.has("chat"):
        return await _embedding(client, entry, models or (), secrets)
    ours = (m.id for m in entry.models.values() if m.enabled and m.operation == "chat")
    names = (*ours, *(m.id for m in models or ()))
    if not names:
        return Probe(ok=False, message="It lists no models; name one to test it with.", latency_ms=listing.ms)
    return await _chat(client, entry, names[0], models or (), secrets)


async def _chat(
    client: httpx.AsyncClient, entry: Entry, model: str, listed: tuple[Listed, ...], secrets: tuple[str | None, ...]
) -> Probe:
    """One token of chat, in the provider's format and by its rules, as a request of the gateway would go."""
    entry = entry.of(model)
    format = FORMATS[entry.format]
    hello = Message(role="user", parts=(Text(text="hi"),))
    asked = Request(model=model, messages=(hello,), max_tokens=ENOUGH.get(entry.format, 1))
    try:
        dumped = format.dump(asked, traits_of(entry, model))
    except Refusal as wrong:
        return Probe(ok=False, message=f"The model {model} cannot be asked: {wrong.message}")
    body, _ = apply(dumped.body, entry.request)
    chat = await _send(client, "POST", entry.target("chat", model), body, dict(dumped.headers))
    if not chat.good:
        return _failed(chat, secrets)
    try:
        format.parse_reply(chat.text.encode(), dumped.names)
    except UpstreamFailure as wrong:
        return Probe(ok=False, message=clean_words(wrong.message, secrets), latency_ms=chat.ms)
    return _passed(chat, listed)


async def _embedding(
    client: httpx.AsyncClient, entry: Entry, listed: tuple[Listed, ...], secrets: tuple[str | None, ...]
) -> Probe:
    """One word embedded, of a provider that does not chat."""
    model = next((m.id for m in entry.models.values() if m.enabled and m.operation == "embeddings"), None)
    if model is None or not entry.has("embeddings"):
        return Probe(ok=False, message="It has no list of models, no chat and no embeddings to test the key with.")
    body = {"model": model, "input": ["hi"]}
    answer = await _send(client, "POST", entry.target("embeddings", model), body)
    return _passed(answer, listed) if answer.good else _failed(answer, secrets)


def _client(entry: Entry, secret: str | None, proxy: str | None) -> httpx.AsyncClient:
    own = entry.sends(settings.USER_AGENT)
    usual = {"user-agent": settings.USER_AGENT, "accept-encoding": "identity", **USUAL_HEADERS.get(entry.format, {})}
    headers = usual | own
    if secret and entry.takes_secret:
        header, value = entry.credential(secret)
        headers[header] = value
    return outward.client(entry.base_url, headers, allow_private=entry.allow_private_network, proxy=proxy)


async def _send(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> _Answer:
    started = time.monotonic()
    url = str(client.base_url).rstrip("/") + path
    content = msgspec.json.encode(body) if body is not None else None
    typed = {"content-type": "application/json", **(headers or {})} if content else {}
    async with client.stream(method, url, content=content, headers=typed) as response:
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


def _passed(answer: _Answer, models: tuple[Listed, ...]) -> Probe:
    listed = {0: "It answers.", 1: "It answers and lists 1 model."}.get(
        len(models), f"It answers and lists {len(models)} models."
    )
    return Probe(ok=True, message=listed, latency_ms=answer.ms, models=tuple(m.id for m in models))


def _failed(answer: _Answer, secrets: tuple[str | None, ...]) -> Probe:
    if 300 <= answer.status < 400:
        words = "It redirects to another address; give the final one as base URL."
    elif answer.document is None:
        words = "The answer is not JSON; is the base URL right?"
    else:
        words = clean_words(_vendor_words(answer.document), secrets) or "It refuses without a reason."
    refused = answer.status == 401
    return Probe(ok=False, message=f"HTTP {answer.status}: {words}", latency_ms=answer.ms, unauthorized=refused)


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
