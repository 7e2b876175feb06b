"""The audit: who did what, for site administrators to read, and nobody to change. And what holds for every list."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.main import ERROR_FLAG
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

View = Callable[..., HttpResponse]


def bounded(admin_view: Callable[..., View]) -> Callable[..., View]:
    """As a site's ``admin_view``; filters of a list with a number that no column holds are answered as others that make
    no sense. Django asks it of columns of numbers, not of those that name other rows: SQLite raises then."""

    def ours(view: View, cacheable: bool = False) -> View:
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except OverflowError:
                place = request.resolver_match
                if place is None or not (place.url_name or "").endswith("_changelist") or ERROR_FLAG in request.GET:
                    raise
                return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

        return admin_view(inner, cacheable)

    return ours


@admin.register(LogEntry)
class AuditAdmin(ModelAdmin):
    list_display = ("action_time", "user", "what", "object_repr", "said")
    list_filter = ("action_flag", "content_type")
    search_fields = ("object_repr", "change_message", "user__email")
    date_hierarchy = "action_time"
    list_select_related = ("user", "content_type")

    @display(description=_("kind"))
    def what(self, row: LogEntry) -> str:
        return str(row.content_type or "")

    @display(description=_("what was done"))
    def said(self, row: LogEntry) -> str:
        return row.get_change_message() or row.get_action_flag_display()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
