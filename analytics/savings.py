"""What the caches did: hits, misses, and what was saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.utils import timezone

from analytics.models import UsageRecord
from routing.caching import Fill, fill

HITS = ("hit", "semantic", "repeated")
DAYS = 30


@dataclass(frozen=True, slots=True)
class Savings:
    """Of the last ``days``. ``hits`` are exact ones, ``semantic`` by meaning, ``repeated`` by Idempotency-Key."""

    fill: Fill
    days: int
    hits: int
    semantic: int
    repeated: int
    misses: int
    tokens_saved: int
    usd_saved: Decimal

    @property
    def rate(self) -> float | None:
        """Share of questions that were answered from the cache; None without any."""
        asked = self.hits + self.semantic + self.misses
        return (self.hits + self.semantic) / asked if asked else None


def savings(days: int = DAYS) -> Savings:
    rows = UsageRecord.objects.filter(started_at__gte=timezone.now() - timedelta(days=days)).exclude(cache="")
    counts = {name: Count("id", filter=Q(cache=name)) for name in (*HITS, "miss")}
    found = rows.aggregate(**counts, tokens=Sum("saved_tokens"), usd=Sum("saved_usd"))
    return Savings(
        fill=fill(),
        days=days,
        hits=found["hit"],
        semantic=found["semantic"],
        repeated=found["repeated"],
        misses=found["miss"],
        tokens_saved=found["tokens"] or 0,
        usd_saved=found["usd"] or Decimal(0),
    )
