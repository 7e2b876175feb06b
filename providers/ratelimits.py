"""What a reply says of the vendor's rate limits: whether nothing is left, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from providers.quota.headers import UNIFIED, duration
from providers.wire.figures import number

LONGEST = 3600.0  # seconds that a vendor's head is believed
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


def until_reset(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until a refused request may be made again, by any vendor's headers: the longest of the limits that are
    used up, or of which only the reset is told; None when none is. ``now`` is Unix time by the vendor's clock."""
    told = (_seconds(headers[reset], now) for reset in _resets(headers))
    return max((seconds for seconds in told if seconds is not None), default=None)


def _resets(headers: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Names of the headers that say when a used up limit is full again. Anthropic's subscriptions tell the resets of
    all their windows with each reply, and in one more that of the window that refused; Codex how full each is."""
    unified = UNIFIED.encode()
    if headers.get(unified + b"status") == b"rejected" and unified + b"reset" in headers:
        yield unified + b"reset"
    for window in (b"x-codex-primary-", b"x-codex-secondary-"):
        if _full(headers.get(window + b"used-percent")) and window + b"reset-after-seconds" in headers:
            yield window + b"reset-after-seconds"
    for name in headers:
        one = name.startswith(b"x-ratelimit-reset")
        other = name.startswith(b"anthropic-ratelimit-") and name.endswith(b"-reset") and not name.startswith(unified)
        if (one or other) and _none_left(headers.get(name.replace(b"reset", b"remaining"))):
            yield name


def _none_left(value: bytes | None) -> bool:
    left = number(value.decode("latin-1")) if value is not None else None
    return value is None or (left is not None and left <= 0)


def _full(percent: bytes | None) -> bool:
    used = number(percent.decode("latin-1")) if percent is not None else None
    return used is not None and used >= 100


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
