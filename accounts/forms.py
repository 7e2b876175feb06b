"""Forms of the people pages; what they may offer depends on who asks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.invitations import LONGEST_DAYS
from accounts.models import Invitation, ManagementKey, Role, Team, User
from accounts.permissions import is_site_admin, owned_team_ids


class AcceptForm(forms.Form):
    """A newcomer's name, address and password. An address written into the invitation cannot be changed."""

    name = forms.CharField(
        label=_("Name"), max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        label=_("Password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())
        if invitation.email:
            self.fields["email"].initial = invitation.email
            self.fields["email"].disabled = True


class InviteForm(forms.Form):
    """Owners choose among their teams; site administrators among all, none, and may appoint their like."""

    email = forms.EmailField(
        label=_("E-mail address"), required=False, help_text=_("Empty: whoever holds the link may use it.")
    )
    team = forms.ModelChoiceField(label=_("Team"), queryset=Team.objects.none())
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MEMBER)
    days = forms.IntegerField(label=_("Valid for days"), min_value=1, max_value=LONGEST_DAYS, initial=7)
    site_administrator = forms.BooleanField(label=_("Site administrator"), required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        team = self.fields["team"]
        assert isinstance(team, forms.ModelChoiceField)
        if is_site_admin(user):
            team.queryset, team.required, team.empty_label = Team.objects.all(), False, str(_("No team"))
        else:
            team.queryset = Team.objects.filter(pk__in=owned_team_ids(user))
            del self.fields["site_administrator"]


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ["name"]


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class ManagementKeyForm(forms.Form):
    """A key's name, scopes and, if wanted, its last day."""

    name = forms.CharField(label=_("Name"), max_length=100)
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(ManagementKey.READ, _("Read")), (ManagementKey.WRITE, _("Write"))],
        initial=[ManagementKey.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(
        label=_("Valid for days"),
        required=False,
        min_value=1,
        max_value=3650,
        help_text=_("Empty: until you disable it."),
    )

    def expires_at(self) -> datetime | None:
        """When the key ends; None for never. For a valid form."""
        days = self.cleaned_data.get("days")
        return timezone.now() + timedelta(days=days) if days else None
