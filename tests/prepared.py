"""Databases that are migrated once for the whole run, to be copied: making every table takes a first start seconds."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.omniroute.programs import ROOT, surroundings

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
FILE = "omniroute.sqlite3"


def migrate(data_dir: Path, **variables: str) -> None:
    data_dir.mkdir(mode=0o700)
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    env = surroundings(data_dir, **variables)
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, as a first start makes them; one for all processes of the test run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / FILE).exists():
            migrate(folder / "making")
            (folder / "making" / FILE).rename(folder / FILE)
    return folder / FILE


def prepared(data_dir: Path, migrated_file: Path) -> Path:
    """The same directory, new, with a migrated database in it and nothing else."""
    data_dir.mkdir(mode=0o700)
    shutil.copy(migrated_file, data_dir / FILE)
    return data_dir


@pytest.fixture
def data_dir(tmp_path: Path, migrated_file: Path) -> Path:
    """A data directory of this test's own, prepared."""
    return prepared(tmp_path / "data", migrated_file)


@contextmanager
def postgres_database(template: str) -> Iterator[str]:
    """The name of a database that lives as long as the context. Without a server a skip, never one under CI."""
    name = f"omniroute_test_{secrets.token_hex(6)}"
    try:
        server = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=30)
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
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a PostgreSQL database with every table, to be the template of others."""
    with postgres_database("template1") as name:
        migrate(tmp_path_factory.mktemp("migrated") / "data", DATABASE_URL=postgres_url(name))
        yield name
