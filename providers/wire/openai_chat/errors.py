"""Errors: the gateway's → a client's envelope."""

from __future__ import annotations

from providers.wire.errors import Refusal
from providers.wire.openai_chat import passing


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """OpenAI's envelope; the request's id travels in a header there."""
    return passing.error_body(refusal.message, refusal.type, refusal.code, refusal.param)
