"""Forms of the pages where people log in at vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.apps import apps
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers import connections, opening, registry
from providers.forms.shared import LTR, ProxyField
from providers.logins.flow import Flow
from providers.models import Connection

METHODS: Mapping[str, Promise] = {
    "browser": _("In the browser"),
    "device": _("With a code typed at the vendor's page"),
    "import": _("With a token you already have"),
    "builder_id": _("AWS Builder ID"),
    "organization": _("AWS IAM Identity Center of an organization"),
    "google": _("Google account"),
    "github": _("GitHub account"),
}


class LoginForm(forms.Form):
    """How to log in, and that the vendor's restriction was read."""

    method = forms.ChoiceField(label=_("How"))
    start_url = forms.CharField(
        label=_("start page of the organization"), required=False, help_text=_("Only for an organization of AWS.")
    )
    region = forms.CharField(label=_("region of the organization"), required=False)
    label = forms.CharField(
        label=_("name"),
        required=False,
        max_length=100,
        help_text=_("Under which the connection is listed; empty: the account's e-mail address."),
    )
    team: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=_("team"),
        queryset=None,
        required=False,
        empty_label=_("Everyone"),
        help_text=_("Only client keys of this team use it. Empty: everyone."),
    )
    tags = forms.CharField(label=_("tags"), required=False, help_text=_("Words with spaces between, to find it by."))
    proxy = ProxyField(
        _("As the provider says"), help_text=_("For this login and everything the connection does afterwards.")
    )
    accept = forms.BooleanField(label=_("I have read this and accept it"))

    def __init__(self, data: Any = None, *, flow: Flow, connection: Connection | None) -> None:
        super().__init__(data)
        asked = {name for method in flow.methods for name in method.asks}
        method: Any = self.fields["method"]
        method.choices = [(each.id, METHODS.get(each.id, each.id)) for each in flow.methods]
        team: Any = self.fields["team"]
        team.queryset = apps.get_model("accounts.Team")._default_manager.all()
        settled = {"label", "team", "tags", "proxy"} if connection else set()
        for name in ({"start_url", "region"} - asked) | settled:
            del self.fields[name]
        if len(flow.methods) == 1:
            method.widget, self.initial["method"] = forms.HiddenInput(), flow.methods[0].id
        for name in {"start_url", "region"} & set(self.fields):
            self.fields[name].widget.attrs.update(LTR)
        if "region" in self.fields:
            self.initial["region"] = "us-east-1"

    def clean_tags(self) -> list[str]:
        try:
            return connections.check_tags(self.cleaned_data["tags"].split())
        except connections.BadConnection as wrong:
            raise forms.ValidationError(str(wrong)) from None


class PasteForm(forms.Form):
    """The final address, or a token. Never shown again."""

    pasted = forms.CharField(
        label=_("Paste it here"),
        max_length=65536,
        widget=forms.Textarea(attrs={**LTR, "rows": 4}),
        required=False,
    )


class PreambleForm(forms.ModelForm):
    """The switch of one connection, off by default."""

    class Meta:
        model = Connection
        fields = ("adds_preamble", "preamble")
        widgets = {"preamble": forms.Textarea(attrs={"rows": 3, "dir": "auto"})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        entry = registry.effective_of(self.instance.provider)
        text, adds = cleaned.get("preamble") or "", bool(cleaned.get("adds_preamble"))
        if wrong := opening.fault(entry, text, adds):
            self.add_error(*wrong)
        return cleaned
