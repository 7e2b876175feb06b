"""Google's Code Assist: which project an account's requests belong to; an account without one gets its own."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from providers.logins.engine import Ask, LoginFailed, Told
from providers.logins.flow import Call

BETWEEN = 5.0  # seconds between two looks at an operation that is not done
LOOKS = 8


def code_assist(call: Call, headers: Mapping[str, str]) -> Generator[Ask, Told, dict[str, Any]]:
    """The reply of loadCodeAssist, with the project that onboarding made when there was none. Raises LoginFailed."""
    told = yield Ask("POST", call.url, headers, json=call.body)
    if not told.good or not isinstance(told.document, dict):
        raise LoginFailed("code_assist", told.words(), status=told.status)
    loaded = told.document
    if loaded.get("currentTier") and loaded.get("cloudaicompanionProject"):
        return loaded
    tiers = [tier for tier in loaded.get("allowedTiers") or () if isinstance(tier, dict)]
    tier = next((tier for tier in tiers if tier.get("isDefault")), {"id": "free-tier"})
    body: dict[str, Any] = {"tierId": tier.get("id"), **(call.body or {})}
    if (project := loaded.get("cloudaicompanionProject")) and tier.get("id") != "free-tier":
        body["cloudaicompanionProject"] = project
    for look in range(LOOKS):
        told = yield Ask("POST", call.onboard_url, headers, json=body, pause=BETWEEN if look else 0)
        if not told.good or not isinstance(told.document, dict):
            raise LoginFailed("code_assist", told.words(), status=told.status)
        if told.document.get("done"):
            made = (told.document.get("response") or {}).get("cloudaicompanionProject")
            return {"currentTier": tier, **loaded, **({"cloudaicompanionProject": made} if made else {})}
    raise LoginFailed("code_assist", status=told.status)
