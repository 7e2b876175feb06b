"""What a chat names by its address or a vendor's id instead of sending it: how much of it there is, nobody here knows.

A picture is bounded by what vendors make of the largest: OpenAI bills up to 48,169 tokens for one (gpt-4o-mini, eight
tiles), the others less. Documents, sound and film have no such bound, nor has what a vendor keeps of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

PICTURE_TOKENS = 50_000
TURNS = ("messages", "input", "contents", "system")
KEPT = ("cachedContent", "cached_content", "previous_response_id", "conversation")  # at the vendor, of the prompt
NAMES = ("file_id", "file_url", "fileUri", "file_uri", "video_url", "audio_url")
SKIPPED = ("annotations", "citations", "input", "args", "response", "arguments")  # words about things, not the things
MARKS = frozenset((*NAMES, "image_url", "source", "file_data", "data"))
HOLDERS = (dict, list, msgspec.Raw)
NULL = msgspec.Raw(b"null")
NOTHING = (None, "", NULL, msgspec.Raw(b'""'))


class _Turn(msgspec.Struct, gc=False):
    content: msgspec.Raw = NULL
    parts: msgspec.Raw = NULL
    output: msgspec.Raw = NULL


_decode_turns = msgspec.json.Decoder(list[_Turn]).decode


def named(fields: Mapping[str, object]) -> tuple[int, bool]:
    """How many pictures are only named, and whether there is anything else that is: what has no bound."""
    kinds = [kind for name in TURNS if name in fields for kind in _kinds(_contents(fields[name]))]
    pictures = sum(kinds)
    return pictures, pictures < len(kinds) or any(name in fields and fields[name] not in NOTHING for name in KEPT)


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
    return [
        part for turn in read for part in (turn.content, turn.parts, turn.output) if bytes(part)[:1] in (b"[", b"{")
    ]


def _kinds(value: object) -> Iterator[bool]:
    """Of each thing that is named, whether it is a picture. Long conversations are walked here while they wait."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, msgspec.Raw):
            found = _read(found)
        if isinstance(found, list):
            waiting += [inner for inner in found if isinstance(inner, HOLDERS)]
        elif isinstance(found, dict):
            if not MARKS.isdisjoint(found):
                yield from _in_part(found)
            for name, inner in found.items():
                if isinstance(inner, HOLDERS) and name not in SKIPPED:
                    waiting.append(inner)


def _in_part(part: Mapping[str, object]) -> Iterator[bool]:
    if "image_url" in part and _is_address(part["image_url"]):
        yield True
    if any(part.get(name) for name in NAMES):
        kind = part.get("mimeType") or part.get("mime_type")
        yield part.get("type") == "input_image" or (isinstance(kind, str) and kind.startswith("image/"))
    source = part.get("source")
    if isinstance(source, dict) and source.get("url"):
        yield part.get("type") == "image"
    for name in ("file_data", "data"):
        if _is_link(part.get(name)):
            yield False


def _is_address(given: object) -> bool:
    url = given.get("url") if isinstance(given, dict) else given
    return isinstance(url, str) and bool(url) and url[:5].lower() != "data:"


def _is_link(given: object) -> bool:
    return isinstance(given, str) and given[:8].lower().startswith(("http://", "https://", "gs://", "s3://"))
