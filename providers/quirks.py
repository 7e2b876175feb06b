"""How a provider's requests differ from its format, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from providers.vocabulary import nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRules:
    """What an upstream does not take as it is: applied by ``providers.body`` to top-level request fields."""

    drop: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=nothing)
    default: Mapping[str, object] = field(default_factory=nothing)
    clamp: Mapping[str, tuple[float, float]] = field(default_factory=nothing)
    replace: Mapping[str, Mapping[str, str]] = field(default_factory=nothing)  # word → word here; "" drops the field

    def __add__(self, more: RequestRules) -> RequestRules:
        return RequestRules(
            drop=self.drop | more.drop,
            rename={**self.rename, **more.rename},
            default={**self.default, **more.default},
            clamp={**self.clamp, **more.clamp},
            replace={**self.replace, **more.replace},
        )


NO_RULES = RequestRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How models whose id matches are spoken to otherwise. ``format`` "": as the rest, and ``request`` comes on top of
    the provider's rules; with a format of its own, ``operations``, ``shapes``, ``request`` and ``envelope`` are all
    there is."""

    match: tuple[str, ...]
    format: str = ""
    envelope: str = ""
    operations: Mapping[str, str] = field(default_factory=nothing)
    shapes: Mapping[str, str] = field(default_factory=nothing)
    request: RequestRules = NO_RULES

    def matches(self, model: str) -> bool:
        """Whether it is about this model."""
        return any(fnmatchcase(model, pattern) for pattern in self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """What an operation beside chat does not take as it is, where its body is JSON. ``match``: of these models only,
    none: of all."""

    operation: str
    match: tuple[str, ...] = ()
    request: RequestRules = NO_RULES

    def about(self, operation: str, model: str) -> bool:
        matches = not self.match or any(fnmatchcase(model, pattern) for pattern in self.match)
        return self.operation == operation and matches
