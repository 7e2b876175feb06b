"""The dashboard's live view of requests: a WebSocket that says that there is a new one, and to whom it matters.

Rows are stored in a thread; WebSockets and the channel layer live on the web server's event loop. ``attach`` tells the
thread where that loop is, and ``notify`` hands over what was stored. Messages are small and few: a page that wants more
than the id asks for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.urls import path

from accounts.permissions import is_site_admin, owned_team_ids
from routing.gateway.outcome import Outcome

log = logging.getLogger(__name__)

EVERYBODY = "requests"
PAUSE = 0.1  # seconds between two messages of one group
LIFETIME = 600.0  # seconds; then the page connects anew, and whoever may no longer look is out
RECONNECT = 4000  # close code: come back
GROUPS_AT_ONCE = 1000


class _Board:
    """What is to be said, per group; touched on the event loop only."""

    def __init__(self) -> None:
        self.news: dict[str, dict[str, Any]] = {}
        self.sending: asyncio.Task[None] | None = None

    def add(self, news: dict[str, dict[str, Any]]) -> None:
        for group, message in news.items():
            before = self.news.get(group)
            if before is not None:
                message["count"] += before["count"]
            elif len(self.news) >= GROUPS_AT_ONCE:
                continue  # the page's next message or reload shows it
            self.news[group] = message
        if self.sending is None or self.sending.done():
            self.sending = asyncio.get_running_loop().create_task(self.send())

    async def send(self) -> None:
        layer = get_channel_layer()
        while self.news and layer is not None:
            news, self.news = self.news, {}
            for group, message in news.items():
                try:
                    await layer.group_send(group, {"type": "request.stored", "text": json.dumps(message)})
                except Exception as wrong:  # Redis away: live views rest, nothing else does
                    log.warning("Live views are not told: %s: %s", type(wrong).__name__, wrong)
                    return
            await asyncio.sleep(PAUSE)


_loop: asyncio.AbstractEventLoop | None = None
_board = _Board()


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """From now on :func:`notify` speaks through this loop. Call it on the web server's loop when it starts."""
    global _loop, _board
    _loop, _board = loop, _Board()


def detach() -> None:
    """The loop ends; :func:`notify` does nothing from now on."""
    global _loop
    _loop = None


def notify(outcomes: Sequence[Outcome]) -> None:
    """Tell the live views of stored requests. From any thread; never blocks, never raises."""
    loop = _loop
    if loop is None or loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(_board.add, news_of(outcomes))
    except RuntimeError:  # closed between the two lines: nobody looks any more
        log.debug("The live views' event loop has ended")


def news_of(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Group → one message: the newest request of the group, and of how many ``count``."""
    news: dict[str, dict[str, Any]] = {}
    for o in outcomes:
        groups = [EVERYBODY]
        if o.user_id is not None:
            groups.append(user_group(o.user_id))
        if o.team_id is not None:
            groups.append(team_group(o.team_id))
        for group in groups:
            count = news[group]["count"] if group in news else 0
            model = o.model or o.requested_model
            news[group] = {
                "type": "request",
                "id": o.request_id,
                "result": o.result,
                "model": model,
                "count": count + 1,
            }
    return news


def user_group(user_id: int) -> str:
    return f"requests.user.{user_id}"


def team_group(team_id: int) -> str:
    return f"requests.team.{team_id}"


def groups_of(user: Any) -> list[str]:
    """What a person hears of: everything as site administrator, else their own requests and, as owner, their teams'."""
    if is_site_admin(user):
        return [EVERYBODY]
    return [user_group(user.pk), *(team_group(pk) for pk in sorted(owned_team_ids(user)))]


class RequestsConsumer(AsyncWebsocketConsumer):
    """Sends ``{"type": "request", "id": …, "result": …, "model": …, "count": n}`` after rows were stored.

    ``id`` is the newest request's, ``count`` how many it stands for. Needs a session: others are refused with HTTP 403.
    Closes with code 4000 after ten minutes, to be connected anew.
    """

    joined: list[str]
    closing: asyncio.Task[None]

    async def connect(self) -> None:
        self.joined = []
        user = self.scope.get("user")
        if user is None or not user.is_authenticated or not user.is_active:
            await self.close()
            return
        self.joined = await database_sync_to_async(groups_of)(user)
        self.closing = asyncio.create_task(self._close_in_time())
        for group in self.joined:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()

    async def _close_in_time(self) -> None:
        await asyncio.sleep(LIFETIME)
        await self.close(RECONNECT)

    async def disconnect(self, code: int) -> None:
        if self.joined:
            self.closing.cancel()
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing is expected of the page."""

    async def request_stored(self, event: dict[str, str]) -> None:
        await self.send(text_data=event["text"])


websocket_urlpatterns = [path("ws/requests/", RequestsConsumer.as_asgi())]
