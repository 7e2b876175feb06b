"""Vendors' doors for services in shapes of their own, for ``vendor.Vendor``: strict about what they are sent.

    with Vendor(services.answer) as vendor: …

Source: the vendors' documentation of their interfaces (2026-11). A prompt with the word ``FORBIDDEN`` is refused as the
vendor refuses what its rules forbid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .other import PIXEL
from .vendor import Seen, Told

FORBIDDEN = "forbidden"
USAGE = {
    "promptTokenCount": 7, "candidatesTokenCount": 1290, "totalTokenCount": 1297,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
}  # fmt: skip


def answer(seen: Seen) -> Told:
    """What the door at this path says; 400 for a field that its vendor does not know, and where there is no door."""
    path = seen.target.partition("?")[0]
    known, door = next((row for part, row in DOORS.items() if part in path), ((), nothing_here))
    body = seen.json
    inner = body["request"] if path.startswith("/v1internal:") else body
    if unknown := sorted(inner.keys() - set(known)):
        return 400, {
            "error": {"code": 400, "message": f"Unknown fields: {', '.join(unknown)}.", "status": "INVALID_ARGUMENT"}
        }
    said = door(inner)
    return 200, {"response": said, "traceId": "t-1"} if inner is not body else said


def nothing_here(body: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError("no vendor has this door")


def generated(body: dict[str, Any]) -> dict[str, Any]:
    """Gemini writes, and draws one picture."""
    config = body["generationConfig"]
    assert config.keys() <= {"responseModalities", "imageConfig"} and config["responseModalities"] == ["TEXT", "IMAGE"]
    if FORBIDDEN in body["contents"][0]["parts"][0]["text"]:
        return {"candidates": [{"finishReason": "IMAGE_SAFETY", "index": 0}], "usageMetadata": {"promptTokenCount": 7}}
    parts = [{"text": "Here it is:"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": USAGE}


def predicted(body: dict[str, Any]) -> dict[str, Any]:
    if FORBIDDEN in body["instances"][0]["prompt"]:
        return {"predictions": [{"raiFilteredReason": "The prompt is against the rules."}]}
    one = {"bytesBase64Encoded": PIXEL, "mimeType": "image/png"}
    return {"predictions": [one] * body["parameters"]["sampleCount"]}


def hyperbolic(body: dict[str, Any]) -> dict[str, Any]:
    return {"images": [{"image": PIXEL}]}


def minimax(body: dict[str, Any]) -> dict[str, Any]:
    urls = [f"https://images.invalid/{number}.jpeg" for number in range(body.get("n", 1))]
    return {"data": {"image_urls": urls}, "base_resp": {"status_code": 0, "status_msg": "success"}}


def nvidia(body: dict[str, Any]) -> dict[str, Any]:
    """A logit of 0 for the first passage, and 1 more for each that follows."""
    assert body["query"].keys() == {"text"} and all(one.keys() == {"text"} for one in body["passages"])
    return {"rankings": [{"index": n, "logit": float(n)} for n in range(len(body["passages"]))]}


def deepinfra(body: dict[str, Any]) -> dict[str, Any]:
    [query] = body["queries"]
    asked = set(query.split())
    return {"scores": [math.tanh(len(asked & set(text.split()))) for text in body["documents"]]}


def voyage(body: dict[str, Any]) -> dict[str, Any]:
    found = [{"index": n, "relevance_score": 1 / (1 + n)} for n in range(len(body["documents"]))]
    return {"object": "list", "data": found[: body.get("top_k")], "usage": {"total_tokens": 26}}


Door = Callable[[dict[str, Any]], dict[str, Any]]
# Part of a path → the fields known there, and what answers.
DOORS: dict[str, tuple[tuple[str, ...], Door]] = {
    ":generateContent": (("contents", "generationConfig", "sessionId"), generated),
    ":predict": (("instances", "parameters"), predicted),
    "/image/generation": (("model_name", "prompt", "width", "height"), hyperbolic),
    "/image_generation": (("model", "prompt", "aspect_ratio", "n", "response_format"), minimax),
    "/ranking": (("model", "query", "passages", "truncate"), nvidia),
    "/inference/": (("queries", "documents"), deepinfra),
    "/rerank": (("model", "query", "documents", "top_k", "return_documents"), voyage),
}
