"""GitHub Copilot: the body of the inner format as it is, and what the vendor wants to know of each request.

Source: shared knowledge of several open clients (2026-11); GitHub documents no such interface.
"""

from __future__ import annotations

import msgspec

from providers.special.base import Headers, Plain, Sending

PICTURES = (b'"image_url"', b'"input_image"')  # a string of a client's holds these with its quotes escaped
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Turn(msgspec.Struct, gc=False):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw()


class _Said(msgspec.Struct, gc=False):
    """A request of either format: ``messages`` of Chat Completions, ``input`` of Responses."""

    messages: list[_Turn] = []
    input: str | list[_Turn] = ""


_read = msgspec.json.Decoder(_Said).decode


class Copilot(Plain):
    """A turn that the user begins counts as a premium request, those of an agent's own loop do not: ``x-initiator``."""

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        turns = _turns(sending.body)
        by_user = not turns or turns[-1].role == "user"
        told = [
            (b"x-request-id", sending.id.encode()),
            (b"x-initiator", b"user" if by_user else b"agent"),
        ]
        if any(picture in bytes(turn.content) for turn in turns for picture in PICTURES):
            told.append((b"copilot-vision-request", b"true"))
        return sending.body, (*sending.headers, *told)


def _turns(body: bytes) -> list[_Turn]:
    """The turns of a conversation; none where it is one text, or of a shape we do not know."""
    try:
        said = _read(body)
    except UNREADABLE:
        return []
    return said.messages or (said.input if isinstance(said.input, list) else [])
