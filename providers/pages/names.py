"""What the pages share: a provider's name and address."""

from __future__ import annotations

from django.urls import reverse

from providers import catalogue
from providers.models import Provider


def name_of(row: Provider) -> str:
    """The name people know a provider by."""
    known = catalogue.entries().get(row.pk)
    return row.name or (known.name if known and not row.custom else row.pk)


def row_page(row: Provider) -> str:
    """The address of a provider's page."""
    return reverse("providers:detail", args=[row.pk])
