"""Outcomes to test with."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import count
from typing import Any

from providers.wire.types import Usage
from routing.gateway.outcome import AttemptNote, Outcome

_numbers = count(1)


def outcome(**changes: Any) -> Outcome:
    """An ordinary answered chat, with a request id of its own."""
    ordinary: dict[str, Any] = {
        "request_id": f"req-{next(_numbers):08d}",
        "started_at": time.time(),
        "key_id": None,
        "key_name": "ci",
        "user_id": None,
        "team_id": None,
        "operation": "chat",
        "client_format": "openai_chat",
        "upstream_format": "openai_chat",
        "requested_model": "openai/gpt-5.2",
        "provider": "openai",
        "model": "gpt-5.2",
        "connection": "main",
        "stream": True,
        "status": 200,
        "result": "ok",
        "error_kind": "",
        "error_message": "",
        "attempts": (
            AttemptNote(
                provider="openai", connection="main", model="gpt-5.2", kind="ok", status=200, ms=812, message=""
            ),
        ),
        "latency_ms": 900,
        "first_byte_ms": 300,
        "usage": Usage(input=1200, cached=1000, output=80, reasoning=20),
        "cost_usd": Decimal("0.0012345678"),
        "price_source": "catalog",
        "client_address": "192.0.2.7",
        "user_agent": "OpenAI/Python 1.60.0",
    }
    return Outcome(**{**ordinary, **changes})
