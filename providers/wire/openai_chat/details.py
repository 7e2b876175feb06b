"""OpenRouter's ``reasoning_details``: sealed thinking in pieces → proofs that go back as the vendor gave them."""

from __future__ import annotations

from providers.wire.openai_chat.parts_in import detail_part
from providers.wire.openai_chat.said import objects
from providers.wire.types import Json, Proof

GROWING = ("text", "summary", "data")  # fields that come in pieces


class Details:
    """Collects the pieces of one message's details; entries of one index and type are one."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[tuple[Json, Json], dict[str, Json]] = {}

    def add(self, details: Json) -> None:
        for number, detail in enumerate(objects(details)):
            index = detail.get("index", number)
            key = (index if isinstance(index, int) else number, str(detail.get("type")))
            entry = self._entries.setdefault(key, {})
            for name, value in detail.items():
                if name in GROWING and isinstance(value, str) and isinstance(entry.get(name), str):
                    entry[name] += value
                elif value is not None or name not in entry:
                    entry[name] = value

    def take(self) -> list[Proof]:
        """The proofs of what has come, once."""
        parts = [detail_part(entry) for entry in self._entries.values()]
        self._entries.clear()
        return [part.proof for part in parts if part is not None and part.proof is not None]
