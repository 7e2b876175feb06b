"""The windows of an account, as every vendor's words are read into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HOUR, DAY = 3600, 86400
# Windows that go by in a minute: worth showing, but not a reason to choose another account.
FLEETING = frozenset(("minute",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window. ``id``: "5h", "7d", "day", "month", "minute", "trial", "key" or "balance"; ``family``: the models it
    is for, "" = all of them. Figures are None when the vendor does not say; ``resets_at`` is Unix time."""

    id: str
    family: str = ""
    used: float | None = None
    limit: float | None = None
    remaining: float | None = None
    percent: float | None = None  # used, 0 to 100
    unit: str = ""  # "requests", "tokens", "credits", a currency; "" = the vendor gives shares only
    unlimited: bool = False
    uncertain: bool = False  # sources differ on what the figure means
    resets_at: float | None = None

    @property
    def used_percent(self) -> float | None:
        """What is used, from 0 to 100; worked out where the vendor gives counts."""
        if self.unlimited:
            return 0.0
        if self.percent is not None:
            return min(max(self.percent, 0.0), 100.0)
        if not self.limit or self.limit < 0:
            return None
        used = self.used if self.used is not None else None if self.remaining is None else self.limit - self.remaining
        return None if used is None else min(max(100 * used / self.limit, 0.0), 100.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one call or one reply said; ``plan`` is "" when it said nothing of it."""

    windows: tuple[Window, ...] = ()
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one window, for routing. ``share`` is 0 to 1 as of ``measured_at``; times are Unix time."""

    window: str
    family: str
    share: float
    measured_at: float
    resets_at: float | None = None

    def share_at(self, now: float) -> float:
        """The share now: a window that has been reset since is full again."""
        return 1.0 if self.resets_at is not None and self.resets_at <= now else self.share

    def covers(self, model: str) -> bool:
        """Whether the window counts a model."""
        return not self.family or self.family.lower() in model.lower()


def span(seconds: float | None) -> str:
    """The id of a window that is so many seconds long."""
    if not seconds:
        return "window"
    if seconds == DAY:
        return "day"
    if seconds % DAY == 0:
        days = round(seconds / DAY)
        return "month" if days in (28, 29, 30, 31) else f"{days}d"
    if seconds >= HOUR:
        return f"{round(seconds / HOUR)}h"
    return "minute" if seconds <= 60 else f"{round(seconds / 60)}min"


def child(document: Any, *names: str) -> dict[str, Any]:
    """The object below these names; empty when there is none."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def rows(document: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list below a name."""
    found = document.get(name) if isinstance(document, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def words(value: Any) -> str:
    """A vendor's short text, one line of it."""
    return " ".join(value.split())[:100] if isinstance(value, str) else ""
