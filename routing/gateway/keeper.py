"""Reasoning that survives: what a vendor signed or sealed is kept here for clients whose format has no place for it.

A reply's proofs are remembered by the ids of its tool calls and by its text, per caller; when the same turn comes back
in a later request without them, they are put where they were. A format's writer drops what is of another family, so
changing models in the middle of a conversation never sends a foreign proof.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from providers.wire.types import Message, Part, Reasoning, Request, Text, ToolCall

SECONDS = 6 * 3600.0  # how long a turn is remembered after it was last used
MOST_BYTES = 32 * 1024 * 1024  # of all remembered parts together
LONGEST = 1024 * 1024  # bytes of one turn; longer ones are not kept


@dataclass(slots=True)
class Kept:
    parts: tuple[Part, ...]  # of the whole turn, in order
    size: int
    until: float


class Keeper:
    """Turns with proofs, bounded in bytes and time. Belongs to one event loop; ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_bytes: int = MOST_BYTES) -> None:
        self._clock, self._most = clock, most_bytes
        self._turns: OrderedDict[str, Kept] = OrderedDict()
        self.size = 0

    def remember(self, caller: str, parts: tuple[Part, ...]) -> None:
        """Keep a reply's turn if it carries a proof."""
        if not any((proof := getattr(part, "proof", None)) is not None and proof.value for part in parts):
            return
        size = sum(_size(part) for part in parts)
        if size > LONGEST:
            return
        for key in _keys(caller, parts):
            self._put(key, Kept(parts, size, self._clock() + SECONDS))

    def attach(self, caller: str, request: Request) -> Request:
        """The request with its assistant turns' proofs put back where the client could not carry them."""
        if not self._turns:
            return request
        messages = tuple(self._attached(caller, message) for message in request.messages)
        return request if messages == request.messages else replace(request, messages=messages)

    def _attached(self, caller: str, message: Message) -> Message:
        if message.role != "assistant" or any(
            isinstance(part, Reasoning) and part.proof is not None for part in message.parts
        ):
            return message
        kept = next((found for key in _keys(caller, message.parts) if (found := self._get(key)) is not None), None)
        return message if kept is None else replace(message, parts=_merged(message.parts, kept.parts))

    def _get(self, key: str) -> Kept | None:
        kept = self._turns.get(key)
        if kept is None:
            return None
        now = self._clock()
        if kept.until < now:
            self._drop(key)
            return None
        kept.until = now + SECONDS
        self._turns.move_to_end(key)
        return kept

    def _put(self, key: str, kept: Kept) -> None:
        self._drop(key)
        self._turns[key] = kept
        self.size += kept.size
        while self.size > self._most or next(iter(self._turns.values())).until < self._clock():
            self._drop(next(iter(self._turns)))

    def _drop(self, key: str) -> None:
        kept = self._turns.pop(key, None)
        if kept is not None:
            self.size -= kept.size


def _keys(caller: str, parts: tuple[Part, ...]) -> list[str]:
    """What a turn is found by: each tool call's id, or its text when it called none."""
    calls = [f"{caller}\0{part.id}" for part in parts if isinstance(part, ToolCall) and part.id]
    if calls:
        return calls
    text = "".join(part.text for part in parts if isinstance(part, Text)).strip()
    return [f"{caller}\0#{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"] if text else []


def _merged(sent: tuple[Part, ...], kept: tuple[Part, ...]) -> tuple[Part, ...]:
    """The turn as the client sent it, with the reasoning and the proofs it once had."""
    proofs = {part.id: part.proof for part in kept if isinstance(part, ToolCall) and part.proof is not None}
    signed = next((part.proof for part in kept if isinstance(part, Text) and part.proof is not None), None)
    reasoning = [part for part in kept if isinstance(part, Reasoning)]
    rest: list[Part] = []
    for part in sent:
        if isinstance(part, Reasoning):
            continue  # the text alone, as a client without signatures carries it; the whole is put in front
        if isinstance(part, ToolCall) and part.id in proofs:
            part = replace(part, proof=proofs[part.id])
        elif isinstance(part, Text) and signed is not None:
            part, signed = replace(part, proof=signed), None
        rest.append(part)
    if not reasoning:
        return tuple(part for part in sent if isinstance(part, Reasoning)) + tuple(rest)
    return (*reasoning, *rest)


def _size(part: Part) -> int:
    proof = getattr(part, "proof", None)
    text = getattr(part, "text", "") or getattr(part, "arguments", "")
    return 200 + len(text) + (len(proof.value) if proof is not None else 0)
