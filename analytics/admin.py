"""The request log in the admin: to look at, never to change."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from analytics.models import UsageRecord
from routing.money import plain


@admin.register(UsageRecord)
class UsageRecordAdmin(ModelAdmin):
    list_display = (
        "started_at",
        "result",
        "status",
        "key_name",
        "provider",
        "model",
        "input_tokens",
        "output_tokens",
        "cost",
        "latency_ms",
    )
    list_filter = ("result", "flat_rate")
    search_fields = ("request_id",)
    exclude = ("key_id", "user_id", "team_id")
    # Counting the whole log takes seconds once it is long: neither the list nor its pages do.
    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = 50

    @admin.display(description=_("cost"), empty_value="–")
    def cost(self, row: UsageRecord) -> str | None:
        """In USD; of flat-rate use, marked, what it would have cost."""
        if row.cost_usd is None:
            return None
        amount = plain(row.cost_usd)
        return _t("%(amount)s (flat rate)") % {"amount": amount} if row.flat_rate else amount

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: UsageRecord | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: UsageRecord | None = None) -> bool:
        return False
