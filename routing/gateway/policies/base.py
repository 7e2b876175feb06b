"""What a policy gets and gives: a request on its way, as the client wrote it, and what is wanted of the attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from providers.wire.errors import Refusal
from providers.wire.types import Thinking

Fields = Mapping[str, msgspec.Raw]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every policy's settings: what is not known is an error."""


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What can only be said once it is known who is asked, in the words of their format. None: as the client said.

    ``unasked``: the client said nothing of thinking, so only models that are known to think are asked for it.
    """

    max_tokens: int | None = None
    thinking: Thinking | None = None
    unasked: bool = False

    def __bool__(self) -> bool:
        return self.max_tokens is not None or self.thinking is not None


NOTHING = Wants()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request between client and attempts. ``fields``: the body's top level in the client's ``format``, values as it
    wrote them; ``notes``: what policies did, for the request's record."""

    operation: str
    format: str
    fields: Fields
    model: str = ""
    wants: Wants = NOTHING
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str, **changes: Any) -> Draft:
        """Changed, and told so."""
        return replace(self, notes=(*self.notes, *notes), **changes)


class Refused(Refusal):
    """A policy's refusal. ``notes``: what policies did until then."""

    notes: tuple[str, ...] = ()


class Rule(Protocol):
    """One policy with its settings, ready to be asked. Pure: the same draft gives the same."""

    kind: str

    def __call__(self, draft: Draft) -> Draft:
        """The draft as it may go on. Raises Refusal."""
