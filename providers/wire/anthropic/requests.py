"""Requests, both ways: the parts are in ``parsing`` and ``dumping``."""

from providers.wire.anthropic.dumping import dump, dump_count
from providers.wire.anthropic.parsing import parse

__all__ = ["dump", "dump_count", "parse"]
