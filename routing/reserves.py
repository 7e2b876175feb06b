"""Accounts whose quota is down to the reserve are not asked before it is reset."""

from __future__ import annotations

from providers.quota.windows import Left
from providers.upstream import Attempt
from providers.wire.errors import Kind
from routing.board import Verdict
from routing.snapshot import Snapshot

BELIEVED = 6 * 3600.0  # seconds that a figure without a moment of reset is gone by
UNKNOWN = 300.0  # seconds told when nobody knows the moment


def reserved(snapshot: Snapshot, attempt: Attempt, now: float) -> Verdict | None:
    """None when the account may be asked. ``now`` is Unix time.

    The connection's own reserve stands before the settings'. Without any (0) a window that is used up counts only when
    its reset is known.
    """
    windows = snapshot.quotas.get(attempt.link.connection_id)
    if not windows:
        return None
    own = snapshot.providers[attempt.entry.id].reserves.get(attempt.link.connection_id)
    reserve = (snapshot.switches.quota_reserve if own is None else own) / 100
    waits = [_wait(window, now) for window in windows if window.covers(attempt.model) and _down(window, reserve, now)]
    return Verdict(Kind.QUOTA, max(waits), hard=True, why="quota_reserve") if waits else None


def _down(window: Left, reserve: float, now: float) -> bool:
    if window.share_at(now) > reserve:
        return False
    return window.resets_at is not None or (reserve > 0 and now - window.measured_at < BELIEVED)


def _wait(window: Left, now: float) -> float:
    return window.resets_at - now if window.resets_at is not None else UNKNOWN
