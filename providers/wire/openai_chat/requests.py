"""Requests: a client's body → canonical, canonical → a body for an upstream."""

from __future__ import annotations

from providers.wire.openai_chat.requests_in import parse
from providers.wire.openai_chat.requests_out import dump

__all__ = ["dump", "parse"]
