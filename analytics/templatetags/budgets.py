"""Budgets as a part of pages of other apps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.template import Context

from analytics import budgets
from routing import spending
from routing.models import ApiKey, Budget

register = template.Library()


@register.inclusion_tag("analytics/parts/budgets.html", takes_context=True)
def budgets_on(context: Context, key: ApiKey) -> dict[str, Any]:
    """All budgets that hold for a key on one screen. Those that the person may not see: whether they are used up, for
    a request would tell as much, but no figures."""
    return _rows(context, spending.budgets_on(key))


@register.inclusion_tag("analytics/parts/budgets.html", takes_context=True)
def budgets_among(context: Context, rows: Iterable[Budget]) -> dict[str, Any]:
    """Some budgets, such as a team's."""
    return _rows(context, rows)


def _rows(context: Context, rows: Iterable[Budget]) -> dict[str, Any]:
    user = context["request"].user
    seen = budgets.seen_by(user)
    return {"rows": [(now, now.budget.pk in seen) for now in budgets.standings(rows)], "perms": context["perms"]}
