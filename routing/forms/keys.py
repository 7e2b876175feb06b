"""Forms of the client key pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, Team, User
from accounts.permissions import is_site_admin
from routing import keys
from routing.forms.access import AccessFields
from routing.forms.limits import NAMES as LIMITS
from routing.forms.limits import LimitFields, limit_of
from routing.models import ApiKey


class KeyForm(AccessFields, LimitFields, forms.ModelForm):
    """What can be changed about a key: its name, what it may use, when it ends; its limits by those who may."""

    field_order: tuple[str, ...] = (
        "name",
        "patterns",
        "combos_apart",
        "combos",
        "providers",
        "endpoints",
        "expires_at",
        *LIMITS,
    )

    expires_at = forms.DateTimeField(
        label=_("expires"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("UTC. Empty: never."),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        self.show_access(self.instance)
        self.limits = by.has_perm("routing.change_limit")
        if self.limits:
            self.show_limit(limit_of(self.instance))
        else:
            for name in LIMITS:
                del self.fields[name]

    def clean_expires_at(self) -> Any:
        end = self.cleaned_data["expires_at"]
        if end and end <= timezone.now() and "expires_at" in self.changed_data:
            raise ValidationError(_("This moment is in the past."))
        return end

    def save(self, commit: bool = True) -> ApiKey:
        self.take_access(self.instance)
        with transaction.atomic():
            key: ApiKey = super().save(commit)
            if self.limits:
                self.take_limit(api_key=key)
        return key


class NewKeyForm(KeyForm):
    """The same, with the team and, for a site administrator, the person it is for."""

    field_order = (
        "name", "owner", "team", "patterns", "combos_apart", "combos", "providers", "endpoints", "expires_at",
        *LIMITS,
    )  # fmt: skip

    owner = forms.ModelChoiceField(
        label=_("owner"), queryset=User.objects.none(), required=False, empty_label=_("nobody")
    )
    team = forms.ModelChoiceField(
        label=_("team"),
        queryset=Team.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("The team's owners see the key and its usage."),
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, by=by, **kwargs)
        writing = Team.objects.filter(memberships__user=by, memberships__role__in=(Role.OWNER, Role.MEMBER))
        self.fields["team"].queryset = Team.objects.all() if is_site_admin(by) else writing  # type: ignore[attr-defined]
        if is_site_admin(by):
            self.fields["owner"].queryset = User.objects.filter(is_active=True)  # type: ignore[attr-defined]
            self.fields["owner"].initial = by.pk
        else:
            del self.fields["owner"]
        if not self.fields["team"].queryset.exists():  # type: ignore[attr-defined]
            del self.fields["team"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned.setdefault("owner", self.by)
        cleaned.setdefault("team", None)
        if not keys.may_create(self.by, owner=cleaned["owner"], team=cleaned["team"]):
            raise ValidationError(_("You may not make a key for this owner and team."))
        return cleaned

    def make(self) -> tuple[ApiKey, str]:
        """The new key and its plain text, from a valid form."""
        data = self.cleaned_data
        with transaction.atomic():
            key, text = keys.create(
                name=data["name"],
                owner=data["owner"],
                team=data["team"],
                patterns=data["patterns"],
                expires_at=data["expires_at"],
            )
            self.take_access(key)
            key.save()
            if self.limits:
                self.take_limit(api_key=key)
        return key, text
