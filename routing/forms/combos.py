"""A combo's form: its fields, and its steps as rows that can be moved without a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _

from routing import combos
from routing.models import Combo, Strategy

MOST_STEPS = 100
EMPTY_ROWS = 2  # of a new combo


@dataclass(slots=True)
class Row:
    """One step as somebody typed it."""

    model: str = ""
    weight: str = "1"
    error: str = ""


class Steps:
    """The rows of a combo's steps. From a post: the repeated fields ``step_model`` and ``step_weight``."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = list(rows)
        self.error = ""

    @classmethod
    def of(cls, steps: Iterable[combos.Step]) -> Steps:
        return cls(Row(step.model, str(step.weight)) for step in steps)

    @classmethod
    def posted(cls, data: QueryDict) -> Steps:
        models, weights = data.getlist("step_model")[:MOST_STEPS], data.getlist("step_weight")
        weights += ["1"] * (len(models) - len(weights))
        return cls(Row(model.strip(), weight.strip()) for model, weight in zip(models, weights, strict=False))

    def arrange(self, what: str) -> None:
        """``add``, or ``up``, ``down`` or ``remove`` and a row's number after a hyphen; anything else does nothing."""
        action, _hyphen, number = what.partition("-")
        at = int(number) if number.isascii() and number.isdigit() else -1
        if action == "add" and len(self.rows) < MOST_STEPS:
            self.rows.append(Row())
        elif 0 <= at < len(self.rows):
            row = self.rows.pop(at)
            if action != "remove":
                self.rows.insert(max(at + {"up": -1, "down": 1}.get(action, 0), 0), row)

    def checked(self, strategy: str) -> list[combos.Step] | None:
        """The steps; None when a row is wrong, which then says why. Rows without a model are left out."""
        self.rows = [row for row in self.rows if row.model]
        for row in self.rows:
            row.error = _fault(row)
        if not self.rows and strategy != Strategy.TIERS:
            self.error = _("A combo needs at least one step.")
        if self.error or any(row.error for row in self.rows):
            return None
        return [combos.Step(row.model, int(row.weight)) for row in self.rows]

    def blame(self, steps: Mapping[str, str], others: Iterable[str]) -> None:
        """Show what is wrong with the chains at the steps they begin with."""
        for row in self.rows:
            row.error = steps.get(row.model, row.error)
        self.error = " ".join(others)


def _fault(row: Row) -> str:
    try:
        combos.check_step(combos.Step(row.model))
    except ValidationError:
        return _("A model is a name of at most 260 characters without spaces.")
    if not (row.weight.isascii() and row.weight.isdigit() and int(row.weight) <= 100):
        return _("A weight is a whole number from 0 to 100.")
    return ""


class ComboForm(forms.ModelForm):
    """The fields of a combo beside its steps."""

    class Meta:
        model = Combo
        fields = ("name", "strategy", "sticky", "enabled", "grants_steps")
        widgets = {
            "name": forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}),
            "strategy": forms.RadioSelect,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["strategy"].choices = Strategy.choices  # type: ignore[attr-defined]

    @classmethod
    def typed(cls, data: QueryDict, instance: Combo) -> ComboForm:
        """What somebody has typed so far, not judged yet."""
        switches = {name: name in data for name in ("enabled", "grants_steps")}
        words = {name: data.get(name, "") for name in ("name", "strategy", "sticky")}
        return cls(instance=instance, initial={**words, **switches})
