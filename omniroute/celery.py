"""The Celery app, and everything that happens by the clock as one table."""

from __future__ import annotations

from typing import NamedTuple

from celery import Celery
from celery.schedules import crontab, schedule


class Row(NamedTuple):
    """A task and when it runs. What is due while nobody ran catches up at the next start. A run that could not start
    within its own interval is dropped: the next one does the same work."""

    task: str
    when: schedule
    expires: float  # seconds


HOUR = 3600.0

BEAT = (
    Row("analytics.tasks.roll_up", schedule(30.0), 30.0),
    Row("providers.tasks.refresh_quotas", schedule(60.0), 60.0),
    Row("providers.tasks.refresh_expiring", schedule(60.0), 60.0),
    Row("analytics.tasks.notify_budgets", schedule(60.0), 60.0),
    Row("analytics.tasks.prune", crontab(hour="3", minute="20"), 12 * HOUR),
    Row("routing.tasks.prune_health", crontab(hour="3", minute="30"), 12 * HOUR),
    Row("accounts.tasks.clear_expired", crontab(hour="3", minute="40"), 12 * HOUR),
)

app = Celery("omniroute")
app.config_from_object("omniroute.celeryconfig")
app.conf.beat_schedule = {
    row.task: {"task": row.task, "schedule": row.when, "options": {"expires": row.expires}} for row in BEAT
}
app.autodiscover_tasks()
app.set_default()
