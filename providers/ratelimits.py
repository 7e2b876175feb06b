"""What a good reply's head says of the vendor's rate limits: whether nothing is left, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from providers.quota.headers import duration

LONGEST = 3600.0  # seconds that a vendor is believed
A_MOMENT, IN_MILLISECONDS = 1e9, 1e12  # numbers from here on are Unix times, as many write them in OpenAI's names
LIMITS = Mapping[str, tuple[tuple[bytes, bytes], ...]]

# (what is left, when it is full again), by the wire format of the provider. OpenAI's names are everybody's who speaks
# its format; its resets are spans ("6m0s"), Anthropic's moments (RFC 3339). ``retry-after`` on a good reply says
# nothing. Sources: platform.openai.com/docs/guides/rate-limits, docs.anthropic.com/en/api/rate-limits (2026-11).
_OPENAI = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
)
_ANTHROPIC = tuple(
    (f"anthropic-ratelimit-{what}-remaining".encode(), f"anthropic-ratelimit-{what}-reset".encode())
    for what in ("requests", "tokens", "input-tokens", "output-tokens")
)
HEADERS: LIMITS = {"openai_chat": _OPENAI, "openai_responses": _OPENAI, "anthropic": _ANTHROPIC}


def used_up(format: str, headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until a limit that is used up is full again, the longest of several; None when none is. ``now`` is Unix
    time. Headers that cannot be read say nothing."""
    found: float | None = None
    for left, reset in HEADERS.get(format, ()):
        if headers.get(left) == b"0" and (seconds := _seconds(headers.get(reset), now)) is not None:
            found = max(found or 0.0, seconds)
    return found


def _seconds(value: bytes | None, now: float) -> float | None:
    text = value.decode("latin-1").strip() if value is not None else ""
    seconds = duration(text) if "T" not in text else _until(text, now)
    if seconds is not None and seconds >= A_MOMENT:
        seconds = (seconds / 1000 if seconds >= IN_MILLISECONDS else seconds) - now
    return min(seconds, LONGEST) if seconds is not None and seconds > 0 else None


def _until(text: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() - now if moment.tzinfo is not None else None
