"""Alive and ready, as plain ASGI callables beside Django: ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATIENCE = 2.0  # seconds the database may take to answer
REMEMBERED = 1.0  # seconds an answer is reused: nobody can make /readyz a load on the database

_draining = False


def start_draining() -> None:
    """From now on this process finishes what it has and takes nothing new."""
    global _draining
    _draining = True


def draining() -> bool:
    """Whether this process is on its way out."""
    return _draining


async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    """200 as long as the event loop turns."""
    await answer(send, 200, {"status": "ok"})


class Readiness:
    """200 when requests can be answered, else 503 with the reasons: database, migrations, snapshot, draining."""

    def __init__(self, snapshot_present: Callable[[], bool]) -> None:
        self._snapshot_present = snapshot_present
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[str | None] | None = None
        self._database: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reasons = await self.reasons()
        if reasons:
            await answer(send, 503, {"status": "not ready", "reasons": reasons})
        else:
            await answer(send, 200, {"status": "ready"})

    async def reasons(self) -> list[str]:
        """Why requests cannot be answered now; empty when they can."""
        found = ["draining"] if draining() else []
        if not self._snapshot_present():
            found.append("no configuration snapshot yet")
        database = await self._ask_database()
        return [*found, database] if database else found

    async def _ask_database(self) -> str | None:
        """The database's trouble, or None. Askers share one query, and its answer for a second."""
        if time.monotonic() - self._asked_at < REMEMBERED:
            return self._database
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(database_trouble))
        try:
            self._database = await asyncio.wait_for(asyncio.shield(self._asking), PATIENCE)
        except TimeoutError:
            return "the database does not answer"
        self._asked_at = time.monotonic()
        return self._database


def database_trouble() -> str | None:
    """None when the database answers and has every migration; else why not, without its address."""
    from django.db import DatabaseError, connection

    from omniroute import migrated

    try:
        return "migrations are not applied" if migrated.due(migrated.recorded()) else None
    except (DatabaseError, OSError):
        return "the database cannot be reached"
    finally:
        connection.close()


async def answer(send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    """Send one small JSON reply that nobody may cache."""
    content = msgspec.json.encode(body)
    head = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    head.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*head, *headers]})
    await send({"type": "http.response.body", "body": content})
