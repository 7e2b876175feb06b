"""What a chat holds beside text, and what it names by its address or a vendor's id instead of sending it: how many
tokens a vendor may make of it.

A picture is bounded by what vendors make of the largest: OpenAI bills up to 48,169 tokens for one (gpt-4o-mini, eight
tiles), the others less; its bytes say nothing, an empty one of 10,000 × 10,000 pixels is as good as none. WAV and MP3
have no less than 8 kbit/s (1333 characters of base64), of which vendors make 32 tokens at most. Documents, film and
other sound have no such bound: a PDF of some kilobytes may have thousands of pages, hours of silence are a few bytes.
Nor has what a vendor keeps of a conversation.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PICTURE_TOKENS = 50_000
SOUND_TOKENS, SOUND_CHARACTERS = 2000, 20  # of a recording at least; of its base64 for one token
SOUND_BEGINS = ("UklG", "SUQz", "//")  # in base64: RIFF, ID3, the first frame of an MP3
TURNS = ("messages", "input", "contents", "system", "systemInstruction", "system_instruction")
KEPT = ("cachedContent", "cached_content", "previous_response_id", "conversation", "prompt")  # at the vendor
NAMES = ("file_id", "file_url", "fileUri", "file_uri", "video_url", "audio_url")
MEDIA_TYPES = ("mimeType", "mime_type", "media_type")
# Words about things, not the things.
SKIPPED = frozenset(("annotations", "citations", "input", "args", "response", "arguments"))
MARKS = frozenset((*NAMES, "image_url", "source", "file_data", "data", "result", "audio", "encrypted_content", "id"))
HOLDERS = frozenset((dict, list, msgspec.Raw))
NULL = msgspec.Raw(b"null")
NOTHING = (None, "", NULL, msgspec.Raw(b'""'))
# Items of Responses, and blocks of a system text, that are what their content or output is; other turns have no type.
PLAIN = frozenset((
    None, "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "text",
))  # fmt: skip


class _Turn(msgspec.Struct, gc=False):
    content: msgspec.Raw = NULL
    parts: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    type: str | None = None
    audio: msgspec.Raw = NULL
    encrypted_content: msgspec.Raw = NULL

    @property
    def plain(self) -> bool:
        """Whether nothing but its content, parts and output may hold or name anything."""
        if self.type not in PLAIN and (self.type != "reasoning" or self.encrypted_content in NOTHING):
            return False
        return self.audio is NULL or self.audio == NULL


_decode_turns = msgspec.json.Decoder(list[_Turn]).decode


class Media(msgspec.Struct, gc=False):
    """``pictures``, sent or named; ``sound``: tokens of recordings; ``sent``: characters of the body that are either,
    no text. ``boundless``: there is something that only the model's context bounds."""

    pictures: int = 0
    sound: int = 0
    sent: int = 0
    boundless: bool = False

    @property
    def tokens(self) -> int:
        """Of pictures and recordings, at most."""
        return self.pictures * PICTURE_TOKENS + self.sound

    def sends(self, media_type: str, data: str) -> None:
        """Count what is sent as base64; what is text, or of no known type, counts as text by its length."""
        kind = media_type.partition("/")[0].lower()
        if kind == "image":
            self.pictures += 1
            self.sent += len(data)
        elif kind == "audio" and data.startswith(SOUND_BEGINS):
            self.sound += max(SOUND_TOKENS, len(data) // SOUND_CHARACTERS)
            self.sent += len(data)
        elif kind not in ("", "text"):
            self.boundless = True


def media_of(fields: Mapping[str, object]) -> Media:
    """What a chat holds or names beside its text. ``fields``: its top level, raw or read."""
    found = Media(boundless=any(name in fields and fields[name] not in NOTHING for name in KEPT))
    for name in TURNS:
        if name in fields:
            _walk(_contents(fields[name]), found)
    return found


def _read(value: object) -> object:
    """What was raw bytes; what cannot be read (half a surrogate pair, which vendors take) has no bound."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {"file_id": "unreadable"}


def _contents(turns: object) -> object:
    """What of the turns may name something: most are plain text, which need not be read."""
    if not isinstance(turns, msgspec.Raw):
        return turns
    try:
        read = _decode_turns(turns)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read(turns)
    if not all(turn.plain for turn in read):
        return _read(turns)
    return [
        part
        for turn in read
        for part in (turn.content, turn.parts, turn.output)
        if bytes(memoryview(part)[:1]) in (b"[", b"{")  # no copy of it all
    ]


def _walk(value: object, media: Media) -> None:
    """Long conversations are walked here while they wait."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, msgspec.Raw):
            found = _read(found)
        if isinstance(found, list):
            waiting += [inner for inner in found if inner.__class__ in HOLDERS]
        elif isinstance(found, dict):
            if not MARKS.isdisjoint(found):
                _part(found, media)
            for name, inner in found.items():
                if inner.__class__ in HOLDERS and name not in SKIPPED:
                    waiting.append(inner)


def _part(part: Mapping[str, object], media: Media) -> None:
    kind = part.get("type")
    if "image_url" in part:
        _picture(part["image_url"], media)
    if any(part.get(name) for name in NAMES):
        if kind == "input_image" or _media_type(part).startswith("image/"):
            media.pictures += 1
        else:
            media.boundless = True
    source = part.get("source")
    if isinstance(source, dict) and source.get("url"):
        media.pictures += kind == "image"
        media.boundless |= kind != "image"
    if isinstance(data := part.get("data"), str):
        _data(data, _media_type(part) or _usual_type(part), media)
    if isinstance(data := part.get("file_data"), str):
        _data(data, "application/", media)
    if kind == "image_generation_call":
        drawn = part.get("result")
        media.sends("image/", drawn if isinstance(drawn, str) else "")
    if kind == "item_reference" or (kind == "reasoning" and "id" in part and not part.get("encrypted_content")):
        media.boundless = True
    spoken = part.get("audio")
    if isinstance(spoken, dict) and spoken.get("id"):
        media.boundless = True


def _picture(given: object, media: Media) -> None:
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str) or not url:
        return
    if url[:5].lower() == "data:":
        _data(url, "image/", media)
    else:
        media.pictures += 1


def _data(data: str, media_type: str, media: Media) -> None:
    """``media_type`` is what it is where it does not say so itself, as a data URL does."""
    if data[:5].lower() == "data:":
        said, _, data = data.partition(",")
        media_type = said[5:] if len(said) > 5 and said[5] != ";" else media_type
    elif data[:8].lower().startswith(("http://", "https://", "gs://", "s3://")):
        media.boundless = True
        return
    media.sends(media_type, data)


def _media_type(part: Mapping[str, object]) -> str:
    return next((kind for name in MEDIA_TYPES if isinstance(kind := part.get(name), str)), "")


def _usual_type(part: Mapping[str, object]) -> str:
    """Of data that does not say what it is: sound has a format, and what has a kind of its own is sealed text."""
    if "format" in part:
        return "audio/"
    return "application/" if part.get("type") in (None, "base64") else ""
