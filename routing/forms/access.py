"""What a key or a team may use, as fields of a form: models, combos, providers, endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from providers.models import Provider
from routing import keys
from routing.models import ENDPOINTS, ApiKey, TeamAccess
from routing.words import OPERATIONS

AREA = {"class": "o-ltr", "rows": 4, "spellcheck": "false"}


class AccessFields(forms.Form):
    """Reads and writes the four columns of an ApiKey or a TeamAccess."""

    patterns = forms.CharField(
        label=_("models"),
        initial="*",
        required=False,
        widget=forms.Textarea(attrs=AREA),
        help_text=_("One pattern a line: * for all, openai/* for one provider, or an exact name. Empty allows none."),
    )
    combos_apart = forms.BooleanField(
        label=_("say apart which combos"),
        required=False,
        help_text=_("Off: the patterns above are held against the names of combos as well."),
    )
    combos = forms.CharField(
        label=_("combos"),
        required=False,
        widget=forms.Textarea(attrs={**AREA, "rows": 3}),
        help_text=_("One pattern over names of combos a line, used when they are said apart. Empty allows none."),
    )
    providers = forms.MultipleChoiceField(
        label=_("providers"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The only ones that may answer. None ticked: all."),
    )
    endpoints = forms.MultipleChoiceField(
        label=_("endpoints"),
        required=False,
        choices=[(name, OPERATIONS[name]) for name in ENDPOINTS],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The only things that may be asked for. None ticked: all."),
    )

    def show_access(self, row: ApiKey | TeamAccess) -> None:
        """Offer the providers that are connected or chosen already; show what the row says."""
        chosen = row.providers if isinstance(row.providers, list) else []
        connected = Provider.objects.filter(connections__isnull=False).values_list("pk", flat=True)
        self.fields["providers"].choices = [(name, name) for name in sorted({*connected, *chosen})]  # type: ignore[attr-defined]
        self.initial.setdefault("patterns", "\n".join(row.model_patterns))
        self.initial.setdefault("combos_apart", row.combo_patterns is not None)
        self.initial.setdefault("combos", "\n".join(row.combo_patterns or ()))
        self.initial.setdefault("providers", chosen)
        self.initial.setdefault("endpoints", row.endpoints)

    def take_access(self, row: ApiKey | TeamAccess) -> None:
        """Write what a valid form says to the row; nothing is saved."""
        data = self.cleaned_data
        row.model_patterns = data["patterns"]
        row.combo_patterns = data["combos"] if data["combos_apart"] else None
        row.providers, row.endpoints = data["providers"], data["endpoints"]

    def clean_patterns(self) -> list[str]:
        return self._lines("patterns")

    def clean_combos(self) -> list[str]:
        return self._lines("combos")

    def _lines(self, name: str) -> list[str]:
        check: Callable[[list[str]], list[str]] = keys.checked_patterns
        try:
            return check(self.cleaned_data[name].splitlines())
        except ValidationError as wrong:
            raise ValidationError(
                [message for messages in wrong.message_dict.values() for message in messages]
            ) from None


class TeamAccessForm(AccessFields):
    """What the keys of a team may use. A row that allows everything is not kept."""

    def __init__(self, *args: Any, row: TeamAccess, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        self.show_access(row)

    def save(self) -> None:
        self.take_access(self.row)
        everything = (self.row.model_patterns, self.row.combo_patterns, self.row.providers, self.row.endpoints) == (
            ["*"], None, [], [],
        )  # fmt: skip
        if not everything:
            self.row.save()
        elif not self.row._state.adding:
            self.row.delete()
