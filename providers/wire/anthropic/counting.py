"""count_tokens, both ways. Source: docs.anthropic.com/en/api/messages-count-tokens (2026-11)."""

from __future__ import annotations

import msgspec

from providers.wire.anthropic.parsing import parse
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.types import Json, Request


class _Counted(msgspec.Struct):
    input_tokens: int


def count_request(body: dict[str, Json], model: str = "") -> Request:
    """A client's body → canonical. Raises Refusal 400."""
    return parse(body, model=model, stream=False, counting=True)


def count_from(raw: bytes) -> int:
    """The tokens an upstream counted. Raises UpstreamFailure when it tells none."""
    try:
        return msgspec.json.decode(raw, type=_Counted).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's answer has no count of tokens.") from None


def count_reply(tokens: int) -> bytes:
    """The answer to a client."""
    return msgspec.json.encode({"input_tokens": tokens})
