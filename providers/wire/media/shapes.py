"""Services in shapes of vendors' own: operation → the catalogue's word → the job as that vendor is told it. One table.

A shape is made from the client's job and the time (Unix seconds), and is a job itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.wire.media import assemblyai, deepgram, elevenlabs, gemini_speech, hyperbolic_speech
from providers.wire.media.job import Job
from providers.wire.media.pictures_gemini import Generated, Imagen
from providers.wire.media.pictures_plain import Hyperbolic, MiniMax
from providers.wire.media.ranking import DeepInfra, Nvidia, Voyage

Shape = Callable[..., Any]
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "images": {"gemini": Generated, "hyperbolic": Hyperbolic, "imagen": Imagen, "minimax": MiniMax},
    "rerank": {"deepinfra": DeepInfra, "nvidia": Nvidia, "voyage": Voyage},
    "speech": {
        "deepgram": deepgram.Speak,
        "elevenlabs": elevenlabs.Speak,
        "gemini": gemini_speech.Speak,
        "hyperbolic": hyperbolic_speech.Speak,
    },
    "transcription": {"assemblyai": assemblyai.Transcribe, "deepgram": deepgram.Listen},
}


def shaped(job: Job, operation: str, shape: str, created: int) -> Job:
    """The job in a vendor's shape; as it is where the vendor has none ("")."""
    if not shape:
        return job
    made: Job = SHAPES[operation][shape](job=job, created=created)
    return made
