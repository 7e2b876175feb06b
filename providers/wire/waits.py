"""When a vendor wants to be asked again, as its errors tell it: a number of seconds, a moment, or words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from providers.wire.figures import moment, number
from providers.wire.types import Json

# "Please try again in 7.66s", "… in 1m2.5s", "… in 250ms", "your quota will reset after 2h13m".
WORDS = re.compile(
    r"\b(?:try again|retry|resets?) (?:in|after)"
    r" (?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)\s?(ms|s))?",
    re.IGNORECASE,
)
LONGEST_WORDS = 2000  # characters of a message that are read
LONGEST = 86_400.0  # seconds that a message or a ``retry_after`` is believed


class Wait(NamedTuple):
    """``seconds`` from now on, and ``at``, Unix time by the vendor's clock, which says more; None: not told."""

    seconds: float | None = None
    at: float | None = None


def wait_in(places: Iterable[Json], words: str = "") -> Wait:
    """What an error tells. ``places`` are the objects it may stand in, the error first; ``words`` is its message.

    Fields: ``resets_in_seconds`` and ``resets_at`` (Codex), ``retry_after``, and the limit's headers that OpenRouter
    puts into ``metadata.headers``.
    """
    objects = [place for place in places if isinstance(place, dict)]
    for place in objects:
        seconds = number(place.get("resets_in_seconds"))
        if seconds is not None and seconds > 0:
            return Wait(seconds)
        if (at := moment(place.get("resets_at")) or _limit(place.get("metadata"))) is not None:
            return Wait(_field(objects) or _said(words), at)
    return Wait(_field(objects) or _said(words))


def wait_in_body(raw: bytes, words: str = "") -> Wait:
    """The same of an error's bytes: what stands in its ``error``, or beside it."""
    try:
        whole = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = None
    if isinstance(whole, list) and whole:
        whole = whole[0]
    return wait_in((whole.get("error"), whole) if isinstance(whole, dict) else (), words)


def _field(places: Iterable[dict[str, Json]]) -> float | None:
    told = (number(place.get("retry_after")) for place in places)
    return next((seconds for seconds in told if seconds is not None and 0 < seconds <= LONGEST), None)


def _limit(metadata: Json) -> float | None:
    """When the limit is full again that ``{"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "<ms>"}}``
    tells of; None when something is left of it."""
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return None
    named = {name.lower(): value for name, value in headers.items()}
    left = number(named.get("x-ratelimit-remaining"))
    return moment(named.get("x-ratelimit-reset")) if left is None or left <= 0 else None


def _said(message: str) -> float | None:
    found = WORDS.search(message[:LONGEST_WORDS])
    if found is None or not any(found.groups()):
        return None
    hours, minutes, amount, unit = found.groups()
    rest = float(amount or 0) / (1000 if unit and unit.lower() == "ms" else 1)
    seconds = int(hours or 0) * 3600 + int(minutes or 0) * 60 + rest
    return seconds if 0 < seconds <= LONGEST else None
