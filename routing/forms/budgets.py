"""The form of a budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from providers import registry
from providers.models import Provider, Tier
from routing.models import ApiKey, Budget, Scope
from routing.money import plain
from routing.snapshot import FLAT_RATE

Choices = list[tuple[Any, Any]]
COLUMNS = {
    Scope.KEY: "api_key_id",
    Scope.USER: "user_id",
    Scope.TEAM: "team_id",
    Scope.PROVIDER: "provider_id",
    Scope.TIER: "tier",
}


class BudgetForm(forms.ModelForm):
    """``whose`` is scope and id in one, such as ``team:3``, so that the two cannot contradict each other. It is fixed
    once the budget is made: what was spent is its first owner's."""

    whose = forms.ChoiceField(
        label=_("for"),
        error_messages={
            "required": _("Say whose budget it is."),
            "invalid_choice": _("There is no such choice any more."),
        },
    )
    field_order = ("whose", "limit_usd", "period", "time_zone", "hard", "notify_at", "enabled")

    class Meta:
        model = Budget
        fields = ("limit_usd", "period", "time_zone", "hard", "notify_at", "enabled")
        widgets = {
            "time_zone": forms.TextInput(
                attrs={"class": "o-ltr", "list": "time-zones", "spellcheck": "false", "autocomplete": "off"}
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        whose: Any = self.fields["whose"]
        if self.instance.pk:
            value = _value(self.instance)
            self.initial["limit_usd"] = plain(self.instance.limit_usd)
            whose.choices = [(value, f"{self.instance.get_scope_display()} {self.instance.subject}".rstrip())]
            whose.initial, whose.disabled = value, True
            whose.help_text = _("To give it to somebody else, make another and delete this one.")
        else:
            whose.choices = [("", "---------"), *everyone()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.instance.pk:
            # A wrong choice is told at its field; the model must not tell it again.
            scope, _colon, id = data.get("whose", Scope.GLOBAL).partition(":")
            self.instance.scope = scope
            if scope in COLUMNS:
                setattr(self.instance, COLUMNS[Scope(scope)], id)
        if "whose" in data and "period" in data and self._taken(data["period"]):
            self.add_error("period", _("There is such a budget for this period already; change that one."))
        return data

    def _taken(self, period: str) -> bool:
        columns = {name: getattr(self.instance, name) for name in ("scope", *COLUMNS.values())}
        found = {
            f"{name}__isnull" if value is None else name: value is None or value for name, value in columns.items()
        }
        return Budget.objects.filter(period=period, **found).exclude(pk=self.instance.pk).exists()


def everyone() -> Choices:
    """All that a budget may be for, in groups."""
    return [(str(Scope.GLOBAL), Scope.GLOBAL.label), *choices_of(*COLUMNS)]


def choices_of(*scopes: Scope, without: Collection[str] = ()) -> Choices:
    """All of some scopes, in groups, but those that are named ``scope:id`` in ``without``."""
    rows: dict[Scope, Callable[[], Iterable[tuple[Any, str]]]] = {
        Scope.TEAM: lambda: ((row.pk, str(row)) for row in Team.objects.all()),
        Scope.USER: lambda: ((row.pk, str(row)) for row in User.objects.filter(is_active=True).order_by("email")),
        Scope.KEY: lambda: ((row.pk, str(row)) for row in ApiKey.objects.order_by("name")),
        Scope.PROVIDER: _providers,
        Scope.TIER: lambda: ((tier, str(label)) for tier, label in Tier.choices if tier not in FLAT_RATE),
    }
    wanted = [(scope, make) for scope, make in rows.items() if scope in scopes]
    named = [(scope.label, [(f"{scope}:{id}", name) for id, name in make()]) for scope, make in wanted]
    found = [(label, [row for row in group if row[0] not in without]) for label, group in named]
    return [(label, group) for label, group in found if group]


def _providers() -> list[tuple[str, str]]:
    """By the names that people read; those of the catalogue's are not in the table."""
    entries = registry.effective_all()
    rows = Provider.objects.all()
    named = [(row.pk, entries[row.pk].name if row.pk in entries else str(row)) for row in rows]
    return sorted(named, key=lambda each: each[1].lower())


def _value(row: Budget) -> str:
    column = COLUMNS.get(Scope(row.scope))
    return f"{row.scope}:{getattr(row, column)}" if column else row.scope
