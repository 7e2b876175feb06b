"""The limits of a key, a user or a team as fields of a form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from providers.bounds import BIGGEST
from routing import spending
from routing.forms.budgets import choices_of
from routing.models import ApiKey, Limit, Scope

COLUMNS = {Scope.TEAM: "team_id", Scope.USER: "user_id", Scope.KEY: "api_key_id"}
NAMES = ("requests_per_minute", "tokens_per_minute", "parallel")


def _figure(label: Any, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=1, max_value=BIGGEST, help_text=help_text)


class LimitFields(forms.Form):
    """Reads and writes the figures of a Limit; empty ones are no limits."""

    requests_per_minute = _figure(_("requests per minute"), _("Empty: no limit."))
    tokens_per_minute = _figure(
        _("tokens per minute"), _("Input and output together; estimated before, corrected after. Empty: no limit.")
    )
    parallel = _figure(_("requests at the same time"), _("Empty: no limit."))

    def show_limit(self, row: Limit | None) -> None:
        for name in NAMES:
            self.initial.setdefault(name, getattr(row, name, None))

    def take_limit(self, **whose: Any) -> None:
        """Store them for ``api_key``, ``user`` or ``team``."""
        spending.set_limit({name: self.cleaned_data[name] for name in NAMES}, **whose)


class LimitForm(LimitFields):
    """The limits of a user or a team; ``whose`` names which, such as ``team=…``."""

    def __init__(self, *args: Any, whose: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.whose = whose
        self.show_limit(Limit.objects.filter(**whose).first())

    def save(self) -> None:
        self.take_limit(**self.whose)


class NewLimitForm(LimitFields):
    """Limits for whoever has none yet; ``whose`` is scope and id in one, such as ``team:3``."""

    whose = forms.ChoiceField(
        label=_("for"),
        error_messages={
            "required": _("Say whose limits they are."),
            "invalid_choice": _("There is no such choice any more."),
        },
    )
    field_order = ("whose", *NAMES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {":".join(map(str, spending.whose(row))) for row in Limit.objects.all()}
        self.fields["whose"].choices = [("", "---------"), *choices_of(*COLUMNS, without=taken)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not any(data[name] for name in NAMES):
            raise forms.ValidationError(_("Give at least one figure."))
        return data

    def save(self) -> None:
        scope, _colon, id = self.cleaned_data["whose"].partition(":")
        self.take_limit(**{COLUMNS[Scope(scope)]: int(id)})


def limit_of(key: ApiKey) -> Limit | None:
    """What is set for the key itself."""
    return Limit.objects.filter(api_key=key).first() if key.pk else None
