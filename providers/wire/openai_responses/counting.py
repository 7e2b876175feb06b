"""``/responses/input_tokens``, both ways. Source: types of the SDK ``openai`` 3.54.0 (2026-11)."""

from __future__ import annotations

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_responses.requests import dump, parse
from providers.wire.traits import Traits
from providers.wire.translation import Dumped
from providers.wire.types import Json, Request

COUNTED = ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")


class _Counted(msgspec.Struct):
    input_tokens: int


def count_request(body: dict[str, Json], model: str = "") -> Request:
    """A client's body → canonical. Raises Refusal 400."""
    return parse(body, model=model, stream=False)


def count_dump(request: Request, traits: Traits) -> Dumped:
    """The request as the question to an upstream, which takes fewer fields than an answer. Raises Refusal 400."""
    whole = dump(request, traits)
    return msgspec.structs.replace(whole, body={name: whole.body[name] for name in COUNTED if name in whole.body})


def count_from(raw: bytes) -> int:
    """The tokens an upstream counted. Raises UpstreamFailure when it tells none."""
    try:
        return msgspec.json.decode(raw, type=_Counted).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's answer has no count of tokens.") from None


def count_reply(tokens: int) -> bytes:
    """The answer to a client."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})
