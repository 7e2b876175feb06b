"""A request that goes through as its client wrote it, put right where this model would refuse it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.wire.traits import Traits

Fields = Mapping[str, msgspec.Raw]
SAMPLING = ("temperature", "top_p")


def mended(fields: Fields, traits: Traits) -> tuple[Fields, tuple[str, ...]]:
    """The request as a model of these traits takes it, and the names of what was lost. ``fields`` itself, when there is
    nothing to mend."""
    if traits.sampling:
        return fields, ()
    lost = tuple(name for name in SAMPLING if name in fields and bytes(fields[name]) != b"null")
    return ({name: raw for name, raw in fields.items() if name not in lost} if lost else fields), lost
