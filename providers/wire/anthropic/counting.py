"""count_tokens, both ways. Source: docs.anthropic.com/en/api/messages-count-tokens (2026-11)."""

from __future__ import annotations

import msgspec

from providers.wire.anthropic.parsing import parse
from providers.wire.types import Json, Request


def count_request(body: dict[str, Json]) -> Request:
    """A client's body → canonical. Raises Refusal 400."""
    return parse(body, stream=False, counting=True)


def count_reply(tokens: int) -> bytes:
    """The answer to a client."""
    return msgspec.json.encode({"input_tokens": tokens})
