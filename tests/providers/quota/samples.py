"""Vendors' usage replies as the facts describe them, and the windows they stand for."""

from __future__ import annotations

from typing import Any

NOW = 1_800_000_000.0

CLAUDE = {
    "five_hour": {"utilization": 42.5, "resets_at": "2027-01-15T10:00:00+00:00"},
    "seven_day": {"utilization": 12, "resets_at": "2027-01-18T10:00:00Z"},
    "seven_day_opus": {"utilization": 100.0, "resets_at": None},
    "seven_day_sonnet": None,
    "extra_usage": {"is_enabled": True, "monthly_limit": 50, "used_credits": 5, "utilization": 10},
    "something_new": {"utilization": 1},
}
CODEX = {
    "plan_type": "team",
    "rate_limit": {
        "allowed": True,
        "limit_reached": False,
        "primary_window": {"used_percent": 20, "limit_window_seconds": 18000, "reset_after_seconds": 60},
        "secondary_window": {"used_percent": 55, "limit_window_seconds": 604800, "reset_at": 1_800_100_000},
    },
    "code_review_rate_limit": {"primary_window": {"used_percent": 0, "limit_window_seconds": 604800}},
    "additional_rate_limits": [{"unheard": "of"}],
    "credits": {"has_credits": True, "unlimited": False, "balance": "12.5"},
}
GEMINI_CLI = {
    "buckets": [
        {"modelId": "gemini-2.5-pro", "remainingFraction": 0.75, "resetTime": "2027-01-16T07:00:00Z"},
        {"modelId": "gemini-2.5-flash", "remainingFraction": 1},
        {"tokenType": "REQUESTS"},
    ]
}
ANTIGRAVITY = {
    "models": {
        "claude-sonnet-4-6": {"quotaInfo": {"remainingFraction": 0.2, "resetTime": "2027-01-16T07:00:00Z"}},
        "gemini-3-pro": {"quotaInfo": {"resetTime": "2027-01-16T07:00:00Z"}},
        "internal": {"isInternal": True, "quotaInfo": {"remainingFraction": 1}},
        "free": {},
    }
}
GITHUB_PAID = {
    "copilot_plan": "individual_pro",
    "quota_reset_date": "2027-02-01",
    "quota_snapshots": {
        "chat": {"unlimited": True, "entitlement": 0, "remaining": 0, "percent_remaining": 100},
        "premium_interactions": {"entitlement": 300, "remaining": 75, "percent_remaining": 25.0, "unlimited": False},
    },
}
GITHUB_FREE = {
    "access_type_sku": "free_limited_copilot",
    "monthly_quotas": {"chat": 50, "completions": 2000},
    "limited_user_quotas": {"chat": 10, "completions": 1500},
    "limited_user_reset_date": "2027-02-01",
}
KIRO = {
    "nextDateReset": 1_801_000_000,
    "subscriptionInfo": {"subscriptionTitle": "KIRO PRO", "type": "PRO"},
    "usageBreakdownList": [
        {
            "resourceType": "AGENTIC_REQUEST",
            "currentUsageWithPrecision": 250.0,
            "usageLimitWithPrecision": 1000.0,
            "freeTrialInfo": {
                "currentUsageWithPrecision": 50,
                "usageLimitWithPrecision": 500,
                "freeTrialExpiry": 1_800_500_000,
                "freeTrialStatus": "ACTIVE",
            },
        }
    ],
}
KIMI_CODING = {
    "usage": {"limit": "2048", "used": "214", "remaining": "1834", "resetTime": "2027-01-20T00:00:00Z"},
    "limits": [
        {"window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"}, "detail": {"limit": "200", "remaining": "50"}}
    ],
}
GLM = {
    "code": 200,
    "data": {
        "level": "pro",
        "limits": [
            {"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 30, "nextResetTime": 1_800_000_600_000},
            {"type": "TOKENS_LIMIT", "unit": 6, "number": 1, "percentage": 7},
            {"type": "TIME_LIMIT", "unit": 5, "number": 1, "percentage": 2},
        ],
    },
}
MINIMAX = {
    "base_resp": {"status_code": 0},
    "model_remains": [
        {
            "model_name": "MiniMax-M2",
            "current_interval_total_count": 1500,
            "current_interval_usage_count": 1200,
            "remains_time": 600_000,
        }
    ],
}
DEEPSEEK = {"is_available": True, "balance_infos": [{"currency": "CNY", "total_balance": "110.00"}]}
DEEPSEEK_BOTH = {
    "is_available": True,
    "balance_infos": [
        {"currency": "CNY", "total_balance": "0.00"},
        {"currency": "USD", "total_balance": "12.34"},
    ],
}
MOONSHOT = {"data": {"available_balance": 49.5, "voucher_balance": 40, "cash_balance": 9.5}}
OPENROUTER_CREDITS = {"data": {"total_credits": 10, "total_usage": 2.5}}
OPENROUTER_KEY = {"data": {"limit": 5, "limit_remaining": 1, "is_free_tier": False}}

# Reader's name in its module → reply, plan, and (window, family) → used percent (None: not known).
EXPECTED: dict[str, tuple[Any, str, dict[tuple[str, str], float | None]]] = {
    "claude": (
        CLAUDE,
        "",
        {("5h", ""): 42.5, ("7d", ""): 12, ("7d", "opus"): 100, ("month", "extra"): 10},
    ),
    "codex": (
        CODEX,
        "team",
        {("5h", ""): 20, ("7d", ""): 55, ("7d", "code review"): 0, ("balance", "credits"): None},
    ),
    "gemini_cli": (GEMINI_CLI, "", {("day", "gemini-2.5-pro"): 25, ("day", "gemini-2.5-flash"): 0}),
    "antigravity": (ANTIGRAVITY, "", {("window", "claude-sonnet-4-6"): 80, ("window", "gemini-3-pro"): None}),
    "github": (GITHUB_PAID, "individual_pro", {("month", "chat"): 0, ("month", "premium interactions"): 75}),
    "github ": (GITHUB_FREE, "free_limited_copilot", {("month", "chat"): 80, ("month", "completions"): 25}),
    "kiro": (KIRO, "KIRO PRO", {("month", ""): 25, ("trial", ""): 10}),
    "kimi_coding": (KIMI_CODING, "", {("7d", ""): 100 * 214 / 2048, ("5h", ""): 75}),
    "glm": (GLM, "pro", {("5h", ""): 30, ("7d", ""): 7, ("month", "tool calls"): 2}),
    "minimax": (MINIMAX, "", {("5h", "MiniMax-M2"): 20}),
    "deepseek": (DEEPSEEK, "", {("balance", ""): None}),
    "deepseek ": (DEEPSEEK_BOTH, "", {("balance", "CNY"): None, ("balance", "USD"): None}),
    "moonshot": (MOONSHOT, "", {("balance", ""): None}),
    "openrouter_credits": (OPENROUTER_CREDITS, "", {("balance", ""): 25}),
    "openrouter_key": (OPENROUTER_KEY, "", {("key", ""): 80}),
}
