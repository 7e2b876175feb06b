"""Client keys: a person's own, those of the teams they own, all for a site administrator."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from providers.deleting import deletion
from routing import keys, spending
from routing.forms.keys import KeyForm, NewKeyForm
from routing.pages.limits import with_levels
from routing.pages.shared import person


@login_required
def key_list(request: HttpRequest) -> HttpResponse:
    context = {"keys": keys.visible_to(person(request)).order_by("-enabled", "-created_at"), "now": timezone.now()}
    return render(request, "routing/keys.html", context)


@login_required
@never_cache
def key_create(request: HttpRequest) -> HttpResponse:
    """The only answer that ever holds the plain key; it is not stored, so it cannot be shown again."""
    form = NewKeyForm(request.POST or None, by=person(request))
    if form.is_valid():
        key, text = form.make()
        return render(request, "routing/key_shown.html", {"key": key, "text": text, "title": _("Your new key")})
    context = {"form": form, "title": _("Make a client key"), "back": reverse("routing:keys")}
    return render(request, "routing/key_form.html", context)


@login_required
def key_edit(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(keys.editable_by(person(request)), pk=pk)
    form = KeyForm(request.POST or None, instance=key, by=person(request))
    if form.is_valid():
        form.save()
        messages.success(request, _("The key %(name)s is saved.") % {"name": key.name})
        return redirect("routing:keys")
    context = {
        "form": form,
        "key": key,
        "limits": with_levels(spending.limits_on(key)),
        "title": _("Change the key %(name)s") % {"name": key.name},
        "back": reverse("routing:keys"),
    }
    return render(request, "routing/key_edit.html", context)


@login_required
@require_POST
def key_switch(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(keys.editable_by(person(request)), pk=pk)
    key.enabled = not key.enabled
    key.save(update_fields=["enabled"])
    said = _("The key %(name)s works again.") if key.enabled else _("The key %(name)s is off.")
    messages.success(request, said % {"name": key.name})
    return redirect("routing:keys")


@login_required
def key_delete(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(keys.editable_by(person(request)), pk=pk)
    return deletion(
        request,
        key,
        title=key.name,
        question=_("Delete the key %(name)s?") % {"name": key.name},
        warning=_("Programs that use it are refused within seconds. The request log keeps its history."),
        done=_("The key %(name)s is deleted.") % {"name": key.name},
        back=reverse("routing:keys"),
    )
