"""Policies: seen, made, changed, switched and deleted by those who may."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from providers.deleting import deletion
from routing.models import Policy
from routing.policy_forms import FORMS, mode_of


@login_required
@permission_required("routing.view_policy", raise_exception=True)
def policies(request: HttpRequest) -> HttpResponse:
    rows = [(row, mode_of(row)) for row in Policy.objects.select_related("team", "api_key")]
    return render(request, "routing/policies.html", {"policies": rows, "kinds": Policy.Kind.choices})


@login_required
@permission_required("routing.add_policy", raise_exception=True)
def create(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404
    return _form(request, Policy(kind=kind))


@login_required
@permission_required("routing.change_policy", raise_exception=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, get_object_or_404(Policy, pk=pk))


@login_required
@permission_required("routing.change_policy", raise_exception=True)
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Policy, pk=pk)
    row.enabled = not row.enabled
    row.save(update_fields=["enabled"])
    return redirect("policies:list")


@login_required
@permission_required("routing.delete_policy", raise_exception=True)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Policy, pk=pk)
    return deletion(
        request,
        row,
        question=_("Delete the policy %(name)s?") % {"name": row},
        warning=_("Requests go on without it within a second."),
        done=_("The policy is deleted."),
        back=reverse("policies:list"),
    )


def _form(request: HttpRequest, row: Policy) -> HttpResponse:
    form = FORMS[row.kind](request.POST or None, instance=row)
    if form.is_valid():
        form.save()
        messages.success(request, _("The policy is saved; it holds within a second."))
        return redirect("policies:list")
    context = {"form": form, "title": row.get_kind_display(), "kind": row.kind, "back": reverse("policies:list")}
    return render(request, "routing/policy_form.html", context)
