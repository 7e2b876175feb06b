"""Figures as people read them: short, honest about what is not known, in the reader's separators."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation

from omniroute.templatetags.omniroute import count, duration, own_name, price, seconds, usd


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "–"),
        (Decimal(0), "$0.00"),
        (Decimal("12345.678"), "$12,345.68"),
        (Decimal("0.5"), "$0.50"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.00000012"), "$0.00000012"),
        (0.25, "$0.25"),
    ],
)
def test_money_keeps_the_digits_that_matter(amount: Any, shown: str) -> None:
    assert usd(amount) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, "–"), ("", "–"), (Decimal("2.500000"), "$2.50"), (Decimal("0.075"), "$0.075"), (Decimal(10), "$10.00")],
)
def test_prices_have_cents_or_finer(amount: Any, shown: str) -> None:
    assert price(amount) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(None, "–"), (0, "0"), (999_999, "999,999"), (12_345_678, "12.3 M"), (2_000_000_000, "2.0 B")]
)
def test_large_numbers_are_short(number: int | None, shown: str) -> None:
    assert count(number) == shown


@pytest.mark.parametrize(
    ("ms", "shown"), [(None, "–"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (83_250, "83.2 s")]
)
def test_durations_change_their_unit_at_a_second(ms: int | None, shown: str) -> None:
    assert duration(ms) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.25, "250 ms"), (59.9, "59.9 s"), (60, "1:00"), (31_780.6, "8:49:41")]
)
def test_seconds_become_a_clock_at_a_minute(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


def test_separators_follow_the_language() -> None:
    with translation.override("de"):
        assert usd(Decimal("1234.5")) == "$1.234,50" and count(12345) == "12.345"
    with translation.override("ar"):
        assert count(12345) == "12.345"  # the locale of Django names no group size


def test_languages_are_called_by_their_own_name() -> None:
    assert own_name("ar") == "العربية" and own_name("xx") == "xx"


def test_a_query_string_is_changed_and_quoted(rf: RequestFactory) -> None:
    page = Template("{% load omniroute %}{% query before=7 page=None %}")
    shown = page.render(Context({"request": rf.get("/", {"text": "a&b", "before": "9", "page": "3"})}))
    assert shown == "?text=a%26b&amp;before=7"
