"""What replies said of quotas, on the hot path: picked out, kept per account, taken along by the next outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

PAUSE = 15.0  # seconds during which an account is not listened to again, but for a refusal
MOST = 40  # headers of one reply
LONGEST = 200  # characters of a value


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Headers of one reply, as they came. ``at`` is Unix time."""

    connection_id: int
    provider: str
    model: str
    at: float
    headers: dict[str, str]


class Ear:
    """Belongs to one event loop. Holds the newest of each account (or account and model) until it is taken."""

    def __init__(self) -> None:
        self._heard: dict[tuple[int, str], Heard] = {}
        self._last: dict[tuple[int, str], float] = {}  # monotonic

    def listen(
        self,
        key: tuple[int, str],
        provider: str,
        model: str,
        prefixes: tuple[bytes, ...],
        headers: Mapping[bytes, bytes],
        *,
        refused: bool = False,
    ) -> None:
        """Keep what a reply said, unless the same account was heard a moment ago. ``key``: its connection and model."""
        now = time.monotonic()
        if not refused and now - self._last.get(key, -PAUSE) < PAUSE:
            return
        if len(self._last) > 10_000:
            self._last.clear()
        self._last[key] = now
        found = {
            name.decode("latin-1"): value[:LONGEST].decode("latin-1")
            for name, value in headers.items()
            if name.startswith(prefixes)
        }
        if found and len(found) <= MOST:
            self._heard[key] = Heard(
                connection_id=key[0], provider=provider, model=model, at=time.time(), headers=found
            )

    def taken(self) -> tuple[Heard, ...]:
        """Everything heard since the last time."""
        if not self._heard:
            return ()
        heard, self._heard = tuple(self._heard.values()), {}
        return heard
