"""Which provider tells what of its accounts' quotas, and how it is asked. One row per provider, by its id.

Without a row there is nothing to ask and nothing to listen to; the page says so instead of inventing figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.quota import headers, keys, logins
from providers.quota.headers import HeaderReader
from providers.quota.windows import Reading

BEARER = ("Bearer {}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCall:
    """A question to a vendor. ``url``: a path from the origin of the provider's address, a path below that address
    (``~/…``), or a whole address, which is only called while the provider has its own address, not an operator's.

    ``forms`` are the ways to write the credential, tried in order while it is refused. ``headers`` and ``body`` may
    name what is known of the account (``{account_id}``, ``{project}``); a header without its value is left out.
    """

    url: str
    read: Callable[[Any, float], Reading]
    method: str = "GET"
    forms: tuple[str, ...] = BEARER
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] | None = None
    hidden: tuple[int, ...] = ()  # statuses that mean: the account may work, its quota is not shown


USAGE: Mapping[str, tuple[UsageCall, ...]] = {
    "claude": (
        UsageCall(
            url="/api/oauth/usage",
            read=logins.claude,
            headers={"anthropic-beta": "oauth-2025-04-20", "anthropic-version": "2023-06-01"},
        ),
    ),
    # Team and business workspaces have quotas of their own: the account id says which.
    "codex": (
        UsageCall(url="/backend-api/wham/usage", read=logins.codex, headers={"chatgpt-account-id": "{account_id}"}),
    ),
    "gemini-cli": (
        UsageCall(
            url="/v1internal:retrieveUserQuota", read=logins.gemini_cli, method="POST", body={"project": "{project}"}
        ),
    ),
    "antigravity": (
        UsageCall(
            url="https://cloudcode-pa.googleapis.com/v1internal:fetchAvailableModels",
            read=logins.antigravity,
            method="POST",
            body={"project": "{project}"},
            hidden=(403,),
        ),
    ),
    "github": (
        UsageCall(
            url="https://api.github.com/copilot_internal/user",
            read=logins.github,
            forms=("token {}",),
            headers={"x-github-api-version": "2022-11-28", "editor-version": "{client}"},
        ),
    ),
    "kiro": (
        UsageCall(
            url="/getUsageLimits?isEmailRequired=true&origin=AI_EDITOR&resourceType=AGENTIC_REQUEST", read=logins.kiro
        ),
    ),
    "kimi-coding": (UsageCall(url="/coding/v1/usages", read=logins.kimi_coding),),
    # Sources differ on whether the word Bearer is wanted.
    "glm": (UsageCall(url="/api/monitor/usage/quota/limit", read=keys.glm, forms=("{}", "Bearer {}")),),
    "glm-cn": (UsageCall(url="/api/monitor/usage/quota/limit", read=keys.glm, forms=("{}", "Bearer {}")),),
    "minimax": (UsageCall(url="/v1/api/openplatform/coding_plan/remains", read=keys.minimax),),
    "minimax-cn": (UsageCall(url="/v1/api/openplatform/coding_plan/remains", read=keys.minimax),),
    "deepseek": (UsageCall(url="/user/balance", read=keys.deepseek),),
    "openrouter": (
        UsageCall(url="~/credits", read=keys.openrouter_credits, hidden=(403,)),
        UsageCall(url="~/key", read=keys.openrouter_key),
    ),
    "kimi": (UsageCall(url="~/users/me/balance", read=keys.moonshot),),
}

HEADERS: Mapping[str, HeaderReader] = {
    "claude": HeaderReader((headers.UNIFIED.encode(),), headers.unified),
    "codex": HeaderReader((b"x-codex-",), headers.codex),
    "anthropic": HeaderReader((b"anthropic-ratelimit-requests-",), headers.anthropic, per_model=True),
    "openai": HeaderReader((b"x-ratelimit-",), headers.openai, per_model=True),
    "groq": HeaderReader((b"x-ratelimit-",), headers.groq, per_model=True),
}
