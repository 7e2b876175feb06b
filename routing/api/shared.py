"""What several view sets share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers.bounds import LONGEST_NAME, MOST_PATTERNS

METHODS = ["get", "post", "patch", "delete", "head", "options"]
MOST_STEPS = 100
LATER = ("enabled", "combo_patterns", "providers", "endpoints")  # of a key: what its making does not ask for


def patterns_field(**said: Any) -> Any:
    """A list of names or patterns that need not be given."""
    child = serializers.CharField(max_length=LONGEST_NAME)
    return serializers.ListField(child=child, required=False, max_length=MOST_PATTERNS, **said)
