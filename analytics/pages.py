"""The request log: what a person may see of it, filtered, newest first, and one request in full."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _

from analytics import reports
from analytics.combos import MOST, figures
from analytics.models import Result, UsageRecord
from analytics.story import story_of
from routing.models import Combo

PAGE = 50
WINDOWS = ((24, _("24 hours")), (24 * 7, _("7 days")))


class Filters(forms.Form):
    """All optional. ``before`` is the id the page begins under: pages are keyed, so deep ones cost no more."""

    text = forms.CharField(label=_("Text"), required=False, max_length=100)
    result = forms.ChoiceField(label=_("Result"), required=False, choices=[("", _("All")), *Result.choices])
    provider = forms.CharField(label=_("Provider"), required=False, max_length=60)
    model = forms.CharField(label=_("Model"), required=False, max_length=200)
    key = forms.CharField(label=_("Key"), required=False, max_length=100)
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    def apply(self, records: QuerySet[UsageRecord]) -> QuerySet[UsageRecord]:
        """The records that fit; a filter that is not valid narrows nothing."""
        wanted: dict[str, Any] = {name: value for name, value in self.cleaned_data.items() if value}
        if text := wanted.pop("text", None):
            records = records.filter(
                Q(request_id__istartswith=text) | Q(requested_model__icontains=text) | Q(error_message__icontains=text)
            )
        fields = {
            "result": "result",
            "provider": "provider__iexact",
            "model": "model__icontains",
            "key": "key_name__icontains",
        }
        records = records.filter(**{fields[name]: value for name, value in wanted.items() if name in fields})
        return records.filter(id__lt=wanted["before"]) if "before" in wanted else records


@login_required
def requests(request: HttpRequest) -> HttpResponse:
    form = Filters(request.GET)
    form.is_valid()
    found = list(form.apply(reports.visible_to(request.user)).order_by("-id")[: PAGE + 1])
    context = {
        "form": form,
        "records": found[:PAGE],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "paged": bool(form.cleaned_data.get("before")),
        "filtered": any(value for name, value in form.cleaned_data.items() if name != "before"),
    }
    return render(request, "analytics/requests.html", context)


@login_required
def request_detail(request: HttpRequest, request_id: str) -> HttpResponse:
    record = get_object_or_404(reports.visible_to(request.user), request_id=request_id)
    return render(request, "analytics/request.html", {"record": record, "story": story_of(record)})


@login_required
@permission_required("routing.view_combo", raise_exception=True)
@permission_required("analytics.view_usagerecord", raise_exception=True)
def combo(request: HttpRequest, pk: int) -> HttpResponse:
    """What each step of a combo did, over everybody's requests."""
    row = get_object_or_404(Combo.objects.prefetch_related("steps"), pk=pk)
    hours = next((hours for hours, _label in WINDOWS if str(hours) == request.GET.get("hours")), WINDOWS[0][0])
    context = {"combo": row, "found": figures(row, hours), "hours": hours, "windows": WINDOWS, "most": MOST}
    return render(request, "analytics/combo.html", context)
