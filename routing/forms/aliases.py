"""The form of an alias."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from routing.models import Alias
from routing.patterns import is_plain

NAME = {"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}


class AliasForm(forms.ModelForm):
    class Meta:
        model = Alias
        fields = ("pattern", "target")
        widgets = {"pattern": forms.TextInput(attrs=NAME), "target": forms.TextInput(attrs=NAME)}
        help_texts = {
            "pattern": _("A name, or a pattern: * stands for any run of characters, ? for one."),
            "target": _("provider/model, a combo or another alias."),
        }

    def clean_pattern(self) -> str:
        return _without_spaces(self.cleaned_data["pattern"])

    def clean_target(self) -> str:
        target = _without_spaces(self.cleaned_data["target"])
        if not is_plain(target):
            raise ValidationError(_("A target is one name: no * and no ?."))
        return target

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "target" in cleaned and cleaned.get("pattern") == cleaned["target"]:
            self.add_error("target", _("An alias must not point at itself."))
        return cleaned


def _without_spaces(name: str) -> str:
    if any(character.isspace() for character in name):
        raise ValidationError(_("A name holds no spaces."))
    return name
