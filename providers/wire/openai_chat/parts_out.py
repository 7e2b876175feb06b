"""Canonical parts → parts of messages for an upstream, as far as it takes them."""

from __future__ import annotations

import base64

from providers.wire.openai_chat.parts_in import FAMILY
from providers.wire.traits import Traits
from providers.wire.translation import Dropped
from providers.wire.types import Audio, Document, Image, Json, Media, Opaque, Part, Refusal, Text

OMITTED = "[{} left out: this model does not take it.]"
OPENAI = frozenset(("openai_chat", "openai_responses"))  # one vendor: file ids are good for both


def surely(traits: Traits, capability: str) -> bool:
    """Said to be there; not knowing is not enough for what most upstreams refuse."""
    return traits.capabilities is not None and capability in traits.capabilities


def takes_marks(traits: Traits) -> bool:
    """Cache marks on parts, as OpenRouter takes them; everybody else refuses or ignores them."""
    return traits.family == "openrouter" or surely(traits, "cache_control")


class Parts:
    """Turns parts into what stands in ``content``, noting what cannot."""

    __slots__ = ("_dropped", "_marks", "_traits")

    def __init__(self, traits: Traits, dropped: Dropped) -> None:
        self._traits, self._dropped = traits, dropped
        self._marks = takes_marks(traits)

    def content(self, parts: tuple[Part, ...]) -> Json:
        """A string where the parts are plain text, for many upstreams know nothing else; otherwise a list."""
        found = [item for part in parts for item in self.one(part)]
        if not found:
            return "\n".join(OMITTED.format(word(part)) for part in parts if not isinstance(part, Text))
        return self.plain(found) if all_text(found) else found

    def plain(self, found: list[Json]) -> Json:
        """Text parts as they are for OpenAI's own models, joined for the others."""
        if len(found) > 1 and self._traits.developer_role:
            return found
        return "\n\n".join(item["text"] for item in found)

    def one(self, part: Part) -> list[Json]:
        """The items that one part becomes: none when the model does not take it."""
        if isinstance(part, Text):
            return [self._marked({"type": "text", "text": part.text}, part.cache)] if part.text else []
        if isinstance(part, Image):
            return self._image(part)
        if isinstance(part, Document):
            return self._document(part)
        if isinstance(part, Audio):
            return self._audio(part)
        if isinstance(part, Refusal):
            return [{"type": "text", "text": part.text}]
        if isinstance(part, Opaque):
            if part.family == FAMILY:
                return [part.value]
            self._dropped.add(word(part))
        return []

    def _marked(self, item: dict[str, Json], cache: str) -> dict[str, Json]:
        if cache and self._marks:
            item["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}
        elif cache:
            self._dropped.add("cache_control")
        return item

    def _image(self, image: Image) -> list[Json]:
        address = self._address(image.media)
        if not address or not self._traits.can("vision"):
            self._dropped.add("image")
            return []
        inner = {"url": address, "detail": image.detail} if image.detail else {"url": address}
        return [self._marked({"type": "image_url", "image_url": inner}, image.cache)]

    def _address(self, media: Media) -> str:
        if media.data:
            return f"data:{media.media_type or 'image/png'};base64,{media.data}"
        return media.url

    def _document(self, document: Document) -> list[Json]:
        if document.citations:
            self._dropped.add("citations")
        if document.media is None or (document.media.data and document.media.media_type.startswith("text/")):
            return [self._marked({"type": "text", "text": _as_text(document)}, document.cache)]
        file = self._file(document.media, document.name)
        if not file or not self._traits.can("pdf"):
            self._dropped.add("document")
            return []
        item = self._marked({"type": "file", "file": file}, document.cache)
        return [{"type": "text", "text": document.context}, item] if document.context else [item]

    def _file(self, media: Media, name: str) -> dict[str, Json]:
        if media.data:
            data = f"data:{media.media_type or 'application/pdf'};base64,{media.data}"
            return {"filename": name or "document.pdf", "file_data": data}
        if media.file_id and media.family in OPENAI and self._traits.family != "openrouter":
            return {"file_id": media.file_id, "filename": name} if name else {"file_id": media.file_id}
        if media.url and self._traits.family == "openrouter":  # the only one that fetches
            return {"filename": name or "document.pdf", "file_data": media.url}
        return {}

    def _audio(self, audio: Audio) -> list[Json]:
        if not self._traits.can("audio_in"):
            self._dropped.add("audio")
            return []
        return [{"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}]


def all_text(found: list[Json]) -> bool:
    """Only text, without marks."""
    return all(item.keys() == {"type", "text"} for item in found)


def word(part: Part) -> str:
    """What a part is called where it is said to be left out."""
    if isinstance(part, Opaque):
        kind = part.value.get("type") if isinstance(part.value, dict) else None
        return kind if isinstance(kind, str) and kind else "part"
    return type(part).__name__.lower()


def _as_text(document: Document) -> str:
    """Plain text needs no file: every model reads it."""
    text = document.text
    if document.media is not None:
        text = base64.b64decode(document.media.data, validate=False).decode("utf-8", "replace")
    head = [f"[Document: {document.name}]"] if document.name else []
    return "\n".join([*head, *([document.context] if document.context else []), text])
