"""Values that each connection gives: a region, an account, a project; and the texts they are put into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.vocabulary import nothing

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
WORD = "[A-Za-z0-9][A-Za-z0-9._-]*"
HOST = "_host"  # {location_host}: the host that stands for the value of the parameter ``location``


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that each connection gives, put for ``{name}`` in the base URL and the headers.

    ``pattern`` is a regular expression over the whole value; ``hosts`` maps values to what ``{name_host}`` stands for,
    "*" being any other value, with ``{value}`` in it. Without a value the header that wants it is left out.
    """

    name: str
    label: str
    required: bool = True
    default: str = ""
    example: str = ""
    pattern: str = WORD
    hosts: Mapping[str, str] = field(default_factory=nothing)

    def host(self, value: str) -> str:
        return self.hosts.get(value) or self.hosts.get("*", "").replace("{value}", value)

    def values(self, given: str) -> dict[str, str]:
        """What its placeholders stand for. Raises ValueError with a sentence when the value is missing or odd."""
        value = given or self.default
        if not value and self.required:
            raise ValueError(f"{self.name} is missing.")
        if value and not re.fullmatch(self.pattern, value):
            raise ValueError(f"{self.name}: {value!r} does not fit.")
        return {self.name: value, self.name + HOST: self.host(value)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its placeholders filled; "" when one of them has no value."""
    names = PLACEHOLDER.findall(text)
    if not all(values[name] for name in names):
        return ""
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)
