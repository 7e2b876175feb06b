"""Streams, both ways: the halves are in ``reader`` and ``writer``."""

from providers.wire.anthropic.reader import Reader
from providers.wire.anthropic.writer import KEEP_ALIVE, Writer

__all__ = ["KEEP_ALIVE", "Reader", "Writer"]
