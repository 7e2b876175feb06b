"""Providers, models and connections in the admin. Checks and secrets go the way of the services, as everywhere."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from providers import connections, overrides, proxies, proxytest, registry
from providers.forms.shared import ProxyField, allow_empty_pace, cleaned_tags, keep_pace
from providers.models import Connection, Provider, ProviderModel, Proxy


class ProviderForm(forms.ModelForm):
    """The registry's checks as errors of the form."""

    via = ProxyField(_("As everywhere"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["via"] = proxies.written(self.instance)

    def clean_operations(self) -> Any:
        return self.cleaned_data["operations"] or {}

    def clean_overrides(self) -> Any:
        return self.cleaned_data["overrides"] or {}

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            registry.check_provider(self.instance)
        except registry.BadProvider as wrong:
            self.add_error(wrong.field if wrong.field in self.fields else None, str(wrong))


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    form = ProviderForm
    list_display = ("id", "shown_name", "custom", "enabled", "tier", "base_url", "differs")
    list_filter = ("enabled", "custom", "tier")
    search_fields = ("id", "name", "alias")
    fields = (
        "id",
        "enabled",
        "name",
        "alias",
        "format",
        "base_url",
        "tier",
        "transport",
        "allow_private_network",
        "any_model",
        "operations",
        "overrides",
        "via",
    )

    actions = ("reset",)

    def save_model(self, request: HttpRequest, obj: Provider, form: forms.ModelForm, change: bool) -> None:
        proxies.choose(obj, form.cleaned_data["via"])
        super().save_model(request, obj, form, change)

    @display(description=_("overrides"))
    def differs(self, row: Provider) -> str:
        return "" if row.custom else ", ".join(overrides.said(row))

    @admin.action(description=_("Go back to the catalogue"), permissions=["change"])
    def reset(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        for row in chosen.filter(custom=False):
            registry.reset(row)

    @display(description=_("name"))
    def shown_name(self, row: Provider) -> str:
        return str(row)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return ("id",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        """A catalogue entry's row would come back at the next start: it is switched off instead."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.custom)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # it would take catalogue entries along
        return actions


@admin.register(ProviderModel)
class ProviderModelAdmin(ModelAdmin):
    list_display = ("model_id", "provider", "enabled", "input_price", "output_price", "context", "differs")
    list_filter = ("provider", "enabled")
    search_fields = ("model_id",)
    autocomplete_fields = ("provider",)

    @display(description=_("overrides"))
    def differs(self, row: ProviderModel) -> str:
        return ", ".join(overrides.said_of(row))


class ConnectionForm(forms.ModelForm):
    """The secret is written only: empty keeps what is stored."""

    secret = forms.CharField(
        label=_("API key"),
        required=False,
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_("Written only; never shown again. Empty keeps the stored one."),
    )
    via = ProxyField(_("As the provider says"), widget=UnfoldAdminSelectWidget)

    tags = forms.CharField(
        label=_("Tags"), required=False, widget=UnfoldAdminTextInputWidget, help_text=_("Words with spaces between.")
    )

    class Meta:
        model = Connection
        fields = ("provider", "name", "parameters", "priority", *connections.PACE, "enabled", "team")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allow_empty_pace(self)
        self.initial["tags"] = " ".join(self.instance.tags)
        self.initial.pop("secret", None)
        self.initial["via"] = proxies.written(self.instance)

    def clean_tags(self) -> list[str]:
        return cleaned_tags(self.cleaned_data["tags"])

    def clean(self) -> dict[str, Any]:
        """Seal the secret here already, so that a refusal is an error of the form."""
        cleaned = super().clean() or self.cleaned_data
        keep_pace(self, cleaned)
        if cleaned.get("provider") and "parameters" in cleaned:
            probe = Connection(provider=cleaned["provider"])
            try:
                connections.set_parameters(probe, _texts(cleaned["parameters"]))
                cleaned["parameters"] = probe.parameters
                if cleaned.get("secret"):
                    connections.set_secret(probe, cleaned["secret"])
            except connections.BadConnection as wrong:
                self.add_error(wrong.field if wrong.field in self.fields else None, str(wrong))
            except registry.BadProvider as wrong:
                self.add_error(None, str(wrong))
        return cleaned


def _texts(given: Any) -> dict[str, str]:
    """A column of JSON can be given anything."""
    if given in (None, ""):
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise connections.BadConnection("parameters", _t("An object of texts is expected."))
    return given


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin):
    form = ConnectionForm
    list_display = ("name", "provider", "priority", "enabled", "team", "state", "test_ok", "tested_at")
    list_filter = ("provider", "enabled", "team", "test_ok")
    search_fields = ("name", "provider__id")
    fields = (
        "provider",
        "name",
        "parameters",
        "secret",
        "priority",
        *connections.PACE,
        "enabled",
        "team",
        "tags",
        "via",
        "tested_at",
        "test_ok",
        "test_message",
        "test_latency_ms",
    )
    readonly_fields = ("tested_at", "test_ok", "test_message", "test_latency_ms")
    autocomplete_fields = ("provider",)
    actions = ("test",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return (
            super()
            .get_queryset(request)
            .select_related("proxy", "provider__proxy")
            .prefetch_related("provider__models")
        )

    @display(description=_("state"))
    def state(self, row: Connection) -> str:
        """Why it is not used. A row that cannot be opened is told of here, and the list goes on."""
        try:
            entry = registry.effective_of(row.provider)
        except registry.BadProvider as wrong:
            return str(wrong)
        return connections.usable_reason(row, entry, proxies.way_of(row)) or _t("ready")

    def save_model(self, request: HttpRequest, obj: Connection, form: forms.ModelForm, change: bool) -> None:
        obj.tags = form.cleaned_data["tags"]
        proxies.choose(obj, form.cleaned_data["via"])
        if secret := form.cleaned_data.get("secret"):
            connections.set_secret(obj, secret)
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Test the chosen connections"), permissions=["change"])
    def test(self, request: HttpRequest, chosen: QuerySet[Connection]) -> None:
        rows = list(chosen.select_related("provider"))
        for row, probe in zip(rows, connections.test_many(rows), strict=True):
            level = messages.SUCCESS if probe.ok else messages.ERROR
            self.message_user(request, _t("%(name)s: %(message)s") % {"name": row, "message": probe.message}, level)


class ProxyForm(forms.ModelForm):
    """The URL is written only: empty keeps what is stored. The service stores the row."""

    url = forms.CharField(
        label=_("URL"),
        required=False,
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_(
            "http://, https://, socks5:// or socks5h://, with user and password if needed. Empty keeps the stored one."
        ),
    )

    class Meta:
        model = Proxy
        fields = ("name", "enabled", "is_global", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("url", None)

    def clean_url(self) -> str | None:
        try:
            typed = self.cleaned_data["url"]
            return proxies.check_url(typed) if typed or self.instance._state.adding else None
        except proxies.BadProxy as wrong:
            raise forms.ValidationError(str(wrong)) from None

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "is_global"}  # type: ignore[misc]  # saving moves the place


@admin.register(Proxy)
class ProxyAdmin(ModelAdmin):
    form = ProxyForm
    list_display = ("name", "scheme", "address", "enabled", "is_global", "test_ok", "exit_address", "tested_at")
    list_filter = ("enabled", "test_ok")
    search_fields = ("name", "address", "note")
    fields = (
        "name",
        "url",
        "enabled",
        "is_global",
        "note",
        "address",
        "tested_at",
        "test_ok",
        "test_message",
        "test_latency_ms",
        "exit_address",
    )
    readonly_fields = ("address", "tested_at", "test_ok", "test_message", "test_latency_ms", "exit_address")
    actions = ("test",)

    def save_model(self, request: HttpRequest, obj: Proxy, form: forms.ModelForm, change: bool) -> None:
        proxies.save(obj, form.cleaned_data.get("url") or None)

    @admin.action(description=_("Test the chosen proxies"), permissions=["change"])
    def test(self, request: HttpRequest, chosen: QuerySet[Proxy]) -> None:
        for row in chosen:
            trial = proxytest.try_out(row)
            level = messages.SUCCESS if trial.ok else messages.ERROR
            self.message_user(request, _t("%(name)s: %(message)s") % {"name": row, "message": trial.message}, level)
