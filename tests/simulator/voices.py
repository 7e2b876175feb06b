"""Vendors' doors for speech and transcription in shapes of their own, for ``vendor.Vendor``: strict about what they are
sent, and to whom the credential belongs.

    with Vendor(Voices()) as vendor: …

Source: the vendors' documentation of their interfaces (2026-11). Sound is ``SOUND``, what is heard is ``HEARD``.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from .vendor import Pieces, Seen, Told

SOUND = bytes(range(256)) * 40
HEARD = "Hello there. How are you?"
SECONDS = 2.5
# Milliseconds, as the vendor writes them.
WORDS = [
    {"text": "Hello", "start": 100, "end": 400, "confidence": 0.99, "speaker": None},
    {"text": "there.", "start": 450, "end": 900, "confidence": 0.99, "speaker": None},
    {"text": "How", "start": 1000, "end": 1200, "confidence": 0.99, "speaker": None},
    {"text": "are", "start": 1250, "end": 1400, "confidence": 0.99, "speaker": None},
    {"text": "you?", "start": 1450, "end": 1900, "confidence": 0.99, "speaker": None},
]
ENCODINGS = {"mp3", "opus", "aac", "flac", "linear16"}
OUTPUTS = {"mp3_44100_128", "opus_48000_128", "pcm_24000"}
AUDIO = {"mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "linear16": "audio/wav"}


class Refused(Exception):
    """What the vendor says instead: status and body."""


class Voices:
    """``looks``: how often a transcript is asked for before it is done. ``asked`` is set at each such question, which
    waits for ``gate`` when there is one; ``before`` are answers for the next requests, whatever they are."""

    def __init__(
        self, *, looks: int = 2, gate: threading.Event | None = None, before: list[Told] | None = None
    ) -> None:
        self.looks, self.gate, self.before = looks, gate, before or []
        self.asked = threading.Event()
        self.orders: list[dict[str, Any]] = []

    def __call__(self, seen: Seen) -> Told:
        path, _, query = seen.target.partition("?")
        door = next((door for part, door in self._doors().items() if path.startswith(part)), None)
        assert door is not None, f"no vendor has this door: {seen.method} {path}"
        if self.before:
            return self.before.pop(0)
        try:
            return door(seen, path, dict(parse_qsl(query, strict_parsing=bool(query))))
        except Refused as refused:
            status, body = refused.args
            return status, body

    def _doors(self) -> Mapping[str, Callable[[Seen, str, dict[str, str]], Told]]:
        return {
            "/listen": self.listen,
            "/speak": self.speak,
            "/upload": self.upload,
            "/transcript": self.transcript,
            "/text-to-speech/": self.elevenlabs,
            "/audio/generation": self.hyperbolic,
            "/models/": self.gemini,
        }

    # -- Deepgram ------------------------------------------------------------------------------------------------------
    def listen(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _deepgram(seen, query, {"model", "language", "detect_language", "smart_format", "punctuate"})
        if not seen.body or seen.headers["content-type"].startswith(("multipart/", "application/json")):
            raise Refused(400, {"err_code": "Bad Request", "err_msg": "Bad Request: corrupt or unsupported data"})
        heard = {"transcript": HEARD, "confidence": 0.99}
        return 200, {
            "metadata": {"request_id": "r-1", "duration": SECONDS, "channels": 1},
            "results": {"channels": [{"alternatives": [heard], "detected_language": "en"}]},
        }

    def speak(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _deepgram(seen, query, {"model", "encoding", "container", "sample_rate"})
        _fields(seen.json, {"text"}, set())
        if query.get("encoding") not in ENCODINGS:
            raise Refused(400, {"err_code": "Bad Request", "err_msg": "Unsupported audio format requested."})
        return 200, Pieces(AUDIO[query["encoding"]], (SOUND[:5000], SOUND[5000:]))

    # -- AssemblyAI ----------------------------------------------------------------------------------------------------
    def upload(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _key(seen, "authorization", "a-secret", {"error": "Authentication error, API token missing/invalid"})
        assert seen.method == "POST" and seen.body, "a recording is uploaded as it is"
        return 200, {"upload_url": f"https://cdn.invalid/upload/{len(seen.body)}"}

    def transcript(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _key(seen, "authorization", "a-secret", {"error": "Authentication error, API token missing/invalid"})
        if seen.method == "POST":
            _fields(seen.json, {"audio_url", "speech_models"}, {"language_code", "language_detection"})
            self.orders.append(seen.json)
            return 200, {"id": f"t-{len(self.orders)}", "status": "queued", "text": None, "error": None, "words": None}
        assert seen.method == "GET" and not seen.body and path == f"/transcript/t-{len(self.orders)}"
        self.asked.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        self.looks -= 1
        if self.looks > 0:
            return 200, {"id": f"t-{len(self.orders)}", "status": "processing", "text": None, "error": None}
        return 200, {
            "id": f"t-{len(self.orders)}", "status": "completed", "text": HEARD, "audio_duration": SECONDS,
            "words": WORDS, "language_code": self.orders[-1].get("language_code", "en"), "error": None,
        }  # fmt: skip

    # -- the others ----------------------------------------------------------------------------------------------------
    def elevenlabs(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        said = {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}
        _key(seen, "xi-api-key", "a-secret", said)
        _fields(seen.json, {"text", "model_id"}, {"voice_settings"})
        if set(query) != {"output_format"} or query["output_format"] not in OUTPUTS:
            raise Refused(422, {"detail": [{"loc": ["query", "output_format"], "msg": "not an output format"}]})
        if path.count("/") != 2:
            raise Refused(404, {"detail": {"status": "voice_not_found", "message": "A voice was not found."}})
        return 200, Pieces("audio/mpeg", (SOUND[:5000], SOUND[5000:]))

    def hyperbolic(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _key(seen, "authorization", "Bearer a-secret", {"message": "Invalid API key"})
        _fields(seen.json, {"text"}, {"language", "speaker", "speed"})
        return 200, {"audio": base64.b64encode(SOUND).decode()}

    def gemini(self, seen: Seen, path: str, query: dict[str, str]) -> Told:
        _key(seen, "x-goog-api-key", "a-secret", {"error": {"code": 403, "status": "PERMISSION_DENIED"}})
        _fields(seen.json, {"contents", "generationConfig"}, set())
        config = seen.json["generationConfig"]
        assert config.keys() <= {"responseModalities", "speechConfig"} and config["responseModalities"] == ["AUDIO"]
        usage = {"promptTokenCount": 4, "candidatesTokenCount": 250, "totalTokenCount": 254}
        [part] = seen.json["contents"][0]["parts"]
        if "forbidden" in part["text"]:
            return 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage}
        data = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": base64.b64encode(SOUND).decode()}
        content = {"role": "model", "parts": [{"inlineData": data}]}
        return 200, {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}


def _deepgram(seen: Seen, query: dict[str, str], known: set[str]) -> None:
    _key(seen, "authorization", "Token a-secret", {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."})
    if unknown := set(query) - known:
        raise Refused(400, {"err_code": "Bad Request", "err_msg": f"Unknown query parameters: {sorted(unknown)}"})


def _key(seen: Seen, header: str, wanted: str, said: Any) -> None:
    if seen.headers.get(header) != wanted:
        raise Refused(401, said)


def _fields(body: dict[str, Any], needed: set[str], known: set[str]) -> None:
    missing, unknown = needed - body.keys(), body.keys() - needed - known
    if missing or unknown:
        raise Refused(422, {"message": f"Missing: {sorted(missing)}. Unknown: {sorted(unknown)}."})
