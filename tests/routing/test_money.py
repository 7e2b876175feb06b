"""The spans that money is counted over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from routing.money import span

QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("zone", ["America/Havana", "Atlantic/Azores", "America/Santiago", "Africa/Cairo", "UTC"])
def test_spans_follow_on_each_other_also_where_clocks_change_at_midnight(period: str, zone: str) -> None:
    assert zone in available_timezones()
    place, now = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC)
    begin, end = span(period, place, now)
    while now < datetime(2027, 1, 1, tzinfo=UTC):
        assert end is not None
        if now >= end:
            begin, end = end, span(period, place, end)[1]
        assert span(period, place, now) == (begin, end), now
        now += QUARTER
