"""Images and documents → blocks. What the vendor would refuse is refused here by name."""

from __future__ import annotations

import base64
import binascii

from providers.wire.anthropic.tables import FAMILY
from providers.wire.errors import Refusal
from providers.wire.types import Document, Image, Json, Media

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
# How base64 of each begins. A wrong declared type is refused by the vendor, so the bytes are believed first.
BEGINNINGS = (("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
PDF = "application/pdf"
TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript")


def image(part: Image) -> dict[str, Json]:
    """An image block without its cache mark. Raises Refusal 400 for what the format cannot hold."""
    media = part.media
    if not media.data:
        return {"type": "image", "source": _elsewhere(media, "image")}
    found = next((kind for start, kind in BEGINNINGS if media.data.startswith(start)), "")
    kind = found or media.media_type.lower().replace("image/jpg", "image/jpeg")
    if kind not in IMAGES:
        raise _refused(f"images of type '{media.media_type or 'unknown'}'")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": media.data}}


def document(part: Document) -> dict[str, Json]:
    """A document block without its cache mark. Raises Refusal 400 for what the format cannot hold."""
    block: dict[str, Json] = {"type": "document", "source": _document_source(part)}
    if part.name:
        block["title"] = part.name
    if part.context:
        block["context"] = part.context
    if part.citations:
        block["citations"] = {"enabled": True}
    return block


def _document_source(part: Document) -> dict[str, Json]:
    media = part.media
    if media is None:
        return _plain(part.text)
    if not media.data:
        return _elsewhere(media, "document")
    kind = media.media_type.partition(";")[0].strip().lower()
    if kind == PDF or (not kind and media.data.startswith("JVBERi")):
        return {"type": "base64", "media_type": PDF, "data": media.data}
    if not kind.startswith("text/") and kind not in TEXTUAL:
        raise _refused(f"documents of type '{kind or 'unknown'}'")
    try:
        return _plain(base64.b64decode(media.data, validate=False).decode())
    except (binascii.Error, ValueError):
        raise _refused(f"this document: it is not UTF-8 text, though it says '{kind}'") from None


def _plain(text: str) -> dict[str, Json]:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _elsewhere(media: Media, what: str) -> dict[str, Json]:
    if media.file_id and media.family == FAMILY:
        return {"type": "file", "file_id": media.file_id}
    if media.file_id:
        raise _refused(f"the {what} by file_id '{media.file_id}': it lives at another provider")
    if not media.url.startswith(("https://", "http://")):
        raise _refused(f"this {what}: its address is neither http nor https")
    return {"type": "url", "url": media.url}


def _refused(what: str) -> Refusal:
    return Refusal(400, f"This model's provider does not take {what}.", code="unsupported_content", param="messages")
