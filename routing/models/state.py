"""What web processes tell each other through the database: health, and the version of the configuration."""

from __future__ import annotations

import time

from django.db import models


class HealthState(models.Model):
    """What is held against a provider, a connection or a model on it, as the web processes found out. One row per
    subject; an old row whose ``until`` is null says that it was lifted."""

    key = models.CharField(max_length=300, primary_key=True)  # routing.board.News.key
    what = models.CharField(max_length=10)
    subject = models.CharField(max_length=80)
    model = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=30, blank=True)
    level = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True)
    words = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()
    probed_until = models.DateTimeField(null=True)  # an open breaker's one probe is under way, at most until then
    number = models.PositiveBigIntegerField(db_index=True)  # of the change, as ConfigVersion.health counts them

    def __str__(self) -> str:
        return self.key


def first_version() -> int:
    """Where the versions of a database begin: at the time, so that one that was emptied or restored never repeats a
    number already seen."""
    return time.time_ns() // 1000


class ConfigVersion(models.Model):
    """Numbers that grow with every change the hot path must see; one row, read by every worker's poll. ``health``
    counts changes of :class:`HealthState`."""

    version = models.PositiveBigIntegerField(default=0)
    health = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)
