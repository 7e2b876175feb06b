"""The form of an alias."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from routing.models import Alias

NAME = {"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}


class AliasForm(forms.ModelForm):
    """The model says what an alias may be."""

    class Meta:
        model = Alias
        fields = ("pattern", "target")
        widgets = {"pattern": forms.TextInput(attrs=NAME), "target": forms.TextInput(attrs=NAME)}
        help_texts = {
            "pattern": _("A name, or a pattern: * stands for any run of characters, ? for one."),
            "target": _("provider/model, a combo or another alias."),
        }
