"""Figures as people read them, in their language's digits and separators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.utils import numberformat, timezone
from django.utils.formats import get_format
from django.utils.translation import gettext as _

from routing import words

register = template.Library()


def figure(number: Decimal | int, digits: int = 0) -> str:
    """A number in the reader's separators, in groups of three (some locales of Django name no group size)."""
    return numberformat.format(
        round(Decimal(number), digits),  # Django's own function cuts off
        get_format("DECIMAL_SEPARATOR"),
        digits,
        3,
        get_format("THOUSAND_SEPARATOR"),
        force_grouping=True,
        use_l10n=True,
    )


@register.filter
def usd(amount: Decimal | float | None) -> str:
    """US dollars: two digits after the point, more while they matter; a dash when unknown."""
    if amount is None:
        return "–"
    value = Decimal(amount)
    digits = 2 if abs(value) >= 1 or not value else min(max(2, 1 - value.adjusted()), 8)
    return f"${figure(value, digits)}"


@register.filter
def price(amount: Decimal | str | None) -> str:
    """USD with every digit that there is, two at least (prices per million tokens, lines of the ledger); a dash when
    unknown."""
    if amount is None or amount == "":
        return "–"
    digits = max(2, -int(Decimal(amount).normalize().as_tuple().exponent))
    return f"${figure(Decimal(amount), digits)}"


@register.filter
def count(number: int | None) -> str:
    """A whole number with separators; large ones short (12.3 M)."""
    if number is None:
        return "–"
    for size, unit in ((10**9, _("B")), (10**6, _("M"))):
        if number >= size:
            return f"{figure(Decimal(number) / size, 1)} {unit}"
    return figure(number)


@register.filter
def duration(milliseconds: float | None) -> str:
    """Milliseconds below a second, else seconds."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return _("%(number)s ms") % {"number": figure(round(milliseconds))}
    return _("%(number)s s") % {"number": figure(Decimal(milliseconds) / 1000, 1)}


@register.filter
def seconds(value: float | None) -> str:
    """Seconds as a duration, from a minute on as a clock shows them."""
    return clock(value) if value is not None and value >= 60 else duration(None if value is None else value * 1000)


@register.filter
def clock(value: float | None) -> str:
    """Seconds as a clock that runs down shows them (1:05, 2:00:00); the browser goes on from there."""
    if value is None:
        return "–"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def ends(value: float) -> str:
    """The moment so many seconds from now, as the browser's countdowns take it."""
    return (timezone.now() + timedelta(seconds=value)).isoformat()


@register.filter
def attempt_words(kind: str) -> str:
    """What became of an attempt, in words."""
    return words.of_attempt(kind)


@register.filter
def skip_words(why: str) -> str:
    """Why a candidate was not asked, in words."""
    return words.of_skip(why)


@register.filter
def operation_words(name: str) -> str:
    """What is asked for, in words."""
    return words.of_operation(name)


@register.filter
def source_words(source: str) -> str:
    """Where a price is from, in words."""
    return words.of_price(source)


@register.filter
def refusal_words(message: str, code: str) -> str:
    """Why the gateway refuses, in words."""
    return words.of_refusal(code, message)


@register.simple_tag
def languages() -> Iterable[tuple[str, str]]:
    """Code and own name of every language of the dashboard."""
    return settings.LANGUAGES


@register.filter
def own_name(code: str) -> str:
    """A language's own name."""
    return dict(settings.LANGUAGES).get(code, code)


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's query string with some parameters changed; None takes one away."""
    values = context["request"].GET.copy()
    for name, value in changes.items():
        values.pop(name, None)
        if value is not None:
            values[name] = value
    return f"?{values.urlencode()}"
