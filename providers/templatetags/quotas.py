"""Figures of quotas as people read them."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils import formats
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def percent(value: float) -> str:
    """A percentage, whole; below one, one digit more."""
    digits = 0 if value >= 1 or value == 0 else 1
    rounded = round(Decimal(str(value)), digits)  # Django's own function cuts off
    return _("%(number)s%%") % {"number": formats.number_format(rounded, digits)}


@register.filter
def plain(value: float) -> str:
    """A number as attributes of HTML want it, whatever the language."""
    return f"{value:.2f}"


@register.filter
def amount(value: Decimal, unit: str) -> str:
    """A count or an amount of money with its unit."""
    whole = value == value.to_integral_value()
    digits = 0 if whole else 2
    number = formats.number_format(round(value, digits), digits, use_l10n=True, force_grouping=True)
    match unit:
        case "requests":
            return _("%(number)s requests") % {"number": number}
        case "tokens":
            return _("%(number)s tokens") % {"number": number}
        case "credits":
            return _("%(number)s credits") % {"number": number}
        case "":
            return number
    return f"{number} {unit}"
