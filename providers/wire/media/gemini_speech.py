"""Gemini's speech: a generation whose only modality is sound. Source: ai.google.dev/gemini-api/docs/speech-generation
(2026-11): samples of 16 bits, mono, as base64 in the parts of the reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.gemini import answers
from providers.wire.media import voices
from providers.wire.media.bodies import bad_reply, encode
from providers.wire.media.job import JSON_TYPE, Answer, Dialect, Outgoing
from providers.wire.media.speech import Speech
from providers.wire.media.told import Told
from providers.wire.types import Json

FORMS = ("wav", "pcm")
RATE = re.compile(r";\s*rate=(\d{4,6})")  # of audio/L16; Google names it, and has had 24000 so far


class Speak(Told[Speech]):
    """Who does not say a format gets WAV: the vendor makes nothing that is compressed."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return voices.form_fault(self.job, FORMS)

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        config: dict[str, Json] = {"responseModalities": ["AUDIO"]}
        if voice := voices.voice_of(self.job):
            config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        content = {"role": "user", "parts": [{"text": self.job.fields["input"]}]}
        body = encode({"contents": [content], "generationConfig": config})
        return Outgoing(bodies=(body,), accept=JSON_TYPE, dropped=voices.dropped(self.job, "voice"))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        whole = answers.envelope(replies[0])
        pieces = _pieces(whole)
        if not pieces:
            raise _silence(whole)
        samples = b"".join(voices.sound(piece.get("data")) for piece in pieces)
        usage = answers.usage_in(whole.get("usageMetadata"))
        if voices.form_of(self.job) == "pcm":
            return Answer(body=samples, content_type="audio/pcm", usage=usage)
        named = RATE.search(answers.text(pieces[0].get("mimeType")))
        rate = int(named[1]) if named else voices.PCM_RATE
        return Answer(body=voices.wav(samples, rate), content_type="audio/wav", usage=usage)


def _pieces(whole: dict[str, Json]) -> list[dict[str, Json]]:
    """The sound of the first candidate, in order."""
    candidates = answers.objects(whole.get("candidates"))
    content = candidates[0].get("content") if candidates else None
    parts = answers.objects(content.get("parts")) if isinstance(content, dict) else []
    found = [part.get("inlineData") for part in parts]
    return [piece for piece in found if isinstance(piece, dict)]


def _silence(whole: dict[str, Json]) -> UpstreamFailure:
    """Why there is no sound."""
    feedback, candidates = whole.get("promptFeedback"), answers.objects(whole.get("candidates"))
    blocked = not candidates and isinstance(feedback, dict) and bool(feedback.get("blockReason"))
    reason = answers.text(candidates[0].get("finishReason")) if candidates else ""
    if blocked or answers.FINISH_IN.get(reason) == "content_filter":
        return UpstreamFailure(Kind.CONTENT_FILTER, "The provider's filter stopped the answer.", code="content_filter")
    return bad_reply("The provider sent no audio.")
