"""What a web process serves: client APIs on the hot path, live views by Channels, everything else by Django."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniroute.settings")

from django.core.asgi import get_asgi_application

django_application: Any = get_asgi_application()  # sets Django up: what follows needs its apps

from asgiref.sync import markcoroutinefunction
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.db import connection

from analytics import budgets, ledger, live, metrics, record
from analytics.outbox import Outbox
from omniroute.environment import current
from omniroute.forwarded import forwarded
from omniroute.health import Readiness, Receive, Scope, Send, healthz
from routing import levels
from routing.board import News
from routing.gateway.consumer import Gateway
from routing.gateway.endpoints import is_client_path as is_client_api
from routing.gateway.exchange import Limits
from routing.gateway.outcome import Outcome
from routing.gateway.replay import open_index, open_repeats, open_shelf
from routing.health import HealthSync, claim_probe
from routing.publish import Publisher
from routing.state import Slot, Window, open_state

__all__ = ["application", "is_client_api", "runtime"]

log = logging.getLogger(__name__)
FIRST_SNAPSHOT_SECONDS = 10.0
PROBE_SECONDS = 2.0  # that a request waits to be told whether it is the one probe
PROBES = ThreadPoolExecutor(2, thread_name_prefix="probes")  # of its own: a database that hangs holds up nobody else
ASKED_SECONDS = 2.0  # that a page waits for an answer of the gateway's loop
T = TypeVar("T")


class Runtime:
    """What lives as long as a web process: the gateway, its configuration, the way of outcomes to the database.

    Started by the server's lifespan; under a server without one (daphne), by the first request.
    """

    def __init__(self) -> None:
        journal = settings.DATA_DIR / "outbox"
        self.outbox = Outbox(journal, self._store, observe=metrics.observe)
        limits = Limits(max_body=settings.MAX_BODY_BYTES)
        state = open_state(current().redis_url, current().redis_timeout_ms / 1000)
        self.gateway = Gateway(
            self.outbox.put,
            complain,
            metrics.reject,
            limits=limits,
            claim=claim,
            state=state,
            ledger=ledger.standing,
            shelf=open_shelf(settings.REDIS_URL),
            index=open_index(settings.REDIS_URL),
            repeats=open_repeats(settings.REDIS_URL, current().redis_timeout_ms / 1000),
        )
        self.publisher = Publisher(self.gateway.publish)
        self.health = HealthSync(self._news, self._learn)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready = Readiness(lambda: self.gateway.snapshot is not None)
        self.started = False
        self._starting: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Idempotent; later callers wait for the first."""
        if self._starting is not None:
            await asyncio.shield(self._starting)
            return
        self._loop = loop = asyncio.get_running_loop()
        self._starting = loop.create_future()
        live.attach(loop)
        metrics.watch(
            in_flight=lambda: self.gateway.in_flight,
            waiting=lambda: self.outbox.depth,
            lost=lambda: self.outbox.lost,
        )
        budgets.watch(self._reserved)
        levels.watch(self._levels)
        await self.gateway.start()
        self.outbox.start()
        self.publisher.start()
        self.health.start()
        await asyncio.to_thread(self.publisher.wait_first, FIRST_SNAPSHOT_SECONDS)
        self.started = True
        self._starting.set_result(None)

    async def stop(self) -> None:
        """After the last request: everything that was answered is written down."""
        if not self.started:
            return
        self.started = False
        live.detach()
        budgets.watch(None)
        levels.watch(None)
        await asyncio.to_thread(self.publisher.stop)
        await asyncio.to_thread(self.health.stop)
        await asyncio.to_thread(self.outbox.close)
        await self.gateway.aclose()

    def _store(self, outcomes: Sequence[Outcome]) -> int:
        """Outcomes → rows; the live counters of budgets hear that the ledger has them."""
        stored = record.store(outcomes)
        self.gateway.confirm(outcomes)
        return stored

    def _reserved(self, purses: Sequence[str]) -> Sequence[int] | None:
        """From the threads of pages."""
        return self._asked(self.gateway.purses.state.reserved(purses))

    def _levels(self, windows: Sequence[Window], slots: Sequence[Slot]) -> levels.Looked | None:
        """From the threads of pages."""
        return self._asked(levels.look(self.gateway.purses.state, windows, slots))

    def _asked(self, question: Coroutine[Any, Any, T]) -> T | None:
        """The answer of the gateway's loop, to a thread of a page; None when it takes too long."""
        assert self._loop is not None
        asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return asked.result(ASKED_SECONDS)
        except TimeoutError:
            return None

    def _news(self) -> list[News]:
        """From the health thread: a deque gives and takes at once."""
        news = self.gateway.board.news
        return [news.popleft() for _ in range(len(news))]

    def _learn(self, news: list[News]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self.gateway.board.learn, news)


async def claim(subject: str) -> bool:
    """The one probe of an open circuit breaker, asked of the database: once per breaker and opening. While it does not
    answer, each process goes alone."""
    asked = asyncio.get_running_loop().run_in_executor(PROBES, _claimed, subject)
    try:
        return await asyncio.wait_for(asyncio.shield(asked), PROBE_SECONDS)
    except TimeoutError:
        return True


def _claimed(subject: str) -> bool:
    try:
        return claim_probe(subject)
    finally:
        connection.close()  # the thread may not be used again for long


def complain(request_id: str, mistake: BaseException) -> None:
    """A mistake of ours on the hot path, for the log."""
    log.error("a request failed by our own mistake", exc_info=mistake, extra={"request_id": request_id})


runtime = Runtime()


def dispatch(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Client APIs straight to the gateway: each coroutine between costs at each of a request's waits."""
    if scope["type"] == "http" and runtime.started and is_client_api(scope["path"]):
        return runtime.gateway(scope, receive, send)
    return protocols(scope, receive, send)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Client APIs and probes here; the rest is Django's."""
    if not runtime.started:
        await runtime.start()
    path = scope["path"]
    if is_client_api(path):
        await runtime.gateway(scope, receive, send)
    elif path == "/healthz":
        await healthz(scope, receive, send)
    elif path == "/readyz":
        await runtime.ready(scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The server's start and end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await runtime.start()
            await send({"type": "lifespan.startup.complete"})
        else:
            await runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


protocols: Any = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(live.websocket_urlpatterns))),
    }
)
routed = forwarded(dispatch, settings.TRUSTED_PROXIES)


@markcoroutinefunction  # servers that tell the styles of ASGI apart look for it
def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """The ASGI application. ``/metrics`` stands before the proxy rule: it must see that a request was forwarded."""
    if scope["type"] == "http" and scope["path"] == "/metrics":
        return metrics.metrics_app(scope, receive, send)
    return routed(scope, receive, send)
