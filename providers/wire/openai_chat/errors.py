"""Errors: the gateway's → a client's envelope, a vendor's envelope → a failure."""

from __future__ import annotations

import re

import msgspec

from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.openai_chat import passing

# Vendors that send no header say it in words: "Please try again in 7.66s", "… in 1m2.5s", "… in 250ms".
WAIT = re.compile(
    r"(?:try again|retry) (?:in|after) (?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)\s?(ms|s))?", re.IGNORECASE
)
LONGEST = 86400.0  # seconds that a message is believed


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """OpenAI's envelope; the request's id travels in a header there."""
    return passing.error_body(refusal.message, refusal.type, refusal.code, refusal.param)


def error_from(raw: bytes, status: int | None) -> UpstreamFailure | None:
    """The failure told by an error envelope's bytes, None when there is none."""
    failure = passing.error_from(raw, status)
    if failure is not None:
        failure.retry_after = _told(raw) or _wait(failure.message)
    return failure


def _told(raw: bytes) -> float | None:
    """Seconds from a ``retry_after`` field, in the error or beside it."""
    try:
        whole = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for place in (whole.get("error"), whole) if isinstance(whole, dict) else ():
        value = place.get("retry_after") if isinstance(place, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST:
            return float(value)
    return None


def _wait(message: str) -> float | None:
    found = WAIT.search(message)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, amount, unit = found.groups()
    rest = float(amount or 0) / (1000 if unit and unit.lower() == "ms" else 1)
    seconds = int(hours or 0) * 3600 + int(minutes or 0) * 60 + rest
    return seconds if 0 < seconds <= LONGEST else None
