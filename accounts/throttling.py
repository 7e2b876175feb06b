"""What somebody sees who was too quick: status 429, the time to wait in words and in ``Retry-After``.

allauth keeps the counters (in the cache, as lists of moments) and lets them run out by themselves: nobody is locked
for good, and no administrator has to unlock anybody.
"""

from __future__ import annotations

import math
import time

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# Which of allauth's counters stands behind a page; other pages are told to wait a minute.
ACTIONS = {
    "account_login": "login",
    "account_reset_password": "reset_password",
    "account_reset_password_from_key": "reset_password_from_key",
    "account_change_password": "change_password",
    "account_reauthenticate": "reauthenticate",
    "account_email": "manage_email",
}
UNKNOWN_WAIT = 60


def wait(request: HttpRequest, action: str, key: str | None = None) -> int:
    """Seconds until every limit of an action lets this request through again; 0 when none is in the way."""
    waits = [0.0]
    for rate in ratelimit.get_rates(app="allauth.account", action=action):
        if (rate.per == "key" and key is None) or (rate.per == "user" and not request.user.is_authenticated):
            continue
        name = ratelimit.get_cache_key(request, app="allauth.account", action=action, rate=rate, key=key)
        moments = cache.get(name, [])  # newest first
        if len(moments) >= rate.amount:
            waits.append(moments[rate.amount - 1] + rate.duration - time.time())
    return max(0, math.ceil(max(waits)))


def too_many(request: HttpRequest, exception: Exception | None = None, *, seconds: int = 0) -> HttpResponse:
    """The 429 page; also the project's ``handler429``, which allauth calls with the request alone."""
    action = ACTIONS.get(request.resolver_match.url_name or "") if request.resolver_match else None
    seconds = seconds or (wait(request, action) if action else 0) or UNKNOWN_WAIT
    context = {"seconds": seconds, "minutes": math.ceil(seconds / 60)}
    response = render(request, "account/too_many.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response
