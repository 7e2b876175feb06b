"""Reply headers → windows. Names are in lower case, values as they came; ``now`` is when the reply's head was there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from providers.quota.windows import Reading, Window, span
from providers.wire.figures import moment, number

Headers = Mapping[str, str]
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
UNIFIED = "anthropic-ratelimit-unified-"


@dataclass(frozen=True, slots=True)
class HeaderReader:
    """How a vendor's headers are read: which ones by the beginnings of their names; ``per_model``: they speak of the
    model that was asked, and of no other."""

    prefixes: tuple[bytes, ...]
    read: Callable[[Headers, str, float], Reading]
    per_model: bool = False


def duration(text: str) -> float | None:
    """Seconds of "1m2.5s", "120ms" or a bare number."""
    if (plain := number(text)) is not None:
        return plain
    found = DURATION.findall(text)
    return sum(float(count) * SECONDS[unit] for count, unit in found) if found else None


def unified(headers: Headers, model: str, now: float) -> Reading:
    """Anthropic's subscriptions: one pair of headers per window; a utilization up to 1 is a share, above a percent."""
    windows = []
    for name, text in headers.items():
        if not name.startswith(UNIFIED) or not name.endswith("-utilization"):
            continue
        window, used = name[len(UNIFIED) : -len("-utilization")], number(text)
        span_id, _dash, family = window.partition("_")
        if used is not None:
            windows.append(
                Window(
                    id=span_id,
                    family=family,
                    percent=used * 100 if used <= 1 else used,
                    resets_at=moment(headers.get(f"{UNIFIED}{window}-reset")),
                )
            )
    return Reading(tuple(windows))


def codex(headers: Headers, model: str, now: float) -> Reading:
    """Used percent, length and time to the reset of two windows, and the plan."""
    windows = []
    for which in ("primary", "secondary"):
        used = number(headers.get(f"x-codex-{which}-used-percent"))
        minutes = number(headers.get(f"x-codex-{which}-window-minutes"))
        after = number(headers.get(f"x-codex-{which}-reset-after-seconds"))
        if used is not None and minutes:
            resets_at = now + after if after is not None else None
            windows.append(Window(id=span(minutes * 60), percent=used, resets_at=resets_at))
    return Reading(tuple(windows), headers.get("x-codex-plan-type", "")[:100])


def anthropic(headers: Headers, model: str, now: float) -> Reading:
    """Requests of the API per minute and model."""
    name = "anthropic-ratelimit-requests"
    if f"{name}-limit" not in headers:
        return Reading()
    return Reading(
        (
            Window(
                id="minute",
                family=model,
                limit=number(headers[f"{name}-limit"]),
                remaining=number(headers.get(f"{name}-remaining")),
                unit="requests",
                resets_at=moment(headers.get(f"{name}-reset")),
            ),
        )
    )


def openai(headers: Headers, model: str, now: float) -> Reading:
    """``x-ratelimit-*-requests``: per minute and model."""
    return _ratelimit(headers, model, now, "minute")


def groq(headers: Headers, model: str, now: float) -> Reading:
    """``x-ratelimit-*-requests``, which Groq counts by the day, per model."""
    return _ratelimit(headers, model, now, "day")


def _ratelimit(headers: Headers, model: str, now: float, window: str) -> Reading:
    if "x-ratelimit-limit-requests" not in headers:
        return Reading()
    wait = duration(headers.get("x-ratelimit-reset-requests", ""))
    return Reading(
        (
            Window(
                id=window,
                family=model,
                limit=number(headers["x-ratelimit-limit-requests"]),
                remaining=number(headers.get("x-ratelimit-remaining-requests")),
                unit="requests",
                resets_at=now + wait if wait is not None else None,
            ),
        )
    )
