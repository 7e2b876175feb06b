"""Installations for the tests that need several processes: real SQLite files and real PostgreSQL databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.prepared import postgres_database, postgres_url, prepared
from tests.routing.conftest import same_day

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_day() -> None:
    same_day()


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
def _file_with_keys(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    directory = prepared(tmp_path_factory.mktemp("keys") / "data", migrated_file)
    Installation(directory).run("keys")
    return directory / "omniroute.sqlite3"


@pytest.fixture
def sqlite_installation(tmp_path: Path, _file_with_keys: Path) -> Installation:
    shutil.copy(_file_with_keys, tmp_path / "omniroute.sqlite3")
    return Installation(tmp_path)


@pytest.fixture(scope="session")
def _database_with_keys(tmp_path_factory: pytest.TempPathFactory, migrated_database: str) -> Iterator[str]:
    with postgres_database(migrated_database) as name:
        Installation(tmp_path_factory.mktemp("keys"), postgres_url(name)).run("keys")
        yield name


@pytest.fixture
def postgres_installation(tmp_path: Path, _database_with_keys: str) -> Iterator[Installation]:
    with postgres_database(_database_with_keys) as name:
        yield Installation(tmp_path, postgres_url(name))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(f"{request.param}_installation")
    return found
