"""Words of the Responses format that both directions share."""

from __future__ import annotations

from providers.wire.types import Citation, Json, Proof, Usage, parts_of

FAMILY = "openai_responses"
FILE_FAMILIES = ("", "openai_chat", FAMILY)  # one vendor's file ids, in both of its formats
ENCRYPTED, PHASE, ROLE = "encrypted", "phase", "role"  # kinds of Proof
LOGPROBS, SEALED = "message.output_text.logprobs", "reasoning.encrypted_content"  # of ``include``
LARGEST_COUNT = 10**15

INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}  # their reason → ours
REASONS = {"length": "max_output_tokens", "context_window": "max_output_tokens", "content_filter": "content_filter"}

# Items a client sends; every other type without a place here is the model's own.
FROM_USER = frozenset(
    {
        "computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output",
        "mcp_approval_response", "tool_search_output", "program_output", "compaction_trigger", "additional_tools",
    }
)  # fmt: skip

INTENTS = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "code_interpreter": "code",
    "file_search": "files",
    "image_generation": "image",
}


def own(proof: Proof | None, kind: str) -> Proof | None:
    """The proof when it is this family's and of this kind, and says something."""
    if proof is not None and proof.family == FAMILY and proof.kind == kind and proof.value:
        return proof
    return None


def count(value: Json) -> int:
    """A token count; 0 for what is absent, negative or no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < LARGEST_COUNT:
        return 0
    return int(value)


def usage_of(said: Json) -> Usage | None:
    """None when nothing was counted."""
    if not isinstance(said, dict):
        return None
    inside, made = said.get("input_tokens_details"), said.get("output_tokens_details")
    inside, made = inside if isinstance(inside, dict) else {}, made if isinstance(made, dict) else {}
    usage = Usage(
        input=count(said.get("input_tokens")),
        cached=count(inside.get("cached_tokens")),
        cache_write=count(inside.get("cache_write_tokens")),
        output=count(said.get("output_tokens")),
        reasoning=count(made.get("reasoning_tokens")),
        units=parts_of(
            audio_input=count(inside.get("audio_tokens")),
            image_output=count(made.get("image_tokens")),
            audio_output=count(made.get("audio_tokens")),
        ),
    )
    return usage if usage.input or usage.output else None


def usage_json(usage: Usage) -> dict[str, Json]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def citation_of(said: Json) -> Citation:
    """An annotation as the vendor or a client wrote it."""
    fields = said if isinstance(said, dict) else {}
    start, end = fields.get("start_index"), fields.get("end_index")
    return Citation(
        url=_text(fields.get("url")),
        title=_text(fields.get("title")) or _text(fields.get("filename")),
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
        raw=said,
        family=FAMILY,
    )


def annotation(citation: Citation, length: int) -> Json:
    """What to show of a source in a text of this many characters; None when there is no address to show."""
    if citation.family == FAMILY and citation.raw is not None:
        return citation.raw
    if not citation.url:
        return None
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or citation.url,
        "start_index": citation.start or 0,
        "end_index": length if citation.end is None else citation.end,
    }


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
