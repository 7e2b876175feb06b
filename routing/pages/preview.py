"""Try a name: what a model name would be answered by now, for somebody a person may ask as. No request is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.models import Team, User
from accounts.permissions import is_site_admin, teams_visible_to
from providers.models import Tier
from routing import keys, publish, spending, words
from routing.levels import Level
from routing.models import ENDPOINTS, ApiKey, Budget, Limit
from routing.names import Rule, rules
from routing.pages.shared import person
from routing.policy_forms import mode_of
from routing.preview import Candidate, NotTheirs, Preview, board_now, caller_of, may_give_address, preview
from routing.resolve import LONGEST_NAME, offered
from routing.snapshot import ANYBODY, Caller, Snapshot

MOST_OFFERED = 2000
TIERS: dict[str, str | Promise] = dict(Tier.choices)


class PreviewForm(forms.Form):
    model = forms.CharField(
        label=_("model name"),
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false", "autocomplete": "off", "list": "names"}),
    )
    key = forms.ModelChoiceField(
        label=_("client key"), queryset=ApiKey.objects.none(), required=False, empty_label=_("none")
    )
    user = forms.ModelChoiceField(
        label=_("user"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("nobody in particular"),
        help_text=_("Without a key: as a new key of this user, in this team, would be answered."),
    )
    team = forms.ModelChoiceField(label=_("team"), queryset=Team.objects.none(), required=False, empty_label=_("none"))
    operation = forms.ChoiceField(
        label=_("asked for"), choices=[(name, words.OPERATIONS[name]) for name in ENDPOINTS], required=False
    )
    address = forms.GenericIPAddressField(
        label=_("address"),
        required=False,
        widget=forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false", "autocomplete": "off"}),
        help_text=_("Where the request comes from. Without one, rules and the limit for addresses are not looked at."),
    )

    def __init__(self, *args: object, by: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices: dict[str, QuerySet[Any]] = {
            "key": keys.visible_to(by).order_by("name"),
            "user": keys.owners_for(by),
            "team": teams_visible_to(by),
        }
        for name, rows in choices.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
        if not is_site_admin(by):
            self.fields["key"].initial = choices["key"].first()
        if not choices["team"].exists():
            del self.fields["team"]
        if not may_give_address(by):
            del self.fields["address"]


class Shown(NamedTuple):
    """One candidate in words. ``state``: asked, later (it rests after a passing failure) or not; ``budgets``: those
    that keep it away."""

    candidate: Candidate
    tier: str
    state: str
    why: str
    budgets: list[Budget]


@require_GET
@login_required
def preview_name(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = PreviewForm(request.GET if "model" in request.GET else None, by=user)
    snapshot = publish.build()
    context: dict[str, object] = {"form": form, "names": _names(snapshot, user)}
    if form.is_valid():
        name, operation = form.cleaned_data["model"], form.cleaned_data["operation"] or ENDPOINTS[0]
        caller = _caller(snapshot, user, form)
        if caller is not None:
            found = preview(snapshot, caller, name, board_now(), operation, form.cleaned_data.get("address", ""))
            context |= {"found": found, "rule": _rule(snapshot, name)}
            context |= _holding(found, caller, form.cleaned_data.get("address", ""))
    return render(request, "routing/preview.html", context)


def _caller(snapshot: Snapshot, by: User, form: PreviewForm) -> Caller | None:
    """Who is meant to ask; None with an error at the field that does not fit."""
    said = form.cleaned_data
    try:
        return caller_of(snapshot, by, said["key"], said["user"], said.get("team"))
    except NotTheirs as wrong:
        form.add_error(wrong.field, str(wrong.words))
        return None


def _rule(snapshot: Snapshot, name: str) -> Rule | None:
    return next(rules(snapshot, name), None)


def _holding(found: Preview, caller: Caller, address: str) -> dict[str, object]:
    """Candidates, limits, budgets and policies, in words and as rows."""
    whose: dict[str, Limit | str] = {spending.live_limit(row).key: row for row in spending.limits_of(caller)}
    limits: dict[str, dict[str, Level]] = {}
    for level in found.limits:
        limits.setdefault(level.key, {})[level.kind] = level
    ids = [stand.budget.id for stand in found.budgets]
    budgets = Budget.objects.select_related("api_key", "user", "team").in_bulk(ids)
    return {
        "candidates": [_candidate(one, found, budgets) for one in found.candidates],
        "limits": [(whose.get(key, address), kinds) for key, kinds in limits.items()],
        "budgets": [budgets[pk] for pk in ids if pk in budgets],
        "policies": [(row, mode_of(row)) for row in found.policies],
    }


def _candidate(one: Candidate, found: Preview, budgets: Mapping[int, Budget]) -> Shown:
    tier = str(TIERS[one.tier])
    if one.rests is None:
        return Shown(one, tier, "asked", "", [])
    model = f"{one.provider}/{one.model}"
    away = [
        budgets[stand.budget.id] for stand in found.budgets if model in stand.keeps_away and stand.budget.id in budgets
    ]
    return Shown(one, tier, "not" if one.rests.hard else "later", words.of_skip(one.rests.code), away)


def _names(snapshot: Snapshot, user: User) -> list[str]:
    """Names for the input to suggest: what the person, or one of their keys, may ask for."""
    having = [] if is_site_admin(user) else keys.visible_to(user)
    found = [caller for key in having if (caller := snapshot.callers.get(key.key_hash)) is not None]
    callers = [*found, ANYBODY if is_site_admin(user) else publish.caller_of(user, None)]
    return sorted({name for caller in callers for name, _owner in offered(snapshot, caller)})[:MOST_OFFERED]
