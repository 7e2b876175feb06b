"""When a vendor wants to be asked again: by the head of its refusal, by its words, by its limits."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from providers.ratelimits import until_reset
from providers.wire.errors import Kind, UpstreamFailure

LONGEST_RETRY_AFTER = 3600.0  # seconds; a vendor that says more is believed up to here
LONGEST_WINDOW = 31.0 * 86_400  # seconds; no plan has a longer one
LIMITED = (Kind.RATE_LIMITED, Kind.QUOTA, Kind.OVERLOADED)  # whose end the limits in a reply's head may tell


def wait_of_refusal(failure: UpstreamFailure, headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until the vendor wants to be asked again: by the head of its refusal, by its words (Codex and Google say
    it there), and where neither says it, by the limits that the head tells of. ``now`` is Unix time."""
    if (told := retry_after(headers, now)) is not None:
        return told
    if (told := wait_of_words(failure, headers, now)) is not None:
        return told
    return until_reset(headers, vendors_now(headers, now)) if failure.kind in LIMITED else None


def wait_of_words(failure: UpstreamFailure, headers: Mapping[bytes, bytes], now: float) -> float | None:
    """The same by its words alone, as of an error in a good reply: what that head says of waiting was said before."""
    at, seconds = failure.resets_at, failure.retry_after
    if at is not None and (left := at - vendors_now(headers, now)) > 0:
        seconds = left
    return None if seconds is None else min(seconds, LONGEST_WINDOW)


def retry_after(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until the vendor wants to be asked again, from ``retry-after(-ms)``; None when it does not say. A moment
    is read by the vendor's own clock where the reply tells it (``date``), else by ours (``now``, Unix time)."""
    exact = _number(headers.get(b"retry-after-ms"))
    if exact is not None:
        return _within(exact / 1000)
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if value is None or seconds is not None:
        return _within(seconds) if seconds is not None else None
    moment = _moment(value)
    return None if moment is None else _within(moment - vendors_now(headers, now))


def vendors_now(headers: Mapping[bytes, bytes], now: float) -> float:
    """Unix time by the clock of who sent this head; ours, ``now``, where it does not tell."""
    told = _moment(headers.get(b"date"))
    return now if told is None else told


def _moment(value: bytes | None) -> float | None:
    """An HTTP date as Unix time."""
    try:
        return parsedate_to_datetime(value.decode("latin-1")).timestamp() if value is not None else None
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: bytes | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _within(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None
