"""Requests as policies get them."""

from __future__ import annotations

from typing import Any

import msgspec

from routing.gateway.policies import Draft


def draft(format: str = "openai_chat", operation: str = "chat", **fields: Any) -> Draft:
    return Draft(operation=operation, format=format, fields=raw(fields))


def raw(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def plain(fields: Any) -> dict[str, Any]:
    return {name: msgspec.json.decode(value) for name, value in fields.items()}


def saying(text: str, role: str = "user") -> Draft:
    return draft(messages=[{"role": role, "content": text}])
