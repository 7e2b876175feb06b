"""A configured gateway and a bare HTTP client for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.routing.state.servers import OwnRedis

HELLO = [{"role": "user", "content": "Say hello"}]


class Client:
    """Sees bytes, not what an SDK makes of them."""

    def __init__(self, gateway: Any, key: str) -> None:
        self.gateway, self.key = gateway, key
        self.http = httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=20)

    def chat(self, *, stream: bool = False, model: str = "acme/large", **fields: Any) -> httpx.Response:
        return self.http.post("/chat/completions", json={"model": model, "messages": HELLO, "stream": stream, **fields})


def same_day() -> None:
    """Wait for a moment, if a day is about to end here (UTC) or in Tokyo: what is spent now is of the period that is
    looked at later."""
    for midnight in (0, 15 * 3600):
        left = (midnight - time.time()) % 86_400
        if left < 20:
            time.sleep(left + 0.1)


@pytest.fixture
def one_day() -> None:
    same_day()


@pytest.fixture(scope="session")
def _redis_process() -> Iterator[OwnRedis]:
    own = OwnRedis()
    own.start()
    yield own
    own.stop()


@pytest.fixture
def own_redis(_redis_process: OwnRedis) -> OwnRedis:
    """A Redis for tests that use names which others use as well; empty."""
    with _redis_process.client() as client:
        client.flushall()
    return _redis_process


@pytest.fixture
def patient(gateway: Any) -> None:
    """Nothing rests after failures: every request may try every connection."""
    from routing.models import GatewaySettings

    GatewaySettings(connection_cooldown=False, circuit_breaker=False).save()


@pytest.fixture
def client(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Iterator[Client]:
    """A key for a provider ``acme`` with one connection (sk-only) and one model (large)."""
    make_provider("acme", upstream.url, alias="ac", keys=("sk-only",))
    key = make_key()
    gateway.settle()
    client = Client(gateway, key)
    yield client
    client.http.close()


@pytest.fixture
def two(gateway: Any, upstream: Any, make_provider: Any, make_key: Any, patient: None) -> Iterator[Client]:
    """As ``client``, with two connections: sk-first before sk-second."""
    make_provider("acme", upstream.url, keys=("sk-first", "sk-second"))
    key = make_key()
    gateway.settle()
    client = Client(gateway, key)
    yield client
    client.http.close()


@pytest.fixture
def limits(gateway: Any) -> Any:
    """Set other limits for one test."""
    from routing.gateway.exchange import Limits

    before = gateway.runtime.gateway._limits

    def change(**changes: Any) -> None:
        gateway.runtime.gateway._limits = Limits(**changes)

    yield change
    gateway.runtime.gateway._limits = before


@pytest.fixture
def vendors(gateway: Any, make_key: Any, patient: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``vendors.connect("bedrock", vendor.url)`` → clients; see tests.routing.envelopes."""
    from tests.routing.envelopes import Vendors

    made = Vendors(gateway, make_key, monkeypatch)
    yield made
    made.close()
