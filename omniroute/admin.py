"""The audit: who did what, for site administrators to read. Nobody can change it here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display


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
