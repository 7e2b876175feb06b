"""The story of one request in a line: what was asked for, what that stood for, who answered or why nobody did."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.models import Result, UsageRecord
from routing.models import Combo


@dataclass(frozen=True, slots=True)
class Story:
    """``combo``: whether the name is a combo's now (the log keeps the name only). ``winner``: provider/model and
    connection; empty when nobody answered. ``failed`` attempts before it, ``skipped`` candidates."""

    asked: str
    combo: bool
    winner: str
    connection: str
    failed: int
    skipped: int
    answered: bool


def story_of(record: UsageRecord) -> Story:
    attempts = record.attempts if isinstance(record.attempts, list) else []
    answered = record.result == Result.OK
    return Story(
        asked=record.requested_model,
        combo=Combo.objects.filter(name=record.requested_model).exists(),
        winner=f"{record.provider}/{record.model}" if record.provider else "",
        connection=record.connection,
        failed=sum(attempt.get("kind") != "ok" for attempt in attempts),
        skipped=len(record.skips) if isinstance(record.skips, list) else 0,
        answered=answered,
    )
