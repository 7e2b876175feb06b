"""Reading a client's JSON by field: every wrong type is a Refusal 400 that names the place."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any

from providers.wire.errors import Refusal
from providers.wire.types import Json

WORDS = {str: "a string", int: "an integer", float: "a number", bool: "a boolean", dict: "an object", list: "an array"}


def word(value: Json) -> str:
    """The JSON type of a value, in words."""
    return "null" if value is None else WORDS.get(type(value), "something else")


def unreadable(body: bytes, wrong: Exception) -> str:
    """Why a body is no JSON: what the decoder says, but where that is only the byte it stopped at."""
    if not body.strip():
        return "it is empty"
    return "it begins with a byte order mark" if body.startswith(BOM_UTF8) else str(wrong)


def wrong(where: str, expected: str, value: Json) -> Refusal:
    return Refusal(
        400, f"Invalid type for '{where}': expected {expected}, got {word(value)}.", code="invalid_type", param=where
    )


class Fields:
    """One JSON object of a request. Names may be asked for in several spellings (camelCase and snake_case)."""

    __slots__ = ("_seen", "_values", "where")

    def __init__(self, values: Json, where: str = "") -> None:
        if not isinstance(values, dict):
            raise wrong(where or "body", "an object", values)
        self._values: Mapping[str, Json] = values
        self._seen: set[str] = set()
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def at(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    # Most fields have one spelling, and looking for them is most of what parsing takes: hence the repeated lines.

    def raw(self, name: str, *others: str) -> Json:
        """The first of these that is there and not null."""
        self._seen.add(name)
        value = self._values.get(name)
        return self._or(value, others) if others else value

    def _or(self, value: Json, names: tuple[str, ...]) -> Json:
        self._seen.update(names)
        if value is not None:
            return value
        return next((other for name in names if (other := self._values.get(name)) is not None), None)

    def text(self, name: str, *others: str) -> str:
        """A string; "" when absent."""
        self._seen.add(name)
        value = self._values.get(name)
        if others:
            value = self._or(value, others)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise wrong(self.at(name), "a string", value)
        return value

    def whole(self, name: str, *others: str) -> int | None:
        self._seen.add(name)
        value = self._values.get(name)
        if others:
            value = self._or(value, others)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(self.at(name), "an integer", value)
        return value

    def number(self, name: str, *others: str) -> float | None:
        self._seen.add(name)
        value = self._values.get(name)
        if others:
            value = self._or(value, others)
        if value is None:
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise wrong(self.at(name), "a number", value)
        return value

    def switch(self, name: str, *others: str) -> bool | None:
        self._seen.add(name)
        value = self._values.get(name)
        if others:
            value = self._or(value, others)
        if value is None or isinstance(value, bool):
            return value
        raise wrong(self.at(name), "a boolean", value)

    def items(self, name: str, *others: str) -> list[Any]:
        """An array; [] when absent."""
        value = self.raw(name, *others)
        if value is None:
            return []
        if not isinstance(value, list):
            raise wrong(self.at(name), "an array", value)
        return value

    def inner(self, name: str, *others: str) -> Fields | None:
        """An object to be read by field; None when absent."""
        value = self.raw(name, *others)
        return None if value is None else Fields(value, self.at(name))

    def rest(self) -> dict[str, Json]:
        """What nobody asked for, nulls left out."""
        return {name: value for name, value in self._values.items() if name not in self._seen and value is not None}
