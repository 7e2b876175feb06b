"""Forms of connections: one, or many keys at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from providers import bulk, connections, grants, proxies, registry
from providers.auth import secrets
from providers.entry import Entry
from providers.fields import WriteOnlyField
from providers.forms.shared import LTR, ProxyField, allow_empty_pace, cleaned_tags, keep_pace
from providers.models import Connection, Provider


class ConnectionForm(forms.ModelForm):
    """A credential of one provider. The secret is written only; left empty, the stored one stays."""

    field_order = ("name", "secret", "priority", "enabled", "team", "tags", "proxy", *connections.PACE)
    tags = forms.CharField(label=_("tags"), required=False, help_text=_("Words with spaces between, to find it by."))

    class Meta:
        model = Connection
        fields = ("name", "priority", "enabled", "team", *connections.PACE)

    proxy = ProxyField(_("As the provider says"))

    def __init__(self, *args: Any, entry: Entry, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entry = entry
        self._add_parameters()
        if grants.grant_of(self.instance) is not None:
            pass  # the login is its credential
        elif entry.auth in secrets.PARTS:
            self._add_parts()
        elif entry.takes_secret:
            self.fields["secret"] = WriteOnlyField(
                label=_("API key"), required=self._needs_secret, help_text=self._secret_help
            )
            self.fields["secret"].widget.attrs.update(
                LTR, placeholder="…" if self.instance.secret else entry.key_prefix
            )
        self.order_fields(("name", "secret", *self._parts.values(), *self._values.values(), *self.field_order))
        allow_empty_pace(self)
        team: Any = self.fields["team"]
        team.empty_label = _("Everyone")
        self.initial["tags"] = " ".join(self.instance.tags)
        if not self.instance.pk:
            self.initial["name"] = _("main")
        self.initial["proxy"] = proxies.written(self.instance)

    @property
    def _values(self) -> dict[str, str]:
        """The provider's parameters → the names of their fields."""
        return {parameter.name: f"parameter_{parameter.name}" for parameter in self.entry.parameters}

    @property
    def _parts(self) -> dict[str, str]:
        """The parts of a secret that is made of several → the names of their fields."""
        return {part.name: f"secret_{part.name}" for part in secrets.PARTS.get(self.entry.auth, ())}

    def _add_parameters(self) -> None:
        for parameter in self.entry.parameters:
            name = self._values[parameter.name]
            self.fields[name] = forms.CharField(
                label=_(parameter.label), required=parameter.required and not parameter.default, max_length=200
            )
            self.fields[name].widget.attrs.update(LTR, placeholder=parameter.default or parameter.example)
            self.initial[name] = self.instance.parameters.get(parameter.name, "")

    def _add_parts(self) -> None:
        """Written only, each of them; left empty together, the stored secret stays."""
        for number, part in enumerate(secrets.PARTS[self.entry.auth]):
            field: Any = WriteOnlyField(
                label=part.label,
                required=self._needs_secret and len(self._parts) == 1,
                help_text=self._secret_help if number == 0 else "",
            )
            if part.lines:
                field.widget = forms.Textarea(attrs={"rows": 6})
            field.widget.attrs.update(LTR, placeholder="…" if self.instance.secret else "")
            self.fields[self._parts[part.name]] = field

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        keep_pace(self, cleaned)
        if self._parts:
            cleaned["secret"] = self._joined(cleaned)
        return cleaned

    def _joined(self, cleaned: Any) -> str | None:
        try:
            secret = secrets.joined(
                self.entry.auth, {part: cleaned.get(name) or "" for part, name in self._parts.items()}
            )
        except secrets.BadSecret as wrong:
            self.add_error(self._parts.get(wrong.field) or next(iter(self._parts.values())), str(wrong))
            return None
        if not secret and self._needs_secret and not self.errors:
            self.add_error(next(iter(self._parts.values())), _("A key is needed."))
        return secret or None

    @property
    def _needs_secret(self) -> bool:
        return self.entry.needs_secret and not self.instance.secret

    @property
    def _secret_help(self) -> Any:
        if self.instance.secret:
            return _("A key is stored. Leave this empty to keep it.")
        if self.entry.takes_secret and not self.entry.needs_secret:
            return _("Only if this server asks for one. Stored encrypted, never shown again.")
        return _("Stored encrypted, never shown again.")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        others = Connection.objects.filter(provider_id=self.entry.id, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise forms.ValidationError(_("This provider has a connection of that name already."))
        return name

    def clean_tags(self) -> list[str]:
        return cleaned_tags(self.cleaned_data["tags"])

    @transaction.atomic
    def store(self) -> bool:
        """Save what was typed; False when the secret is refused, and then the form says why."""
        self.instance.tags = self.cleaned_data["tags"]
        proxies.choose(self.instance, self.cleaned_data["proxy"])
        try:
            given = {name: self.cleaned_data.get(field) or "" for name, field in self._values.items()}
            connections.set_parameters(self.instance, given)
            if secret := self.cleaned_data.get("secret"):
                connections.set_secret(self.instance, secret)
        except (connections.BadConnection, registry.BadProvider) as wrong:
            field = self._values.get(str(wrong).partition(":")[0].partition(" ")[0], wrong.field)
            self.add_error(field if field in self.fields else None, str(wrong))
            return False
        self.instance.save()
        return True


class BulkForm(forms.ModelForm):
    """Keys, one a line, and what holds for all of them. What was typed is never shown again."""

    keys = WriteOnlyField(
        label=_("API keys"),
        help_text=_("One a line; a name may stand before the key, with a space between."),
        widget=forms.Textarea(attrs={**LTR, "rows": 8}),
    )
    tags = forms.CharField(label=_("tags"), required=False, help_text=_("Words with spaces between, to find it by."))
    proxy = ProxyField(_("As the provider says"))
    field_order = ("keys", "priority", "enabled", "team", "tags", "proxy")

    class Meta:
        model = Connection
        fields = ("priority", "enabled", "team")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        team: Any = self.fields["team"]
        team.empty_label = _("Everyone")

    def clean_tags(self) -> list[str]:
        return cleaned_tags(self.cleaned_data["tags"])

    def clean_keys(self) -> list[bulk.Key]:
        """The keys; from here on the form holds them no more, not even when it is shown with its errors."""
        keys = bulk.keys_in(self.cleaned_data["keys"])
        if len(keys) > bulk.MOST_KEYS:
            raise forms.ValidationError(_("At most %(limit)s keys at once.") % {"limit": bulk.MOST_KEYS})
        return keys

    def store(self, provider: Provider) -> list[bulk.Outcome]:
        """Add what can be added."""
        said = {name: self.cleaned_data[name] for name in ("priority", "enabled", "team", "tags", "proxy")}
        return bulk.add_many(provider, self.cleaned_data["keys"], **said)
