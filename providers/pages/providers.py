"""Pages of providers. Who may see and change them is said by Django's permissions of the models."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from providers import overrides, proxies, registry
from providers.deleting import deletion
from providers.entry import Entry
from providers.forms.providers import CustomProviderForm, OverrideForm
from providers.models import Grant, Provider, Tier
from providers.pages.connections import connection_rows
from providers.pages.logins import offered, takes_keys
from providers.pages.models import model_rows
from providers.pages.names import name_of, row_page
from providers.pages.overrides import override_rows
from providers.quota_pages import accounts


class Card(NamedTuple):
    """A provider on the list, with how many connections it has, how many are on, how many of these failed."""

    row: Provider
    entry: Entry
    total: int
    enabled: int
    failed: int
    ended: int  # of those that are on, how many need a new login


@login_required
@permission_required("providers.view_provider", raise_exception=True)
def providers(request: HttpRequest) -> HttpResponse:
    """Those with connections first, then by tier; what has ended last."""
    wanted = request.GET.get("q", "").strip().lower()
    entries = registry.effective_all()
    rows = Provider.objects.annotate(
        total=Count("connections"),
        active=Count("connections", filter=Q(connections__enabled=True)),
        failed=Count("connections", filter=Q(connections__enabled=True, connections__test_ok=False)),
        ended=Count("connections", filter=Q(connections__enabled=True, connections__grant__state=Grant.State.ENDED)),
    )
    found = [
        Card(row, entries[row.id], row.total, row.active, row.failed, row.ended) for row in rows if row.id in entries
    ]
    cards = [card for card in found if wanted in f"{card.entry.id} {card.entry.alias} {card.entry.name}".lower()]
    cards.sort(key=lambda card: (card.entry.ended is not None, card.entry.name.lower()))
    connected = (_("Connected"), [card for card in cards if card.total])
    unused = [card for card in cards if not card.total]
    tiers = [(label, [card for card in unused if card.entry.tier == tier]) for tier, label in Tier.choices]
    broken = [row for row in rows if row.id not in entries]
    context = {
        "tiers": [pair for pair in (connected, *tiers) if pair[1]],
        "query": wanted,
        "broken": broken,
        "connected": any(row.total for row in rows),
    }
    return render(request, "providers/list.html", context)


@login_required
@permission_required("providers.view_provider", raise_exception=True)
def provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Facts, connections and models of one provider."""
    row = get_object_or_404(Provider, pk=provider_id)
    try:
        entry = registry.effective_of(row)
    except registry.BadProvider as wrong:
        return render(request, "providers/broken.html", {"row": row, "fault": str(wrong), "title": str(row)})
    everywhere, now = proxies.everywhere(), timezone.now()
    connections = connection_rows(row, entry, everywhere)
    context = {
        "row": row,
        "entry": entry,
        "title": entry.name,
        "tier": Tier(entry.tier).label,
        "way": proxies.way_of_provider(row, everywhere),
        "now": now,
        "quotas": accounts(row.connections.all(), now),
        "connections": connections,
        "waiting": sum(each.waits for each in connections),
        **model_rows(request, row, entry),
        "login": offered(entry),
        "takes_keys": takes_keys(entry),
        "overridden": override_rows(row),
        "uncertain": sorted(set(entry.uncertain) - set(overrides.said(row))),
    }
    return render(request, "providers/detail.html", context)


@login_required
@permission_required("providers.change_provider", raise_exception=True)
@require_POST
def provider_switch(request: HttpRequest, provider_id: str) -> HttpResponse:
    row = get_object_or_404(Provider, pk=provider_id)
    row.enabled = not row.enabled
    row.save(update_fields=["enabled"])
    said = _("%(name)s is on.") if row.enabled else _("%(name)s is off: no request goes there.")
    messages.success(request, said % {"name": name_of(row)})
    return redirect("providers:list" if request.POST.get("from") == "list" else row_page(row))


@login_required
@permission_required("providers.add_provider", raise_exception=True)
def provider_create(request: HttpRequest) -> HttpResponse:
    form = CustomProviderForm(request.POST or None)
    if form.is_valid() and form.store():
        messages.success(request, _("The provider is there. It needs a connection before it answers."))
        return redirect(row_page(form.instance))
    context = {"form": form, "title": _("Add a custom provider"), "back": reverse("providers:list")}
    return render(request, "providers/form.html", context)


@login_required
@permission_required("providers.change_provider", raise_exception=True)
def provider_edit(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A custom provider as a whole, or what differs from the catalogue."""
    row = get_object_or_404(Provider, pk=provider_id)
    form: Any = (
        CustomProviderForm(request.POST or None, instance=row)
        if row.custom
        else OverrideForm(request.POST or None, instance=row)
    )
    if form.is_valid() and form.store():
        messages.success(request, _("Saved."))
        return redirect(row_page(row))
    context = {
        "form": form,
        "title": _("Change %(name)s") % {"name": name_of(row)},
        "back": row_page(row),
        "override": not row.custom,
    }
    return render(request, "providers/form.html", context)


@login_required
@permission_required("providers.delete_provider", raise_exception=True)
def provider_delete(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Custom providers only: a catalogue entry is switched off instead."""
    row = get_object_or_404(Provider, pk=provider_id, custom=True)
    return deletion(
        request,
        row,
        question=_("Delete the provider %(name)s?") % {"name": row},
        warning=_("Its connections and their keys are deleted with it. The request log keeps its history."),
        done=_("%(name)s is deleted.") % {"name": row},
        back=row_page(row),
        then=reverse("providers:list"),
    )
