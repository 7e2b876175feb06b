import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trustme
import uvloop

from providers.transport.aio import AioTransport
from providers.transport.base import Pool, Route
from providers.transport.fast import FastTransport


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here runs on both event loops the gateway runs on."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["fast", "aiohttp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Pool]]:
    """Makes transports and closes them after the test."""
    made: list[Pool] = []

    def make(route: Route, kind: str = "fast", **options: Any) -> Pool:
        made.append((FastTransport if kind == "fast" else AioTransport)(route, **options))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """A port that refuses connections and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """For a server called models.example, or 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("models.example", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
