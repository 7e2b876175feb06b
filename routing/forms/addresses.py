"""The form of a rule for addresses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.models import IpRule


class IpRuleForm(forms.ModelForm):
    allow = forms.TypedChoiceField(
        label=_("what"),
        choices=[("0", _("Block")), ("1", _("Allow"))],
        initial="0",
        coerce=lambda value: value == "1",
        widget=forms.RadioSelect,
    )
    until = forms.DateTimeField(
        label=_("until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("UTC. Empty: for good. Only a block can end."),
    )

    class Meta:
        model = IpRule
        fields = ("network", "allow", "until", "reason")
        widgets = {"network": forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"})}
        help_texts = {"reason": _("Of a block: told to those who are refused.")}
        error_messages = {"network": {"required": _("Name an address or a network.")}}

    def clean_until(self) -> Any:
        end = self.cleaned_data["until"]
        if end and end <= timezone.now():
            raise ValidationError(_("This moment is in the past."))
        return end
