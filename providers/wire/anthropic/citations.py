"""Citations: the vendor's own travel whole, those of others become locations of a web search."""

from __future__ import annotations

from providers.wire.anthropic.tables import FAMILY
from providers.wire.types import Citation, Json


def read(raw: Json) -> Citation | None:
    """One citation of a text block; None for what is none. Its offsets count in the source, not in the text."""
    if not isinstance(raw, dict):
        return None
    return Citation(
        url=_text(raw, "url") or _text(raw, "source"),
        title=_text(raw, "title") or _text(raw, "document_title"),
        cited=_text(raw, "cited_text"),
        raw=raw,
        family=FAMILY,
    )


def replayed(citation: Citation) -> Json:
    """What may go back to the vendor: its own words. None for citations that were made here or come from others."""
    raw = citation.raw
    if citation.family != FAMILY or not isinstance(raw, dict):
        return None
    return None if raw.get("type") == "web_search_result_location" and not raw.get("encrypted_index") else raw


def shown(citation: Citation) -> dict[str, Json]:
    """For a client."""
    if citation.family == FAMILY and isinstance(citation.raw, dict):
        return citation.raw
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.cited,
        "encrypted_index": "",
    }


def _text(raw: dict[str, Json], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
