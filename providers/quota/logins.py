"""Usage replies of the vendors one logs in to → windows. Shapes as the vendors' own clients read them (2026-11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.quota.windows import Reading, Window, child, rows, span, words
from providers.wire.figures import moment, number

CLAUDE_WINDOWS = {"five_hour": "5h", "seven_day": "7d"}


def claude(document: Any, now: float) -> Reading:
    """``five_hour``, ``seven_day`` and ``seven_day_<family>`` with used percent; the monthly extra usage if bought."""
    return Reading(tuple(_claude(document)))


def _claude(document: Any) -> Iterator[Window]:
    for name in document if isinstance(document, dict) else ():
        said = child(document, name)
        start = next((start for start in ("five_hour", "seven_day") if name.startswith(start)), None)
        if start is None or "utilization" not in said:
            continue
        family = name.removeprefix(start).strip("_")
        yield Window(
            id=CLAUDE_WINDOWS[start],
            family=family,
            percent=number(said["utilization"]),
            resets_at=moment(said.get("resets_at")),
        )
    extra = child(document, "extra_usage")
    if extra.get("is_enabled"):
        used, limit = number(extra.get("used_credits")), number(extra.get("monthly_limit"))
        yield Window(
            id="month", family="extra", used=used, limit=limit, percent=number(extra.get("utilization")), unit="credits"
        )


def codex(document: Any, now: float) -> Reading:
    """Primary and secondary window, those of code reviews and of single features, bought credits."""
    windows = list(_codex_limits(child(document, "rate_limit"), "", now))
    windows += _codex_limits(child(document, "code_review_rate_limit"), "code review", now)
    for row in rows(document, "additional_rate_limits"):
        if name := words(row.get("limit_name") or row.get("metered_feature") or row.get("name")):
            windows += _codex_limits(child(row, "rate_limit") or row, name, now)
    credits = child(document, "credits")
    if credits.get("has_credits"):
        windows.append(
            Window(
                id="balance",
                family="credits",
                remaining=number(credits.get("balance")),
                unlimited=bool(credits.get("unlimited")),
                unit="credits",
            )
        )
    return Reading(tuple(windows), words(document.get("plan_type") if isinstance(document, dict) else ""))


def _codex_limits(limits: dict[str, Any], family: str, now: float) -> Iterator[Window]:
    for name in ("primary_window", "secondary_window"):
        if said := child(limits, name):
            after = number(said.get("reset_after_seconds"))
            yield Window(
                id=span(number(said.get("limit_window_seconds"))),
                family=family,
                percent=number(said.get("used_percent")),
                resets_at=moment(said.get("reset_at")) or (now + after if after is not None else None),
            )


def gemini_cli(document: Any, now: float) -> Reading:
    """A daily share per model."""
    return Reading(
        tuple(
            Window(
                id="day",
                family=words(row.get("modelId")),
                percent=_used(row.get("remainingFraction")),
                remaining=number(row.get("remainingAmount")),
                resets_at=moment(row.get("resetTime")),
                uncertain=True,
            )
            for row in rows(document, "buckets")
            if row.get("modelId")
        )
    )


def antigravity(document: Any, now: float) -> Reading:
    """A share per model. A missing fraction means none left or not known, so it stays unknown."""
    models = child(document, "models")
    found = ((name, child(models, name), child(models, name, "quotaInfo")) for name in models)
    return Reading(
        tuple(
            Window(
                id="window",
                family=name[:200],
                percent=_used(quota.get("remainingFraction")),
                resets_at=moment(quota.get("resetTime")),
            )
            for name, model, quota in found
            if quota and not model.get("isInternal")
        )
    )


def _used(remaining: Any) -> float | None:
    share = number(remaining)
    return None if share is None else 100 * (1 - share)


def github(document: Any, now: float) -> Reading:
    """Paid plans: snapshots with what remains. The free one: monthly counts, of which sources differ whether they are
    used or remaining; they are taken as remaining and marked uncertain."""
    if not isinstance(document, dict):
        return Reading()
    plan = words(document.get("copilot_plan") or document.get("access_type_sku"))
    resets_at = moment(document.get("quota_reset_date") or document.get("limited_user_reset_date"))
    snapshots = child(document, "quota_snapshots")
    windows = [
        Window(
            id="month",
            family=name.replace("_", " "),
            limit=number(said.get("entitlement")),
            remaining=number(said.get("remaining")),
            percent=_complement(number(said.get("percent_remaining"))),
            unlimited=bool(said.get("unlimited")),
            unit="requests",
            resets_at=resets_at,
        )
        for name, said in ((name, child(snapshots, name)) for name in snapshots)
        if said
    ]
    limits, left = child(document, "monthly_quotas"), child(document, "limited_user_quotas")
    windows += [
        Window(
            id="month",
            family=name,
            limit=number(limits[name]),
            remaining=number(left.get(name)),
            unit="requests",
            uncertain=True,
            resets_at=resets_at,
        )
        for name in limits
        if not snapshots
    ]
    return Reading(tuple(windows), plan)


def _complement(percent: float | None) -> float | None:
    return None if percent is None else 100 - percent


def kiro(document: Any, now: float) -> Reading:
    """Monthly counts by kind of resource, and the free trial while it runs."""
    if not isinstance(document, dict):
        return Reading()
    resets_at = moment(document.get("nextDateReset"))
    windows = []
    for row in rows(document, "usageBreakdownList"):
        kind = words(row.get("resourceType")).lower().replace("_", " ")
        family = "" if kind in ("agentic request", "credit") else kind
        windows.append(_kiro("month", family, row, resets_at))
        trial = child(row, "freeTrialInfo")
        if trial.get("freeTrialStatus") in ("ACTIVE", None) and "usageLimitWithPrecision" in trial:
            windows.append(_kiro("trial", family, trial, moment(trial.get("freeTrialExpiry"))))
    subscription = child(document, "subscriptionInfo")
    return Reading(tuple(windows), words(subscription.get("subscriptionTitle") or subscription.get("type")))


def _kiro(window: str, family: str, said: dict[str, Any], resets_at: float | None) -> Window:
    return Window(
        id=window,
        family=family,
        used=number(said.get("currentUsageWithPrecision")),
        limit=number(said.get("usageLimitWithPrecision")),
        unit="requests",
        resets_at=resets_at,
    )


def kimi_coding(document: Any, now: float) -> Reading:
    """The weekly count, and shorter windows with their length in minutes."""
    windows = [_counted("7d", child(document, "usage"))] if child(document, "usage") else []
    for row in rows(document, "limits"):
        window = child(row, "window")
        length, unit = number(window.get("duration")), words(window.get("timeUnit")).upper()
        seconds = length * (3600 if "HOUR" in unit else 86400 if "DAY" in unit else 60) if length else None
        windows.append(_counted(span(seconds), child(row, "detail")))
    return Reading(tuple(windows))


def _counted(window: str, said: dict[str, Any]) -> Window:
    return Window(
        id=window,
        used=number(said.get("used")),
        limit=number(said.get("limit")),
        remaining=number(said.get("remaining")),
        resets_at=moment(said.get("resetTime")),
    )
