"""The checks before a start. None of them changes anything; each refuses with a sentence for the operator."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path

from django.db import connection

from omniroute import __version__, keyfiles, migrated
from omniroute.environment import Environment, current
from omniroute.refusal import Refusal

CONNECT_TIMEOUT = 5  # seconds PostgreSQL or Redis may take at start


def check_catalogue() -> None:
    """Raises Refusal when a provider file of the catalogue is wrong."""
    from providers import catalogue

    try:
        catalogue.entries()
    except catalogue.CatalogueError as wrong:
        raise Refusal(f"The provider catalogue is broken: {wrong}") from None


def check_writable(data_dir: Path) -> None:
    """Raises Refusal unless the directory, or the nearest one above that exists, can be written."""
    place = data_dir
    with suppress(OSError):
        while not place.exists() and place != place.parent:
            place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise Refusal(f"The data directory {data_dir} cannot be written; choose another with DATA_DIR.")


def check_redis(environment: Environment) -> None:
    """Raises Refusal when REDIS_URL or a Redis broker is set and does not answer."""
    for url in {environment.redis_url, environment.broker_url}:
        if url and url.startswith(("redis:", "rediss:", "unix:")):
            trouble = redis_trouble(url)
            if trouble:
                raise Refusal(f"Redis cannot be reached: {trouble}.")


def redis_trouble(url: str) -> str | None:
    """None when the server answers; else what went wrong. The address, which may hold a password, is not in it."""
    import redis

    try:
        with closing(
            redis.Redis.from_url(url, socket_timeout=CONNECT_TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT)
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as wrong:
        return first_line(wrong)
    return None


def inspect() -> migrated.Names:
    """The migrations the database has, after making sure that this program and these keys belong to it.

    Raises Refusal for a database that is read-only, newer or sealed with another key, django.db.DatabaseError.
    """
    database = sqlite_file()
    if database and not database.exists():
        return frozenset()
    if database and not os.access(database, os.W_OK):
        raise Refusal(f"The database {database} cannot be written by this user.")
    applied = migrated.recorded()
    newer = migrated.newer(applied)
    if newer:
        app, name = max(newer)
        raise Refusal(
            f"The database was made by a newer OmniRoute (it has {app}.{name}, which {__version__} does not know); "
            "install that version or restore a backup. Nothing was changed."
        )
    if ("providers", "0001_initial") in applied:
        check_key()
    return applied


def check_key() -> None:
    """Raises Refusal when the canary cannot be opened with the key ring we have."""
    from providers.fields import reveal, ring
    from providers.models import VaultCanary
    from providers.vault import SecretUnreadable

    canary = VaultCanary.objects.filter(pk=1).first()
    if canary is None:
        return
    if "encryption_key" in keyfiles.current_keys().unsaved:
        raise Refusal(
            f"{current().data_dir / 'encryption_key'} is missing, but the database's secrets are sealed with key "
            f"{canary.fingerprint}. Put the file back or set ENCRYPTION_KEYS. Nothing was changed."
        )
    try:
        fits = reveal(canary, "word") == VaultCanary.WORD
    except SecretUnreadable:
        fits = False
    if not fits:
        raise Refusal(
            f"The encryption key does not fit the database: its secrets are sealed with key {canary.fingerprint}, "
            f"the key given is {ring().fingerprint}. Put the right one into ENCRYPTION_KEYS or "
            f"{current().data_dir / 'encryption_key'}. Nothing was changed."
        )


def check_initial_administrator(environment: Environment, *, first_start: bool) -> None:
    """Raises Refusal when the administrator the environment names could not be made."""
    email, password = environment.initial_admin_email, environment.initial_admin_password
    if bool(email) != bool(password):
        raise Refusal("INITIAL_ADMIN_EMAIL and INITIAL_ADMIN_PASSWORD are needed together.")
    if not email or not first_start:
        return
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError
    from django.core.validators import validate_email

    from accounts.models import User

    try:
        validate_email(email)
        validate_password(password or "", User(email=email))
    except ValidationError as wrong:
        raise Refusal(f"The initial administrator cannot be made: {' '.join(wrong.messages)}") from None


def sqlite_file() -> Path | None:
    """Where the SQLite database lies; None when the database is a server."""
    return Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else None


def first_line(wrong: BaseException) -> str:
    """What an error says, in one line without its full stop."""
    return (str(wrong).strip().splitlines() or [type(wrong).__name__])[0].rstrip(".")
