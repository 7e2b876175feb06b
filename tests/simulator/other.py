"""What an OpenAI-like vendor does beside chat: embeddings, images, speech, transcriptions, moderations; and Cohere's
rerank and embed. All of it made up from the request, the same every time.

Source: types of the SDK `openai` 3.54.0, Cohere's public API reference (2026-11).
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from . import forms
from .types import Ask, Frame, Reply, Speech, json_body
from .vectors import packed, vector

PATHS = {
    ("POST", "/v1/embeddings"): "embeddings",
    ("POST", "/v1/images/generations"): "image",
    ("POST", "/v1/audio/speech"): "speech",
    ("POST", "/v1/audio/transcriptions"): "transcription",
    ("POST", "/v1/moderations"): "moderation",
    ("POST", "/v1/rerank"): "rerank",
    ("POST", "/v2/rerank"): "rerank2",
    ("POST", "/v2/embed"): "embed",
}
EVENTS = (("content-type", "text/event-stream; charset=utf-8"),)
PIXEL = (  # one transparent pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
AUDIO_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
MAGIC = {"mp3": b"ID3\x04", "opus": b"OggS", "flac": b"fLaC", "wav": b"RIFF"}
CATEGORIES = ("harassment", "hate", "self-harm", "sexual", "violence", "illicit")
BAD_WORD = "hurt"  # what the moderation flags, as violence


def embeddings(ask: Ask, _: Speech) -> Reply:
    """As floats or base64 as asked (the SDK asks for base64)."""
    body = ask.received.json
    given = body["input"]
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    vectors = [vector(it, body.get("dimensions")) for it in inputs]
    coded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": packed(it) if coded else it}
        for number, it in enumerate(vectors)
    ]
    spent = len(json.dumps(given).split())
    usage = {"prompt_tokens": spent, "total_tokens": spent}
    return json_body({"object": "list", "data": data, "model": body["model"], "usage": usage})


def image(ask: Ask, _: Speech) -> Reply:
    body = ask.received.json
    usage = {"input_tokens": 4, "output_tokens": 8, "total_tokens": 12}
    usage_details = {"input_tokens_details": {"text_tokens": 4, "image_tokens": 0}}
    made = {"created_at": int(time.time()), "size": "1024x1024", "quality": "low", "background": "opaque"}
    if body.get("stream"):
        kind = "image_generation.completed"
        done = {"type": kind, "b64_json": PIXEL, "output_format": "png", **made, "usage": usage | usage_details}
        return Reply(200, EVENTS, frames=(Frame(json.dumps(done), kind),))
    one = {"url": "https://images.invalid/pixel.png"} if body.get("response_format") == "url" else {"b64_json": PIXEL}
    data = [dict(one) for _ in range(body.get("n") or 1)]
    return json_body({"created": made["created_at"], "data": data, "usage": usage | usage_details})


def speech(ask: Ask, _: Speech) -> Reply:
    """One piece of sound for every word, streamed as bytes, or as events when asked so."""
    body = ask.received.json
    form = body.get("response_format") or "mp3"
    pieces = [MAGIC.get(form, b"")] + [bytes(range(256)) * 4 for _ in body["input"].split()]
    if body.get("stream_format") == "sse":
        events: list[dict[str, Any]] = [
            {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces if piece
        ]
        usage = {"input_tokens": 1, "output_tokens": len(pieces), "total_tokens": len(pieces) + 1}
        events.append({"type": "speech.audio.done", "usage": usage})
        return Reply(200, EVENTS, frames=tuple(Frame(json.dumps(it)) for it in events))
    return Reply(200, (("content-type", AUDIO_TYPES[form]),), frames=tuple(Frame(it) for it in pieces if it))


def transcription(ask: Ask, said: Speech) -> Reply:
    """The text of the script, or how many bytes of which file were heard."""
    form = forms.read(ask.received) or {}
    file = form["file"][0]
    assert isinstance(file, forms.File)
    text = "".join(said.pieces) if said.pieces is not None else f"Heard {len(file.data)} bytes of {file.name}."
    if ask.stream:
        return _spoken(text)
    kind = str(form.get("response_format", ["json"])[0])
    plain = {
        "text": f"{text}\n",
        "srt": f"1\n00:00:00,000 --> 00:00:02,000\n{text}\n\n",
        "vtt": f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{text}\n\n",
    }
    if kind in plain:
        return Reply(200, (("content-type", "text/plain; charset=utf-8"),), plain[kind].encode())
    if kind == "verbose_json":
        return json_body(_verbose(text, form))
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": len(text.split())}
    return json_body({"text": text, "usage": usage | {"total_tokens": 14 + len(text.split())}})


def _spoken(text: str) -> Reply:
    events: list[dict[str, Any]] = [{"type": "transcript.text.delta", "delta": word + " "} for word in text.split()]
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": len(events), "total_tokens": 14 + len(events)}
    events.append({"type": "transcript.text.done", "text": text, "usage": usage})
    return Reply(200, EVENTS, frames=(*(Frame(json.dumps(it), it["type"]) for it in events),))


def _verbose(text: str, form: forms.Form) -> dict[str, Any]:
    whole = {"id": 0, "seek": 0, "start": 0.0, "end": 2.0, "text": text, "tokens": [1], "temperature": 0.0}
    segment = whole | {"avg_logprob": -0.5, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    words = [{"word": word, "start": float(n), "end": n + 1.0} for n, word in enumerate(text.split())]
    asked = form.get("timestamp_granularities[]", ["segment"])
    said: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": 2.0, "text": text}
    said |= {"segments": [segment]} if "segment" in asked else {}
    said |= {"words": words} if "word" in asked else {}
    return said | {"usage": {"type": "duration", "seconds": 2}}


def moderation(ask: Ask, _: Speech) -> Reply:
    body = ask.received.json
    given = body["input"]
    texts = given if isinstance(given, list) and isinstance(given[0], str) else [json.dumps(given)]
    model = body.get("model") or "omni-moderation-latest"
    results = [_judged(it) for it in texts]
    return json_body({"id": f"modr-sim{ask.number:06d}", "model": model, "results": results})


def _judged(text: str) -> dict[str, Any]:
    found = {name: name == "violence" and BAD_WORD in text.lower() for name in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: 0.9 if bad else 0.01 for name, bad in found.items()},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def rerank(ask: Ask, _: Speech) -> Reply:
    """By the share of the words of the query that a document holds; best first."""
    body = ask.received.json
    asked = set(body["query"].lower().split())
    texts = [it if isinstance(it, str) else str(it.get("text", "")) for it in body["documents"]]
    scored: list[dict[str, Any]] = [
        {"index": number, "relevance_score": round(len(asked & set(text.lower().split())) / (len(asked) or 1), 6)}
        for number, text in enumerate(texts)
    ]
    best = sorted(scored, key=lambda it: -it["relevance_score"])[: body.get("top_n") or len(scored)]
    if body.get("return_documents"):
        best = [{**it, "document": {"text": texts[it["index"]]}} for it in best]
    return json_body({"id": f"sim-{ask.number:06d}", "results": best, "meta": _meta(ask, {"search_units": 1})})


def cohere_embed(ask: Ask, _: Speech) -> Reply:
    body = ask.received.json
    vectors = [vector(it, body.get("output_dimension")) for it in body["texts"]]
    kinds = body.get("embedding_types") or ["float"]
    forms_of = {"float": vectors, "base64": [packed(it) for it in vectors]}
    found = {kind: forms_of.get(kind, [[round(n * 100) for n in it] for it in vectors]) for kind in kinds}
    spent = sum(len(it.split()) for it in body["texts"])
    return json_body(
        {
            "id": f"sim-{ask.number:06d}",
            "embeddings": found,
            "texts": body["texts"],
            "meta": _meta(ask, {"input_tokens": spent}),
            "response_type": "embeddings_by_type",
        }
    )


def _meta(ask: Ask, billed: dict[str, int]) -> dict[str, Any]:
    version = ask.received.path.split("/")[1].removeprefix("v")
    return {"api_version": {"version": version}, "billed_units": billed}


REPLIES: dict[str, Callable[[Ask, Speech], Reply]] = {
    "embeddings": embeddings,
    "image": image,
    "speech": speech,
    "transcription": transcription,
    "moderation": moderation,
    "rerank": rerank,
    "rerank2": rerank,
    "embed": cohere_embed,
}
