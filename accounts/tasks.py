"""Periodic work of the people app."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts import invitations

# Long enough to answer "which link let them in?", short enough to keep few addresses.
KEEP_INVITATIONS = timedelta(days=30)


@shared_task(ignore_result=True)
def clear_expired() -> int:
    """Beat, daily: expired sessions, and invitations that ended a month ago. How many invitations went."""
    call_command("clearsessions")
    return invitations.expired(timezone.now() - KEEP_INVITATIONS).delete()[0]
