"""What Unfold's layout needs on every page: one shell for the admin and for our own pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static

from omniroute.navigation import current


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the layout's variables. The admin's own views bring theirs, so they get nothing twice."""
    match = getattr(request, "resolver_match", None)
    user = getattr(request, "user", None)
    if user is None or (match and match.app_names[:1] == ["admin"] and user.is_staff):
        return {}
    site: Any = admin.site  # Unfold's
    context = site.each_context(request)
    signed_in = user.is_authenticated
    # each_context asks whether the person may open the admin; our pages only ask whether they are signed in.
    groups = site.get_sidebar_list(request) if signed_in else []
    return {
        **context,
        "has_permission": signed_in,
        "is_nav_sidebar_enabled": signed_in,
        "sidebar_navigation": groups,
        "title": current(groups),
    }


def stylesheet(request: HttpRequest) -> str:
    return static("omniroute/omniroute.css")


def script(request: HttpRequest) -> str:
    return static("omniroute/omniroute.js")
