"""Client keys, combos, aliases and the gateway's switches in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from modeltranslation.utils import build_localized_fieldname
from unfold.admin import ModelAdmin, TabularInline

from routing import combos, keys
from routing.chains import Names, combo_faults
from routing.models import Alias, ApiKey, Budget, Combo, ComboStep, GatewaySettings, IpRule, Limit, Policy, Scope


class ApiKeyForm(forms.ModelForm):
    """The patterns go through the same check as on the key pages."""

    def clean_model_patterns(self) -> list[str]:
        patterns = self.cleaned_data["model_patterns"]
        if not isinstance(patterns, list):
            raise ValidationError(_("A list of patterns is expected."))
        try:
            return keys.checked_patterns(patterns)
        except ValidationError as wrong:
            raise ValidationError([message for found in wrong.message_dict.values() for message in found]) from None


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are looked after here; they are made on the key pages, where the plain key is shown once."""

    form = ApiKeyForm
    list_display = ("name", "last4", "owner", "team", "enabled", "expires_at", "last_used_at", "request_count")
    list_filter = ("enabled", "team")
    search_fields = ("name", "last4", "owner__email", "team__name")
    fields = (
        "name",
        "last4",
        "owner",
        "team",
        "enabled",
        "model_patterns",
        "expires_at",
        "created_at",
        "last_used_at",
        "request_count",
    )
    readonly_fields = ("last4", "created_at", "last_used_at", "request_count")
    autocomplete_fields = ("owner", "team")
    list_select_related = ("owner", "team")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("routing:key_create")


class Steps(forms.BaseInlineFormSet):
    """A combo must not lead back to itself."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        stored = combos.stored()
        names = Names({**stored.combos, self.instance.name: [row["model"] for row in rows]}, stored.aliases)
        if fault := next(combo_faults(names, self.instance.name), None):
            raise ValidationError(fault.why)


class ComboStepInline(TabularInline):
    model = ComboStep
    formset = Steps
    extra = 1
    fields = ("position", "model", "weight")


@admin.register(Combo)
class ComboAdmin(ModelAdmin):
    list_display = ("name", "strategy", "enabled")
    list_filter = ("strategy", "enabled")
    search_fields = ("name",)
    inlines = (ComboStepInline,)


@admin.register(Alias)
class AliasAdmin(ModelAdmin):
    list_display = ("pattern", "target")
    search_fields = ("pattern", "target")


@admin.register(Limit)
class LimitAdmin(ModelAdmin):
    list_display = ("__str__", "whose", "requests_per_minute", "tokens_per_minute", "parallel")
    autocomplete_fields = ("api_key", "user", "team")
    list_select_related = ("api_key", "user", "team")

    @admin.display(description=_("scope"))
    def whose(self, row: Limit) -> str:
        return str(Scope(row.scope).label)


@admin.register(Budget)
class BudgetAdmin(ModelAdmin):
    """What is spent of each is on the budgets page."""

    list_display = ("__str__", "period", "limit_usd", "hard", "notify_at", "enabled")
    list_filter = ("scope", "period", "enabled")
    autocomplete_fields = ("api_key", "user", "team", "provider")
    list_select_related = ("api_key", "user", "team")


@admin.register(IpRule)
class IpRuleAdmin(ModelAdmin):
    list_display = ("network", "allow", "until", "reason")
    list_filter = ("allow",)
    search_fields = ("network", "reason")


@admin.register(GatewaySettings)
class GatewaySettingsAdmin(ModelAdmin):
    """One row: its list is its form. The notice stands in English and the reader's language, the others are folded."""

    def get_fieldsets(self, request: HttpRequest, obj: GatewaySettings | None = None) -> Any:
        near = dict.fromkeys(("en", get_language() or "en"))
        far = [code for code, _name in settings.LANGUAGES if code not in near]
        return (
            (None, {"fields": ("require_api_key", "connection_cooldown", "circuit_breaker", "session_affinity")}),
            (_("Callers"), {"fields": ("requests_per_address", "address_mode", "charge_without_output")}),
            (_("Choice among connections"), {"fields": ("connection_strategy", "sticky_requests", "quota_reserve")}),
            (
                _("Resilience"),
                {
                    "fields": (
                        "breaker_failures",
                        "breaker_seconds",
                        "longest_rest_seconds",
                        "max_attempts",
                        "attempt_seconds",
                        "patience_seconds",
                        "queue_seconds",
                    )
                },
            ),
            (_("Budgets"), {"fields": ("ledger_days",)}),
            (_("Notice"), {"fields": [build_localized_fieldname("notice", code) for code in near]}),
            (
                _("Notice in other languages"),
                {"fields": [build_localized_fieldname("notice", code) for code in far], "classes": ("collapse",)},
            ),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the list makes the row for whoever may change it

    def has_delete_permission(self, request: HttpRequest, obj: GatewaySettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        if self.has_change_permission(request):
            GatewaySettings.objects.get_or_create(pk=1)
        elif not GatewaySettings.objects.exists():
            messages.info(request, _t("The settings have their defaults."))
            return redirect("home")
        return redirect(reverse("admin:routing_gatewaysettings_change", args=[1]))


@admin.register(Policy)
class PolicyAdmin(ModelAdmin):
    list_display = ("kind", "team", "api_key", "enabled")
    list_filter = ("kind", "enabled")
    list_select_related = ("team", "api_key")
    autocomplete_fields = ("team", "api_key")
