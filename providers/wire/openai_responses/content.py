"""Parts of messages → what stands in an item's content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from providers.wire.errors import Refusal as Refused
from providers.wire.openai_responses.vocabulary import FILE_FAMILIES
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, joined
from providers.wire.types import Audio, Document, Image, Json, Media, Opaque, Part, Refusal, Text

BREAKPOINT: Json = {"mode": "explicit"}
NO_IMAGE = "[An image was left out: this model reads text only.]"


class Contents:
    """Writes input parts. ``marked``: the client itself wrote this format, so its cache marks may go along."""

    def __init__(self, traits: Traits, dropped: Dropped, *, marked: bool) -> None:
        self._traits, self._dropped, self._marked = traits, dropped, marked

    def inputs(self, parts: Iterable[Part]) -> list[Json]:
        return [said for part in parts for said in self._input(part)]

    def _input(self, part: Part) -> list[Json]:
        match part:
            case Text():
                return [self.text(part)]
            case Image():
                return self._image(part)
            case Document():
                return self._document(part)
            case Audio():
                return self._audio(part)
            case Opaque(family="openai_responses"):
                return [part.value]
            case Refusal():
                return [{"type": "input_text", "text": part.text}]
        self._dropped.add(type(part).__name__.lower())
        return []

    def text(self, part: Text) -> Json:
        return self._cached({"type": "input_text", "text": part.text}, part.cache)

    def _cached(self, said: dict[str, Json], cache: str) -> Json:
        if cache and self._marked:
            said["prompt_cache_breakpoint"] = BREAKPOINT
        return said

    def _image(self, part: Image) -> list[Json]:
        if not self._traits.can("vision"):
            self._dropped.add("image")
            return [{"type": "input_text", "text": NO_IMAGE}]
        said: dict[str, Json] = {"type": "input_image", "detail": part.detail or "auto"}
        if part.media.file_id:
            said["file_id"] = _file_id(part.media)
        else:
            said["image_url"] = _address(part.media, "image/png")
        return [self._cached(said, part.cache)]

    def _document(self, part: Document) -> list[Json]:
        if part.media is None:
            text = joined((part.name, part.context, part.text))
            return [self._cached({"type": "input_text", "text": text}, part.cache)]
        said: dict[str, Json] = {"type": "input_file"}
        media = part.media
        if media.file_id:
            said["file_id"] = _file_id(media)
        elif media.url:
            said["file_url"] = media.url
        else:
            said["filename"] = part.name or "document.pdf"
            said["file_data"] = _address(media, "application/pdf")
        before = [{"type": "input_text", "text": part.context}] if part.context else []
        return [*before, self._cached(said, part.cache)]

    def _audio(self, part: Audio) -> list[Json]:
        if not self._traits.can("audio_in"):
            _refuse("input_audio", "This model does not take audio input.")
        return [{"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}]


def _address(media: Media, default: str) -> str:
    return media.url or f"data:{media.media_type or default};base64,{media.data}"


def _file_id(media: Media) -> str:
    if media.family not in FILE_FAMILIES:
        _refuse("file_id", "A file that was uploaded to another vendor cannot be sent to this model.")
    return media.file_id


def _refuse(param: str, message: str) -> NoReturn:
    raise Refused(400, message, code="unsupported_parameter", param=param)
