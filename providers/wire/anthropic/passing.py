"""Replies that go through as they came, but for the model's name: coding tools send signed thinking back only while the
reply names the very model that they asked for."""

from __future__ import annotations

import msgspec

from providers.wire.frames import payload

MARK = b'"message_start"'
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Fields = dict[str, msgspec.Raw]
_fields = msgspec.json.Decoder(Fields).decode


def named(reply: bytes, model: str) -> bytes:
    """A whole reply under another model's name; what has no model stays as it is."""
    try:
        fields = _fields(reply)
    except UNREADABLE:
        return reply
    return msgspec.json.encode(_with(fields, model)) if "model" in fields else reply


def named_start(frame: bytes, model: str) -> bytes | None:
    """The frame that opens a stream, under another model's name; None for any other frame."""
    if MARK not in frame:
        return None
    try:
        event = _fields(payload(frame))
        if bytes(event["type"]) != MARK:
            return None
        message = msgspec.Raw(msgspec.json.encode(_with(_fields(event["message"]), model)))
    except (*UNREADABLE, KeyError):
        return None
    return b"event: message_start\ndata: " + msgspec.json.encode({**event, "message": message})


def _with(fields: Fields, model: str) -> Fields:
    return {**fields, "model": msgspec.Raw(msgspec.json.encode(model))}
