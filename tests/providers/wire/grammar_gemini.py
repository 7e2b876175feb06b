"""Whether bytes are a stream as Gemini's clients take it: said in full by the SDK's reader and its types."""

from __future__ import annotations

import json
from typing import Any

from google.genai import types

LAST = {"STOP", "MAX_TOKENS", "SAFETY", "OTHER"}


def chunks(raw: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream with ``alt=sse``; fails on everything that is not ``data: `` and a blank line."""
    text = raw.decode()
    if not text:
        return []
    assert text.endswith("\n\n")
    frames = text[:-2].split("\n\n")
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames), frames
    return [json.loads(frame[6:]) for frame in frames]


def check(raw: bytes) -> list[dict[str, Any]]:
    """Fail unless this is a complete, successful stream; return its chunks."""
    made = chunks(raw)
    assert made
    for chunk in made:
        assert set(chunk) <= {"candidates", "usageMetadata", "modelVersion", "responseId"}
        types.GenerateContentResponse.model_validate(chunk)
        assert chunk["candidates"]
        for candidate in chunk["candidates"]:
            check_candidate(candidate)
    assert len({(chunk["responseId"], chunk["modelVersion"]) for chunk in made}) == 1
    *before, last = made
    for chunk in before:
        assert "usageMetadata" not in chunk
        assert not any("finishReason" in candidate for candidate in chunk["candidates"])
    assert all(candidate["finishReason"] in LAST for candidate in last["candidates"])
    seen = {candidate["index"] for chunk in made for candidate in chunk["candidates"]}
    assert seen == {candidate["index"] for candidate in last["candidates"]}
    return made


def check_candidate(candidate: dict[str, Any]) -> None:
    content = candidate["content"]
    assert content["role"] == "model" and content["parts"]
    for part in content["parts"]:
        assert set(part) - {"thought", "thoughtSignature"}, "a part without content"
        call = part.get("functionCall")
        if call is not None:
            assert isinstance(call["args"], dict) and call["name"] and call["id"]


def parts(made: list[dict[str, Any]], choice: int = 0) -> list[dict[str, Any]]:
    return [
        part
        for chunk in made
        for candidate in chunk["candidates"]
        if candidate["index"] == choice
        for part in candidate["content"]["parts"]
    ]
