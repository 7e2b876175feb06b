"""Response headers that keep a browser from doing what our pages never ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# 'unsafe-eval': the theme's Alpine.js turns the expressions in its attributes into functions. No inline script runs.
# 'unsafe-inline' styles: the theme writes its colours into the page, its charts and scroll bars style elements.
DIRECTIVES = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Signing in at an identity provider is a form whose answer leads to that provider: browsers check both steps.
SIGN_IN = {**DIRECTIVES, "form-action": "'self' https:"}
PERMISSIONS = ", ".join(
    f"{feature}=()" for feature in ("camera", "microphone", "geolocation", "payment", "usb", "browsing-topics")
)


def _policy(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


EVERYWHERE, AT_SIGN_IN = _policy(DIRECTIVES), _policy(SIGN_IN)


@sync_and_async_middleware
def security_headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Add CSP, Permissions-Policy and COOP; a view that set one of them itself keeps its own."""
    if iscoroutinefunction(get_response):

        async def answer(request: HttpRequest) -> HttpResponseBase:
            return _with_headers(request, await get_response(request))

    else:

        def answer(request: HttpRequest) -> HttpResponseBase:  # type: ignore[misc]
            return _with_headers(request, get_response(request))

    return answer


def _with_headers(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    policy = AT_SIGN_IN if request.path.startswith("/accounts/") else EVERYWHERE
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    return response
