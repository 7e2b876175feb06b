"""What vendors refuse beside chat: embeddings, images, speech, transcriptions, moderations, rerank.

Source: types of the SDK `openai` 3.54.0, Cohere's public API reference (2026-11).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import forms
from .checks import (
    Check,
    between,
    boolean,
    either,
    integer,
    list_of,
    obj,
    one_of,
    positive,
    record,
    text,
    whole_between,
)
from .shapes import Fault
from .types import Received, Refusal, Rules

TOKENS = list_of(integer, 1)
EMBEDDING: Mapping[str, Check] = {
    "model": text,
    "input": either(text, list_of(text, 1, 2048), TOKENS, list_of(TOKENS, 1, 2048)),
    "dimensions": positive,
    "encoding_format": one_of({"float", "base64"}),
    "user": text,
}
IMAGE: Mapping[str, Check] = {
    "model": text,
    "prompt": text,
    "n": whole_between(1, 10),
    "size": text,
    "quality": text,
    "style": one_of({"vivid", "natural"}),
    "response_format": one_of({"url", "b64_json"}),
    "output_format": one_of({"png", "jpeg", "webp"}),
    "output_compression": whole_between(0, 100),
    "background": one_of({"transparent", "opaque", "auto"}),
    "moderation": one_of({"low", "auto"}),
    "partial_images": whole_between(0, 3),
    "stream": boolean,
    "user": text,
}
SPEECH: Mapping[str, Check] = {
    "model": text,
    "input": lambda value: text(value) and 1 <= len(value) <= 4096,
    "voice": either(text, record(id=text)),
    "instructions": text,
    "response_format": one_of({"mp3", "opus", "aac", "flac", "wav", "pcm"}),
    "speed": between(0.25, 4),
    "stream_format": one_of({"audio", "sse"}),
}
MODERATION: Mapping[str, Check] = {"model": text, "input": either(text, list_of(text, 1), list_of(obj, 1))}
RERANK: Mapping[str, Check] = {
    "model": text,
    "query": lambda value: text(value) and bool(value),
    "documents": list_of(text, 1, 1000),
    "top_n": positive,
    "max_tokens_per_doc": positive,
    "priority": whole_between(0, 999),
}
RERANK_V1: Mapping[str, Check] = {
    **RERANK,
    "documents": list_of(either(text, obj), 1, 1000),
    "return_documents": boolean,
    "rank_fields": list_of(text),
    "max_chunks_per_doc": positive,
}
KINDS_OF_INPUT = {"search_document", "search_query", "classification", "clustering", "image"}
COHERE_EMBED: Mapping[str, Check] = {
    "model": text,
    "input_type": one_of(KINDS_OF_INPUT),
    "texts": list_of(text, 1, 96),
    "embedding_types": list_of(one_of({"float", "int8", "uint8", "binary", "ubinary", "base64"})),
    "output_dimension": positive,
    "truncate": one_of({"NONE", "START", "END"}),
    "max_tokens": positive,
    "priority": whole_between(0, 999),
}
FIELDS: Mapping[str, Mapping[str, Check]] = {
    "embeddings": EMBEDDING,
    "image": IMAGE,
    "speech": SPEECH,
    "moderation": MODERATION,
    "rerank": RERANK_V1,
    "rerank2": RERANK,
    "embed": COHERE_EMBED,
}
REQUIRED = {
    "embeddings": ("model", "input"),
    "image": ("prompt",),
    "speech": ("model", "input", "voice"),
    "moderation": ("input",),
    "rerank": ("query", "documents"),
    "rerank2": ("model", "query", "documents"),
    "embed": ("model", "texts", "input_type"),
}


def figure(low: float, high: float) -> Check:
    """A number written as text, as forms have them."""

    def fits(value: Any) -> bool:
        try:
            return low <= float(value) <= high
        except (TypeError, ValueError):
            return False

    return fits


TRANSCRIPTION: Mapping[str, Check] = {
    "file": lambda value: isinstance(value, forms.File) and bool(value.data) and bool(value.name),
    "model": text,
    "language": lambda value: text(value) and 2 <= len(value) <= 3,
    "prompt": text,
    "response_format": one_of({"json", "text", "srt", "verbose_json", "vtt", "diarized_json"}),
    "temperature": figure(0, 1),
    "timestamp_granularities[]": one_of({"word", "segment"}),
    "include[]": one_of({"logprobs"}),
    "chunking_strategy": text,
    "stream": one_of({"true", "false"}),
}


def other_faults(operation: str, body: Mapping[str, Any]) -> Iterator[Refusal]:
    """What fields forbid each other, and what the name of a model does."""
    if operation == "completion" and body.get("stream_options") is not None and body.get("stream") is not True:
        yield bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if operation == "image" and body.get("partial_images") and not body.get("stream"):
        yield bad("'partial_images' is only allowed when 'stream' is enabled.", "partial_images")
    if operation == "image" and "modern" in str(body.get("model")) and body.get("response_format"):
        yield bad("Unknown parameter: 'response_format'.", "response_format", "unknown_parameter")


def transcription_faults(received: Received, rules: Rules) -> Iterator[Refusal]:
    form = forms.read(received)
    if form is None:
        yield Refusal(415, "The request must be multipart/form-data with a boundary.", "invalid_request_error")
        return
    for name in ("file", "model"):
        if name not in form:
            yield bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name, values in form.items() if rules.strict else ():
        fits = TRANSCRIPTION.get(name)
        if fits is None and name not in rules.extras:
            yield bad(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
        elif fits is not None and not all(map(fits, values)):
            yield bad(f"Invalid value for '{name}'.", name, "invalid_value")
    verbose = form.get("response_format") == ["verbose_json"]
    if "timestamp_granularities[]" in form and not verbose:
        yield bad("'timestamp_granularities[]' needs 'response_format' verbose_json.", "timestamp_granularities[]")
    if rules.models is not None and form["model"][0] not in rules.models:
        yield unknown_model(form["model"][0])


def unknown_model(model: object) -> Refusal:
    message = f"The model '{model}' does not exist or you do not have access to it."
    return Refusal(404, message, "invalid_request_error", "model_not_found")


def told(fault: Fault) -> Refusal:
    """A fault of a shape in OpenAI's words: `messages[0].content`."""
    code = {"missing": "missing_required_parameter", "unknown": "unknown_parameter"}.get(fault.kind, "invalid_value")
    at = re.sub(r"\.(\d+)", r"[\1]", fault.at)
    return bad(f"Invalid value for '{at}': {fault.message}.", at, code)


def bad(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, message, "invalid_request_error", code, param)
