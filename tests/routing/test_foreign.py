"""Which conversations must be translated although client and upstream speak one format."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.wire.traits import Traits
from routing.gateway.foreign import foreign

LEVEL, BUDGET = Traits(thinking="level"), Traits(thinking="budget")
CALL = {"functionCall": {"name": "f", "args": {}}}
SNAKE = {"function_call": {"name": "f", "args": {}}}
SIGNED = {**CALL, "thoughtSignature": "c2ln"}


def contents(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": list(parts)}]}


def thinking(signature: str) -> dict[str, Any]:
    block = {"type": "thinking", "thinking": "x", "signature": signature}
    return {"messages": [{"role": "assistant", "content": [block]}]}


def reasoning(name: str) -> dict[str, Any]:
    return {"input": [{"type": "reasoning", "id": name, "summary": []}]}


CASES = [
    ("anthropic", thinking(""), BUDGET, True),
    ("anthropic", thinking("c2ln"), BUDGET, False),
    ("anthropic", {"messages": [{"role": "user", "content": '"signature": ""'}]}, BUDGET, False),
    ("openai_responses", reasoning("rs_" + "a" * 32), BUDGET, True),
    ("openai_responses", reasoning("rs_" + "a" * 32 + "_1"), BUDGET, True),
    ("openai_responses", reasoning("rs_" + "a" * 48), BUDGET, False),
    ("openai_responses", {"input": "rs_" + "a" * 32}, BUDGET, True),  # rare, and only slower
    ("gemini", contents(CALL), LEVEL, True),
    ("gemini", contents(SNAKE), LEVEL, True),
    ("gemini", contents(SIGNED, CALL), LEVEL, False),
    ("gemini", contents({"text": "b"}), LEVEL, False),
    ("gemini", contents(CALL), BUDGET, False),
    ("gemini", {"contents": [{"parts": [{"functionCall": 1, "thoughtSignature": 2}]}]}, LEVEL, False),
    ("openai_chat", {"messages": []}, LEVEL, False),
]


@pytest.mark.parametrize(("format", "body", "traits", "expected"), CASES)
def test_foreign(format: str, body: dict[str, Any], traits: Traits, expected: bool) -> None:
    fields = msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    assert foreign(format, fields, traits) is expected
