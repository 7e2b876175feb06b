"""The installation's key ring as it is now: from the environment, or from its file, which may change while we run."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from providers.vault import BadKey, KeyRing, keys_in

log = logging.getLogger(__name__)
Stamp = tuple[int, int, int]  # changes whenever the file does


def ring() -> KeyRing:
    """The key ring. Raises vault.BadKey.

    Keys that live in a file are read again once it has changed: a key that ``omniroute secrets rotate --new-key`` adds
    is known to every running process of the data directory before anything is sealed with it.
    """
    file: Path | None = settings.ENCRYPTION_KEY_FILE
    found = _file_ring(file) if file is not None else None
    return found or _made(tuple(settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _made(keys: tuple[str, ...]) -> KeyRing:
    return KeyRing(keys)


class _Seen:
    """The file as it was when it was last looked at. A race of two threads costs one more look."""

    stamp: tuple[Path, Stamp] | None = None
    ring: KeyRing | None = None


def _file_ring(file: Path) -> KeyRing | None:
    """None while there is no file yet; a file that cannot be used leaves the keys known so far in force."""
    try:
        status = os.stat(file)
    except OSError:
        return _Seen.ring if _Seen.stamp and _Seen.stamp[0] == file else None
    stamp = (file, (status.st_mtime_ns, status.st_ino, status.st_size))
    if stamp != _Seen.stamp:
        if _Seen.stamp and _Seen.stamp[0] != file:
            _Seen.ring = None
        try:
            _Seen.ring = _made(keys_in(file.read_text()))
        except (OSError, UnicodeDecodeError, BadKey) as wrong:
            log.error("The keys in %s cannot be used; those known so far stay in force: %s", file, wrong)
        _Seen.stamp = stamp
    return _Seen.ring
