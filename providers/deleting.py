"""The question before something is gone, and its answer: one way for every page that deletes."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _


def deletion(
    request: HttpRequest,
    row: Model,
    *,
    question: str,
    warning: str,
    done: str,
    back: str,
    then: str = "",
    title: str = "",
) -> HttpResponse:
    """Ask; on POST delete the row, say ``done`` and go ``then`` (an address), where it is not ``back``, where who does
    not want to goes. Whether the person may is the view's to say."""
    if request.method == "POST":
        row.delete()
        messages.success(request, done)
        return redirect(then or back)
    context = {
        "title": title or str(row),
        "question": question,
        "warning": warning,
        "action": _("Delete"),
        "back": back,
    }
    return render(request, "parts/confirm.html", context)
