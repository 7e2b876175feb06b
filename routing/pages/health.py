"""What is held against providers, connections and models now, over all processes; one click lifts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from providers.failures import CONSEQUENCES
from providers.models import Connection
from routing import health, words
from routing.models import HealthState

TERMINAL = frozenset(str(kind) for kind, follows in CONSEQUENCES.items() if follows.terminal)


class Held(NamedTuple):
    """``scope``: provider, connection or model; ``state``: breaker, terminal or rest."""

    row: HealthState
    provider: str
    connection: str
    scope: str
    state: str
    why: str
    seconds: float


class Summary(NamedTuple):
    provider: str
    breakers: int
    terminal: int
    rests: int
    back: Held  # what ends first


@require_GET
@login_required
@permission_required("routing.view_healthstate", raise_exception=True)
def health_list(request: HttpRequest) -> HttpResponse:
    held = _held()
    return render(request, "routing/health.html", {"held": held, "providers": _summaries(held)})


@require_POST
@login_required
@permission_required("routing.change_healthstate", raise_exception=True)
def health_reset(request: HttpRequest) -> HttpResponse:
    """``key`` once or more; ``all`` for everything."""
    keys = None if "all" in request.POST else request.POST.getlist("key")
    lifted = health.reset(keys)
    said = ngettext("%(count)s state is lifted.", "%(count)s states are lifted.", lifted) % {"count": lifted}
    messages.success(request, said if lifted else _("Nothing was held any more."))
    return redirect("routing:health")


def _held() -> list[Held]:
    """Without what is held against connections that are gone."""
    rows = health.held()
    ids = [int(row.subject[1:]) for row in rows if row.subject.startswith("#")]
    names = {pk: (provider, name) for pk, provider, name in _connections(ids)}
    found = (_row(row, names) for row in rows)
    return [one for one in found if one is not None]


def _connections(ids: list[int]) -> list[tuple[int, str, str]]:
    return list(Connection.objects.filter(pk__in=ids).values_list("pk", "provider_id", "name"))


def _row(row: HealthState, names: Mapping[int, tuple[str, str]]) -> Held | None:
    provider, connection = row.subject, ""
    if row.subject.startswith("#"):
        place = names.get(int(row.subject[1:]))
        if place is None:
            return None
        provider, connection = place
    scope = "model" if row.model else "connection" if connection else "provider"
    seconds = (row.until - timezone.now()).total_seconds() if row.until else 0.0
    why = str(words.SKIPS["breaker_open"]) if row.what == "breaker" else words.of_attempt(row.kind)
    return Held(row, provider, connection, scope, _state(row), why, max(seconds, 0.0))


def _state(row: HealthState) -> str:
    if row.what == "breaker":
        return "breaker"
    return "terminal" if row.kind in TERMINAL else "rest"


def _summaries(held: list[Held]) -> list[Summary]:
    """The providers that anything is held against, those with most of it first."""
    of: dict[str, list[Held]] = {}
    for one in held:
        of.setdefault(one.provider, []).append(one)
    found = []
    for provider, rows in of.items():
        states = Counter(one.state for one in rows)
        first = min(rows, key=lambda one: one.seconds)
        found.append(Summary(provider, states["breaker"], states["terminal"], states["rest"], first))
    return sorted(found, key=lambda one: (-one.breakers - one.terminal - one.rests, one.provider))
