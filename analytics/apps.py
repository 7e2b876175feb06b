from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AnalyticsConfig(AppConfig):
    name = "analytics"
    verbose_name = _("Analytics")

    def ready(self) -> None:
        from analytics.budgets import seen_by, spent_now
        from analytics.ledger import standing
        from routing import till, trial

        till.go_by(spent_now, seen_by)
        trial.tried.connect(_keep, dispatch_uid="trials of combos")
        trial.go_by(standing)


def _keep(outcomes: Any, **kwargs: Any) -> None:
    """What a trial of a combo asked is in the log, with its cost."""
    from analytics.estimates import counted
    from analytics.record import store

    store([counted(outcome) for outcome in outcomes])
