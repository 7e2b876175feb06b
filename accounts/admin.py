"""People in the Django admin: the same services as everywhere; secrets and links are shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from accounts import identity, invitations, management_keys, services
from accounts.models import IdentityProvider, Invitation, ManagementKey, Membership, Team, User
from accounts.services import Refused


def _own_password(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The admin's own page would go round the rate limit and the second factor."""
    return redirect("account_change_password")


admin.site.password_change = _own_password  # type: ignore[method-assign,assignment]
# allauth's and Django's own rows: kept by the pages of one's account and by services, not edited by hand.
for model in (Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ServiceAdmin(ModelAdmin):
    """Rows that services write: a refusal rolls the form's transaction back and is shown as a message."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as wrong:
            return _refuse(request, wrong)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as wrong:
            return _refuse(request, wrong)


def _refuse(request: HttpRequest, wrong: Refused) -> HttpResponse:
    messages.error(request, str(wrong))
    return HttpResponseRedirect(request.get_full_path())


class NewUserForm(forms.ModelForm):
    """A person made by hand; usually an invitation is the better way, for then nobody else knows the password."""

    first_password = forms.CharField(
        label=_("Password"), strip=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    )

    class Meta:
        model = User
        fields = ["email", "name", "is_superuser"]


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(User)
class UserAdmin(ServiceAdmin, DjangoUserAdmin):
    form, add_form, change_password_form = UserChangeForm, NewUserForm, AdminPasswordChangeForm
    list_display = ("email", "name", "is_superuser", "is_active", "last_login")
    list_filter = ("is_superuser", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (_("Rights"), {"fields": ("is_active", "is_superuser")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "first_password", "is_superuser")}),)
    actions = ("deactivate", "activate", "forget_second_factors")

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        right = form.base_fields.get("is_superuser")
        if right is not None:
            right.label, right.help_text = _("Site administrator"), _("May see and do everything.")
        return form

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if not change:
            made = services.create_user(
                email=data["email"],
                password=data["first_password"],
                name=data["name"],
                site_administrator=data["is_superuser"],
                email_verified=True,
            )
            obj.pk, obj._state.adding = made.pk, False
            return
        stored = User.objects.get(pk=obj.pk)
        fields = {name: data[name] for name in ("name", "email", "is_active", "is_superuser") if name in data}
        services.change_user(stored, **fields)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        services.delete_user(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, services.delete_user)

    @admin.action(description=_("Deactivate (sessions and keys end)"))
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, lambda user: services.set_active(user, False))

    @admin.action(description=_("Activate"))
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, lambda user: services.set_active(user, True))

    @admin.action(description=_("Forget second factors and passkeys"))
    def forget_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, services.reset_second_factors)

    def _each(self, request: HttpRequest, users: QuerySet[User], change: Callable[[User], object]) -> None:
        for user in users:
            try:
                change(user)
            except Refused as wrong:
                messages.error(request, str(wrong))


@admin.register(Team)
class TeamAdmin(ModelAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name",)
    inlines = (MembershipInline,)


class NewInvitationForm(forms.ModelForm):
    class Meta:
        model = Invitation
        fields = ["email", "team", "role", "site_administrator"]


@admin.register(Invitation)
class InvitationAdmin(ServiceAdmin):
    form = NewInvitationForm
    list_display = ("__str__", "team", "role", "site_administrator", "created_by", "expires_at", "accepted_at")
    list_filter = ("site_administrator", "team")
    search_fields = ("email",)

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        made, token = invitations.create(by=request.user, **form.cleaned_data)
        obj.pk = made.pk
        address = invitations.link(request, token)
        messages.warning(request, _("Copy the link now, it is not shown again: %(link)s") % {"link": address})


class NewManagementKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(ManagementKey.READ, _("Read")), (ManagementKey.WRITE, _("Write"))],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ManagementKey
        fields = ["name", "scopes", "expires_at"]


@admin.register(ManagementKey)
class ManagementKeyAdmin(ServiceAdmin):
    """Made for oneself only: a key acts as its user, and nobody acts as somebody else."""

    list_display = ("name", "last4", "user", "scopes", "enabled", "expires_at", "last_used_at")
    list_filter = ("enabled",)
    search_fields = ("name", "user__email")
    readonly_fields = ("user", "last4", "scopes", "created_at", "expires_at", "last_used_at")
    fields = ("name", "enabled", *readonly_fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs |= {"form": NewManagementKeyForm, "fields": NewManagementKeyForm.Meta.fields}
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return NewManagementKeyForm.Meta.fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: ManagementKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name", "enabled"])
            return
        assert isinstance(request.user, User)
        data = form.cleaned_data
        made, text = management_keys.create(request.user, data["name"], data["scopes"], data.get("expires_at"))
        obj.pk = made.pk
        messages.warning(request, _("Copy the key now, it is not shown again: %(key)s") % {"key": text})


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ServiceAdmin):
    fields = ("name", "slug", "server_url", "client_id", "client_secret", "enabled")
    list_display = ("name", "slug", "server_url", "enabled")
    search_fields = ("name", "slug")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "server_url":
            kwargs["assume_scheme"] = "https"
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "client_secret":  # sealed columns bring a widget of their own, which the theme cannot see
            field.widget = UnfoldAdminPasswordWidget(attrs=field.widget.attrs)
            field.help_text = _("Written only; never shown again. Empty keeps the stored one.")
        return field

    def save_model(self, request: HttpRequest, obj: IdentityProvider, form: Any, change: bool) -> None:
        identity.save(obj, form.cleaned_data.get("client_secret") or "")

    def delete_model(self, request: HttpRequest, obj: IdentityProvider) -> None:
        identity.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        for row in queryset:
            identity.delete(row)
