"""The page of proxies. Who may see and change them is said by Django's permissions of the model."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from providers import proxytest
from providers.deleting import deletion
from providers.forms.proxies import ProxyForm
from providers.models import Proxy


@login_required
@permission_required("providers.view_proxy", raise_exception=True)
def proxies(request: HttpRequest) -> HttpResponse:
    """Every proxy, who goes through it, and how its last test went."""
    rows = Proxy.objects.annotate(
        of_connections=Count("connections", distinct=True), of_providers=Count("providers", distinct=True)
    )
    return render(request, "providers/proxies.html", {"rows": rows, "title": _("Proxies")})


@login_required
@permission_required("providers.add_proxy", raise_exception=True)
def proxy_create(request: HttpRequest) -> HttpResponse:
    return _form(request, Proxy(), _("Add a proxy"))


@login_required
@permission_required("providers.change_proxy", raise_exception=True)
def proxy_edit(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Proxy, pk=pk)
    return _form(request, row, _("Change %(name)s") % {"name": row})


def _form(request: HttpRequest, row: Proxy, title: str) -> HttpResponse:
    form = ProxyForm(request.POST or None, instance=row)
    if form.is_valid() and form.store():
        messages.success(request, _("The proxy is saved."))
        return redirect("proxies:list")
    context = {"form": form, "title": title, "back": reverse("proxies:list")}
    return render(request, "providers/form.html", context)


@login_required
@permission_required("providers.change_proxy", raise_exception=True)
@require_POST
def proxy_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a provider, and the echo if there is one, through the proxy."""
    row = get_object_or_404(Proxy, pk=pk)
    trial = proxytest.try_out(row)
    words: dict[str, Any] = {"name": row, "message": trial.message, "ms": trial.latency_ms}
    words["exit"] = trial.exit_address or _("unknown")
    if trial.ok:
        messages.success(request, _("%(name)s: %(message)s %(ms)s ms, exit address: %(exit)s.") % words)
    else:
        messages.error(request, _("%(name)s did not pass: %(message)s") % words)
    return redirect("proxies:list")


@login_required
@permission_required("providers.delete_proxy", raise_exception=True)
def proxy_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Only what nobody goes through: else calls would leave another way without anybody having said so."""
    row = get_object_or_404(Proxy, pk=pk)
    if row.connections.exists() or row.providers.exists():
        messages.error(
            request, _("%(name)s is in use; choose another way for those who go through it first.") % {"name": row}
        )
        return redirect("proxies:list")
    warning = _("Whatever went through it because it is for everything is called directly from then on.")
    return deletion(
        request,
        row,
        question=_("Delete the proxy %(name)s?") % {"name": row},
        warning=warning if row.is_global else _("Nothing goes through it now."),
        done=_("%(name)s is deleted.") % {"name": row},
        back=reverse("proxies:list"),
    )
