"""Which connection served a conversation last: preferred for its next turn, never forced.

Providers keep prompt caches and check signatures per account; a conversation that stays where it is costs less.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

import msgspec

from routing.bounded import put

SECONDS = 3600.0  # after its last turn a conversation is forgotten
# What names a conversation, in the order asked: headers of coding tools, then fields of the body.
HEADERS = (b"session_id", b"session-id", b"x-session-id", b"x-conversation-id", b"x-claude-code-session-id")
FIELDS = ("prompt_cache_key", "conversation", "previous_response_id")
TURNS = ("messages", "input", "contents")  # where each format keeps the conversation
OPENING = ("system", "systemInstruction", "instructions")
LONGEST = 64 * 1024  # bytes of an opening that are looked at
_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Turn(msgspec.Struct):
    role: str = ""


_turn = msgspec.json.Decoder(_Turn).decode
P = TypeVar("P")
Place = tuple[int, str]  # connection id, model


@dataclass(slots=True)
class Sessions:
    """``clock`` is monotonic seconds."""

    clock: Callable[[], float]
    found: OrderedDict[bytes, tuple[Place, float]] = field(default_factory=OrderedDict)

    def place(self, session: bytes) -> Place | None:
        """Where the conversation was answered last."""
        known = self.found.get(session)
        return known[0] if known is not None and known[1] > self.clock() else None

    def answered(self, session: bytes, place: Place) -> None:
        put(self.found, session, (place, self.clock() + SECONDS))


def session_of(
    caller: str, headers: Iterable[tuple[bytes, bytes]], fields: Mapping[str, msgspec.Raw]
) -> tuple[bytes, bool]:
    """(key of the conversation, whether it has gone on for more than a turn).

    What names it is held with the caller; without a name it is known by its opening: instructions and first message of
    the user, which every later turn repeats. A first turn has no past, so two people's equal questions share nothing.
    """
    named = next((value for name, value in headers if name in HEADERS and value), b"")
    named = named or next((bytes(fields[name]) for name in FIELDS if _given(fields.get(name))), b"")
    if named:
        return _key(caller, b"named", named), True
    opening, goes_on = _opening(fields)
    return _key(caller, *opening), goes_on


def _opening(fields: Mapping[str, msgspec.Raw]) -> tuple[list[bytes], bool]:
    said = [bytes(fields[name])[:LONGEST] for name in OPENING if name in fields]
    raw = next((fields[name] for name in TURNS if name in fields), None)
    try:
        turns = _rows(raw) if raw is not None else []
        for number, turn in enumerate(turns):
            said.append(bytes(turn)[:LONGEST])
            if _turn(turn).role == "user":
                return said, number + 1 < len(turns)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [bytes(raw or b"")[:LONGEST]], False  # a plain text, or what the upstream will refuse
    return said, False


def _given(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw) not in (b"null", b'""')


def _key(caller: str, *parts: bytes) -> bytes:
    digest = blake2b(caller.encode(), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
