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
from functools import cache
from pathlib import Path

from omniroute.environment import Environment, current


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
        stored = _stored(environment.data_dir / "encryption_key")
        if stored is None:
            stored = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            unsaved.append("encryption_key")
        encryption_keys = tuple(part.strip() for part in stored.split(",") if part.strip())
    return Keys(secret_key, encryption_keys, tuple(unsaved))


@cache
def current_keys() -> Keys:
    """The secrets of this process: loaded once, so that every reader sees the same fresh key."""
    return load(current())


def save(environment: Environment, keys: Keys) -> None:
    """Write the fresh secrets, 0600, never over an existing file."""
    content = {"secret_key": keys.secret_key, "encryption_key": ",".join(keys.encryption_keys)}
    for name in keys.unsaved:
        path = environment.data_dir / name
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyFileError(f"{path} appeared while starting; start again to use it.") from None
        with os.fdopen(handle, "w") as file:
            file.write(content[name] + "\n")
            file.flush()
            os.fsync(file.fileno())


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
