"""Money and the spans it is counted over. Pure.

Live counters hold whole units of 1e-10 USD, as exact as a usage row's cost: sums of either are the same number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

UNIT = Decimal("1e-10")  # USD
MOST_USD = Decimal(10**8 - 1)  # of one request; a cost beyond that is somebody's mistake
PERIODS = ("daily", "weekly", "monthly", "total")
Span = tuple[datetime, datetime | None]
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # of a budget that never begins again


def charged(usd: Decimal | None) -> Decimal:
    """What a cost counts: exact to the unit, nothing when it is unknown."""
    return min(usd, MOST_USD).quantize(UNIT, ROUND_HALF_EVEN) if usd is not None else Decimal(0)


def units(usd: Decimal) -> int:
    """Whole units of an amount, rounded up: a reservation is never too small."""
    return int(usd.scaleb(10).to_integral_value(ROUND_CEILING))


def usd(amount: int) -> Decimal:
    """An amount in units, as USD."""
    return Decimal(amount).scaleb(-10)


def span(period: str, zone: ZoneInfo, now: datetime) -> Span:
    """Begin and end of the day, week (from Monday) or month around ``now`` in a time zone; ``total`` has no end."""
    if period == "total":
        return BEGINNING, None
    local = now.astimezone(zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if period == "weekly":
        begin -= timedelta(days=begin.weekday())
        end = begin + timedelta(days=7)
    elif period == "monthly":
        begin = begin.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        end = begin + timedelta(days=1)
    return _instant(begin, zone), _instant(end, zone)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time; of one that a clock change leaves out, the first after it."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


class Spans:
    """Spans, worked out once each. ``now`` is Unix time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[float, float, Span]] = {}

    def at(self, period: str, zone: ZoneInfo, now: float) -> Span:
        key = (period, zone.key)
        begin, end, found = self._found.get(key, (1.0, 0.0, None))
        if found is None or not begin <= now < end:
            found = span(period, zone, datetime.fromtimestamp(now, UTC))
            last = found[1].timestamp() if found[1] is not None else float("inf")
            self._found[key] = (found[0].timestamp(), last, found)
        return found


def plain(amount: Decimal) -> str:
    """USD for a sentence: two decimals, more only where they say something."""
    text = f"{amount.normalize():f}"
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"
