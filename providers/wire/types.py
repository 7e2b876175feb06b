"""Canonical values that every format reads into and writes from."""

from __future__ import annotations

import msgspec

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one reply, by class.

    ``input`` is the whole prompt; ``cached`` (read from a prompt cache) and ``cache_write`` are parts of it.
    ``output`` is everything generated; ``reasoning`` is a part of it. ``estimated``: counted by us, not reported.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
