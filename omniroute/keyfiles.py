"""The two secrets an installation cannot live without, and the files that hold them.

``SECRET_KEY`` signs sessions, ``ENCRYPTION_KEYS`` seals credentials. Given by the environment they are used as they
are; else they live in the data directory, made at first start with mode 0600. A new encryption key is *not* written
before the database has been asked whether it was sealed with another one: see ``omniroute.bootstrap``.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from omniroute.environment import Environment, current
from providers.vault import keys_in

ENCRYPTION_KEY = "encryption_key"  # the file in the data directory


class KeyFileError(RuntimeError):
    """A key file cannot be used; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The installation's secrets. ``unsaved`` names the files that do not exist yet."""

    secret_key: str
    encryption_keys: tuple[str, ...]
    unsaved: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Keys(unsaved={self.unsaved!r})"


def load(environment: Environment) -> Keys:
    """Secrets from the environment, else from their files, else fresh ones that nobody has written yet."""
    unsaved: list[str] = []
    secret_key = environment.secret_key or _stored(environment.data_dir / "secret_key")
    if secret_key is None:
        secret_key = secrets.token_urlsafe(50)
        unsaved.append("secret_key")
    encryption_keys = environment.encryption_keys
    if not encryption_keys:
        stored = _stored(environment.data_dir / ENCRYPTION_KEY)
        if stored is None:
            stored = _fresh_key()
            unsaved.append(ENCRYPTION_KEY)
        encryption_keys = keys_in(stored)
    return Keys(secret_key, encryption_keys, tuple(unsaved))


@cache
def current_keys() -> Keys:
    """The secrets of this process: loaded once, so that every reader sees the same fresh key."""
    return load(current())


def save(environment: Environment, keys: Keys) -> None:
    """Write the fresh secrets, 0600, never over an existing file."""
    content = {"secret_key": keys.secret_key, ENCRYPTION_KEY: ",".join(keys.encryption_keys)}
    for name in keys.unsaved:
        path = environment.data_dir / name
        try:
            _write(path, content[name], os.O_EXCL)
        except FileExistsError:
            raise KeyFileError(f"{path} appeared while starting; start again to use it.") from None


def add_key(environment: Environment) -> Path:
    """Put a fresh encryption key in front of those in the file; returns where the file as it was lies now.

    The file changes at once and as a whole; it and the copy are 0600. Raises KeyFileError.
    """
    path = environment.data_dir / ENCRYPTION_KEY
    stored = _stored(path)
    if stored is None:
        raise KeyFileError(f"{path} does not exist; start omniroute once.")
    copy = path.with_name(f"{ENCRYPTION_KEY}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    fresh = path.with_name(f"{ENCRYPTION_KEY}.new")
    try:
        _write(copy, stored, os.O_EXCL)
        _write(fresh, f"{_fresh_key()},{stored}", os.O_TRUNC)
        os.replace(fresh, path)
        _sync(environment.data_dir)
    except OSError as wrong:
        raise KeyFileError(f"{path} cannot be changed: {wrong.strerror}.") from None
    return copy


def _write(path: Path, content: str, how: int) -> None:
    """A file of mode 0600 that is on the disk when this returns. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, 0o600)
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fresh_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _stored(path: Path) -> str | None:
    try:
        value = path.read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as wrong:
        raise KeyFileError(f"{path} cannot be read: {wrong}.") from None
    if not value:
        raise KeyFileError(f"{path} is empty; put the key back or restore a backup of the data directory.")
    return value
