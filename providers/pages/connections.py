"""Pages of a provider's connections. Who may change them is said by Django's permissions of the model."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from providers import connections, proxies, registry
from providers.entry import Entry
from providers.forms import ConnectionForm
from providers.models import Connection, Provider, Proxy
from providers.pages.names import row_page


class ConnectionRow(NamedTuple):
    connection: Connection
    fault: str | None  # why it cannot be used, in words
    way: proxies.Way


def connection_rows(row: Provider, entry: Entry, everywhere: Proxy | None) -> list[ConnectionRow]:
    """What the provider's page shows of its connections; ``everywhere`` is the global proxy."""
    return [
        ConnectionRow(c, connections.usable_reason(c, entry, way), way)
        for c in row.connections.select_related("proxy", "provider__proxy")
        for way in [proxies.way_of(c, everywhere)]
    ]


@login_required
@permission_required("providers.add_connection", raise_exception=True)
def connection_create(request: HttpRequest, provider_id: str) -> HttpResponse:
    row = get_object_or_404(Provider, pk=provider_id)
    return _connection_form(request, row, Connection(provider=row), _("Add a connection to %(name)s"))


@login_required
@permission_required("providers.change_connection", raise_exception=True)
def connection_edit(request: HttpRequest, pk: int) -> HttpResponse:
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    return _connection_form(request, connection.provider, connection, _("Change a connection of %(name)s"))


def _connection_form(request: HttpRequest, row: Provider, connection: Connection, title: str) -> HttpResponse:
    try:
        entry = registry.effective_of(row)
        connections.check_open(entry)
    except (registry.BadProvider, connections.BadConnection):
        return redirect(row_page(row))  # it says there what is wrong
    form = ConnectionForm(request.POST or None, instance=connection, entry=entry)
    if form.is_valid() and form.store():
        messages.success(request, _("The connection is saved."))
        return redirect(row_page(row))
    context = {"form": form, "entry": entry, "title": title % {"name": entry.name}, "back": row_page(row)}
    return render(request, "providers/connection_form.html", context)


@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def connection_switch(request: HttpRequest, pk: int) -> HttpResponse:
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    connection.enabled = not connection.enabled
    connection.save(update_fields=["enabled"])
    return redirect(row_page(connection.provider))


@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def connection_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the provider once; what it said is stored with the connection and shown."""
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    probe = connections.test(connection)
    words = {"name": connection.name, "message": probe.message, "ms": probe.latency_ms}
    if probe.ok:
        messages.success(request, _("%(name)s answered in %(ms)s ms. %(message)s") % words)
    else:
        messages.error(request, _("%(name)s did not pass: %(message)s") % words)
    return redirect(row_page(connection.provider))


@login_required
@permission_required("providers.delete_connection", raise_exception=True)
def connection_delete(request: HttpRequest, pk: int) -> HttpResponse:
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    back = row_page(connection.provider)
    if request.method == "POST":
        connection.delete()
        messages.success(request, _("The connection %(name)s is deleted.") % {"name": connection.name})
        return redirect(back)
    context = {
        "title": str(connection),
        "question": _("Delete the connection %(name)s?") % {"name": connection.name},
        "warning": _("Its key is forgotten. Requests go to the provider's other connections."),
        "action": _("Delete"),
        "back": back,
    }
    return render(request, "parts/confirm.html", context)
