"""Try a name: what a model name would be answered by now, for one of the keys a person sees. No request is made."""

from __future__ import annotations

from typing import NamedTuple

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.permissions import is_site_admin
from providers.models import Tier
from routing import keys, publish, words
from routing.models import ApiKey
from routing.pages.shared import person
from routing.preview import Candidate, Preview, board_now, preview
from routing.resolve import LONGEST_NAME, Rule, offered, rules
from routing.snapshot import ANYBODY, Caller, Snapshot

MOST_OFFERED = 2000
TIERS: dict[str, str | Promise] = dict(Tier.choices)


class PreviewForm(forms.Form):
    model = forms.CharField(
        label=_("model name"),
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false", "autocomplete": "off", "list": "names"}),
    )
    key = forms.ModelChoiceField(label=_("client key"), queryset=ApiKey.objects.none(), required=False)

    def __init__(self, *args: object, by: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["key"]
        field.queryset = keys.visible_to(by).order_by("name")  # type: ignore[attr-defined]
        if is_site_admin(by):
            field.empty_label = _("none: nobody's permissions")  # type: ignore[attr-defined]
        else:
            field.required, field.empty_label = True, None  # type: ignore[attr-defined]


class Shown(NamedTuple):
    """One candidate in words. ``state``: asked, later (it rests after a passing failure) or not."""

    candidate: Candidate
    tier: str
    state: str
    why: str


@require_GET
@login_required
def preview_name(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = PreviewForm(request.GET if "model" in request.GET else None, by=user)
    snapshot = publish.build()
    context: dict[str, object] = {"form": form, "names": _names(snapshot, user)}
    if form.is_valid():
        name, key = form.cleaned_data["model"], form.cleaned_data["key"]
        caller = _caller(snapshot, key)
        if caller is not None:
            found = preview(snapshot, caller, name, board_now())
            context |= {"found": found, "key": key, "candidates": _shown(found), "rule": _rule(snapshot, name)}
    return render(request, "routing/preview.html", context)


def _caller(snapshot: Snapshot, key: ApiKey | None) -> Caller | None:
    return ANYBODY if key is None else snapshot.callers.get(key.key_hash)


def _rule(snapshot: Snapshot, name: str) -> Rule | None:
    return next(rules(snapshot, name), None)


def _shown(found: Preview) -> list[Shown]:
    return [_candidate(one) for one in found.candidates]


def _candidate(one: Candidate) -> Shown:
    if one.rests is None:
        return Shown(one, str(TIERS[one.tier]), "asked", "")
    return Shown(one, str(TIERS[one.tier]), "not" if one.rests.hard else "later", words.of_skip(one.rests.code))


def _names(snapshot: Snapshot, user: User) -> list[str]:
    """Names for the input to suggest: what the person's keys may ask for."""
    callers = (
        [ANYBODY]
        if is_site_admin(user)
        else [caller for key in keys.visible_to(user) if (caller := snapshot.callers.get(key.key_hash)) is not None]
    )
    return sorted({name for caller in callers for name, _owner in offered(snapshot, caller)})[:MOST_OFFERED]
