"""``omniroute doctor``: a line per check, ``ok`` or ``FAIL`` with a sentence; exit 1 when any failed. No changes."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from omniroute.environment import current
from omniroute.keyfiles import current_keys
from omniroute.refusal import Refusal

T = TypeVar("T")

CLOCK_TOLERANCE = 5.0  # seconds between this machine's clock and that of the database or Redis


class Bad(Exception):
    """A check failed; the message says what and, where it can, what to do."""


def configure(parser: argparse.ArgumentParser) -> None:
    """No options: it looks at the installation that the environment names."""


def run(arguments: argparse.Namespace) -> int:
    """0 when every check passed. Raises BadEnvironment, KeyFileError, BadKey: then there is nothing to check."""
    from django.db import DatabaseError

    from omniroute import bootstrap, preflight

    bootstrap.set_up()
    healthy = True
    with bootstrap.unpooled():
        for name, check in CHECKS:
            try:
                print(f"ok   {name}: {check()}")
            except (Bad, Refusal, DatabaseError, OSError) as wrong:
                healthy = False
                print(f"FAIL {name}: {preflight.first_line(wrong)}.")
            sys.stdout.flush()
    return 0 if healthy else 1


# -- the data directory -------------------------------------------------------------------------------------------
def data_directory() -> str:
    folder = current().data_dir
    if not folder.is_dir():
        raise Bad(f"{folder} does not exist yet; start omniroute once.")
    if folder.stat().st_mode & 0o022:
        raise Bad(f"{folder} can be written by others; run: chmod go-w {folder}")
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
    return str(folder)


def key_files() -> str:
    found = []
    for name in ("secret_key", "encryption_key"):
        path = current().data_dir / name
        if path.exists():
            _private(path)
            found.append(name)
    if found:
        return f"{', '.join(found)} readable by the owner only"
    return "made at the first start" if current_keys().unsaved else "given by the environment"


def _private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Bad(f"{path} can be read by others (mode {mode:04o}); run: chmod go-rwx {path}")


# -- the database -------------------------------------------------------------------------------------------------
def database() -> str:
    from django.db import connection

    from omniroute import preflight

    file = preflight.sqlite_file()
    if file is not None and not file.exists():
        raise Bad(f"{file} does not exist yet; start omniroute once.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        if file is not None:
            cursor.execute("PRAGMA quick_check(1)")
            result = cursor.fetchone()[0]
            if result != "ok":
                raise Bad(f"SQLite found damage: {result}; restore a backup.")
    return str(file) if file else f"{connection.vendor} {connection.settings_dict['NAME']}"


def migrations() -> str:
    from omniroute import migrated, preflight

    applied = _existing(preflight.inspect)
    due = migrated.due(applied)
    if due:
        app, name = min(due)
        raise Bad(f"{len(due)} not applied (first: {app}.{name}); they are applied when omniroute starts.")
    return f"{len(applied)} applied, none due"


def encryption_key() -> str:
    from omniroute import preflight
    from providers.fields import ring
    from providers.models import VaultCanary

    _existing(preflight.check_key)
    if not VaultCanary.objects.exists():
        raise Bad("The database has no canary yet; start omniroute once.")
    return f"fingerprint {ring().fingerprint} opens the database's secrets"


def secrets() -> str:
    """Everything that is sealed, opened; nothing of it is shown."""
    from django.db import DatabaseError

    from omniroute import migrated
    from providers import rotation
    from providers.keyring import ring

    try:
        found = _existing(lambda: rotation.survey(ring()))
    except DatabaseError:
        if migrated.due(migrated.recorded()):  # the columns of this program are not there yet
            raise Bad("They can be looked at when the migrations are applied.")
        raise
    if found.unreadable:
        first = found.unreadable[0].rstrip(".")
        raise Bad(
            f"{len(found.unreadable)} of {found.values} stored secrets cannot be opened; enter them again "
            f"(first: {first})"
        )
    told = f"{found.values} stored, all readable"
    return f"{told}, {found.old} of them with an older key: run omniroute secrets rotate" if found.old else told


def _existing(ask: Callable[[], T]) -> T:
    """Ask a database that exists; looking must not create one."""
    from omniroute import preflight

    file = preflight.sqlite_file()
    if file is not None and not file.exists():
        raise Bad("There is no database yet.")
    return ask()


# -- everything around --------------------------------------------------------------------------------------------
def broker() -> str:
    url = current().broker_url
    if url.startswith("filesystem:"):
        folder = current().data_dir / "queue"
        if not os.access(folder if folder.exists() else current().data_dir, os.W_OK | os.X_OK):
            raise Bad(f"{folder} cannot be written.")
        return f"files in {folder}"
    from kombu.connection import Connection

    try:
        with Connection(url, connect_timeout=5) as link:
            link.ensure_connection(max_retries=1, timeout=5)
    except Exception as wrong:
        raise Bad(f"not reachable: {type(wrong).__name__}") from None
    return f"{url.partition(':')[0]} answers"


def redis() -> str:
    from omniroute import preflight

    url = current().redis_url
    if url is None:
        return "not used (REDIS_URL is not set)"
    trouble = preflight.redis_trouble(url)
    if trouble:
        raise Bad(f"not reachable: {trouble}")
    return "answers"


def catalogue() -> str:
    from omniroute import preflight
    from providers.catalogue import entries

    preflight.check_catalogue()
    return f"{len(entries())} providers"


def clock() -> str:
    """Expiry times are compared with the clocks of other machines; a wrong one shows as keys that end early or late."""
    others = {"database": _database_time(), "Redis": _redis_time(), "data directory's disk": _disk_time()}
    for name, moment in others.items():
        if moment is not None and abs(moment - time.time()) > CLOCK_TOLERANCE:
            raise Bad(
                f"This machine and the {name} differ by {abs(moment - time.time()):.0f} s; set the clocks by NTP."
            )
    agreeing = ", ".join(name for name, moment in others.items() if moment is not None)
    return f"agrees with the {agreeing}" if agreeing else "nothing to compare it with yet"


def _database_time() -> float | None:
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def _redis_time() -> float | None:
    url = current().redis_url
    if url is None:
        return None
    import redis as client

    try:
        seconds, micros = client.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5).time()
    except client.RedisError:
        return None  # told by the check of Redis
    return float(seconds) + micros / 1e6


def _disk_time() -> float | None:
    if not current().data_dir.is_dir():
        return None  # told by the check of the data directory
    with tempfile.TemporaryFile(dir=current().data_dir) as file:
        file.write(b"x")
        file.flush()
        return os.fstat(file.fileno()).st_mtime


CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("data directory", data_directory),
    ("key files", key_files),
    ("database", database),
    ("migrations", migrations),
    ("encryption key", encryption_key),
    ("secrets", secrets),
    ("broker", broker),
    ("redis", redis),
    ("catalogue", catalogue),
    ("clock", clock),
)
