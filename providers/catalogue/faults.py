"""What is wrong with single values of a catalogue file, in words; None when nothing is."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from providers.entry import OPERATIONS
from providers.parameters import HOST, PLACEHOLDER, Parameter
from providers.wire.media.shapes import SHAPES
from providers.wire.traits import Traits

# Authentication and framing are ours to write; an entry must not.
RESERVED_HEADERS = frozenset(
    ("authorization", "host", "content-length", "transfer-encoding", "connection", "user-agent", "accept-encoding")
)
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%{}/-]*(\?[A-Za-z0-9._~=&{}-]+)?")
BASE_URL = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?")


class _Trait(Traits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traits that refuse what they do not know."""


def trait_fault(name: str, value: Any) -> str | None:
    try:
        msgspec.convert({name: value}, _Trait)
    except msgspec.ValidationError as wrong:
        return str(wrong)
    return None


def operation_fault(name: str, path: object) -> str | None:
    if name not in OPERATIONS:
        return f"not an operation; known are {', '.join(sorted(OPERATIONS))}."
    if not isinstance(path, str) or not PATH.fullmatch(path):
        return "a path that begins with / is expected."
    if path.startswith("//") or ".." in path.partition("?")[0].split("/"):
        return "a path below the base URL is expected."
    return None


def header_fault(name: str, value: Any) -> str | None:
    if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in RESERVED_HEADERS:
        return "not a header an entry may set."
    return None if isinstance(value, str) and re.fullmatch(r"[\x20-\x7e]+", value) else "printable text is expected."


def text_fault(_: str, value: Any) -> str | None:
    return None if isinstance(value, str) else "a text is expected."


def usd_fault(_: str, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        return "an amount in USD is expected."
    money = Decimal(value)
    return None if money.is_finite() and money >= 0 else "must be USD, zero or more."


def base_url_fault(url: str) -> str | None:
    if not BASE_URL.fullmatch(url) or url.endswith("/"):
        return f"{url!r} is not an address up to and including the version segment."
    return None


def unknown_placeholder(texts: list[str], parameters: tuple[Parameter, ...]) -> str | None:
    """The first placeholder in the texts that no parameter fills."""
    known = {"model"} | {p.name for p in parameters} | {p.name + HOST for p in parameters if p.hosts}
    return next((name for text in texts for name in PLACEHOLDER.findall(text) if name not in known), None)


def shape_fault(operation: str, word: Any) -> str | None:
    """Why a service cannot be in a shape, or None."""
    known = SHAPES.get(operation)
    if known is None:
        return f"no service with shapes of vendors' own; known are {', '.join(SHAPES)}."
    return None if word in known else f"{word!r} is none of {', '.join(sorted(known))}."
