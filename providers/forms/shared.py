"""What several of the forms need."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from providers import connections, proxies
from providers.models import Proxy

LTR = {"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}


def lines(text: str) -> list[str]:
    """The non-empty lines of a text, each once, in order."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


class ProxyField(forms.ChoiceField):
    """What a provider or connection says of its proxy, as ``proxies.choose`` takes it."""

    def __init__(self, wider: Any, **kwargs: Any) -> None:
        self.wider = wider  # what an empty choice means
        super().__init__(label=_("Proxy"), required=False, choices=self.offered, **kwargs)

    def offered(self) -> list[tuple[str, Any]]:
        named = [(row.name, f"{row.name} ({row.address})") for row in Proxy.objects.all()]
        return [("", self.wider), (proxies.DIRECT, _("Directly, through no proxy")), *named]


def cleaned_tags(text: str) -> list[str]:
    """Tags from a line of words. Raises ValidationError."""
    try:
        return connections.check_tags(text.replace(",", " ").split())
    except connections.BadConnection as wrong:
        raise forms.ValidationError(str(wrong)) from None


def allow_empty_pace(form: forms.ModelForm) -> None:
    """How often a connection is asked need not be said."""
    for name in connections.PACE:
        form.fields[name].required = False


def keep_pace(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:
    """What was left empty stays as it was, but for the reserve, which then is the settings'."""
    for name in connections.PACE:
        if name != "quota_reserve" and cleaned.get(name) is None and name not in form.errors:
            cleaned[name] = getattr(form.instance, name)
