"""Pages of a provider's connections. Who may change them is said by Django's permissions of the model."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from providers import connections, proxies, registry
from providers.deleting import deletion
from providers.entry import Entry
from providers.forms.connections import BulkForm, ConnectionForm
from providers.models import Connection, Provider, Proxy
from providers.pages.logins import takes_keys
from providers.pages.names import row_page
from providers.probe import Probe

AT_ONCE = connections.TESTS_AT_ONCE  # connections tested while the page waits; more are tested in the background
MOST_DIGITS = 19  # of an id; more than a column holds have at least so many
WAITING = timedelta(minutes=30)  # a test that was queued longer ago was lost


class ConnectionRow(NamedTuple):
    connection: Connection
    fault: str | None  # why it cannot be used, in words
    way: proxies.Way
    waits: bool  # for a test in the background


def connection_rows(row: Provider, entry: Entry, everywhere: Proxy | None) -> list[ConnectionRow]:
    """What the provider's page shows of its connections; ``everywhere``: the global proxy."""
    return [
        ConnectionRow(each, connections.usable_reason(each, entry, way), way, waits(each))
        for each in row.connections.select_related("team", "proxy", "provider__proxy", "grant")
        for way in [proxies.way_of(each, everywhere)]
    ]


def waits(connection: Connection) -> bool:
    """Whether a test in the background is to come."""
    since = connection.testing_since
    return since is not None and since > timezone.now() - WAITING


@login_required
@permission_required("providers.add_connection", raise_exception=True)
def connection_create(request: HttpRequest, provider_id: str) -> HttpResponse:
    row = get_object_or_404(Provider, pk=provider_id)
    if not _takes_keys(row):
        return redirect(row_page(row))
    return _connection_form(request, row, Connection(provider=row), _("Add a connection to %(name)s"))


def _takes_keys(row: Provider) -> bool:
    """Whether there is a key to be given; where not, the provider's page says how it is connected."""
    with suppress(registry.BadProvider):
        return takes_keys(registry.effective_of(row))
    return False


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
    _tell(request, connection, connections.test(connection))
    return redirect(row_page(connection.provider))


@login_required
@permission_required("providers.change_connection", raise_exception=True)
@require_POST
def connections_test(request: HttpRequest) -> HttpResponse:
    """Test those chosen (``pk``), else all of a provider (``provider``), else all there are."""
    rows = Connection.objects.select_related("provider").order_by("provider_id", "priority", "pk")
    provider = request.POST.get("provider", "").replace("\0", "")  # which PostgreSQL does not look for
    if provider:
        rows = rows.filter(provider=get_object_or_404(Provider, pk=provider))
    if chosen := [pk for pk in request.POST.getlist("pk") if pk.isascii() and pk.isdigit() and len(pk) < MOST_DIGITS]:
        rows = rows.filter(pk__in=chosen)
    some = list(rows[: AT_ONCE + 1])
    if len(some) > AT_ONCE:
        count = connections.test_soon(rows)
        told = _("%(count)s connections are tested in the background; the results come in here.")
        messages.info(request, told % {"count": count})
    else:
        for connection, probe in zip(some, connections.test_many(some), strict=True):
            _tell(request, connection, probe)
    return redirect(reverse("providers:detail", args=[provider]) if provider else "providers:list")


def _tell(request: HttpRequest, connection: Connection, probe: Probe) -> None:
    words = {"name": connection.name, "message": probe.message, "ms": probe.latency_ms}
    if probe.ok:
        messages.success(request, _("%(name)s answered in %(ms)s ms. %(message)s") % words)
    else:
        messages.error(request, _("%(name)s did not pass: %(message)s") % words)


@login_required
@permission_required("providers.add_connection", raise_exception=True)
@sensitive_post_parameters("keys")
def connections_add(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Many keys at once; afterwards what became of each, by its number."""
    row = get_object_or_404(Provider, pk=provider_id)
    if not _takes_keys(row):
        return redirect(row_page(row))
    form = BulkForm(request.POST or None, instance=Connection(provider=row))
    context: dict[str, Any] = {"row": row, "back": row_page(row), "title": _("Add several keys")}
    if form.is_valid():
        context |= {"outcomes": form.store(row)}
        return render(request, "providers/keys_added.html", context)
    return render(request, "providers/form.html", context | {"form": form})


@login_required
@permission_required("providers.delete_connection", raise_exception=True)
def connection_delete(request: HttpRequest, pk: int) -> HttpResponse:
    connection = get_object_or_404(Connection.objects.select_related("provider"), pk=pk)
    back = row_page(connection.provider)
    return deletion(
        request,
        connection,
        question=_("Delete the connection %(name)s?") % {"name": connection.name},
        warning=_("Its key is forgotten. Requests go to the provider's other connections."),
        done=_("The connection %(name)s is deleted.") % {"name": connection.name},
        back=back,
    )
