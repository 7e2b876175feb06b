"""Shapes: what a JSON value must look like, told where it does not. For vendors that name the place of a fault."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import Check


@dataclass(frozen=True)
class Fault:
    """`at` is a path like `messages.0.content`; `kind` is missing, unknown or value."""

    at: str
    kind: str
    message: str


Shape = Callable[[Any, str], Iterator[Fault]]


def that(check: Check, words: str) -> Shape:
    """A value that passes the check; words: "Input should be …"."""

    def look(value: Any, at: str) -> Iterator[Fault]:
        if not check(value):
            yield Fault(at, "value", f"Input should be {words}")

    return look


def fields(
    required: Mapping[str, Shape],
    optional: Mapping[str, Shape] | None = None,
    *,
    nulls: bool = False,
    others: bool = False,
) -> Shape:
    """An object with these fields. nulls: null means not given. others: fields beyond these are let through."""
    known = {**required, **(optional or {})}

    def look(value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(at, "value", "Input should be an object")
            return
        for name in required:
            if name not in value or (nulls and value[name] is None):
                yield Fault(_join(at, name), "missing", "Field required")
        for name, it in value.items():
            if nulls and it is None and name in known:
                continue
            if name in known:
                yield from known[name](it, _join(at, name))
            elif not others:
                yield Fault(_join(at, name), "unknown", "Extra inputs are not permitted")

    return look


def tagged(name: str, table: Mapping[str, Shape], default: str | None = None) -> Shape:
    """An object whose field `name` says which shape of the table it has."""

    def look(value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(at, "value", "Input should be an object")
            return
        tag = value.get(name, default)
        if not isinstance(tag, str) or tag not in table:
            yield Fault(
                _join(at, name),
                "value",
                f"Input tag {tag!r} found using {name!r} does not match any of {sorted(table)}",
            )
            return
        yield from table[tag](value, at)

    return look


def items(shape: Shape, low: int = 0, high: int = 100_000) -> Shape:
    def look(value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield Fault(at, "value", "Input should be a valid list")
        elif not low <= len(value) <= high:
            yield Fault(at, "value", f"List should have {low} to {high} items, not {len(value)}")
        else:
            for number, it in enumerate(value):
                yield from shape(it, _join(at, str(number)))

    return look


def mapping(shape: Shape) -> Shape:
    """An object of any names, whose values have one shape."""

    def look(value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(at, "value", "Input should be an object")
            return
        for name, it in value.items():
            yield from shape(it, _join(at, name))

    return look


def any_of(*shapes: Shape) -> Shape:
    """One of several; the faults told are those of the shape that got furthest into the value."""

    def look(value: Any, at: str) -> Iterator[Fault]:
        tried = [list(shape(value, at)) for shape in shapes]
        if all(tried):
            yield from max(tried, key=lambda faults: len(faults[0].at))

    return look


def maybe(shape: Shape) -> Shape:
    """The same, or null."""

    def look(value: Any, at: str) -> Iterator[Fault]:
        if value is not None:
            yield from shape(value, at)

    return look


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
