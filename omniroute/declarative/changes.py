"""What applying a document does, told line by line, and the errands that all sections share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models

from omniroute.declarative.document import Problem
from omniroute.declarative.readers import Item


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the plan. ``sign`` is +, ~ or -; details never hold a secret."""

    sign: str
    kind: str
    name: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.sign} {self.kind} {self.name}" + (f" ({', '.join(self.details)})" if self.details else "")


@dataclass(slots=True)
class Work:
    """One run: what was done, what was found wrong, and the keys that were made (name, key), shown once."""

    prune: bool
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    generated: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def added(self, kind: str, name: str) -> None:
        self.changes.append(Change("+", kind, name))

    def changed(self, kind: str, name: str, details: list[str]) -> None:
        """Nothing is told when there are no details."""
        if details:
            self.changes.append(Change("~", kind, name, tuple(details)))

    def removed(self, kind: str, name: str, *details: str) -> None:
        self.changes.append(Change("-", kind, name, details))

    def refuse(self, item: Item, name: str | None, message: str) -> None:
        """Note a problem at a field of an item; the run ends without effect once every section was looked at."""
        self.problems.append(item.problem(name, message))


def assign(row: models.Model, wanted: Mapping[str, Any]) -> list[str]:
    """Set attributes that differ and tell how: ``priority 1 → 2``."""
    details = []
    for name, value in wanted.items():
        old = getattr(row, name)
        if old != value:
            setattr(row, name, value)
            details.append(f"{name} {shown(old)} → {shown(value)}")
    return details


def shown(value: Any) -> str:
    """A value in a line of the plan."""
    match value:
        case None | "":
            return "none"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
