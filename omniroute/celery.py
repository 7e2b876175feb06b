"""The Celery app, and everything that happens by the clock as one table."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from celery import Celery
from celery.schedules import crontab, schedstate, schedule


class Forgiving:
    """A clock that was ahead and went back: what is said to have run in the future is due, and does not wait for it."""

    def is_due(self: Any, last_run_at: datetime) -> Any:
        if self.maybe_make_aware(last_run_at) > self.now():
            return schedstate(is_due=True, next=1.0)
        return super().is_due(last_run_at)  # type: ignore[misc]


class Every(Forgiving, schedule):
    """Every so many seconds."""


class Daily(Forgiving, crontab):
    """Once a day."""


class Row(NamedTuple):
    """A task and when it runs. What is due while nobody ran catches up at the next start. A run that could not start
    within its own interval is dropped: the next one does the same work."""

    task: str
    when: schedule
    expires: float  # seconds


HOUR = 3600.0

BEAT = (
    Row("analytics.tasks.roll_up", Every(30.0), 30.0),
    Row("providers.tasks.refresh_quotas", Every(60.0), 60.0),
    Row("providers.tasks.refresh_expiring", Every(60.0), 60.0),
    Row("analytics.tasks.notify_budgets", Every(60.0), 60.0),
    Row("analytics.tasks.prune", Daily(hour="3", minute="20"), 12 * HOUR),
    Row("analytics.tasks.close_ledger", Daily(hour="3", minute="25"), 12 * HOUR),
    Row("routing.tasks.prune_health", Daily(hour="3", minute="30"), 12 * HOUR),
    Row("accounts.tasks.clear_expired", Daily(hour="3", minute="40"), 12 * HOUR),
)

app = Celery("omniroute")
app.config_from_object("omniroute.celeryconfig")
app.conf.beat_schedule = {
    row.task: {"task": row.task, "schedule": row.when, "options": {"expires": row.expires}} for row in BEAT
}
app.autodiscover_tasks()
app.set_default()
