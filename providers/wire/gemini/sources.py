"""``groundingMetadata`` and ``citationMetadata`` ⇄ citations. Google counts in UTF-8 bytes, we in characters."""

from __future__ import annotations

from collections.abc import Iterable

from providers.wire.gemini.answers import objects, text
from providers.wire.types import Citation, Json

FAMILY = "gemini"


def citations_in(candidate: dict[str, Json], said: str) -> list[Citation]:
    """Of one candidate whose text is ``said``. The first of a grounding carries Google's own object in ``raw``."""
    found: list[Citation] = []
    grounding = candidate.get("groundingMetadata")
    if isinstance(grounding, dict):
        found = _grounded(grounding, said)
    cited = candidate.get("citationMetadata")
    if isinstance(cited, dict):
        rows = cited.get("citations", cited.get("citationSources"))
        found += [_cited(row, said) for row in objects(rows)]
    return found


def _grounded(grounding: dict[str, Json], said: str) -> list[Citation]:
    chunks = grounding.get("groundingChunks")
    pages = [_page(chunk) for chunk in chunks] if isinstance(chunks, list) else []
    made, used = [], set()
    for support in objects(grounding.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        places = support.get("groundingChunkIndices")
        for place in places if isinstance(places, list) else ():
            if isinstance(place, int) and 0 <= place < len(pages) and pages[place][0]:
                used.add(place)
                made.append(_supported(pages[place], segment, said))
    made += [Citation(url=url, title=title) for n, (url, title) in enumerate(pages) if url and n not in used]
    if made:
        first = made[0]
        made[0] = Citation(
            url=first.url, title=first.title, cited=first.cited, start=first.start, end=first.end,
            raw={"groundingMetadata": grounding}, family=FAMILY,
        )  # fmt: skip
    return made


def _page(chunk: Json) -> tuple[str, str]:
    """Address and title of a source of any kind (web, maps, retrievedContext)."""
    for inner in chunk.values() if isinstance(chunk, dict) else ():
        if isinstance(inner, dict) and isinstance(inner.get("uri"), str):
            return inner["uri"], text(inner.get("title"))
    return "", ""


def _supported(page: tuple[str, str], segment: dict[str, Json], said: str) -> Citation:
    start, end = _characters(said, segment.get("startIndex", 0)), _characters(said, segment.get("endIndex"))
    if end is None:
        start = None
    return Citation(url=page[0], title=page[1], cited=text(segment.get("text")), start=start, end=end)


def _cited(row: dict[str, Json], said: str) -> Citation:
    start, end = _characters(said, row.get("startIndex", 0)), _characters(said, row.get("endIndex"))
    if end is None:
        start = None
    return Citation(url=text(row.get("uri")), title=text(row.get("title")), start=start, end=end)


def _characters(said: str, offset: Json) -> int | None:
    """Characters before a byte; None when there is no such byte."""
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        return None
    if said.isascii():
        return offset if offset <= len(said) else None
    raw = said.encode("utf-8", "replace")
    return len(raw[:offset].decode("utf-8", "ignore")) if offset <= len(raw) else None


def grounding_out(citations: Iterable[Citation], said: str) -> dict[str, Json] | None:
    """``groundingMetadata`` for a client: Google's own where it is, else made of what is known. None without any."""
    places: dict[tuple[str, str], int] = {}
    supports: list[dict[str, Json]] = []
    for citation in citations:
        own = citation.raw.get("groundingMetadata") if isinstance(citation.raw, dict) else None
        if citation.family == FAMILY and isinstance(own, dict):
            return own
        page = (citation.url, citation.title)
        if not citation.url:
            continue
        place = places.setdefault(page, len(places))
        if citation.end is not None:
            supports.append({"segment": _segment(citation, said), "groundingChunkIndices": [place]})
    if not places:
        return None
    chunks = [{"web": {"uri": url, "title": title} if title else {"uri": url}} for url, title in places]
    return {"groundingChunks": chunks} | ({"groundingSupports": supports} if supports else {})


def _segment(citation: Citation, said: str) -> dict[str, Json]:
    start, end = citation.start or 0, citation.end or 0
    made: dict[str, Json] = {"startIndex": _bytes(said, start), "endIndex": _bytes(said, end)}
    return made | {"text": citation.cited or said[start:end]}


def _bytes(said: str, offset: int) -> int:
    return offset if said.isascii() else len(said[:offset].encode("utf-8", "replace"))
