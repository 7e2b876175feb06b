"""``Idempotency-Key``: the same request of the same caller is made once, however often it is sent.

Who comes while the first is under way waits for its answer and gets it whole, a stream from its beginning. When the
first client leaves, the next one that waits takes over. Several processes agree through :class:`Elsewhere`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from providers.wire.errors import Refusal
from routing.gateway.replay.kept import Kept

MOST_SLOTS, MOST_BYTES = 10_000, 64 * 1024 * 1024
LONGEST_KEY = 255


def reused() -> Refusal:
    return Refusal(
        422, "This Idempotency-Key was used a moment ago for another request.", code="idempotency_key_reused"
    )


def not_kept() -> Refusal:
    return Refusal(
        409,
        "The answer to this Idempotency-Key was given, and is not kept to be given again.",
        code="idempotent_answer_not_kept",
    )


class Slot:
    """One key of one caller. ``kept`` and ``refusal`` come with ``over``; neither: who was first has left."""

    __slots__ = ("digest", "kept", "over", "refusal", "size", "until")

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.over = asyncio.Event()
        self.until = float("inf")
        self.kept: Kept | None = None
        self.refusal: Refusal | None = None
        self.size = 0


class Once:
    """``clock`` is seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slots: OrderedDict[tuple[str, str], Slot] = OrderedDict()
        self._size = 0

    def find(self, scope: str, key: str, digest: str) -> tuple[Slot, bool]:
        """The slot of a key, and whether this request is the first. Raises Refusal 400 or 422."""
        if not 1 <= len(key) <= LONGEST_KEY:
            raise Refusal(400, f"Idempotency-Key has 1 to {LONGEST_KEY} characters.", code="invalid_idempotency_key")
        self._forget()
        slot = self._slots.get((scope, key))
        if slot is not None:
            if slot.digest != digest:
                raise reused()
            return slot, False
        slot = self._slots[scope, key] = Slot(digest)
        return slot, True

    def answered(self, scope: str, key: str, slot: Slot, kept: Kept | None, seconds: float) -> None:
        """The first has its answer; for so long it is given again. None: it was too long to be kept."""
        slot.kept, slot.until = kept, self._clock() + seconds
        slot.size = len(kept.body) if kept is not None else 0
        self._size += slot.size
        if kept is None:
            slot.refusal = not_kept()
        self._slots.move_to_end((scope, key))
        slot.over.set()

    def ended(self, scope: str, key: str, slot: Slot, refusal: Refusal | None) -> None:
        """The first has none: it failed, which those who wait are told too, or it has left."""
        slot.refusal = refusal
        if self._slots.get((scope, key)) is slot:
            del self._slots[scope, key]
        slot.over.set()

    def _forget(self) -> None:
        """Answers whose time is over, and beyond the bounds the oldest."""
        now = self._clock()
        for place, slot in list(self._slots.items())[:16]:
            if slot.until <= now or (slot.over.is_set() and self._full()):
                del self._slots[place]
                self._size -= slot.size
        if len(self._slots) > MOST_SLOTS:
            raise Refusal(503, "Too many requests wait under an Idempotency-Key.", type="server_error", retry_after=1)

    def _full(self) -> bool:
        return self._size > MOST_BYTES or len(self._slots) > MOST_SLOTS
