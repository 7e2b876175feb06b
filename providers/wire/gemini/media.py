"""Bytes and addresses in Gemini's parts ⇄ canonical images, documents and audio."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from providers.wire.errors import Refusal
from providers.wire.reading import Fields
from providers.wire.types import Audio, Document, Image, Json, Media, Opaque, Part

FAMILY: Final = "gemini"
OWN_FILES = re.compile(r"^(gs://|https://generativelanguage\.googleapis\.com/|files/)")
AUDIO_OUT = {"mp3": "audio/mp3", "wav": "audio/wav"}
AUDIO_IN = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
BY_SUFFIX = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp", "svg": "image/svg+xml", "avif": "image/avif",
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html", "htm": "text/html",
    "csv": "text/csv", "xml": "text/xml", "json": "application/json", "mp3": "audio/mp3", "wav": "audio/wav",
    "mp4": "video/mp4", "mov": "video/mov", "webm": "video/webm",
}  # fmt: skip
DETAIL_IN = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}
DETAIL_OUT = {word: level for level, word in DETAIL_IN.items()}
URL_ALPHABET = str.maketrans("-_", "+/")


def standard(data: str) -> str:
    """Base64 in the standard alphabet with its padding: Google's SDK writes the URL-safe one."""
    if "-" in data or "_" in data:
        data = data.translate(URL_ALPHABET)
    return data + "=" * (-len(data) % 4) if len(data) % 4 else data


def inline(fields: Fields, part: Json) -> Part:
    """A part with ``inlineData``, by its type; what has no counterpart stays as it is."""
    kind, data = fields.text("mimeType", "mime_type").split(";")[0].strip().lower(), fields.text("data")
    name = fields.text("displayName", "display_name")
    if kind.startswith("image/"):
        return Image(media=Media(media_type=kind, data=standard(data)), detail=_detail(part))
    if kind.startswith("text/"):
        text = _decoded(data)
        if text is not None:
            return Document(text=text, name=name)
    if kind == "application/pdf" or kind.startswith("text/"):
        return Document(media=Media(media_type=kind, data=standard(data)), name=name)
    if kind.startswith("audio/"):
        return Audio(data=standard(data), format=AUDIO_IN.get(kind[6:], kind[6:]))
    return Opaque(family=FAMILY, value=part)


def by_address(fields: Fields, part: Json) -> Part:
    """A part with ``fileData``: an address anybody can fetch, or a file that only Google knows."""
    address = fields.text("fileUri", "file_uri")
    if not address:
        raise Refusal(400, f"'{fields.at('fileUri')}' is missing.", param=fields.at("fileUri"))
    kind = fields.text("mimeType", "mime_type").lower() or guessed(address)
    media = (
        Media(media_type=kind, file_id=address, family=FAMILY)
        if OWN_FILES.match(address)
        else Media(media_type=kind, url=address)
    )
    if kind.startswith("image/"):
        return Image(media=media, detail=_detail(part))
    if kind == "application/pdf" or kind.startswith("text/"):
        return Document(media=media, name=fields.text("displayName", "display_name"))
    return Opaque(family=FAMILY, value=part)


def guessed(address: str) -> str:
    """The type that an address's suffix tells; empty when it tells none."""
    path = address.split("?")[0].split("#")[0]
    return BY_SUFFIX.get(path.rsplit(".", 1)[-1].lower(), "") if "." in path.rsplit("/", 1)[-1] else ""


def _detail(part: Json) -> str:
    said = part.get("mediaResolution", part.get("media_resolution")) if isinstance(part, dict) else None
    level = said.get("level") if isinstance(said, dict) else said
    return DETAIL_IN.get(level, "") if isinstance(level, str) else ""


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(standard(data), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


# -- out ---------------------------------------------------------------------------------------------------------------
def part_of(media: Media, default: str, where: str) -> dict[str, Json]:
    """Media as a part. Addresses go as ``fileData`` with a type guessed by suffix: nothing is downloaded here.

    ``default``: the type when nobody tells it. Raises Refusal 400 for another vendor's file, which cannot be moved.
    """
    if media.data:
        return {"inlineData": {"mimeType": media.media_type or default, "data": media.data}}
    if media.file_id and media.family != FAMILY:
        raise Refusal(400, f"The {where} is a file kept by another provider: send its bytes instead.", param=where)
    address = media.file_id or media.url
    kind = media.media_type or guessed(address) or default
    return {"fileData": {"mimeType": kind, "fileUri": address}}


def document_part(part: Document) -> dict[str, Json]:
    if part.media is None:
        data = base64.b64encode(part.text.encode("utf-8", "replace")).decode()
        made: dict[str, Json] = {"inlineData": {"mimeType": "text/plain", "data": data}}
    else:
        made = part_of(part.media, "application/pdf", "document")
    if part.name:
        next(iter(made.values()))["displayName"] = part.name
    return made


def audio_part(part: Audio) -> dict[str, Json]:
    return {"inlineData": {"mimeType": AUDIO_OUT.get(part.format, f"audio/{part.format}"), "data": part.data}}
