"""What goes into Redis is JSON: Django's default serializer is pickle, which would run whatever it finds there."""

from __future__ import annotations

from typing import Any

import msgspec


class JSONSerializer:
    """Serializer for Django's Redis cache. Values must be what JSON can say."""

    def dumps(self, value: Any) -> bytes:
        return msgspec.json.encode(value)

    def loads(self, data: bytes) -> Any:
        return msgspec.json.decode(data)
