"""Readers: a node → a value of Python, or the problem with it. Tables of them describe what a section may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator, MaxValueValidator, MinValueValidator
from django.db import models

from omniroute.declarative.document import BadDocument, Node, Problem, plain

Reader = Callable[[Node, str], Any]  # a node and its path, for messages; raises BadDocument

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Item:
    """A mapping that was read: only the fields that were given, each with its line."""

    line: int
    path: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        """The value; the default when it was not given or is null."""
        value = self.values.get(name)
        return default if value is None else value

    def line_of(self, name: str) -> int:
        return self.lines.get(name, self.line)

    def problem(self, name: str | None, message: str) -> Problem:
        """A problem at a field's line (the item's own when it was not given)."""
        return Problem(self.line_of(name or ""), f"{self.path}{'.' + name if name else ''}: {message}")


@dataclass(frozen=True, slots=True)
class Fields:
    """What a mapping may hold; ``required`` names must be there and not null."""

    readers: Mapping[str, Reader]
    required: tuple[str, ...] = ()

    def __call__(self, node: Node, path: str) -> Item:
        if not isinstance(node.value, dict):
            raise wrong(node, path, "must be a mapping of fields")
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        for name, child in node.value.items():
            try:
                values[name] = self._reader(name, child)(child, f"{path}.{name}" if path else name)
            except BadDocument as bad:
                problems += bad.problems
        for name in self.required:
            if name not in node.value:
                problems.append(Problem(node.line, f"{path}: {name} is missing."))
        if problems:
            raise BadDocument(problems)
        return Item(node.line, path, values, {name: child.line for name, child in node.value.items()})

    def _reader(self, name: str, child: Node) -> Reader:
        if name not in self.readers:
            known = ", ".join(self.readers)
            return lambda node, path: _fail(Problem(child.key_line, f"{path}: unknown key; known here: {known}."))
        return self.readers[name] if name in self.required else nullable(self.readers[name])


def wrong(node: Node, path: str, reason: str) -> BadDocument:
    """The exception for one node; the reason has no full stop."""
    return BadDocument([Problem(node.line, f"{path or 'the document'}: {reason}.")])


def _fail(problem: Problem) -> Any:
    raise BadDocument([problem])


def shown(node: Node) -> str:
    """A scalar as it may be quoted in a message."""
    return "the given value" if node.borrowed else repr(node.value)


def nullable(read: Reader) -> Reader:
    return lambda node, path: None if node.value is None else read(node, path)


def listing(each: Reader) -> Reader:
    """A list of whatever ``each`` reads; the problems of all elements together."""

    def read(node: Node, path: str) -> list[Any]:
        if not isinstance(node.value, list):
            raise wrong(node, path, "must be a list (write [] for none)")
        problems: list[Problem] = []
        values = []
        for number, child in enumerate(node.value, start=1):
            try:
                values.append(each(child, f"{path}[{number}]"))
            except BadDocument as bad:
                problems += bad.problems
        if problems:
            raise BadDocument(problems)
        return values

    return read


def pairs(name: re.Pattern[str], each: Reader) -> Reader:
    """A mapping with free keys of a pattern."""

    def read(node: Node, path: str) -> dict[str, Any]:
        if not isinstance(node.value, dict):
            raise wrong(node, path, "must be a mapping")
        for key, child in node.value.items():
            if not name.fullmatch(key):
                raise BadDocument([Problem(child.key_line, f"{path}: {key!r} is not a name that may stand here.")])
        return {key: each(child, f"{path}.{key}") for key, child in node.value.items()}

    return read


def text(longest: int, pattern: re.Pattern[str] | None = None, what: str = "", shortest: int = 1) -> Reader:
    """Text without control characters, not longer than the column it goes to."""

    def read(node: Node, path: str) -> str:
        if not isinstance(node.value, str):
            raise wrong(node, path, "must be text; put it in quotes" if _is_scalar(node) else "must be text")
        if not shortest <= len(node.value) <= longest:
            raise wrong(node, path, f"must have {shortest} to {longest} characters, not {len(node.value)}")
        if any(ord(c) < 32 or ord(c) == 127 for c in node.value) or node.value != node.value.strip():
            raise wrong(node, path, "must not hold control characters, nor spaces at its ends")
        if pattern is not None and not pattern.fullmatch(node.value):
            raise wrong(node, path, f"{shown(node)} {what}")
        return node.value

    return read


def prose(longest: int) -> Reader:
    """Text for people: several lines, possibly empty."""

    def read(node: Node, path: str) -> str:
        if not isinstance(node.value, str) or len(node.value) > longest or "\0" in node.value:
            raise wrong(node, path, f"must be text of at most {longest} characters")
        return node.value

    return read


def slug(longest: int) -> Reader:
    return text(longest, SLUG, "may hold small letters, digits, dot, underscore and hyphen only")


def credential(shortest: int = 1) -> Reader:
    """A secret that travels in a header; no message ever quotes it."""

    def read(node: Node, path: str) -> str:
        value = node.value
        if not isinstance(value, str):
            raise wrong(node, path, "must be text; put it in quotes" if _is_scalar(node) else "must be text")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise wrong(node, path, "must be printable ASCII characters without spaces")
        if not shortest <= len(value) <= 8192:
            raise wrong(node, path, f"must have at least {shortest} characters (and at most 8192)")
        return value

    return read


def secret(node: Node, path: str) -> str:
    """As ``credential``, or a JSON object for schemes that want several values; what it must hold depends on whom it
    is for. No message ever quotes it."""
    value = node.value
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return credential()(node, path)
    if not value.isascii() or len(value) > 16384:
        raise wrong(node, path, "must be ASCII text of at most 16384 characters")
    return value.strip()


def flag(node: Node, path: str) -> bool:
    value = unquoted(node)
    if not isinstance(value, bool):
        raise wrong(node, path, "must be true or false")
    return value


def whole(low: int, high: int) -> Reader:
    def read(node: Node, path: str) -> int:
        value = unquoted(node)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise wrong(node, path, f"must be a whole number from {low} to {high}")
        return value

    return read


def price(node: Node, path: str) -> Decimal:
    """USD per million tokens or per unit, as exact as the column keeps it."""
    value = unquoted(node)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < 10**8:
        raise wrong(node, path, "must be a number of USD from 0 to 99999999")
    exact = Decimal(value)
    if exact != exact.quantize(Decimal("0.000001")):
        raise wrong(node, path, "must have at most 6 decimals")
    return exact


def mapping(node: Node, path: str) -> dict[str, Any]:
    """A mapping of anything, as JSON has it: whoever keeps it says what may be in it."""
    if not isinstance(node.value, dict):
        raise wrong(node, path, "must be a mapping")
    return {key: _json(child) for key, child in node.value.items()}


def _json(node: Node) -> Any:
    match node.value:
        case dict():
            return {key: _json(child) for key, child in node.value.items()}
        case list():
            return [_json(child) for child in node.value]
        case Decimal():
            return float(node.value)
    return node.value


def column(model: type[models.Model], name: str) -> Reader:
    """What a column keeps: text, whole numbers or USD, within the bounds that its own validators set, so that a
    document may say what the management API may, and nothing else."""
    field: Any = model._meta.get_field(name)
    limits = {type(each): each.limit_value for each in field.validators if isinstance(each, BaseValidator)}
    if isinstance(field, models.BooleanField):
        return flag
    if isinstance(field, models.IntegerField):
        return whole(limits.get(MinValueValidator, 0), limits[MaxValueValidator])
    read = price if isinstance(field, models.DecimalField) else text(field.max_length)

    def judged(node: Node, path: str) -> Any:
        value = read(node, path)
        try:
            field.run_validators(value)
        except ValidationError as bad:
            raise wrong(node, path, f"{shown(node)}: {' '.join(bad.messages).rstrip('.')}") from None
        return value

    return judged


def columns(model: type[models.Model], *names: str) -> dict[str, Reader]:
    """As :func:`column`, for fields that are called as their columns."""
    return {name: column(model, name) for name in names}


def choice(*allowed: str) -> Reader:
    def read(node: Node, path: str) -> str:
        if node.value not in allowed or not isinstance(node.value, str):
            raise wrong(node, path, f"must be one of {', '.join(allowed)}")
        return node.value

    return read


def moment(node: Node, path: str) -> datetime:
    """A day or a time; without a zone it is UTC."""
    try:
        value = datetime.fromisoformat(node.value if isinstance(node.value, str) else "")
    except ValueError:
        raise wrong(node, path, "must be a time such as 2026-12-31 or 2026-12-31T18:00:00Z") from None
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise wrong(node, path, "is outside the calendar") from None


def duplicates(items: list[Item], key: Callable[[Item], Any], name: Callable[[Item], str]) -> Iterator[Problem]:
    """A problem for every item whose key an earlier one has."""
    first: dict[Any, Item] = {}
    for item in items:
        earlier = first.setdefault(key(item), item)
        if earlier is not item:
            yield item.problem(None, f"{name(item)} is there twice (first on line {earlier.line}).")


def unquoted(node: Node) -> Any:
    """The environment holds text only: there, what it looks like counts."""
    return plain(node.value) if node.borrowed and isinstance(node.value, str) else node.value


def _is_scalar(node: Node) -> bool:
    return isinstance(node.value, bool | int | Decimal)
