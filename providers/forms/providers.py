"""Forms of providers: custom ones, and what is overridden of the catalogue's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from providers import catalogue, proxies, registry
from providers.choosing import ALIKE, AMONG_CONNECTIONS, Strategy
from providers.entry import FORMATS
from providers.forms.shared import LTR, ProxyField, lines
from providers.models import Provider, ProviderModel, Tier

YES_NO_UNSET = ((None, _("As in the catalogue")), (True, _("Yes")), (False, _("No")))


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
