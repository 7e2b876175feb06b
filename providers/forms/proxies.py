"""The form of a proxy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from providers import proxies
from providers.fields import WriteOnlyField
from providers.forms.shared import LTR
from providers.models import Proxy


class ProxyForm(forms.ModelForm):
    """A proxy. Its URL is written only; left empty, the stored one stays."""

    field_order = ("name", "url", "enabled", "is_global", "note")

    class Meta:
        model = Proxy
        fields = ("name", "enabled", "is_global", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        new = self.instance._state.adding
        self.fields["url"] = WriteOnlyField(label=_("URL"), required=new, help_text=self._url_help)
        self.fields["url"].widget.attrs.update(LTR, placeholder="socks5h://user:password@host:1080" if new else "…")
        self.order_fields(self.field_order)

    @property
    def _url_help(self) -> Any:
        if self.instance._state.adding:
            return _("http://, https://, socks5:// or socks5h://, with user and password if needed.")
        return _("A URL is stored. Leave this empty to keep it.")

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "is_global"}  # type: ignore[misc]  # storing moves the place

    def store(self) -> bool:
        """Save what was typed; False when the URL is refused, and then the form says why."""
        try:
            proxies.save(self.instance, self.cleaned_data["url"] or None)
        except proxies.BadProxy as wrong:
            self.add_error(wrong.field if wrong.field in self.fields else None, str(wrong))
            return False
        return True
