"""A reply as a stream: ``Reader`` takes an upstream's apart, ``Writer`` makes one for a client."""

from __future__ import annotations

from providers.wire.openai_responses.reader import Reader
from providers.wire.openai_responses.writer import KEEP_ALIVE, Writer

__all__ = ["KEEP_ALIVE", "Reader", "Writer"]
