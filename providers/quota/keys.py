"""Usage and balance replies of the vendors with API keys → windows (shapes of 2026-11)."""

from __future__ import annotations

from typing import Any

from providers.quota.windows import Reading, Window, child, rows, words
from providers.wire.figures import moment, number

GLM_HOURS = 3  # the unit of a token limit that counts hours


def glm(document: Any, now: float) -> Reading:
    """Shares of tokens by hours and by week; tool calls by month."""
    data = child(document, "data")
    windows = []
    for row in rows(data, "limits"):
        tools = row.get("type") == "TIME_LIMIT"
        hours = number(row.get("number")) if row.get("unit") == GLM_HOURS else None
        windows.append(
            Window(
                id="month" if tools else f"{hours:g}h" if hours else "7d",
                family="tool calls" if tools else "",
                percent=number(row.get("percentage")),
                resets_at=moment(row.get("nextResetTime")),
            )
        )
    return Reading(tuple(windows), words(data.get("level")))


def minimax(document: Any, now: float) -> Reading:
    """Counts per model. On this address the field named usage holds what remains; of the weekly one nobody says."""
    if number(child(document, "base_resp").get("status_code")) not in (0, None):
        return Reading()
    windows = []
    for row in rows(document, "model_remains"):
        family, wait = words(row.get("model_name")), number(row.get("remains_time"))
        windows.append(
            Window(
                id="5h",
                family=family,
                limit=number(row.get("current_interval_total_count")),
                remaining=number(row.get("current_interval_usage_count")),
                unit="requests",
                resets_at=now + wait / 1000 if wait is not None else None,
            )
        )
        if number(row.get("current_weekly_total_count")):
            windows.append(
                Window(
                    id="7d",
                    family=family,
                    limit=number(row.get("current_weekly_total_count")),
                    remaining=number(row.get("current_weekly_usage_count")),
                    unit="requests",
                    uncertain=True,
                )
            )
    return Reading(tuple(windows))


def deepseek(document: Any, now: float) -> Reading:
    """The balance, one per currency; where there are several, each goes by its currency."""
    balances = {words(row.get("currency")): number(row.get("total_balance")) for row in rows(document, "balance_infos")}
    several = len(balances) > 1
    return Reading(
        tuple(
            Window(id="balance", family=currency if several else "", remaining=left, unit=currency)
            for currency, left in balances.items()
        )
    )


def moonshot(document: Any, now: float) -> Reading:
    """The balance, in the currency of the site the key is from."""
    left = number(child(document, "data").get("available_balance"))
    return Reading((Window(id="balance", remaining=left, uncertain=True),) if left is not None else ())


def openrouter_credits(document: Any, now: float) -> Reading:
    """Credits that were bought and used, USD."""
    data = child(document, "data")
    bought, used = number(data.get("total_credits")), number(data.get("total_usage"))
    if bought is None or used is None:
        return Reading()
    return Reading((Window(id="balance", limit=bought, used=used, remaining=bought - used, unit="USD"),))


def openrouter_key(document: Any, now: float) -> Reading:
    """The key's own limit, USD, where it has one."""
    data = child(document, "data")
    limit = number(data.get("limit"))
    window = Window(id="key", limit=limit, remaining=number(data.get("limit_remaining")), unit="USD")
    return Reading((window,) if limit is not None else (), "free" if data.get("is_free_tier") else "")
