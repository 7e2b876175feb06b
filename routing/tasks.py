"""What the beat runs."""

from __future__ import annotations

from celery import shared_task

from routing import health


@shared_task(ignore_result=True)
def prune_health() -> None:
    """Beat, daily: forget what was held against providers and connections long ago."""
    health.prune()
