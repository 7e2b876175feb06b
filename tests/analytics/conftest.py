"""Installations for the tests that need several processes: real SQLite files and real PostgreSQL databases."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@dataclass
class Installation:
    """A data directory and a migrated database with two client keys (ids 1 and 2)."""

    data_dir: Path
    database_url: str = ""

    @property
    def journal(self) -> Path:
        return self.data_dir / "journal"

    @property
    def environment(self) -> dict[str, str]:
        found = {
            **os.environ,
            "DATA_DIR": str(self.data_dir),
            "DJANGO_SETTINGS_MODULE": "omniroute.settings",
        }
        found.pop("DATABASE_URL", None)
        return {**found, "DATABASE_URL": self.database_url} if self.database_url else found

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.analytics.process", *command],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> str:
        process = self.start(*command)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return printed

    def connect(self) -> Any:
        """A connection of the test's own; with SQLite in autocommit until it says BEGIN."""
        if self.database_url:
            return psycopg.connect(self.database_url)
        return sqlite3.connect(self.data_dir / "omniroute.sqlite3", isolation_level=None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            return list(connection.execute(sql).fetchall())
        finally:
            connection.close()

    def counted(self) -> tuple[int, int]:
        """(requests in the log, requests counted on the keys)."""
        (logged,) = self.rows("SELECT count(*) FROM analytics_usagerecord")
        (counted,) = self.rows("SELECT sum(request_count) FROM routing_apikey")
        return int(logged[0]), int(counted[0] or 0)


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("migrated")
    Installation(directory).run("migrate")
    return directory / "omniroute.sqlite3"


@pytest.fixture
def sqlite_installation(tmp_path: Path, _migrated_file: Path) -> Installation:
    shutil.copy(_migrated_file, tmp_path / "omniroute.sqlite3")
    return Installation(tmp_path)


@contextmanager
def postgres_database(template: str) -> Iterator[str]:
    """The name of a database that lives as long as the context."""
    name = f"omniroute_test_{secrets.token_hex(4)}"
    try:
        server = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as away:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL is not there: {away}")
    with server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgres_url(name: str) -> str:
    return POSTGRES.rpartition("/")[0] + f"/{name}"


@pytest.fixture(scope="session")
def _migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_database("template1") as name:
        Installation(tmp_path_factory.mktemp("migrated"), postgres_url(name)).run("migrate")
        yield name


@pytest.fixture
def postgres_installation(tmp_path: Path, _migrated_database: str) -> Iterator[Installation]:
    with postgres_database(_migrated_database) as name:
        yield Installation(tmp_path, postgres_url(name))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(f"{request.param}_installation")
    return found
