"""Embeddings of made-up, repeatable numbers."""

import base64
import json
import struct


def vector(given: object, dimensions: int | None = None) -> list[float]:
    """`dimensions` numbers (8 unless told) that follow from what was given."""
    seed = sum(json.dumps(given).encode())
    return [((seed * (place + 1)) % 257) / 256 for place in range(dimensions or 8)]


def packed(numbers: list[float]) -> str:
    """The same as base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
