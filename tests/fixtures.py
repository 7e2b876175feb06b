"""Fixtures shared by all tests: people, providers, keys, the running gateway and the scripted upstream."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import SimulatorThread

PATIENCE = 60.0  # seconds; how long a test waits for what must come


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """On SQLite the tests' database is a copy of one that is migrated already."""
    from django.conf import settings

    return bool(settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, django_db_keepdb: bool
) -> None:
    """SQLite in a file: the gateway's threads have connections of their own, as in production."""
    from django.conf import settings

    if django_db_keepdb:
        file = shutil.copy(migrated_file, tmp_path_factory.mktemp("db") / "tests.sqlite3")
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(file)


@pytest.fixture(scope="session", autouse=True)
def _emptied_without_ado() -> Iterator[None]:
    """After a test that commits, empty the tables but leave what ``migrate`` fills: Django's own flush empties those
    too and makes every content type and permission anew, which takes longer (0.1 s) than most such tests."""
    from django.test import TransactionTestCase

    before = TransactionTestCase._fixture_teardown
    TransactionTestCase._fixture_teardown = _emptied
    yield
    TransactionTestCase._fixture_teardown = before


@pytest.fixture(scope="session", autouse=True)
def _in_less_time() -> None:
    """Every test client has a middleware of its own, which would look all static files up first (0.1 s); every person
    has a password, which would be made slow to guess (0.1 s)."""
    from django.conf import settings

    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _emptied(self: Any) -> None:
    from django.core.management.color import no_style
    from django.db import connection

    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    emptied = sorted(tables - {"django_content_type", "auth_permission"})
    statements = connection.ops.sql_flush(no_style(), emptied, reset_sequences=False, allow_cascade=False)
    connection.ops.execute_sql_flush(statements)


# -- people ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def admin_user(db: None) -> Any:
    from accounts.models import User

    return User.objects.create_superuser("admin@example.com", "correct horse battery", name="Ada Admin")


@pytest.fixture
def member(db: None) -> Any:
    from accounts.models import User

    return User.objects.create_user("member@example.com", "correct horse battery", name="Max Member")


@pytest.fixture
def team(member: Any) -> Any:
    from accounts.models import Membership, Team

    team = Team.objects.create(name="Research")
    Membership.objects.create(team=team, user=member)
    return team


# -- providers and keys ----------------------------------------------------------------------------------------------
@pytest.fixture
def make_provider(db: None) -> Any:
    """make_provider("acme", url, models=["m"], keys=["sk-a"]) → Provider row with connections main, second, …"""
    from providers.connections import set_secret
    from providers.models import Connection, Provider, ProviderModel

    def make(
        name: str,
        url: str,
        *,
        format: str = "openai_chat",
        models: tuple[str, ...] = ("large",),
        keys: tuple[str, ...] = ("upstream-secret",),
        input_price: str | None = None,
        output_price: str | None = None,
        **fields: Any,
    ) -> Provider:
        row = Provider.objects.create(
            id=name, name=name.title(), format=format, base_url=url, allow_private_network=True, **fields
        )
        for model in models:
            ProviderModel.objects.create(
                provider=row,
                model_id=model,
                input_price=Decimal(input_price) if input_price else None,
                output_price=Decimal(output_price) if output_price else None,
            )
        for number, key in enumerate(keys, start=1):
            connection = Connection(provider=row, name=f"c{number}", priority=number)
            set_secret(connection, key)
            connection.save()
        return row

    return make


@pytest.fixture
def make_key(db: None) -> Any:
    """make_key(patterns=["*"]) → the key's text."""
    from routing import keys

    def make(name: str = "test", **fields: Any) -> str:
        return keys.create(name=name, **fields)[1]

    return make


# -- the gateway -----------------------------------------------------------------------------------------------------
class GatewayServer:
    """The real ASGI application under the real server, on a real socket, in a thread of this process."""

    def __init__(self) -> None:
        from analytics import record
        from omniroute import asgi, webserver
        from routing import health

        self.runtime = asgi.runtime
        self._stored = threading.Condition()
        self.runtime.outbox._store = self._store  # tells when rows are there, so that nobody has to poll
        self.runtime.outbox._interval = 0.01  # seconds: hundreds of tests wait for their record
        self._record = record
        health.EVERY_SECONDS = 0.05
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"
        ready = threading.Event()
        self._server = webserver.Server(webserver.config(asgi.application), ready.set)
        self._server.startup = self._without_signals(ready)  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def _without_signals(self, ready: threading.Event) -> Any:
        import uvicorn

        async def startup(sockets: Any = None) -> None:
            await uvicorn.Server.startup(self._server, sockets=sockets)
            await self._server.on_tick(0)
            ready.set()

        return startup

    def _store(self, outcomes: Any) -> int:
        count = self._record.store(outcomes)
        self.runtime.gateway.confirm(outcomes)
        with self._stored:
            self._stored.notify_all()
        return count

    def settle(self) -> None:
        """Wait until the gateway has seen every committed change."""
        from routing import publish

        deadline = time.monotonic() + PATIENCE
        while self.runtime.gateway.snapshot is None or self.runtime.gateway.snapshot.version != publish.version():
            assert time.monotonic() < deadline, "the gateway did not take the configuration over"
            publish._changed.set()
            threading.Event().wait(0.005)

    def records(self, count: int = 1) -> list[Any]:
        """The usage records, oldest first, once there are so many. More than that fails."""
        from analytics.models import UsageRecord

        deadline = time.monotonic() + PATIENCE
        with self._stored:
            while UsageRecord.objects.count() < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{UsageRecord.objects.count()} of {count} usage records came"
                self._stored.wait(min(left, 0.5))
        rows = list(UsageRecord.objects.order_by("id"))
        assert len(rows) == count
        return rows

    def stop(self) -> None:
        self._server.should_exit = True
        loop = self.runtime._starting.get_loop() if self.runtime._starting else None
        if loop is not None:
            loop.call_soon_threadsafe(self._server._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def _gateway_process() -> Iterator[list[GatewayServer]]:
    started: list[GatewayServer] = []
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def gateway(transactional_db: None, _gateway_process: list[GatewayServer]) -> Iterator[GatewayServer]:
    """The gateway, nothing configured, nothing resting. Call ``settle()`` after configuring."""
    from analytics import ledger
    from routing.board import Board
    from routing.gateway.purses import Purses
    from routing.state import Memory

    if not _gateway_process:
        _gateway_process.append(GatewayServer())
    server = _gateway_process[0]
    server.runtime.gateway.board = Board()
    server.runtime.gateway.purses = Purses(Memory(), ledger.standing)
    yield server
    deadline = time.monotonic() + PATIENCE
    health, board = server.runtime.health, server.runtime.gateway.board
    # News of health that is written down later would be learned by the next test.
    while server.runtime.outbox.depth or server.runtime.gateway.in_flight or board.news or health._waiting:
        assert time.monotonic() < deadline, "requests, outcomes or news of this test never ended"
        threading.Event().wait(0.01)


@pytest.fixture
def upstream() -> Iterator[SimulatorThread]:
    """A scripted provider that speaks OpenAI Chat Completions."""
    with SimulatorThread() as simulator:
        yield simulator


@pytest.fixture
def project_root() -> Path:
    return Path(__file__).parent.parent
