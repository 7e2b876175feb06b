"""Forms of the provider pages. They check what people type; the services decide and save."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from providers import bulk, catalogue, connections, grants, proxies, registry
from providers.auth import secrets
from providers.choosing import ALIKE, AMONG_CONNECTIONS, Strategy
from providers.entry import FORMATS, Entry
from providers.fields import WriteOnlyField
from providers.models import Connection, Provider, ProviderModel, Proxy, Tier

LTR = {"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}
YES_NO_UNSET = ((None, _("As in the catalogue")), (True, _("Yes")), (False, _("No")))


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


class _ProviderForm(forms.ModelForm):
    """What custom providers and overrides share: the registry checks the row and saves it."""

    proxy = ProxyField(_("As everywhere"), help_text=_("A connection may say otherwise."))
    strategy = forms.ChoiceField(label=_("choice among connections"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = [(value, label) for value, label in Strategy.choices if value == self.instance.strategy in ALIKE]
        choices: Any = [("", _("As in the gateway's settings")), *AMONG_CONNECTIONS, *stored]
        self.fields["strategy"].choices = choices  # type: ignore[attr-defined]
        self.initial["proxy"] = proxies.written(self.instance)

    def store(self) -> bool:
        """Save what was typed; False when the registry refuses it, and then the form says why."""
        proxies.choose(self.instance, self.cleaned_data["proxy"])
        try:
            registry.save_provider(self.instance)
        except registry.BadProvider as wrong:
            self.add_error(wrong.field if wrong.field in self.fields else None, str(wrong))
            return False
        return True


class CustomProviderForm(_ProviderForm):
    """A provider of the operator's own; ``models`` is one model id a line."""

    format = forms.ChoiceField(label=_("format"), choices=[(name, name) for name in FORMATS], initial="openai_chat")
    tier = forms.ChoiceField(label=_("tier"), choices=Tier.choices, initial=Tier.API_KEY)
    allow_private_network = forms.BooleanField(
        label=_("may be on a private network"),
        required=False,
        help_text=_("Needed for loopback, private and link-local addresses."),
    )
    any_model = forms.BooleanField(
        label=_("forward any model name"),
        required=False,
        help_text=_("Names that are not listed go upstream as they are."),
    )
    model_ids = forms.CharField(
        label=_("models"),
        required=False,
        help_text=_("One model id a line. Prices are set afterwards, on the provider's page."),
        widget=forms.Textarea(attrs={**LTR, "rows": 5}),
    )

    class Meta:
        model = Provider
        fields = (
            "id",
            "name",
            "alias",
            "format",
            "base_url",
            "tier",
            "transport",
            "allow_private_network",
            "any_model",
            "strategy",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = self.fields["base_url"].required = True
        for name in ("id", "alias", "base_url"):
            self.fields[name].widget.attrs.update(LTR)
        self.fields["id"].help_text = _("Stands before the slash in model names; it cannot be changed later.")
        if self.instance.pk:
            del self.fields["id"]
            self.fields["model_ids"].initial = "\n".join(self.instance.models.values_list("model_id", flat=True))

    def clean_model_ids(self) -> list[str]:
        ids = lines(self.cleaned_data["model_ids"])
        longest = ProviderModel._meta.get_field("model_id").max_length or 0
        if any(len(name) > longest or not name.isprintable() for name in ids):
            raise forms.ValidationError(_("A model id is at most %(limit)s printable characters.") % {"limit": longest})
        return ids

    @transaction.atomic
    def store(self) -> bool:
        """As above; the models follow the text: new lines are added, missing ones are gone, prices of the rest stay."""
        if not super().store():
            return False
        wanted = self.cleaned_data["model_ids"]
        stored = {model.model_id: model for model in self.instance.models.all()}
        for name in wanted:
            if name not in stored:
                ProviderModel.objects.create(provider=self.instance, model_id=name)
        for name, model in stored.items():
            if name not in wanted:
                model.delete()
        return True


class OverrideForm(_ProviderForm):
    """What the operator says differently from the catalogue; empty means as in the catalogue."""

    allow_private_network = forms.TypedChoiceField(
        label=_("may be on a private network"),
        choices=YES_NO_UNSET,
        required=False,
        empty_value=None,
        coerce=lambda value: value == "True",
    )
    any_model = forms.TypedChoiceField(
        label=_("forward any model name"),
        choices=YES_NO_UNSET,
        required=False,
        empty_value=None,
        coerce=lambda value: value == "True",
    )

    class Meta:
        model = Provider
        fields = (
            "name", "alias", "base_url", "tier", "allow_private_network", "any_model", "transport", "operations",
            "overrides",
            "strategy",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tier"].choices = [("", YES_NO_UNSET[0][1]), *Tier.choices]  # type: ignore[attr-defined]
        for name in ("operations", "overrides"):
            self.fields[name].widget.attrs["rows"] = 4
        if entry := catalogue.entries().get(self.instance.pk):
            for name in ("name", "alias", "base_url"):
                self.fields[name].widget.attrs["placeholder"] = getattr(entry, name)
        for name in ("alias", "base_url", "operations", "overrides"):
            self.fields[name].widget.attrs.update(LTR)
        if len(self.addresses) > 1:
            self.fields["base_url"].widget.attrs["list"] = "addresses"
        self.fields["base_url"].help_text = _(
            "Another address needs its keys again: a stored key is never sent anywhere but where it was given for."
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The base URLs to choose from; another may be typed."""
        return registry.addresses_of(self.instance)

    def clean_operations(self) -> Any:
        return self.cleaned_data["operations"] or {}

    def clean_overrides(self) -> Any:
        return self.cleaned_data["overrides"] or {}
