"""From nothing, or from what is there, to an installation that can run: the checks first, then the changes.

``prepare`` refuses with a sentence before it has changed anything; what it does after that (make the data directory,
save the keys, migrate with a copy made before, fill in the catalogue) can be repeated by the next start.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.db import DatabaseError, connection, connections
from django.db.utils import IntegrityError, OperationalError

from omniroute import __version__, keyfiles, migrated, preflight
from omniroute.background import make_queue
from omniroute.environment import Environment, current
from omniroute.refusal import Refusal
from providers.vault import KeyRing

MIGRATION_LOCK = 0x6F6D6E69  # any number that is ours; ends with the connection


@dataclass(slots=True)
class Prepared:
    """``notes``: what was done, a sentence each; empty for an installation that was ready."""

    notes: list[str] = field(default_factory=list)
    lock: int | None = None  # kept open for the life of the process: closing it gives the directory free


def prepare(*, exclusive: bool = False) -> Prepared:
    """Make the installation ready. Django is set up already. ``exclusive``: hold the data directory as the server does.

    Raises Refusal (nothing changed), KeyFileError, vault.BadKey.
    """
    environment = current()
    try:
        with unpooled():
            return _prepare(environment, exclusive)
    except IntegrityError:
        raise Refusal("Another omniroute set this database up at the same moment; start again.") from None
    except OperationalError as wrong:
        raise Refusal(f"The database cannot be used: {preflight.first_line(wrong)}.") from None
    except DatabaseError as wrong:
        raise Refusal(f"The database is damaged or no database of ours: {preflight.first_line(wrong)}.") from None
    except OSError as wrong:
        raise Refusal(f"The data directory {environment.data_dir} cannot be used: {wrong}.") from None


def _prepare(environment: Environment, exclusive: bool) -> Prepared:
    preflight.check_catalogue()
    preflight.check_redis(environment)
    applied = preflight.inspect()
    preflight.check_initial_administrator(environment, first_start=not applied)
    done = Prepared()
    fresh_folder = not environment.data_dir.exists()
    make_data_dir(environment.data_dir)
    due = migrated.due(applied)
    if exclusive or (applied and due):
        done.lock = lock(environment.data_dir, for_server=exclusive)
    if fresh_folder:
        done.notes.append(f"Made the data directory {environment.data_dir}.")
    make_queue(environment.data_dir)
    _save_keys(environment, done)
    if due:
        _migrate(environment, applied, done)
    _fill_in(done)
    _initial_administrator(environment, done)
    if not exclusive and done.lock is not None:
        os.close(done.lock)
    return done


# -- changes ------------------------------------------------------------------------------------------------------
def make_data_dir(data_dir: Path) -> None:
    """The directory, for its owner only when we make it. Raises Refusal."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as wrong:
        raise Refusal(f"The data directory {data_dir} cannot be made: {wrong.strerror}.") from None


def lock(data_dir: Path, *, for_server: bool) -> int:
    """Hold the directory; the lock ends with the last process that has the file open. Raises Refusal."""
    path = data_dir / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode(errors="replace").partition("\n")[0]
        os.close(handle)
        if for_server:
            raise Refusal(f"Another omniroute (process {owner}) runs on {data_dir}; stop it first.") from None
        raise Refusal(
            f"The database must be migrated, but an older omniroute (process {owner}) is using it; stop that first."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n{_key_ids()}\n".encode())
    return handle


def _key_ids() -> str:
    """The ids of the keys this process goes by; empty when it reads them again from their file when that changes."""
    environment = current()
    return " ".join(KeyRing(environment.encryption_keys).ids) if environment.encryption_keys else ""


def server_without_key(data_dir: Path, key_id: str) -> str | None:
    """The process id of a server that runs on the directory and could not open what this key seals; else None."""
    try:
        handle = os.open(data_dir / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        process, _, ids = os.read(handle, 4096).decode(errors="replace").partition("\n")
        return process if (current().encryption_keys or ids.strip()) and key_id not in ids.split() else None
    finally:
        os.close(handle)
    return None


def _save_keys(environment: Environment, done: Prepared) -> None:
    keys = keyfiles.current_keys()
    try:
        keyfiles.save(environment, keys)
    except OSError as wrong:
        raise Refusal(f"The keys cannot be saved in {environment.data_dir}: {wrong.strerror}.") from None
    if keys.unsaved:
        done.notes.append(f"Made the secrets {' and '.join(keys.unsaved)} (readable by you only; keep a copy).")


def _migrate(environment: Environment, applied: migrated.Names, done: Prepared) -> None:
    from django.core.management import call_command

    if connection.vendor == "postgresql":
        # Several machines may start on one database: the others wait here, then find nothing left to do.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    copy = back_up(environment) if applied else None
    if copy:
        done.notes.append(f"Copied the database to {copy}.")
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as wrong:
        advice = f" The copy made before is {copy}." if copy else ""
        raise Refusal(f"Migrating the database failed: {preflight.first_line(wrong)}.{advice}") from wrong
    done.notes.append("Migrated the database." if applied else "Made the database.")


def back_up(environment: Environment) -> Path | None:
    """A copy of the SQLite database as it is, 0600; None for a database server, whose backups are its operator's."""
    database = preflight.sqlite_file()
    if database is None:
        return None
    folder = environment.data_dir / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"before-migration-{__version__}-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite3"
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return target


def _fill_in(done: Prepared) -> None:
    """Rows every installation has: the catalogue's providers and the canary of the key ring."""
    from providers import catalogue
    from providers.fields import ring
    from providers.models import VaultCanary

    added = catalogue.sync()
    if added:
        done.notes.append(f"Added {added} providers from the catalogue.")
    canary = VaultCanary.objects.filter(pk=1).first()
    if canary is None:
        VaultCanary(word=VaultCanary.WORD, fingerprint=ring().fingerprint).save(force_insert=True)
    elif canary.fingerprint != ring().fingerprint:
        # A key was added in front. The word stays under its old key, so that one cannot be dropped unnoticed.
        canary.fingerprint = ring().fingerprint
        canary.save(update_fields=["fingerprint"])


def _initial_administrator(environment: Environment, done: Prepared) -> None:
    """The administrator the environment names, while there is none."""
    email, password = environment.initial_admin_email, environment.initial_admin_password
    if not email or not password:
        return
    from accounts import services
    from accounts.models import User

    if User.objects.filter(is_superuser=True).exists():
        return
    try:
        services.create_user(email=email, password=password, site_administrator=True, email_verified=True)
    except services.Refused as wrong:
        raise Refusal(f"The initial administrator cannot be made: {wrong}") from None
    done.notes.append(f"Made the administrator {email}.")


# -- the database connection --------------------------------------------------------------------------------------
@contextmanager
def unpooled() -> Iterator[None]:
    """One plain connection instead of a pool, whose threads must not exist before a fork; none is left open after."""
    options = connection.settings_dict.get("OPTIONS", {})
    pool = options.pop("pool", None)
    if connection.vendor == "postgresql":
        options.setdefault("connect_timeout", preflight.CONNECT_TIMEOUT)
    try:
        yield
    finally:
        connections.close_all()
        if pool is not None:
            options["pool"] = pool


def set_up() -> None:
    """Logs and Django for this process. Raises BadEnvironment, KeyFileError, vault.BadKey, Refusal."""
    import django

    from omniroute import logs

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniroute.settings")
    os.umask(0o077)  # the database, its copies and the queue are the operator's alone
    environment = current()
    logs.configure(environment.log_level, environment.log_format)
    preflight.check_writable(environment.data_dir)
    KeyRing(keyfiles.current_keys().encryption_keys)  # a bad key is told before anything is loaded or made
    if sys.platform == "win32":
        raise Refusal("The server runs on Linux and macOS; on Windows use WSL or a container.")
    django.setup()
