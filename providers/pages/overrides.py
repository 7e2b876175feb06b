"""What a provider's page shows of overrides, and taking them back."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from providers import catalogue, overrides, registry
from providers.models import Provider, ProviderModel
from providers.pages.names import row_page


class OverrideRow(NamedTuple):
    """One field that the operator says: its name as in a catalogue file, its value, and the catalogue's."""

    name: str
    ours: str
    theirs: str


def override_rows(row: Provider) -> list[OverrideRow]:
    base = None if row.custom else catalogue.entries().get(row.pk)
    if base is None:
        return []
    return [
        OverrideRow(
            name,
            _shown(getattr(row, name) if name in overrides.COLUMNS else row.overrides[name]),
            _shown(getattr(base, name)),
        )
        for name in overrides.said(row)
    ]


def _shown(value: Any) -> str:
    """A value as text; empty for none. Tables and lists as JSON, as they are written into an override."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON does not know: read-only tables, sets, and the small records of an entry."""
    if hasattr(value, "items"):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {name: given for name, given in fields.items() if given}
    return str(value)


@login_required
@permission_required("providers.change_provider", raise_exception=True)
@require_POST
def provider_reset(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back to the catalogue's value: the field named in the form, or everything."""
    row = get_object_or_404(Provider, pk=provider_id, custom=False)
    try:
        registry.reset(row, request.POST.getlist("name"))
    except KeyError as unknown:
        raise Http404(str(unknown)) from None
    except registry.BadProvider as wrong:
        messages.error(request, str(wrong))
    else:
        messages.success(request, _("The catalogue's value holds again."))
    return redirect(row_page(row))


@login_required
@permission_required("providers.change_providermodel", raise_exception=True)
@require_POST
def model_reset(request: HttpRequest, pk: int) -> HttpResponse:
    """A model of the catalogue as the catalogue has it: the field named in the form, or everything."""
    model = get_object_or_404(ProviderModel.objects.select_related("provider"), pk=pk)
    if not registry.reset_model(model, request.POST.getlist("name")):
        messages.error(request, _("This model is not in the catalogue; there is nothing to go back to."))
    else:
        messages.success(request, _("The catalogue's value holds again."))
    return redirect(f"{row_page(model.provider)}#models")
