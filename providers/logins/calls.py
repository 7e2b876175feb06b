"""Carries the conversations of logins out: over the connection's proxy, to addresses the guard allows. Blocking."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from django.conf import settings

from providers import outward
from providers.addresses import AddressRefused, check_url
from providers.logins.engine import Ask, LoginFailed, Talk, Told

WHOLE_TIME = 55.0  # seconds for one conversation
LONGEST_REPLY = 1024 * 1024  # bytes


def run(talk: Talk, *, proxy: str | None = None, allow_private: bool = False) -> Any:
    """What the conversation returns. Raises what it raises, and LoginFailed("unreachable") when nobody answers."""
    return asyncio.run(_run(talk, proxy, allow_private))


async def _run(talk: Talk, proxy: str | None, allow_private: bool) -> Any:
    try:
        async with asyncio.timeout(WHOLE_TIME), _client(proxy, allow_private) as client:
            told: Told | None = None
            while True:
                try:
                    ask = next(talk) if told is None else talk.send(told)
                except StopIteration as end:
                    return end.value
                if ask.pause:
                    await asyncio.sleep(ask.pause)
                told = await _send(client, ask, allow_private)
    except AddressRefused as refused:
        raise LoginFailed("address", str(refused)) from None
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        raise LoginFailed("unreachable") from None


def _client(proxy: str | None, allow_private: bool) -> httpx.AsyncClient:
    headers = {"user-agent": settings.USER_AGENT, "accept-encoding": "identity"}
    return outward.client("", headers, allow_private=allow_private, proxy=proxy)


async def _send(client: httpx.AsyncClient, ask: Ask, allow_private: bool) -> Told:
    check_url(ask.url, allow_private=allow_private)
    client.cookies.clear()
    async with client.stream(
        ask.method,
        ask.url,
        headers=dict(ask.headers),
        data=dict(ask.form) if ask.form is not None else None,
        json=ask.json,
    ) as response:
        raw = bytearray()
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > LONGEST_REPLY:
                raise LoginFailed("too_long", status=response.status_code)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    return Told(response.status_code, document)
