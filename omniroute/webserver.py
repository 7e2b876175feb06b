"""One web process: uvicorn on sockets that the parent bound, with a drain of our own.

uvicorn closes its listener first and drains after. We keep listening while requests run, so that ``/readyz`` can say
503 to a load balancer and newcomers get a 503 with ``retry-after`` instead of a refused connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import uvicorn

from omniroute import health
from omniroute.forwarded import Application
from omniroute.health import Receive, Scope, Send
from omniroute.protocol import Protocol

log = logging.getLogger(__name__)

DRAIN = 30.0  # seconds running requests get to end after SIGTERM
KEEP_ALIVE = 75  # seconds; longer than the 60 that load balancers keep their own side open
LARGEST_MESSAGE = 64 * 1024  # bytes of one WebSocket message from a browser
OPEN_WHILE_DRAINING = frozenset({"/healthz", "/readyz", "/metrics"})


def run(ready: Callable[[], None], sockets: Sequence[socket.socket], split: tuple[int, int] | None = None) -> int:
    """Serve until SIGTERM. Returns the exit code; ``ready`` is called when requests are taken.

    ``split``: the port of the client API and that of the dashboard, when they are not the same.
    """
    from omniroute import asgi

    ports = Ports(*split, asgi.is_client_api) if split else None
    Server(config(asgi.application, ports), ready).run(sockets=list(sockets))
    return 0


class Ports:
    """Which listening port is for clients of the gateway, and which for people."""

    def __init__(self, api: int, dashboard: int, is_client_api: Callable[[str], bool]) -> None:
        self._api, self._dashboard, self._is_client_api = api, dashboard, is_client_api

    def allow(self, scope: Scope) -> bool:
        """Whether the path is served on the port the request came in at."""
        if scope["path"] in OPEN_WHILE_DRAINING:
            return True
        port = (scope.get("server") or (None, None))[1]
        return bool(port == (self._api if self._is_client_api(scope["path"]) else self._dashboard))


def config(application: Application, ports: Ports | None = None) -> uvicorn.Config:
    """uvicorn as measured best: uvloop where it exists, httptools, no header we do not need, no logging of its own."""
    return uvicorn.Config(
        gate(application, ports),
        interface="asgi3",
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE,
    )


def gate(application: Application, ports: Ports | None = None) -> Application:
    """The application, behind a 503 while draining and a 404 on the wrong port."""

    def call(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "lifespan":
            if health.draining() and scope["path"] not in OPEN_WHILE_DRAINING:
                return _refuse(scope, send, 503, "The gateway is restarting; try again.")
            if ports is not None and not ports.allow(scope):
                return _refuse(scope, send, 404, "This path is served on another port.")
        return application(scope, receive, send)

    return call


async def _refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
        return
    kind = "service_unavailable" if status == 503 else "not_found"
    body = {"error": {"message": message, "type": kind, "param": None, "code": kind}}
    retry = [(b"retry-after", b"2"), (b"connection", b"close")] if status == 503 else []
    await health.answer(send, status, body, *retry)


class Server(uvicorn.Server):
    """uvicorn's server with our signals, our drain, and no ticking while idle."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._signalled)
        await super().startup(sockets=sockets)
        await self.on_tick(0)  # composes the default headers, which never change: there is no date among them
        # What is alive now stays alive: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        self._ready()

    async def main_loop(self) -> None:
        await self._stop.wait()
        health.start_draining()
        if self._busy():
            log.info("Stopping once running requests have ended, in %d seconds at most", int(DRAIN))
        deadline = time.monotonic() + DRAIN
        while self._busy() and not self._hurry.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), 0.05)
        # Whatever still runs is cancelled by uvicorn, in good order: each request ends with its outcome.
        self.config.timeout_graceful_shutdown = 0 if self._busy() else 1
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are set in ``startup``; uvicorn's would raise the signal once more at the end."""
        yield

    def _signalled(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    def _busy(self) -> bool:
        """Whether an HTTP request is being answered. Live views over WebSockets do not hold a restart up."""
        cycles: list[Any] = [getattr(c, "cycle", None) for c in self.server_state.connections]
        return any(cycle is not None and not cycle.response_complete for cycle in cycles)
