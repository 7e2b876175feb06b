"""Combos: the list with how each step stands, the form, templates, the trial."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from providers.deleting import deletion
from routing import combos, publish, trial, words
from routing.blueprints import BLUEPRINTS, blueprint
from routing.forms.combos import EMPTY_ROWS, ComboForm, Row, Steps
from routing.models import Combo, Strategy
from routing.pages.shared import person
from routing.preview import board_now
from routing.resolve import offered
from routing.snapshot import ANYBODY, Snapshot
from routing.standing import Standing, standing

see = permission_required("routing.view_combo", raise_exception=True)
add = permission_required("routing.add_combo", raise_exception=True)
change = permission_required("routing.change_combo", raise_exception=True)
delete = permission_required("routing.delete_combo", raise_exception=True)
MOST_OFFERED = 2000  # names that the form's inputs suggest


class Card(NamedTuple):
    combo: Combo
    sentence: str
    steps: list[Standing]


@require_GET
@login_required
@see
def combo_list(request: HttpRequest) -> HttpResponse:
    snapshot, board = publish.build(), board_now()
    rows = Combo.objects.prefetch_related("steps")
    cards = [
        Card(row, str(words.STRATEGIES[row.strategy]), standing(snapshot, board, combos.steps_of(row))) for row in rows
    ]
    taken = {row.name for row in rows}
    templates = [
        (one, Strategy(one.strategy).label, standing(snapshot, board, one.steps))
        for one in BLUEPRINTS
        if one.name not in taken
    ]
    return render(request, "routing/combos.html", {"cards": cards, "templates": templates})


@login_required
@add
def combo_create(request: HttpRequest) -> HttpResponse:
    """Empty, or as the template says that the address names."""
    plan = blueprint(request.GET.get("template", ""))
    combo = Combo(name=plan.name, strategy=plan.strategy) if plan else Combo()
    steps = Steps.of(plan.steps) if plan else Steps([Row() for _row in range(EMPTY_ROWS)])
    return _form(request, combo, steps, _("New combo"))


@login_required
@change
def combo_edit(request: HttpRequest, pk: int) -> HttpResponse:
    combo = get_object_or_404(Combo.objects.prefetch_related("steps"), pk=pk)
    title = _("Change the combo %(name)s") % {"name": combo.name}
    return _form(request, combo, Steps.of(combos.steps_of(combo)), title)


def _form(request: HttpRequest, combo: Combo, steps: Steps, title: str) -> HttpResponse:
    form = ComboForm(instance=combo)
    if request.method == "POST":
        steps = Steps.posted(request.POST)
        if "arrange" in request.POST:
            steps.arrange(request.POST["arrange"])
            form = ComboForm.typed(request.POST, combo)
        else:
            form = ComboForm(request.POST, instance=combo)
            if _stored(form, steps):
                messages.success(request, _("The combo %(name)s is saved.") % {"name": combo.name})
                return redirect("routing:combos")
    context = {
        "form": form,
        "steps": steps,
        "title": title,
        "strategies": [(value, label, words.STRATEGIES[value]) for value, label in Strategy.choices],
        "strategy": str(form["strategy"].value()),
        "names": _names(publish.build()),
    }
    return render(request, "routing/combo_form.html", context)


def _stored(form: ComboForm, steps: Steps) -> bool:
    """Whether all of it was right and is saved; else form and rows say what is not."""
    valid = form.is_valid()
    found = steps.checked(form.cleaned_data.get("strategy", ""))
    if not valid or found is None:
        return False
    try:
        combos.store_sound(form.save(commit=False), found)
    except combos.BadChain as wrong:
        steps.blame(wrong.steps, wrong.others)
        return False
    return True


def _names(snapshot: Snapshot) -> list[str]:
    """What a step may be, for the inputs to suggest."""
    return sorted({name for name, _owner in offered(snapshot, ANYBODY)})[:MOST_OFFERED]


@require_POST
@login_required
@change
def combo_switch(request: HttpRequest, pk: int) -> HttpResponse:
    combo = get_object_or_404(Combo, pk=pk)
    combo.enabled = not combo.enabled
    combo.save(update_fields=["enabled"])
    said = _("The combo %(name)s answers again.") if combo.enabled else _("The combo %(name)s is off.")
    messages.success(request, said % {"name": combo.name})
    return redirect("routing:combos")


@require_POST
@login_required
@add
def combo_duplicate(request: HttpRequest, pk: int) -> HttpResponse:
    copy = combos.duplicate(get_object_or_404(Combo, pk=pk))
    messages.success(request, _("The copy %(name)s is made.") % {"name": copy.name})
    return redirect("routing:combo_edit", copy.pk)


@login_required
@delete
def combo_delete(request: HttpRequest, pk: int) -> HttpResponse:
    combo = get_object_or_404(Combo, pk=pk)
    return deletion(
        request,
        combo,
        title=combo.name,
        question=_("Delete the combo %(name)s?") % {"name": combo.name},
        warning=_("Requests for its name are refused within seconds, and combos that lead to it lose this step."),
        done=_("The combo %(name)s is deleted.") % {"name": combo.name},
        back=reverse("routing:combos"),
    )


@require_POST
@login_required
@change
def combo_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Sends a tiny chat through each step, so it takes as long as the slowest provider and costs a few tokens."""
    combo = get_object_or_404(Combo.objects.prefetch_related("steps"), pk=pk)
    found = trial.run(combo.name, combo.strategy, combos.steps_of(combo), user_id=person(request).pk)
    return render(request, "routing/combo_trial.html", {"combo": combo, "trial": found, "strategy": combo.strategy})
