"""A provider's models on its page: searched and paged, switched, added by hand, taken over from its live list."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from providers import catalogue, importing, overrides, prices, registry
from providers.entry import Entry, Model, Price
from providers.models import Connection, Provider
from providers.pages.names import row_page
from providers.probe import NoList

ON_A_PAGE = 50


class ModelRow(NamedTuple):
    model: Model
    price: Price | None
    row_id: int | None  # of the operator's own row
    said: tuple[str, ...] = ()  # what that row says of a model of the catalogue


def model_rows(request: HttpRequest, row: Provider, entry: Entry) -> dict[str, Any]:
    """What the provider's page shows of its models: those with the words of ``?models=`` in them, page by page."""
    wanted = request.GET.get("models", "").strip().lower()
    offered = entry.on(timezone.now().date()).models
    found = [model for model in offered.values() if wanted in f"{model.id} {model.name}".lower()]
    page: Page[Any] = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    own = {model.model_id: model for model in row.models.all()}
    known = catalogue.entries().get(row.pk)
    listed = known.models if known and not row.custom else {}
    rows = [
        ModelRow(
            model,
            prices.price_of(entry, model.id),
            own[model.id].pk if model.id in own else None,
            overrides.said_of(own[model.id]) if model.id in own and model.id in listed else (),
        )
        for model in page
    ]
    return {"models": rows, "model_page": page, "model_count": len(offered), "model_words": wanted}


def _entry(row: Provider) -> Entry | None:
    try:
        return registry.effective_of(row)
    except registry.BadProvider:
        return None  # its page says what is wrong


@login_required
@permission_required("providers.change_providermodel", raise_exception=True)
@require_POST
def model_switch(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Turn ``model`` on or off (``enabled``: 1 or 0)."""
    row = get_object_or_404(Provider, pk=provider_id)
    if entry := _entry(row):
        try:
            importing.switch(row, entry, request.POST.get("model", ""), request.POST.get("enabled") == "1")
        except importing.BadModel as wrong:
            messages.error(request, str(wrong))
    return redirect(f"{row_page(row)}?{request.GET.urlencode()}#models")


@login_required
@permission_required("providers.add_providermodel", raise_exception=True)
@require_POST
def model_add(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A model id of the operator's own."""
    row = get_object_or_404(Provider, pk=provider_id)
    if entry := _entry(row):
        try:
            model = importing.add(row, entry, request.POST.get("model", ""))
            messages.success(request, _("The model %(id)s is added.") % {"id": model.model_id})
        except importing.BadModel as wrong:
            messages.error(request, str(wrong))
    return redirect(f"{row_page(row)}#models")


@login_required
@permission_required("providers.add_providermodel", raise_exception=True)
def models_import(request: HttpRequest, provider_id: str) -> HttpResponse:
    """GET asks over which connection; POST fetches the live list and shows it beside ours, or takes ``add`` and
    ``off`` of it over when ``step`` is ``take``."""
    row = get_object_or_404(Provider, pk=provider_id)
    entry = _entry(row)
    if entry is None:
        return redirect(row_page(row))
    context: dict[str, Any] = {
        "row": row,
        "entry": entry,
        "title": _("Import models of %(name)s") % {"name": entry.name},
        "connections": row.connections.filter(enabled=True),
        "back": row_page(row),
        "offered": importing.offered(entry),
    }
    if request.method != "POST":
        return render(request, "providers/models_import.html", context)
    connection = get_object_or_404(Connection, pk=request.POST.get("connection") or 0, provider=row)
    try:
        listed = importing.live(connection)
    except NoList as wrong:
        messages.error(request, _("%(name)s gives no list: %(why)s") % {"name": connection.name, "why": wrong})
        return render(request, "providers/models_import.html", context)
    if request.POST.get("step") == "take":
        return _take(request, row, entry, listed)
    compared = importing.compare(entry, listed)
    states = {state: [each for each in compared if each.state == state] for state in ("new", "gone", "known")}
    return render(request, "providers/models_import.html", {**context, "connection": connection, "states": states})


def _take(request: HttpRequest, row: Provider, entry: Entry, listed: Any) -> HttpResponse:
    added = importing.take_over(row, entry, listed, request.POST.getlist("add"))
    off = [name for name in request.POST.getlist("off") if name in entry.models]
    for name in off:
        importing.switch(row, entry, name, False)
    told = ngettext("%(count)s model is added.", "%(count)s models are added.", added) % {"count": added}
    if off:
        told += " " + ngettext("%(count)s is turned off.", "%(count)s are turned off.", len(off)) % {"count": len(off)}
    messages.success(request, told)
    return redirect(f"{row_page(row)}#models")
