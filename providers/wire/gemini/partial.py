"""Function arguments that come in pieces: ``partialArgs``, each a value at a JSON path (RFC 9535), strings to append.

Source: ``PartialArg`` of the ``google-genai`` SDK 3.4.
"""

from __future__ import annotations

import re
from typing import Any, Final

from providers.wire.types import Json

STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,5})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")
MOST_ITEMS: Final = 10_000  # of one array
MOST_STEPS: Final = 64
VALUES = ("stringValue", "numberValue", "boolValue")


class PartialArguments:
    """Collects the pieces of one call. What cannot be placed is left out."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: dict[str, Json] = {}

    def add(self, piece: dict[str, Json]) -> None:
        steps = _steps(piece.get("jsonPath"))
        if not steps:
            return
        value = next((piece[key] for key in VALUES if piece.get(key) is not None), None)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # every number is a double there
        place: Any = self.value
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if not _ready(place, step):
                return
            if following is None:
                before = place[step] if isinstance(step, int) else place.get(step)
                place[step] = before + value if isinstance(before, str) and isinstance(value, str) else value
                return
            place = _entered(place, step, following)


def _steps(path: Json) -> list[str | int]:
    if not isinstance(path, str) or not path.startswith("$"):
        return []
    steps: list[str | int] = []
    at = 1
    while at < len(path) and len(steps) < MOST_STEPS:
        found = STEP.match(path, at)
        if found is None:
            return []
        dotted, index, single, double = found.groups()
        steps.append(
            int(index) if index is not None else next(name for name in (dotted, single, double) if name is not None)
        )
        at = found.end()
    return steps if at >= len(path) else []


def _ready(place: Any, step: str | int) -> bool:
    """Whether the step can be taken there; arrays grow as far as it needs."""
    if isinstance(step, str):
        return isinstance(place, dict)
    if not isinstance(place, list) or step >= MOST_ITEMS:
        return False
    place.extend([None] * (step + 1 - len(place)))
    return True


def _entered(place: Any, step: str | int, following: str | int) -> Any:
    inner = place[step] if isinstance(step, int) else place.get(step)
    if not isinstance(inner, list if isinstance(following, int) else dict):
        inner = [] if isinstance(following, int) else {}
        place[step] = inner
    return inner
