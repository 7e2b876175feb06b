"""The requests that are sent: a small chat, an agent's 60 KB with tools and a long history, a stream."""

import json
import random
from typing import Any

LARGE_BYTES = 60_000
WORDS = [
    "the",
    "file",
    "has",
    "a",
    "test",
    "that",
    "reads",
    "every",
    "line",
    "and",
    "returns",
    "what",
    "it",
    "found",
]


def small(model: str = "bench-small") -> bytes:
    """A chat of some 200 bytes."""
    messages = [
        {"role": "system", "content": "You answer shortly."},
        {"role": "user", "content": "What is the capital of Norway?"},
    ]
    return _dump({"model": model, "messages": messages, "max_tokens": 100})


def stream(model: str = "bench-stream-200x20ms") -> bytes:
    messages = [{"role": "user", "content": "Tell me a long story."}]
    return _dump({"model": model, "messages": messages, "stream": True})


def large(model: str = "bench-small") -> bytes:
    """What a coding agent sends: 16 tools, then turns of tool calls and their results up to 60 KB."""
    die = random.Random(1)
    body: dict[str, Any] = {"model": model, "max_tokens": 4096, "tools": [_tool(n, die) for n in range(16)]}
    body["messages"] = [
        {"role": "system", "content": _text(die, 400)},
        {"role": "user", "content": _text(die, 60)},
    ]
    size = len(_dump(body))
    while size < LARGE_BYTES:
        turn = _turn(len(body["messages"]), die)
        body["messages"] += turn
        size += len(_dump(turn))
    return _dump(body)


def _turn(number: int, die: random.Random) -> list[dict[str, Any]]:
    arguments = json.dumps({"path": f"src/module_{number}.py", "start": 1, "end": 80})
    call = {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "tool_3", "arguments": arguments},
    }
    return [
        {"role": "assistant", "content": _text(die, 30), "tool_calls": [call]},
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": _text(die, 350).replace(" line", ' "line"\n'),
        },
    ]


def _tool(number: int, die: random.Random) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "description": _text(die, 15)} for name in ("path", "pattern", "start", "end")
    }
    parameters = {"type": "object", "properties": properties, "required": ["path"]}
    function = {"name": f"tool_{number}", "description": _text(die, 60), "parameters": parameters}
    return {"type": "function", "function": function}


def _text(die: random.Random, words: int) -> str:
    return " ".join(die.choices(WORDS, k=words))


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
