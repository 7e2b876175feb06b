"""Kiro's event stream → a stream of the Messages format."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.special.base import Sending
from providers.special.events import Said, object_in
from providers.wire.eventstream import Message
from providers.wire.types import Json

WINDOW = 200_000  # tokens that contextUsagePercentage is of


class Conversation:
    """Usage is often not told: then the prompt's share of the window is all that is known of it."""

    __slots__ = ("_called", "_metrics", "_said", "_share", "_words")

    def __init__(self, sending: Sending) -> None:
        self._said = Said(sending.id, sending.model)
        self._called = False
        self._words = 0  # characters of the answer
        self._share: float | None = None
        self._metrics: dict[str, Json] = {}

    def told(self, message: Message) -> bytes:
        event = object_in(message)
        match message.name, event:
            case "assistantResponseEvent" | "codeEvent", {"content": str(text)} if text:
                self._words += len(text)
                return self._said.text(text)
            case "toolUseEvent", {"toolUseId": str(id), "name": str(name)}:
                return self._call(id, name, event)
            case "contextUsageEvent", {"contextUsagePercentage": int() | float() as share}:
                self._share = share
            case "metricsEvent", _:
                self._metrics = event
        return b""

    def ended(self) -> bytes:
        """The closing events; none when nothing was said, which the reader then says."""
        if not self._said.began:
            return b""
        return self._said.finish("tool_use" if self._called else "end_turn", self._usage())

    def _call(self, id: str, name: str, event: dict[str, Any]) -> bytes:
        self._called = True
        given = event.get("input", "")
        piece = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        out = self._said.tool(id, name)
        if piece:
            self._words += len(piece)
            out += self._said.delta("input_json_delta", partial_json=piece)
        return out + (self._said.close() if event.get("stop") else b"")

    def _usage(self) -> dict[str, Json]:
        told = {"input_tokens": self._metrics.get("inputTokens"), "output_tokens": self._metrics.get("outputTokens")}
        if all(isinstance(tokens, int) for tokens in told.values()):
            return dict(told)
        output = max(1, self._words // 4)
        if self._share is None:
            return {}
        return {"input_tokens": max(1, round(WINDOW * self._share / 100) - output), "output_tokens": output}
